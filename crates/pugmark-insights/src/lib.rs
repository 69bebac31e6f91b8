//! `CloudTrail` Insights on log files: which API was called, or failed, far more or far less often
//! than in the week before, told in the records that `CloudTrail` itself would deliver.
//!
//! ```text
//! batches ─▶ Counts (one per worker) ─▶ merge ─▶ incidents ─▶ Insight (Start, End) ─▶ record
//!            per API and minute                    Watcher: the same, minute by minute
//! ```
//!
//! It counts and nothing else: no new user, no new address, no time of day. AWS does not publish its
//! statistics; ours are in [`Settings`], each with its meaning, and give the same records for the
//! same events, whatever their order or split.
//!
//! Kinds, periods and the form of the records follow the `CloudTrail` User Guide ("Working with
//! `CloudTrail` Insights", "`CloudTrail` record contents for Insights events for trails").

mod call;
mod cells;
mod counts;
mod incident;
mod insight;
mod memory;
mod names;
mod settings;
mod watcher;

pub use call::Call;
pub use counts::{Counts, Detail, LIVE_BYTES_MAX};
pub use insight::{Attribute, Attribution, Insight, State, VALUES_MAX, Valued};
pub use memory::Memory;
pub use settings::{Category, InsightType, Selector, Settings};
pub use watcher::{KEPT_MINUTES, Watcher};
