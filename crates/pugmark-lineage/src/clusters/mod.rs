//! EKS clusters: every life of each, who made, changed, entered and ended it, and what EKS,
//! its nodes and its pods did in the account.
//!
//! ```text
//! rows ─▶ ClusterFacts ─▶ merge ─▶ Clusters ─▶ Cluster ─▶ happenings, resources, visits
//!                                                  └─ with a Lineage ─▶ nodes, pods, people
//! ```
//!
//! Not in here: what happened inside a cluster. `CloudTrail` does not see it; the audit
//! logs of the cluster do ([`crate::audit`]).

mod alarm;
mod cluster;
mod doors;
mod facts;
mod happening;
mod lives;
mod operations;
mod parameters;
mod service;
mod table;
mod workloads;

pub use alarm::Alarm;
pub use cluster::{Cluster, Clusters, LifeState, Part, ServiceCall, Visit};
pub use doors::{AccessMode, Door, DoorKind};
pub(crate) use facts::ClusterFacts;
pub use happening::{Happening, Outcome, Who};
pub use operations::{Change, SubjectKind};
pub(crate) use parameters::text_at;
pub use service::Hand;
pub use workloads::{NodeActivity, PodActivity, PodRight};
