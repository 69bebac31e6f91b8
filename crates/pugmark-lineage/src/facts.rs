//! The first pass: what one worker learns from the rows it sees.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use pugmark_event::{EventBatch, Leaf, Projection};
use pugmark_scan::Sink;

use crate::caller::Caller;
use crate::cause::Causes;
use crate::clusters::{ClusterFacts, Clusters};
use crate::credentials::CredentialFacts;
use crate::lineage::Lineage;
use crate::requests::RequestFacts;
use crate::rows::Rows;

/// What one worker learned. Facts of several workers are merged in any order.
#[derive(Debug, Default)]
pub struct Facts {
    pub(crate) credentials: CredentialFacts,
    pub(crate) requests: RequestFacts,
    pub(crate) clusters: ClusterFacts,
}

impl Facts {
    /// The leaves that are read; others of a batch are passed over.
    pub fn leaves() -> Projection {
        let leaves: [&[Leaf]; 4] =
            [&Caller::LEAVES, &CredentialFacts::LEAVES, &RequestFacts::LEAVES, &ClusterFacts::LEAVES];
        leaves.into_iter().flatten().copied().collect()
    }

    /// Takes in a batch.
    pub fn read(&mut self, batch: &EventBatch) {
        for row in Rows::of(batch).iter() {
            self.credentials.read(row);
            self.requests.read(row);
            self.clusters.read(row);
        }
    }

    /// The facts of two workers as one.
    #[must_use]
    pub fn merge(mut self, other: Facts) -> Facts {
        self.credentials.merge(other.credentials);
        self.requests.merge(other.requests);
        self.clusters.merge(other.clusters);
        self
    }

    /// Concludes.
    pub fn resolve(self) -> Lineage {
        let clusters = self.clusters.resolve();
        let lineage = crate::resolve::resolve(self.credentials, names_by_issuer(&clusters));
        Lineage { causes: Causes::of(self.requests), clusters, ..lineage }
    }
}

/// Names of clusters by the id of their identity provider, where it is that of one name only.
fn names_by_issuer(clusters: &Clusters) -> BTreeMap<String, String> {
    let mut names: BTreeMap<String, Option<String>> = BTreeMap::new();
    for cluster in &clusters.all {
        for issuer in &cluster.issuers {
            let name = names.entry(issuer.clone()).or_insert_with(|| Some(cluster.name.clone()));
            *name = name.take().filter(|name| *name == cluster.name);
        }
    }
    names.into_iter().filter_map(|(issuer, name)| Some((issuer, name?))).collect()
}

impl Sink for Facts {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        self.read(&batch);
        ControlFlow::Continue(())
    }
}
