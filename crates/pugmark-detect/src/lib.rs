//! What deserves a look: what was never seen before, and who was in two places at once.

pub mod first_seen;
pub mod geo;
mod observed;

pub use observed::Observed;
