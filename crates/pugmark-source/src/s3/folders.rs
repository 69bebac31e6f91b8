//! Lists a bucket, entering only folders that may hold what is wanted.
//!
//! A trail of a large organization has millions of keys. While a selection
//! can still cut whole folders (accounts, Regions, months, days) they are
//! listed level by level; below that, flat. A folder that is not entered is
//! not counted.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, SelectAll, StreamExt as _};
use object_store::path::Path;
use object_store::{ListResult, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use pugmark_event::{DefectKind, ObjectKind, TimeRange, days_from_civil};
use tokio::time::timeout;

use super::listing_error;
use crate::list::{Found, Handle, Stored};
use crate::{Selection, SourceError, parse_key};

/// Listings under way at a time.
const LISTINGS_MAX: usize = 16;

/// Objects asked for by their keys at a time.
const HEADS_MAX: usize = 32;

/// Folders listed level by level; a bucket of more is no trail's, and the
/// rest is listed flat.
const FOLDERS_MAX: usize = 8_192;

/// A page of a listing that takes longer will not come.
const PAGE_MAX: Duration = Duration::from_secs(90);

/// Lists what is under `prefix` into `found`.
pub(super) async fn list(
    store: &Arc<dyn ObjectStore>,
    bucket: &str,
    prefix: &str,
    found: &mut Found<'_>,
) -> Result<(), SourceError> {
    let place = format!("s3://{bucket}/{prefix}");
    let fail = |error: &object_store::Error| listing_error(place.clone(), error);
    let mut walk = Walk { store, bucket: Arc::from(bucket), found, waiting: Vec::new(), folders: 0 };
    match prefix.rsplit_once('/') {
        _ if prefix.is_empty() => walk.waiting.push(Path::ROOT),
        Some((folder, "")) => walk.waiting.push(parse(folder).map_err(|error| fail(&error))?),
        Some((folder, _)) => walk.beginning(folder, prefix).await.map_err(|trouble| trouble.told(&place))?,
        None => walk.beginning("", prefix).await.map_err(|trouble| trouble.told(&place))?,
    }
    walk.run().await.map_err(|trouble| trouble.told(&place))
}

struct Walk<'w, 'a> {
    store: &'w Arc<dyn ObjectStore>,
    bucket: Arc<str>,
    found: &'w mut Found<'a>,
    /// Folders still to be listed.
    waiting: Vec<Path>,
    /// Folders listed level by level so far.
    folders: usize,
}

enum Item {
    Object(ObjectMeta),
    Folder(ListResult),
}

enum Trouble {
    Store(object_store::Error),
    Source(SourceError),
    Stalled,
}

impl Trouble {
    fn told(self, place: &str) -> SourceError {
        match self {
            Trouble::Store(error) => listing_error(place.to_owned(), &error),
            Trouble::Source(error) => error,
            Trouble::Stalled => SourceError::Unreachable {
                place: place.to_owned(),
                reason: format!("no answer within {} seconds", PAGE_MAX.as_secs()),
            },
        }
    }
}

impl From<object_store::Error> for Trouble {
    fn from(error: object_store::Error) -> Trouble {
        Trouble::Store(error)
    }
}

impl From<SourceError> for Trouble {
    fn from(error: SourceError) -> Trouble {
        Trouble::Source(error)
    }
}

impl Walk<'_, '_> {
    /// A prefix that does not end a folder's name: the folder of that very
    /// name if there is one, otherwise everything that begins so.
    async fn beginning(&mut self, folder: &str, prefix: &str) -> Result<(), Trouble> {
        let parent = parse(folder)?;
        let listed = timeout(PAGE_MAX, self.store.list_with_delimiter(Some(&parent))).await;
        let ListResult { common_prefixes, objects, .. } = listed.map_err(|_| Trouble::Stalled)??;
        if common_prefixes.iter().any(|folder| folder.as_ref() == prefix) {
            self.waiting.push(parse(prefix)?);
            return Ok(());
        }
        for folder in common_prefixes.into_iter().filter(|folder| folder.as_ref().starts_with(prefix)) {
            self.enter(folder);
        }
        for object in objects.into_iter().filter(|object| object.location.as_ref().starts_with(prefix)) {
            self.object(&object)?;
        }
        Ok(())
    }

    async fn run(&mut self) -> Result<(), Trouble> {
        let mut listings = SelectAll::new();
        loop {
            while listings.len() < LISTINGS_MAX
                && let Some(folder) = self.waiting.pop()
            {
                listings.push(self.listing(folder));
            }
            if self.found.progress.is_cancelled() {
                return Ok(());
            }
            match timeout(PAGE_MAX, listings.next()).await.map_err(|_| Trouble::Stalled)? {
                None if self.waiting.is_empty() => return Ok(()),
                None => {}
                Some(item) => match item? {
                    Item::Object(object) => self.object(&object)?,
                    Item::Folder(ListResult { common_prefixes, objects, .. }) => {
                        for folder in common_prefixes {
                            self.enter(folder);
                        }
                        for object in objects {
                            self.object(&object)?;
                        }
                    }
                },
            }
        }
    }

    /// Lists a folder by level or flat.
    fn listing(&mut self, folder: Path) -> BoxStream<'static, object_store::Result<Item>> {
        let store = self.store.clone();
        if self.folders < FOLDERS_MAX && can_cut(&self.found.listing.selection, folder.as_ref()) {
            self.folders += 1;
            let listing = async move { store.list_with_delimiter(Some(&folder)).await.map(Item::Folder) };
            return stream::once(listing).boxed();
        }
        store.list(Some(&folder)).map(|object| object.map(Item::Object)).boxed()
    }

    fn enter(&mut self, folder: Path) {
        if may_hold(&self.found.listing.selection, folder.as_ref()) {
            self.waiting.push(folder);
        }
    }

    fn object(&mut self, object: &ObjectMeta) -> Result<(), SourceError> {
        take(self.found, &self.bucket, object)
    }
}

