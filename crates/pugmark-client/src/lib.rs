//! Events of your own service, sent to a trail.
//!
//! ```text
//! request ─▶ TrailLayer ─▶ Event ─▶ Recorder ─▶ Client ─▶ POST /ingest ─▶ journal
//! ```
//!
//! [`Client::send`] returns when the events are on the server's disk; a
//! [`Recorder`] gathers them and sends them behind the service's back; a
//! [`TrailLayer`] makes one event of each request of a `tower` service. The example
//! `orders` is a small service that does.
//!
//! It depends on no other crate of the product: services build it without them.

mod client;
mod event;
mod layer;
mod recorder;

pub use client::{Client, ClientError, EventResult};
pub use event::{Event, Origin, UserIdentity};
pub use layer::{TrailLayer, Trailed};
pub use recorder::{Counts, Recorder, RecorderHandle, RecorderOptions};
