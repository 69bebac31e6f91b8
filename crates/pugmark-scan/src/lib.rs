//! The joint between bytes and answers: objects are read and decoded on a pool
//! of workers, each event counts once, and lists of events come out in order.
//!
//! ```text
//! Listing ─▶ worker: fetch ▸ inflate ▸ decode ▸ range ▸ filter ▸ ledger ─▶ Sink      (scan)
//!                                                                      └▶ runs ─▶ merge (sorted)
//! ```
//!
//! `source` and `decode` do not know each other; this crate is the only place
//! where they meet, so SQL, search and every later reader see the same rows.

mod annotate;
mod error;
mod ledger;
mod merge;
mod request;
mod runs;
mod sorted;
mod whole;
mod windows;
mod worker;

pub use annotate::Annotate;
pub use error::ScanError;
pub use ledger::Ledger;
pub use merge::Copies;
pub use request::{Duplicates, Filter, Order, Request};
pub use sorted::{Sorted, sorted};
pub use worker::{Sink, scan};