/// Takes one object into `found` as the store describes it.
fn take(found: &mut Found<'_>, bucket: &Arc<str>, object: &ObjectMeta) -> Result<(), SourceError> {
    let key = object.location.as_ref();
    let name = key.rsplit('/').next().unwrap_or(key);
    // The store cuts the slash off; what is left of a folder's marker is
    // an object without bytes and without an extension.
    if object.size == 0 && !name.contains('.') {
        return found.route();
    }
    let full = format!("s3://{bucket}/{key}");
    let written = Some(object.last_modified.timestamp_micros());
    let stored = Stored { bytes: object.size, written };
    found.add(&parse_key(key), full, stored, Handle::S3(bucket.clone()))
}

/// Looks at objects by their keys. One that is not there, or may not be read, is a defect.
pub(super) async fn look(
    store: &Arc<dyn ObjectStore>,
    bucket: &str,
    keys: &[&str],
    found: &mut Found<'_>,
) -> Result<(), SourceError> {
    let head = |path: Result<Path, object_store::path::Error>| {
        let store = Arc::clone(store);
        async move {
            let path = path.map_err(object_store::Error::from)?;
            let head = timeout(PAGE_MAX, store.head(&path)).await.map_err(|_| Trouble::Stalled)?;
            Ok::<_, Trouble>(head?)
        }
    };
    let bucket: Arc<str> = Arc::from(bucket);
    let paths: Vec<_> = keys.iter().map(Path::parse).collect();
    let mut seen = std::pin::pin!(stream::iter(paths).map(head).buffered(HEADS_MAX));
    for key in keys {
        let full = format!("s3://{bucket}/{key}");
        match seen.next().await.unwrap_or(Err(Trouble::Stalled)) {
            Ok(object) => take(found, &bucket, &object)?,
            Err(Trouble::Store(object_store::Error::NotFound { .. })) => {
                found.skip(full, DefectKind::Unreadable, "there is no such object".to_owned())?;
            }
            Err(Trouble::Store(
                error @ (object_store::Error::PermissionDenied { .. }
                | object_store::Error::InvalidPath { .. }),
            )) => found.skip(full, DefectKind::Unreadable, super::reason(&error))?,
            Err(trouble) => return Err(trouble.told(&full)),
        }
    }
    Ok(())
}

fn parse(prefix: &str) -> Result<Path, object_store::Error> {
    Path::parse(prefix).map_err(Into::into)
}

/// True if `selection` can tell the folders inside `folder` apart.
fn can_cut(selection: &Selection, folder: &str) -> bool {
    let inside = format!("{folder}/");
    let key = parse_key(&inside);
    (!selection.accounts.is_empty() && key.account.is_none())
        || (!selection.regions.is_empty() && key.region.is_none())
        || (!selection.range.is_open() && key.day.is_none())
}

/// False if nothing inside `folder` can be wanted.
fn may_hold(selection: &Selection, folder: &str) -> bool {
    let inside = format!("{folder}/");
    let key = parse_key(&inside);
    if !selection.may_hold(&key) || !(selection.contents.takes(key.kind) || key.kind == ObjectKind::Log) {
        return false;
    }
    match days_of(folder) {
        Some((first, last)) if key.region.is_some() && key.day.is_none() => {
            let TimeRange { since, until } = selection.range;
            TimeRange { since, until: None }.may_hold_day(last)
                && TimeRange { since: None, until }.may_hold_day(first)
        }
        _ => true,
    }
}

/// First and last day of a folder that ends in `YYYY` or `YYYY/MM`.
fn days_of(folder: &str) -> Option<(i32, i32)> {
    let mut names = folder.rsplit('/');
    let number = |name: &str, length: usize| {
        (name.len() == length && name.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| name.parse::<u32>().ok())
            .flatten()
    };
    let last = names.next()?;
    if let Some(year) = number(last, 4) {
        let year = year as i32;
        return Some((days_from_civil(year, 1, 1), days_from_civil(year + 1, 1, 1) - 1));
    }
    let month = number(last, 2).filter(|month| (1..=12).contains(month))?;
    let year = number(names.next()?, 4)? as i32;
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    Some((days_from_civil(year, month, 1), days_from_civil(next_year, next_month, 1) - 1))
}
