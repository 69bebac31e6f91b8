//! Trails: what takes events in and delivers them as log files and digests.
mod config;
mod disk;
mod error;
mod frame;
mod name;
mod selector;
mod trails;

pub use config::{
    AggregationConfiguration, Caller, ContextKeySelector, CreateTrail, EventConfiguration, Tag, Trail,
    TrailConfig, UpdateTrail,
};
pub use disk::{Appender, Disk, LocalDisk};
pub use error::{TrailError, TrailErrorKind};
pub use name::{TrailArn, check_trail_name, is_account, is_region};
pub use selector::{
    AdvancedEventSelector, DataResource, EventSelector, FieldSelector, InsightCategory, InsightSelector,
    InsightType, ReadWriteType, Selectors,
};
pub use trails::{Change, Trails};
