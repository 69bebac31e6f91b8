//! Bytes of log files to batches of events: the kernel.
//!
//! ```text
//! Fill ─▶ arena (≈ 512 KB of inflated bytes, several small objects)
//!           │ shape: which values of the text are records?
//!           │ record: one pass over a record, views straight into columns
//!           ▼
//!         EventBatch + defects
//! ```
//!
//! Pure and synchronous: no file, no clock, no thread. Every record of the
//! input becomes a row or a [`Defect`](pugmark_event::Defect); nothing panics
//! on input and nothing recurses on its depth.
//!
//! JSON is read on demand: the members that are columns are checked, the JSON
//! text of `requestParameters` and its like is passed over by matching
//! brackets outside strings and is kept exactly as delivered. [`twin`] is the
//! slow, obviously right reading that the kernel is tested against.

mod care;
mod decoder;
mod envelope;
mod frames;
mod keys;
mod memo;
mod needles;
mod record;
mod scan;
mod shape;
mod tables;
mod tabular;
mod text;
pub mod twin;

pub use decoder::{Decoder, Plan, Verdict, decode};
