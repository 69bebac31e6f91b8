//! Who really did it: which session made an event, who stands at the root of
//! its chain, and which request made a service act.
//!
//! ```text
//! batches ─▶ Facts (one per worker) ─▶ merge ─▶ Lineage ─▶ columns, trees, stories
//! ```
//!
//! Facts are sets and sums that only grow, and merging them is commutative and
//! associative: so neither the order of files, nor their split, nor the
//! number of threads can be seen in what is concluded.

mod activity;
mod actor;
mod arn;
mod caller;
mod credentials;
mod facts;
mod grants;
mod identity;
mod issuance;
mod lineage;
mod link;
mod links;
mod names;
mod resolve;
mod rows;
mod session;
mod suspicion;

pub use activity::{Counted, Counts, KEPT_PER_KIND};
pub use actor::{Actor, ActorType};
pub use arn::Arn;
pub use caller::{ActorClass, Caller};
pub use facts::Facts;
pub use grants::Issuance;
pub use issuance::IssuanceKind;
pub use lineage::{Judgement, Lineage};
pub use link::{Confidence, Link, LinkKind};
pub use rows::{Row, Rows};
pub use session::{Node, Session};
pub use suspicion::{Suspicion, SuspicionKind};
