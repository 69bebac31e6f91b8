//! Trails: takes events in and delivers them as log files and signed digests.
//!
//! ```text
//! CreateTrail … ─▶ Trails ──▶ Ledger (what was decided, durable)
//! events ─▶ take ─▶ Journal (durable) ─▶ cuts ─▶ log files ─▶ Buckets
//!                                          └──▶ digests, hourly ─▶ Buckets
//! ```
//!
//! [`Service`] is all of it: [`Service::accept`] answers when an event is
//! durable, [`Service::turn`] delivers what is due. A crash at any point
//! loses nothing that was answered, and what is delivered again is the same
//! object under the same key. [`World`] is all that it asks of the outside.
//!
//! It does not speak HTTP, knows no caller's keys, and answers no questions
//! about events.

mod bucket;
mod chaos;
mod config;
mod deliver;
mod disk;
mod edge;
mod error;
mod files;
mod frame;
mod journal;
mod keys;
mod ledger;
mod name;
mod observe;
mod recent;
mod record;
mod rest;
mod selection;
mod selector;
mod service;
mod status;
mod steps;
mod terms;
mod trails;
mod turn;

pub use bucket::{BucketFault, BucketPlace, Buckets, Object, S3Place, Stores};
pub use chaos::{Chaos, Fault};
pub use config::{
    AggregationConfiguration, Caller, ContextKeySelector, CreateTrail, EventConfiguration, Tag, Trail,
    TrailConfig, UpdateTrail,
};
pub use deliver::{Cadence, Deliveries, Latest};
pub use disk::{Appender, Disk, LocalDisk};
pub use edge::{
    Clock, InsightRecord, Insights, NoTopics, Notify, RandomIdentifiers, ServiceError, Settings, World,
};
pub use error::{TrailError, TrailErrorKind};
pub use files::gzip;
pub use journal::Entry;
pub use keys::{GivenSigner, KeyRecord, KeyRecords, NewSigners, Signers};
pub use name::{TrailArn, check_trail_name};
pub use record::{
    Category, EVENT_BYTES_MAX, EVENT_DEPTH_MAX, Facts, Identifiers, Identity, RecordFault, Resource, Taken,
    take,
};
pub use selection::Selection;
pub use selector::{
    AdvancedEventSelector, DATA_RESOURCES_MAX, DataResource, EventSelector, FieldSelector, InsightCategory,
    InsightSelector, InsightType, ReadWriteType, SELECTOR_VALUES_MAX, SELECTORS_MAX, Selectors,
};
pub use service::{Accepted, Service, Signature};
pub use status::TrailStatus;
pub use steps::{EveryStep, Step, Steps};
pub use terms::Terms;
pub use trails::{Change, POLICY_CHARS_MAX, TAGS_MAX, TRAILS_MAX, Trails};
pub use turn::Turn;
