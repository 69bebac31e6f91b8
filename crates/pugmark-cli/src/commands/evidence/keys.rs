//! Public keys: from files and folders, from `CloudTrail`, and kept from before.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use pugmark_integrity::{Evidence, KeyFault, PublicKeys};
use pugmark_source::{KeyQuery, list_public_keys};

use super::Start;
use crate::config::{Setting, own_folder};
use crate::exit::Failure;
use crate::plan::Reading;
use crate::printer::{Output, Overwrite, counted};

/// Files of a folder that are looked at.
const FILES_MAX: usize = 10_000;
/// No file of keys is longer, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The keys of `paths`; if none are named, those that were fetched before.
pub(super) fn known(paths: &[PathBuf], start: &Start) -> Result<PublicKeys, Failure> {
    if !paths.is_empty() {
        return read(paths);
    }
    let Some(kept) = key_file(start).filter(|kept| kept.is_file()) else { return Ok(PublicKeys::default()) };
    let keys = read(std::slice::from_ref(&kept))?;
    start.printer.note(&format!("{} of `{}`", counted(keys.len() as u64, "public key"), kept.display()));
    Ok(keys)
}

/// Asks `CloudTrail` for the keys of every Region and time that there are digests of, and keeps them.
pub(super) fn fetch(
    evidence: &Evidence,
    reading: &Reading,
    endpoint_url: Option<&str>,
    start: &Start,
) -> Result<PublicKeys, Failure> {
    let mut keys = PublicKeys::default();
    for (region, span) in evidence.spans() {
        let query = KeyQuery { region: &region, span, endpoint_url };
        let origin = format!("ListPublicKeys of {}, asked {}", query.endpoint(), start.now.timestamp());
        let mut found = PublicKeys::default();
        for page in list_public_keys(&reading.access, &query)? {
            let fault = |fault: KeyFault| Failure::new(fault.to_string(), "check `--keys-endpoint-url`");
            found.add(&page, &origin).map_err(fault)?;
        }
        start.printer.note(&format!(
            "{} of {region} from {}",
            counted(found.len() as u64, "public key"),
            query.endpoint()
        ));
        for key in found.iter() {
            keys.insert(key.clone().of_region(&region));
        }
    }
    // Keys of another service prove nothing about AWS; whoever wants to keep them says where.
    if endpoint_url.is_none() || start.settings.get(Setting::KEY_FILE).is_some() {
        keep(&keys, start)?;
    }
    Ok(keys)
}

/// Adds `keys` to those that are kept.
fn keep(keys: &PublicKeys, start: &Start) -> Result<(), Failure> {
    let Some(kept) = key_file(start).filter(|_| !keys.is_empty()) else { return Ok(()) };
    let mut all = if kept.is_file() { read(std::slice::from_ref(&kept))? } else { PublicKeys::default() };
    all.extend(keys.clone());
    // A run that ends in the middle leaves the old file.
    let made = kept.with_extension("json.new");
    let fail = |error: std::io::Error| Failure::bare(format!("cannot write `{}`: {error}", made.display()));
    if let Some(folder) = kept.parent() {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    let mut output = Output::file(&made, Overwrite::Allow)?;
    output.write_all(all.to_key_file().as_bytes())?;
    output.finish()?;
    std::fs::rename(&made, &kept).map_err(fail)?;
    start.printer.note(&format!("kept in `{}`, with where they came from", kept.display()));
    Ok(())
}

/// Where keys are kept, if there is a place for it.
fn key_file(start: &Start) -> Option<PathBuf> {
    match start.settings.get(Setting::KEY_FILE) {
        Some(path) => Some(PathBuf::from(path)),
        None => own_folder(&|name| std::env::var(name).ok()).map(|folder| folder.join("keys.json")),
    }
}

/// Every key of `paths`. A file that is named must hold one; of a folder, those files count that do.
fn read(paths: &[PathBuf]) -> Result<PublicKeys, Failure> {
    let mut keys = PublicKeys::default();
    for path in paths {
        let before = keys.len();
        if path.is_dir() {
            for file in files(path)? {
                // A folder of keys may hold a README.
                let _count = keys.add(&bytes(&file)?, &file.display().to_string());
            }
            if keys.len() == before {
                return Err(Failure::new(
                    format!("no file in `{}` holds a public key", path.display()),
                    FORMS,
                ));
            }
        } else {
            keys.add(&bytes(path)?, &path.display().to_string())
                .map_err(|fault| Failure::new(fault.to_string(), FORMS))?;
        }
    }
    Ok(keys)
}

/// What to do where there is no key.
pub(super) fn none_given() -> Failure {
    Failure::new(
        "without public keys nothing can be proven",
        "ask CloudTrail with `verify --fetch-keys`, or give `--keys FILE`, such as the answer of \
         `aws cloudtrail list-public-keys --region REGION --start-time TIME --end-time TIME`",
    )
}

const FORMS: &str = "keys are JSON as `aws cloudtrail list-public-keys` prints it, PEM or DER";

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let fail = |error: std::io::Error| Failure::bare(format!("cannot read `{}`: {error}", path.display()));
    if std::fs::metadata(path).map_err(fail)?.len() > FILE_BYTES_MAX {
        return Err(Failure::new(format!("`{}` is too long for a file of keys", path.display()), FORMS));
    }
    std::fs::read(path).map_err(fail)
}

/// The files of a folder, by name; hidden ones are left out.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let fail = |error: std::io::Error| Failure::bare(format!("cannot read `{}`: {error}", folder.display()));
    let mut files = Vec::new();
    for child in std::fs::read_dir(folder).map_err(fail)?.take(FILES_MAX) {
        let child = child.map_err(fail)?;
        let is_hidden = child.file_name().as_encoded_bytes().starts_with(b".");
        if !is_hidden && child.path().is_file() {
            files.push(child.path());
        }
    }
    files.sort();
    Ok(files)
}
