//! Trails: what takes events in and delivers them as log files and digests.
mod bucket;
mod config;
mod deliver;
mod disk;
mod error;
mod files;
mod frame;
mod journal;
mod keys;
mod ledger;
mod name;
mod record;
mod selection;
mod selector;
mod steps;
mod terms;
mod trails;

pub use bucket::{BucketFault, BucketPlace, Buckets, Object, S3Place, Stores};
pub use config::{
    AggregationConfiguration, Caller, ContextKeySelector, CreateTrail, EventConfiguration, Tag, Trail,
    TrailConfig, UpdateTrail,
};
pub use deliver::{Cadence, Deliveries, Latest};
pub use disk::{Appender, Disk, LocalDisk};
pub use error::{TrailError, TrailErrorKind};
pub use journal::Entry;
pub use keys::{GivenSigner, KeyRecord, KeyRecords, NewSigners, Signers};
pub use name::{TrailArn, check_trail_name, is_account, is_region};
pub use record::{
    Category, EVENT_BYTES_MAX, EVENT_DEPTH_MAX, Facts, Identifiers, Identity, RecordFault, Resource, Taken,
    take,
};
pub use selection::Selection;
pub use selector::{
    AdvancedEventSelector, DataResource, EventSelector, FieldSelector, InsightCategory, InsightSelector,
    InsightType, ReadWriteType, Selectors,
};
pub use steps::{EveryStep, Step, Steps};
pub use terms::Terms;
pub use trails::{Change, Trails};
