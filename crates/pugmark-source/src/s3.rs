//! Amazon S3, and what speaks like it.
//!
//! Credentials come from the standard AWS chain (environment, profile, SSO,
//! web identity, container and instance role). A bucket's Region is asked of
//! S3 itself unless it is given. Asynchronous code ends at this module's edge:
//! whoever calls it waits.

mod download;
mod folders;
mod post;
mod public_keys;
mod queue;
mod service;

use std::collections::{BTreeMap, HashMap};
use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use object_store::aws::{AmazonS3Builder, AwsCredential, resolve_bucket_region};
use object_store::{BackoffConfig, ClientOptions, CredentialProvider, ObjectStore, RetryConfig};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Mutex;

use crate::list::Found;
use crate::{Access, Location, SourceError};

pub(crate) use download::{Body, Fetch, Fetched};
pub use post::{Address, Poster};
pub use public_keys::{KeyQuery, list_public_keys};
pub use queue::{Message, Queue};

/// Credentials are renewed this long before they expire.
const RENEWAL: Duration = Duration::from_mins(5);

/// A network that does not even connect is reported after this long, per attempt.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// A request is repeated within this time; a total outage is then told within
/// three minutes whatever the request was.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Buckets and the prefixes to list in each, none inside another.
pub(crate) fn buckets(locations: &[Location]) -> BTreeMap<&str, Vec<&str>> {
    let mut buckets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for location in locations {
        if let Location::S3 { bucket, prefix } = location {
            buckets.entry(bucket).or_default().push(prefix);
        }
    }
    for prefixes in buckets.values_mut() {
        prefixes.sort_unstable();
        prefixes.dedup_by(|later, first| is_inside(later, first));
    }
    buckets
}

/// True if every key found under `first` is found under `outer` too.
fn is_inside(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| {
        rest.is_empty() || outer.is_empty() || outer.ends_with('/') || rest.starts_with('/')
    })
}

/// Lists the objects of `buckets` into `found`.
pub(crate) fn list(
    buckets: &BTreeMap<&str, Vec<&str>>,
    access: &Access,
    found: &mut Found<'_>,
) -> Result<(), SourceError> {
    let named = buckets.keys().map(|bucket| ((*bucket).to_owned(), String::new())).collect();
    let stores = Stores::open(access, &named)?;
    found.listing.regions.clone_from(&stores.regions);
    stores.wait(async {
        for (bucket, prefixes) in buckets {
            let Some(store) = stores.buckets.get(*bucket) else { continue };
            for prefix in prefixes {
                folders::list(store, bucket, prefix, found).await?;
            }
        }
        Ok(())
    })
}

/// Looks at objects by bucket and key, and takes them into `found`.
pub(crate) fn look(
    objects: &BTreeMap<&str, Vec<&str>>,
    access: &Access,
    found: &mut Found<'_>,
) -> Result<(), SourceError> {
    let named = objects.keys().map(|bucket| ((*bucket).to_owned(), String::new())).collect();
    let stores = Stores::open(access, &named)?;
    found.listing.regions.clone_from(&stores.regions);
    stores.wait(async {
        for (bucket, keys) in objects {
            let Some(store) = stores.buckets.get(*bucket) else { continue };
            folders::look(store, bucket, keys, found).await?;
        }
        Ok(())
    })
}

/// A client for each bucket, and the runtime they live on.
pub(crate) struct Stores {
    runtime: Option<Runtime>,
    pub(crate) buckets: HashMap<String, Arc<dyn ObjectStore>>,
    /// The Region of each bucket.
    regions: BTreeMap<String, String>,
}

impl Stores {
    /// Opens the buckets named in `regions`; an empty Region is found out.
    pub(crate) fn open(access: &Access, regions: &BTreeMap<String, String>) -> Result<Stores, SourceError> {
        let mut stores = Stores::none()?;
        let opened = stores.wait(async {
            let config = config(access).await;
            let credentials = Credentials::of(&config)?;
            let mut opened = Vec::new();
            for (bucket, region) in regions {
                let region = match region.as_str() {
                    "" => region_of(bucket, access, &config).await?,
                    known => known.to_owned(),
                };
                let store = open_bucket(bucket, &region, access, &config, credentials.clone())?;
                opened.push((bucket.clone(), region, store));
            }
            Ok::<_, SourceError>(opened)
        })?;
        for (bucket, region, store) in opened {
            stores.regions.insert(bucket.clone(), region);
            stores.buckets.insert(bucket, store);
        }
        Ok(stores)
    }

