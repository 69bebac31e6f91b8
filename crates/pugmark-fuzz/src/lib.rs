//! What must hold for any input, as functions from bytes.
//!
//! `fuzz/` runs each under a coverage-guided fuzzer; `tests/replay.rs` runs
//! each over the committed corpora and a few thousand mutations of them, so
//! that every test run does a little of it. A body panics if the promise is
//! broken, and does nothing else.

mod bytes;
mod events;
pub mod mutate;
mod requests;
mod words;

pub use bytes::{inflate, key};
pub use events::decode;
pub use requests::{request, selectors, signature};
pub use words::{cell, sql, time};

/// One target: its name, its body, and how many mutations a test run tries.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of the target and of its corpus.
    pub name: &'static str,
    /// What must hold.
    pub body: fn(&[u8]),
    /// Mutations of one test run.
    pub tries: u32,
}

/// Every target.
pub const TARGETS: [Target; 9] = [
    Target { name: "cell", body: cell, tries: 20_000 },
    Target { name: "decode", body: decode, tries: 1_500 },
    Target { name: "inflate", body: inflate, tries: 1_500 },
    Target { name: "key", body: key, tries: 20_000 },
    Target { name: "request", body: request, tries: 600 },
    Target { name: "selectors", body: selectors, tries: 20_000 },
    Target { name: "signature", body: signature, tries: 2_000 },
    Target { name: "sql", body: sql, tries: 120 },
    Target { name: "time", body: time, tries: 20_000 },
];
