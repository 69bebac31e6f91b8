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

mod actions;
mod activity;
mod actor;
mod arn;
mod attribution;
pub mod audit;
mod caller;
mod cause;
mod clusters;
mod columns;
mod contain;
mod credentials;
mod denial;
mod evidence;
mod facts;
mod find;
mod folds;
mod grants;
mod identity;
mod issuance;
mod lifetime;
mod lineage;
mod link;
mod links;
mod mentions;
mod names;
mod policy;
mod requests;
mod resolve;
mod rows;
mod services;
mod session;
mod shell;
mod story;
mod suspicion;
mod table;
mod tokens;

pub use activity::{Counted, Counts, KEPT_PER_KIND};
pub use actor::{Actor, ActorType};
pub use arn::Arn;
pub use caller::{ActorClass, Caller};
pub use cause::{Cause, Causes, Request, Why};
pub use clusters::{
    AccessMode, Alarm, Change, Cluster, Clusters, Door, DoorKind, Hand, Happening, LifeState, NodeActivity,
    Outcome, Part, PodActivity, PodRight, ServiceCall, SubjectKind, Visit, Who,
};
pub use columns::{LineageColumns, LineageOnce};
pub use contain::{Contain, Containment, LEGACIES_MAX, Legacy, LegacyKind, Revocation, TOUCHED_MAX};
pub use denial::{Denial, PolicyKind, Refusal, is_denial};
pub use evidence::Evidence;
pub use facts::Facts;
pub use find::{Found, FoundBy};
pub use folds::{Fold, Folded, Folds, Unexplained};
pub use grants::Issuance;
pub use issuance::IssuanceKind;
pub use lifetime::End;
pub use lineage::{Judgement, Lineage};
pub use link::{Confidence, Link, LinkKind};
pub use policy::{Denied, Grantable, Least, Needs, POLICY_RESOURCES_MAX};
pub use rows::{Row, Rows};
pub use session::{Node, Session};
pub use shell::AwsCommand;
pub use story::{Chapter, Deed, Life, STORY_EVENTS_MAX, Story};
pub use suspicion::{Suspicion, SuspicionKind};
pub use tokens::Noun;
