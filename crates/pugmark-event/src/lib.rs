//! The waist: the one columnar type that every part of Pugmark shares.
//!
//! ```text
//! source ─▶ decode ─▶ EventBatch ─▶ scan · query · lineage · detect
//! ```
//!
//! [`FIELDS`] says which columns exist; [`EventBatch`] holds rows of them;
//! [`Object`] and [`Origin`] say where a row came from; [`Defect`] says what
//! was wrong with what did not become a row; [`Tally`] adds it all up;
//! [`Limits`] bounds every resource that input can ask for.
//!
//! This crate knows Arrow and nothing else: no file, no socket, no clock.

mod batch;
mod builder;
mod defect;
mod fields;
mod fill;
mod limits;
mod object;
mod place;
mod projection;
mod tally;
mod time;

pub use batch::{EventBatch, NotEventBatch};
pub use builder::{BatchBuilder, Buffers, Segment, view, view_of};
pub use defect::{Defect, DefectKind, Severity};
pub use fields::{Column, FIELDS, Field, Kind, Leaf, schema};
pub use fill::{Fill, Filled, Wrapping};
pub use limits::Limits;
pub use object::{Object, ObjectKind, Origin};
pub use place::{is_account, is_region, is_uuid, partition_of, without_session};
pub use projection::Projection;
pub use tally::Tally;
pub use time::{TimeRange, days_from_civil, format_time, parse_day, parse_time};