    /// No bucket yet.
    pub(crate) fn none() -> Result<Stores, SourceError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("pugmark-s3")
            .enable_all()
            .build()
            .map_err(SourceError::Start)?;
        Ok(Stores { runtime: Some(runtime), buckets: HashMap::new(), regions: BTreeMap::new() })
    }

    /// The runtime, which is there until the end.
    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("the runtime is taken only when the stores are dropped")
    }

    /// Waits for `work`, on a thread of its own: the caller may itself be one
    /// of an asynchronous runtime, which must not wait.
    pub(crate) fn wait<T: Send>(
        &self,
        work: impl Future<Output = Result<T, SourceError>> + Send,
    ) -> Result<T, SourceError> {
        let runtime = self.runtime();
        thread::scope(|scope| {
            let waiting = thread::Builder::new().spawn_scoped(scope, || runtime.block_on(work));
            match waiting.map_err(SourceError::Start)?.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        // Waiting for requests under way is not allowed everywhere, and is not wanted.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What the environment and the profile say.
async fn config(access: &Access) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Ok(name) = AppName::new("pugmark") {
        loader = loader.app_name(name);
    }
    if let Some(profile) = &access.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &access.region {
        loader = loader.region(Region::new(region.clone()));
    }
    loader.load().await
}

/// The Region given, or the one that S3 names, or the profile's.
async fn region_of(bucket: &str, access: &Access, config: &SdkConfig) -> Result<String, SourceError> {
    if let Some(region) = &access.region {
        return Ok(region.clone());
    }
    let fallback = config.region().map_or("us-east-1", Region::as_ref);
    if access.endpoint_url.is_some() || config.endpoint_url().is_some() {
        return Ok(fallback.to_owned());
    }
    match resolve_bucket_region(bucket, &client_options()).await {
        Ok(region) => Ok(region),
        Err(error) if error.to_string().contains("not found") => {
            Err(SourceError::NoBucket { bucket: bucket.to_owned() })
        }
        // Another partition does not answer there; its profile names a Region.
        Err(_) if config.region().is_some() => Ok(fallback.to_owned()),
        Err(error) => {
            Err(SourceError::Unreachable { place: format!("s3://{bucket}/"), reason: reason(&error) })
        }
    }
}

fn open_bucket(
    bucket: &str,
    region: &str,
    access: &Access,
    config: &SdkConfig,
    credentials: Arc<Credentials>,
) -> Result<Arc<dyn ObjectStore>, SourceError> {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(5),
        base: 2.,
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_credentials(credentials)
        .with_request_payer(access.requester_pays)
        .with_retry(RetryConfig { backoff, max_retries: 10, retry_timeout: RETRY_MAX });
    let mut options = client_options();
    if let Some(endpoint) = access.endpoint_url.as_deref().or(config.endpoint_url()) {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
        options = options.with_allow_http(endpoint.starts_with("http://"));
    }
    let store = builder.with_client_options(options).build();
    let store = store.map_err(|error| SourceError::Unreachable {
        place: format!("s3://{bucket}/"),
        reason: reason(&error),
    })?;
    Ok(Arc::new(store))
}

/// No limit on a whole request, which may be a long download; stalls are
/// noticed where bodies are read.
fn client_options() -> ClientOptions {
    ClientOptions::new().with_connect_timeout(CONNECT_MAX).with_timeout_disabled()
}

/// The AWS credential chain as the store asks for it.
#[derive(Debug)]
struct Credentials {
    chain: SharedCredentialsProvider,
    /// The last ones, and when they expire.
    kept: Mutex<Option<(Arc<AwsCredential>, Option<SystemTime>)>>,
}

impl Credentials {
    fn of(config: &SdkConfig) -> Result<Arc<Credentials>, SourceError> {
        let chain = config.credentials_provider().ok_or_else(|| SourceError::Credentials {
            reason: "the configuration names no source of them".to_owned(),
        })?;
        Ok(Arc::new(Credentials { chain, kept: Mutex::new(None) }))
    }
}

#[async_trait]
impl CredentialProvider for Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        // Held while asking, so that many requests ask once.
        let mut kept = self.kept.lock().await;
        if let Some((credential, expiry)) = kept.as_ref() {
            // An instant in the future has not elapsed.
            let fresh =
                |expiry: &SystemTime| expiry.checked_sub(RENEWAL).is_some_and(|at| at.elapsed().is_err());
            if expiry.as_ref().is_none_or(fresh) {
                return Ok(credential.clone());
            }
        }
        let found = self.chain.provide_credentials().await.map_err(|error| {
            object_store::Error::Unauthenticated { path: String::new(), source: Box::new(error) }
        })?;
        let credential = Arc::new(AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(str::to_owned),
        });
        *kept = Some((credential.clone(), found.expiry()));
        Ok(credential)
    }
}

/// Why a listing failed.
fn listing_error(place: String, error: &object_store::Error) -> SourceError {
    let reason = reason(error);
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    match error {
        object_store::Error::Unauthenticated { path, .. } if path.is_empty() => {
            SourceError::Credentials { reason }
        }
        _ if says(&["NoSuchBucket"]) => {
            let bucket = place.trim_start_matches("s3://").split('/').next().unwrap_or_default();
            SourceError::NoBucket { bucket: bucket.to_owned() }
        }
        _ if says(&["ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken"]) => {
            SourceError::Credentials { reason }
        }
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            SourceError::Denied { place, reason }
        }
        _ => SourceError::Unreachable { place, reason },
    }
}

/// The short reason inside a store's error: the service's code and message,
/// or else the innermost cause.
fn reason(error: &object_store::Error) -> String {
    let whole = error.to_string();
    let tag = |name: &str| {
        let (_, rest) = whole.split_once(&format!("<{name}>"))?;
        Some(rest.split_once("</")?.0.trim().to_owned())
    };
    if let Some(code) = tag("Code") {
        return match tag("Message") {
            Some(message) => format!("{code}: {message}"),
            None => code,
        };
    }
    let mut innermost = error.source();
    while let Some(source) = innermost.and_then(|cause| cause.source()) {
        innermost = Some(source);
    }
    innermost.map_or(whole, |cause| match cause.downcast_ref::<io::Error>() {
        Some(error) => error.to_string(),
        None => cause.to_string(),
    })
}

#[cfg(test)]
mod tests;
