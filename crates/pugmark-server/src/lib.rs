//! An API that speaks as AWS CloudTrail does: trails that deliver, events that
//! are looked up, a Lake that answers SQL.
//!
//! ```text
//! HTTP ─▶ signature ─▶ role ─▶ operation ─▶ trails (pugmark-trail) ─▶ bucket
//!                                     └───▶ lake, history ─▶ scan, query engine
//! ```
//!
//! It is a face: what a trail is, how it delivers and signs, is in
//! `pugmark-trail`; how events are read is in `pugmark-scan`. Here are the
//! protocols, who may do what, and the operations as clients know them.
//!
//! Source: AWS `CloudTrail` API Reference; AWS JSON 1.1 and REST JSON 1
//! protocols (Smithy).

mod answer;
mod app;
mod call;
mod desk;
mod document;
mod fault;
mod gate;
mod http;
mod ingest;
mod input;
mod keys;
mod lake;
mod lookup;
mod metrics;
mod operations;
mod own_call;
mod page_token;
mod pages;
mod policies;
mod random;
mod refused;
mod server;
mod shelf;
mod sigv4;
mod tagging;
mod tags;
mod tail;
mod taking;
mod topics;
mod trails;
mod unusual;

pub use app::Reading;
pub use document::StateError;
pub use keys::{AccessKey, AccessKeys, KeyFileError, Role};
pub use lake::{EngineFault, LakeQuestion, QueryEngine, Rows, Scanned};
pub use pugmark_trail::{BucketPlace, Cadence, Chaos, GivenSigner, NewSigners, S3Place, Signers};
pub use random::NoRandom;
pub use server::{RawRequest, Server, ServerError, ServerOptions, Surroundings};
pub use topics::{Courier, NoCourier};
