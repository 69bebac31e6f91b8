//! The audit logs of clusters: what Kubernetes saw, and its fusion with what `CloudTrail` saw.
//!
//! ```text
//! bytes ─▶ AuditLog ─┐
//! Lineage ───────────┼─▶ Fusion ─▶ one timeline
//! rows (of pods) ────┘
//! ```
//!
//! Reading is pure: the caller opens files and inflates. What cannot be read is a defect,
//! never an error. Only requests that tell who did what are kept; the rest are counted.

mod authenticator;
mod event;
mod fusion;
mod reader;
mod workloads;

pub use authenticator::{TokenCheck, TokenVerdict};
pub use event::{AuditEvent, KubeObject, KubeUser, Made, Stage};
pub use fusion::{Entry, EntrySource, Fusion};
pub use reader::{AuditDefect, AuditLog, EVENTS_MAX};
