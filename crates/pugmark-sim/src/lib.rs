//! A seeded world that leaves `CloudTrail` log files behind: accounts, people,
//! pipelines, nodes, services, clusters and attackers, all invented.
//!
//! The same options give the same bytes. Nothing here reads logs: the crate
//! knows the format from the outside, so that it can test what does.
//!
//! ```text
//! world ─▶ scenes, eks, attacks, plots, clusters ─▶ stage ─▶ record ─▶ delivery ─▶ writer
//! who is               what they do                who saw    JSON     which file    gzip
//!                                                     └─▶ register ─▶ truth
//! ```

mod actors;
mod attacks;
mod calls;
mod chance;
mod clock;
mod clusters;
mod delivery;
mod eks;
mod identity;
mod plots;
mod record;
mod register;
mod run;
mod scenes;
mod stage;
mod story;
mod template;
mod truth;
mod world;
mod writer;

pub use run::{generate, sample_file};
pub use truth::{Attack, AuditJoin, Cause, Cluster, ClusterLife, Copied, Session, Step, Theft, Truth};

/// What kind of trail to make.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The same seed gives the same trail.
    pub seed: u64,
    /// How many different records.
    pub events: u64,
    /// How many days they spread over, 1 to 3,660.
    pub days: u32,
    /// First day, days since 1970-01-01.
    pub start_day: i32,
    /// How many accounts, 1 to 1,000.
    pub accounts: u32,
    /// How many Regions, 1 to 16.
    pub regions: u32,
    /// Keys of an organization trail, with `o-…` in them.
    pub org: bool,
    /// Whether attacks happen.
    pub attacks: bool,
    /// Whether chains of credentials, thefts, causes and lives of clusters are planted.
    pub planted: Planted,
    /// Share of records that are delivered twice, 0 to 100.
    pub duplicates_percent: f64,
    /// How many threads compress; has no influence on the bytes.
    pub threads: usize,
}

/// What is planted for whoever asks who did it. Trails of fewer than 10,000 events have no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// Everyday life, and what the other options ask for.
    Nothing,
    /// Chains of credentials, thefts, causes and lives of clusters.
    Lineage,
    /// Those, and the clusters' own audit logs below `k8s/`.
    LineageAndAuditLogs,
}

impl Options {
    /// What `samples/trail` was made with: small, yet with every attack and a cluster's life.
    pub fn sample() -> Options {
        Options { seed: 2026, events: 4_000, days: 3, accounts: 2, ..Options::default() }
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            seed: 1,
            events: 100_000,
            days: 30,
            // 2026-01-12, a Monday.
            start_day: 20_465,
            accounts: 4,
            regions: 3,
            org: false,
            attacks: true,
            planted: Planted::Lineage,
            duplicates_percent: 1.0,
            threads: 2,
        }
    }
}
