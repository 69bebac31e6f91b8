//! Which crate may know which: the edges of ARCHITECTURE.md, as a table.

use cargo_metadata::{DependencyKind, Package};

use crate::workspace::{Problem, Workspace};

/// Each crate, and all the crates of ours that it may name.
const ALLOWED: [(&str, &[&str]); 16] = [
    ("pugmark-event", &[]),
    ("pugmark-source", &["pugmark-event"]),
    ("pugmark-decode", &["pugmark-event"]),
    ("pugmark-scan", &["pugmark-event", "pugmark-source", "pugmark-decode"]),
    ("pugmark-integrity", &["pugmark-event", "pugmark-source"]),
    // It decodes in its tests only.
    ("pugmark-insights", &["pugmark-event", "pugmark-decode"]),
    ("pugmark-lineage", &["pugmark-event", "pugmark-decode", "pugmark-scan"]),
    ("pugmark-detect", &["pugmark-event", "pugmark-decode"]),
    ("pugmark-query", &["pugmark-event", "pugmark-source", "pugmark-decode", "pugmark-scan"]),
    ("pugmark-sim", &[]),
    // Bytes out: it signs what it delivers with the one writer of digests; its
    // tests read that back.
    ("pugmark-trail", &["pugmark-event", "pugmark-source", "pugmark-integrity"]),
    // A face: protocols and operations. The engine for SQL is handed to it.
    (
        "pugmark-server",
        &[
            "pugmark-event",
            "pugmark-source",
            "pugmark-scan",
            "pugmark-integrity",
            "pugmark-insights",
            "pugmark-trail",
        ],
    ),
    (
        "pugmark",
        &[
            "pugmark-event",
            "pugmark-source",
            "pugmark-decode",
            "pugmark-detect",
            "pugmark-scan",
            "pugmark-insights",
            "pugmark-integrity",
            "pugmark-lineage",
            "pugmark-query",
            "pugmark-server",
            "pugmark-sim",
            "pugmark-trail",
        ],
    ),
    // Checks the whole from outside; nothing depends on it.
    (
        "pugmark-fuzz",
        &[
            "pugmark-event",
            "pugmark-source",
            "pugmark-decode",
            "pugmark-scan",
            "pugmark-integrity",
            "pugmark-lineage",
            "pugmark-query",
            "pugmark-server",
            "pugmark-sim",
            "pugmark-trail",
        ],
    ),
    // For services that are not ours: it knows the protocol from the outside.
    ("pugmark-client", &[]),
    ("xtask", &[]),
];

/// Libraries that stay behind one door, and who holds the key.
const OWNED: [(&str, &[&str]); 18] = [
    ("datafusion", &["pugmark-query"]),
    // DataFusion's `FileSource` trait speaks in `object_store` types; the trail
    // is the one part that puts objects.
    ("object_store", &["pugmark-source", "pugmark-query", "pugmark-trail"]),
    ("aws-config", &["pugmark-source"]),
    ("aws-credential-types", &["pugmark-source", "pugmark-client"]),
    ("reqwest", &["pugmark-source", "pugmark-client"]),
    // Inflating untrusted bytes happens in one place, with caps.
    ("bzip2", &["pugmark-source"]),
    ("libdeflater", &["pugmark-source"]),
    ("tar", &["pugmark-source"]),
    ("zip", &["pugmark-source"]),
    ("zstd", &["pugmark-source"]),
    // The simulator and the trail only deflate; fuzzing compares with the plain decoder.
    ("flate2", &["pugmark-source", "pugmark-sim", "pugmark-fuzz", "pugmark-trail"]),
    // Async exists at the I/O edge and under DataFusion only.
    (
        "tokio",
        &[
            "pugmark-source",
            "pugmark-query",
            "pugmark",
            "pugmark-fuzz",
            "pugmark-trail",
            "pugmark-server",
            "pugmark-client",
        ],
    ),
    // Sockets that listen.
    ("hyper", &["pugmark-server"]),
    ("clap", &["pugmark"]),
    ("anstream", &["pugmark"]),
    ("indicatif", &["pugmark"]),
    ("jiff", &["pugmark", "pugmark-fuzz", "pugmark-client"]),
    ("anyhow", &["pugmark", "xtask"]),
];

/// Edges and owners that the tables do not allow.
pub(crate) fn check(workspace: &Workspace) -> Vec<Problem> {
    workspace
        .packages
        .iter()
        .flat_map(|package| check_package(package.name.as_str(), &edges(package)))
        .collect()
}

struct Edge {
    name: String,
    is_dev: bool,
}

fn edges(package: &Package) -> Vec<Edge> {
    let edge = |dependency: &cargo_metadata::Dependency| Edge {
        name: dependency.name.clone(),
        is_dev: dependency.kind == DependencyKind::Development,
    };
    package.dependencies.iter().map(edge).collect()
}

fn check_package(package: &str, edges: &[Edge]) -> Vec<Problem> {
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package) else {
        return vec![Problem::new(package, "is in no layer; add it to `ALLOWED` and to ARCHITECTURE.md")];
    };
    let mut problems = Vec::new();
    for edge in edges {
        let ours = edge.name.starts_with("pugmark") || edge.name == "xtask";
        // The simulator feeds tests and benches of every layer.
        let fixture = edge.is_dev && edge.name == "pugmark-sim";
        if ours && !fixture && !allowed.contains(&edge.name.as_str()) {
            problems.push(Problem::new(package, format!("must not depend on `{}`", edge.name)));
        }
        let owned = OWNED.iter().find(|(name, _)| *name == edge.name);
        if let Some((library, owners)) = owned
            && !edge.is_dev
            && !owners.contains(&package)
        {
            let owners = owners.join("`, `");
            problems.push(Problem::new(package, format!("`{library}` belongs to `{owners}` alone")));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(package: &str, name: &str, is_dev: bool) -> usize {
        check_package(package, &[Edge { name: name.to_owned(), is_dev }]).len()
    }

    #[test]
    fn a_sideways_edge_is_a_problem() {
        assert_eq!(problems("pugmark-decode", "pugmark-source", false), 1);
        assert_eq!(problems("pugmark-decode", "pugmark-source", true), 1);
    }

    #[test]
    fn an_upward_edge_is_a_problem() {
        assert_eq!(problems("pugmark-event", "pugmark-scan", false), 1);
        assert_eq!(problems("pugmark-scan", "pugmark-query", false), 1);
    }

    #[test]
    fn a_downward_edge_is_none() {
        assert_eq!(problems("pugmark-query", "pugmark-event", false), 0);
    }

    #[test]
    fn the_simulator_may_feed_tests_but_not_code() {
        assert_eq!(problems("pugmark-decode", "pugmark-sim", true), 0);
        assert_eq!(problems("pugmark-decode", "pugmark-sim", false), 1);
    }

    #[test]
    fn datafusion_stays_in_the_query_crate() {
        assert_eq!(problems("pugmark", "datafusion", false), 1);
        assert_eq!(problems("pugmark-query", "datafusion", false), 0);
    }

    #[test]
    fn a_crate_without_a_layer_is_a_problem() {
        assert_eq!(problems("pugmark-new", "serde", false), 1);
    }
}
