//! SQL over events, on `DataFusion`.
//!
//! ```text
//! text ─▶ guard ─▶ dialect ─▶ engine's planner ─▶ CloudTrailSource ─▶ rows
//!                             functions            (pugmark-scan)
//! ```
//!
//! A [`Session`] answers statements written for `CloudTrail` Lake and for
//! Athena's `CloudTrail` table; [`condition`] compiles one `WHERE` for a
//! search. Both only read: what else a statement may ask for, and how much,
//! is in the guard.

mod computed;
mod condition;
mod dialect;
mod error;
mod functions;
mod guard;
mod needed;
mod session;
mod shape;
mod source;
mod table;
mod yielding;

pub use computed::ComputedTable;
pub use condition::{Condition, condition};
pub use error::QueryError;
pub use guard::limits;
pub use session::{Session, SessionOptions};
