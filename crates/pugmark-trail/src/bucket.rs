//! Buckets: where log files and digests are put.
//!
//! A bucket is one of an S3-compatible store, or a directory. A directory
//! keeps a digest's user metadata in a file beside it, in the form that
//! `aws s3api head-object` prints; other objects have none there.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{Attribute, Attributes, ObjectStore, PutOptions, PutPayload, RetryConfig};
use thiserror::Error;

use crate::disk::{place, write_whole};

/// One request to S3 with its one repetition; whoever delivers asks again later anyway.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// An object that is to be put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its `Content-Encoding`: readers undo it by themselves.
    pub content_encoding: Option<&'static str>,
    /// Its user metadata, keys in lower case.
    pub metadata: BTreeMap<String, String>,
}

impl Object {
    /// A log file or digest: JSON as one gzip member.
    pub fn log(member: Vec<u8>, metadata: BTreeMap<String, String>) -> Object {
        Object {
            bytes: Bytes::from(member),
            content_type: "application/json",
            content_encoding: Some("gzip"),
            metadata,
        }
    }

    /// Bytes as they are.
    pub fn plain(bytes: Vec<u8>, content_type: &'static str) -> Object {
        Object { bytes: Bytes::from(bytes), content_type, content_encoding: None, metadata: BTreeMap::new() }
    }
}

/// Why a bucket did not take an object.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{code}: {message}")]
pub struct BucketFault {
    /// As S3 says it: `NoSuchBucket`, `AccessDenied` ….
    pub code: &'static str,
    /// What the store said.
    pub message: String,
}

/// Where objects are put.
#[async_trait]
pub trait Buckets: Send + Sync {
    /// Puts an object, durable on return; one under the same key is replaced.
    async fn put(&self, bucket: &str, key: &str, object: Object) -> Result<(), BucketFault>;

    /// Sees whether objects of an account can be put below `folder`.
    async fn check(&self, bucket: &str, folder: &str) -> Result<(), BucketFault>;
}

/// Where one bucket is.
#[derive(Clone, Debug)]
pub enum BucketPlace {
    /// A directory that is the bucket.
    Folder(PathBuf),
    /// A directory whose directories are buckets.
    Folders(PathBuf),
    /// An S3-compatible store.
    S3(S3Place),
}

/// An S3-compatible store.
#[derive(Clone)]
pub struct S3Place {
    /// Its address; that of Amazon S3 if none.
    pub endpoint: Option<String>,
    /// Region of the buckets.
    pub region: String,
    /// Access key and secret; those of the environment if none.
    pub keys: Option<(String, String)>,
}

impl std::fmt::Debug for S3Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Place")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// Buckets by name, and where all others are.
#[derive(Debug, Default)]
pub struct Stores {
    /// Buckets that lie somewhere of their own.
    pub named: BTreeMap<String, BucketPlace>,
    /// Where any other bucket lies.
    pub others: Option<BucketPlace>,
    open: Mutex<BTreeMap<String, Arc<AmazonS3>>>,
}

/// Where a bucket's objects go.
enum Door {
    Folder(PathBuf),
    S3(Arc<AmazonS3>),
}

impl Stores {
    /// Buckets by name, and where all others are.
    pub fn new(named: BTreeMap<String, BucketPlace>, others: Option<BucketPlace>) -> Stores {
        Stores { named, others, open: Mutex::default() }
    }

    fn door(&self, bucket: &str) -> Result<Door, BucketFault> {
        let nowhere = || no_bucket(format!("no bucket `{bucket}`"));
        let place = self.named.get(bucket).or(self.others.as_ref()).ok_or_else(nowhere)?;
        let folder = match place {
            BucketPlace::Folder(folder) => folder.clone(),
            BucketPlace::Folders(root) => root.join(bucket),
            BucketPlace::S3(place) => return self.s3(bucket, place).map(Door::S3),
        };
        if folder.is_dir() { Ok(Door::Folder(folder)) } else { Err(nowhere()) }
    }

