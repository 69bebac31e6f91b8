//! What really happened in the simulated world: the answer sheet beside a trail.

use serde::{Deserialize, Serialize};

/// The answer sheet, also written as `truth.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// Version of this document's form; its name tells readers of log files that here are none.
    #[serde(rename = "pugmarkTruth")]
    pub form: u32,
    /// The seed the trail grew from.
    pub seed: u64,
    /// Different records in the trail.
    pub events: u64,
    /// Records in the files, repeated deliveries included.
    pub records: u64,
    /// Records that were delivered again.
    pub duplicates: u64,
    /// Objects written.
    pub files: u64,
    /// Bytes of those objects before compression.
    pub bytes_inflated: u64,
    /// First moment of the trail.
    pub from: String,
    /// Moment after the last event.
    pub until: String,
    /// Accounts, the busiest first.
    pub accounts: Vec<String>,
    /// Regions, the busiest first.
    pub regions: Vec<String>,
    /// The attacks that were played.
    pub attacks: Vec<Attack>,
    /// The clusters whose lives were played.
    pub clusters: Vec<Cluster>,
}

/// One attack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attack {
    /// Short name, `leaked-key`.
    pub name: String,
    /// One sentence.
    pub summary: String,
    /// Account it happened in.
    pub account: String,
    /// ARN of the identity that was abused.
    pub principal: String,
    /// Keys the attacker used.
    pub access_keys: Vec<String>,
    /// Addresses the attacker came from.
    pub addresses: Vec<String>,
    /// What was done, in order.
    pub steps: Vec<Step>,
}

/// One event of a story.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When.
    pub time: String,
    /// What.
    pub event_name: String,
    /// The record.
    pub event_id: String,
}

/// The life of one EKS cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Cluster name.
    pub name: String,
    /// Account it lies in.
    pub account: String,
    /// Region it lies in.
    pub region: String,
    /// ARN of the person that created it.
    pub created_by: String,
    /// Every event of its life, in order of writing.
    pub steps: Vec<Step>,
    /// The request that deleted the node group.
    pub delete_nodegroup: String,
    /// What service-linked roles did because of it.
    pub consequences: Vec<String>,
}
