//! Finds the attack: Sigma rules over batches of events, and correlations in
//! the order of time.
//!
//! ```text
//! RuleFile ─load─▶ RuleSet ─▶ Detection::read(batch) … merge … finish ─▶ Findings
//! ```
//!
//! `rsigma` parses and evaluates; what is ours is that only events which a
//! rule may be about ever reach it ([`dispatch`](crate) by what recurs), that
//! its members come from columns, and that nothing depends on the order of the
//! input: matches are folded commutatively, correlations see them sorted.
//!
//! It opens no file and has no clock: rules come as texts.

mod catalog;
mod coverage;
mod detection;
mod dispatch;
mod finding;
pub mod first_seen;
mod folds;
mod gates;
pub mod geo;
mod kept;
mod level;
mod lint;
mod load;
mod news;
mod observed;
mod own;
mod principal;
mod row;
mod rule;
mod sighting;
mod testing;

pub use catalog::{Catalog, Known};
pub use coverage::Covered;
pub use detection::{CORRELATED_MAX, Detection, Findings, Grouping, Sums};
pub use finding::{EVENTS_SHOWN, FEW, Few, Finding, Source};
pub use folds::FINDINGS_MAX;
pub use kept::KeptMatch;
pub use level::Level;
pub use lint::{Gravity, Remark, lint};
pub use load::{
    Broken, FILE_BYTES_MAX, GROUPS_MAX, LoadOptions, LoadReport, RuleFile, RuleSet, VALUES_MAX,
    WINDOW_EVENTS_MAX,
};
pub use observed::Observed;
pub use own::own_rules;
/// Why a rule did or did not match, condition by condition.
pub use rsigma_eval::RuleExplanation as Explanation;
pub use rule::RuleText;
pub use sighting::{Call, Caller, Sighting};
pub use testing::{TestOutcome, TestReport, run_tests};