    fn s3(&self, bucket: &str, place: &S3Place) -> Result<Arc<AmazonS3>, BucketFault> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = open.get(bucket) {
            return Ok(store.clone());
        }
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_region(&place.region)
            .with_retry(RetryConfig { max_retries: 1, retry_timeout: RETRY_MAX, ..RetryConfig::default() });
        if let Some(endpoint) = &place.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        if let Some((id, secret)) = &place.keys {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        }
        let store = Arc::new(builder.build().map_err(|error| fault_of(&error))?);
        open.insert(bucket.to_owned(), store.clone());
        Ok(store)
    }
}

#[async_trait]
impl Buckets for Stores {
    async fn put(&self, bucket: &str, key: &str, object: Object) -> Result<(), BucketFault> {
        match self.door(bucket)? {
            Door::Folder(folder) => put_file(folder, key.to_owned(), object).await,
            Door::S3(store) => put_object(&store, key, object).await,
        }
    }

    async fn check(&self, bucket: &str, folder: &str) -> Result<(), BucketFault> {
        match self.door(bucket)? {
            Door::Folder(root) => {
                let made = tokio::task::spawn_blocking({
                    let folder = folder.to_owned();
                    move || place(&root, &format!("{folder}/x")).map(drop)
                });
                joined(made.await).map_err(|error| fault_of_io(&error))
            }
            Door::S3(store) => {
                let probe = Object::plain(Vec::new(), "application/octet-stream");
                put_object(&store, &format!("{folder}/CloudTrail-access-check"), probe).await
            }
        }
    }
}

async fn put_object(store: &AmazonS3, key: &str, object: Object) -> Result<(), BucketFault> {
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::ContentType, object.content_type.into());
    if let Some(encoding) = object.content_encoding {
        attributes.insert(Attribute::ContentEncoding, encoding.into());
    }
    for (name, value) in object.metadata {
        attributes.insert(Attribute::Metadata(name.into()), value.into());
    }
    let path =
        Path::parse(key).map_err(|error| BucketFault { code: "InvalidURI", message: error.to_string() })?;
    let options = PutOptions { attributes, ..PutOptions::default() };
    let put = store.put_opts(&path, PutPayload::from(object.bytes), options).await;
    put.map(|_| ()).map_err(|error| fault_of(&error))
}

async fn put_file(folder: PathBuf, key: String, object: Object) -> Result<(), BucketFault> {
    let is_step = |part: &str| part.is_empty() || part == "." || part == "..";
    if key.split('/').any(is_step) {
        return Err(BucketFault { code: "InvalidURI", message: format!("`{key}` is no key") });
    }
    let write = move || -> io::Result<()> {
        // Readers of a directory take a file beside a log file for another one.
        if object.metadata.contains_key("signature") {
            let beside = serde_json::json!({ "Metadata": object.metadata });
            write_whole(&folder, &format!("{key}.metadata.json"), beside.to_string().as_bytes())?;
        }
        write_whole(&folder, &key, &object.bytes)
    };
    joined(tokio::task::spawn_blocking(write).await).map_err(|error| fault_of_io(&error))
}

fn joined(result: Result<io::Result<()>, tokio::task::JoinError>) -> io::Result<()> {
    result.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn no_bucket(message: String) -> BucketFault {
    BucketFault { code: "NoSuchBucket", message }
}

fn fault_of(error: &object_store::Error) -> BucketFault {
    let code = match error {
        object_store::Error::NotFound { .. } => "NoSuchBucket",
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            "AccessDenied"
        }
        _ => "InternalError",
    };
    BucketFault { code, message: error.to_string() }
}

fn fault_of_io(error: &io::Error) -> BucketFault {
    let code = match error.kind() {
        io::ErrorKind::NotFound => "NoSuchBucket",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "AccessDenied",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "QuotaExceeded",
        _ => "InternalError",
    };
    BucketFault { code, message: error.to_string() }
}
