//! What was never seen before: of a principal, and of its account.
//!
//! ```text
//! batches ─▶ FirstSeen (one per worker) ─▶ merge ─▶ novelties in the window ─▶ bursts, ranked
//! ```
//!
//! A value is new if its first occurrence lies in the window and the principal, or account, was known
//! long enough before. What came before the window is what was learned. Principals are names that
//! outlive credentials; a temporary key is never one.

mod agent;
mod facts;
mod novelty;

pub use facts::{CHARGE_MAX, Dimension, FirstSeen, VALUES_MAX};
pub use novelty::{Burst, Novelty, Scope, Settings, detection_since};
