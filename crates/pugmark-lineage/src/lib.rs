//! Who really did it: which session made an event, who stands at the root of
//! its chain, and which request made a service act.
//!
//! ```text
//! batches ─▶ Facts (one per worker) ─▶ merge ─▶ Lineage ─▶ columns, trees, stories
//! ```
//!
//! Facts are sets that only grow, and merging them is commutative, associative
//! and idempotent: so neither the order of files, nor their split, nor the
//! number of threads can be seen in what is concluded.

mod rows;

pub use rows::{Row, Rows};
