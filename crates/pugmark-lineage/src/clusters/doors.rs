//! Who may enter a cluster, as far as `CloudTrail` tells.
//!
//! Access entries are requests to EKS. What the `ConfigMap` `aws-auth` says is in
//! no record: whom EKS itself writes there is known from node groups and
//! Fargate profiles, everybody else only from the cluster's audit log.
//!
//! Source: Amazon EKS User Guide, "Grant IAM users and roles access to Kubernetes
//! APIs"; spec eks.md §6.

use super::cluster::{Cluster, Part};
use super::happening::Happening;
use super::operations::{Change, SubjectKind};

/// How access is decided: `accessConfig.authenticationMode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessMode {
    /// `CONFIG_MAP`: the `ConfigMap` `aws-auth` alone.
    ConfigMap,
    /// `API_AND_CONFIG_MAP`: entries, and `aws-auth`.
    Both,
    /// `API`: entries alone.
    Entries,
}

impl AccessMode {
    fn parse(text: &str) -> Option<AccessMode> {
        match text {
            "CONFIG_MAP" => Some(AccessMode::ConfigMap),
            "API_AND_CONFIG_MAP" => Some(AccessMode::Both),
            "API" => Some(AccessMode::Entries),
            _ => None,
        }
    }

    /// The name in requests.
    pub fn as_str(self) -> &'static str {
        match self {
            AccessMode::ConfigMap => "CONFIG_MAP",
            AccessMode::Both => "API_AND_CONFIG_MAP",
            AccessMode::Entries => "API",
        }
    }
}

/// What lets somebody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DoorKind {
    /// Who creates a cluster is its administrator, unless the request says otherwise.
    Creator,
    /// An access entry.
    Entry,
    /// A line of `aws-auth` that EKS writes for nodes; concluded, not recorded.
    AwsAuth,
}

impl DoorKind {
    /// As words.
    pub fn as_str(self) -> &'static str {
        match self {
            DoorKind::Creator => "creator",
            DoorKind::Entry => "access entry",
            DoorKind::AwsAuth => "aws-auth, probably",
        }
    }
}

/// One principal that may enter, and since when.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Door {
    /// ARN of the role or user.
    pub principal: String,
    /// What lets it in.
    pub kind: DoorKind,
    /// Time of the request that opened it, microseconds since 1970.
    pub opened: Option<i64>,
    /// Time of the request that closed it, or deleted the cluster; open as far as the records go if none.
    pub closed: Option<i64>,
    /// What it is for: the node group, Kubernetes groups, access policies.
    pub purpose: String,
    /// `eventID` of the request that opened it; empty if it was not seen.
    pub event: String,
}

impl Cluster {
    /// How access is decided, as last asked for; `None` if no record tells. Who creates a cluster through
    /// the API and says nothing gets `CONFIG_MAP` (EKS API Reference, `CreateAccessConfigRequest`).
    pub fn access_mode(&self) -> Option<AccessMode> {
        let asked = self.happenings.iter().rev().filter(|one| !one.outcome.is_failure());
        let asked = asked.filter(|one| one.subject == SubjectKind::Cluster);
        let told = asked.filter_map(|one| one.detail("authentication mode")).find_map(AccessMode::parse);
        told.or_else(|| self.creation().is_some().then_some(AccessMode::ConfigMap))
    }

    /// True if `aws-auth` may let in whom no record names.
    pub fn has_hidden_doors(&self) -> bool {
        self.access_mode().is_none_or(|mode| mode != AccessMode::Entries)
    }

    /// Who may enter, by principal.
    pub fn doors(&self) -> Vec<Door> {
        let creator = self.creation().filter(|one| one.detail("creator is admin") != Some("false"));
        let mut doors: Vec<Door> = creator.map(|one| self.creators(one)).into_iter().collect();
        doors.extend(self.parts_of(SubjectKind::AccessEntry).map(|part| self.entry(part)));
        if self.has_hidden_doors() {
            for kind in [SubjectKind::NodeGroup, SubjectKind::FargateProfile] {
                doors.extend(self.parts_of(kind).filter_map(|part| self.of_nodes(part)));
            }
        }
        doors.sort_unstable();
        doors
    }

    fn creators(&self, creation: &Happening) -> Door {
        Door {
            principal: creation.who.identity().to_owned(),
            kind: DoorKind::Creator,
            opened: creation.time,
            closed: self.deleted,
            purpose: "administrator".to_owned(),
            event: creation.event.clone(),
        }
    }

    fn entry(&self, part: &Part) -> Door {
        let own = |policy: &&Part| policy.name.split(' ').next() == Some(part.name.as_str());
        let policies = self.parts_of(SubjectKind::AccessPolicy).filter(own);
        let policies = policies.filter(|policy| policy.deleted.is_none());
        let policies = policies.filter_map(|policy| policy.name.split_once(' ')).map(|(_, policy)| policy);
        let groups = part.settings.get("groups").map(|groups| format!("groups {groups}"));
        let kind = part.settings.get("type").filter(|kind| *kind != "STANDARD").cloned();
        let purpose: Vec<String> =
            kind.into_iter().chain(groups).chain(policies.map(str::to_owned)).collect();
        self.door(part, part.name.clone(), DoorKind::Entry, purpose.join(", "))
    }

    /// What EKS writes into `aws-auth` for a managed node group or a Fargate profile, where it makes no entry.
    fn of_nodes(&self, part: &Part) -> Option<Door> {
        let role = ["node role", "pod execution role"].iter().find_map(|label| part.settings.get(*label))?;
        if self.parts_of(SubjectKind::AccessEntry).any(|entry| entry.name == *role) {
            return None;
        }
        let purpose = format!("{} {}", part.kind.as_str(), part.name);
        Some(self.door(part, role.clone(), DoorKind::AwsAuth, purpose))
    }

    fn door(&self, part: &Part, principal: String, kind: DoorKind, purpose: String) -> Door {
        let at = |place: Option<usize>| place.and_then(|place| self.happenings.get(place));
        let opened = at(part.created).filter(|one| one.change == Change::Create);
        Door {
            principal,
            kind,
            opened: opened.and_then(|one| one.time),
            closed: at(part.deleted).and_then(|one| one.time).or(self.deleted),
            purpose,
            event: opened.map(|one| one.event.clone()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::happening::{Outcome, Who};
    use super::*;

    fn happening(subject: SubjectKind, details: &[(&str, &str)]) -> Happening {
        Happening {
            time: Some(5),
            event: "e".to_owned(),
            source: "eks.amazonaws.com".to_owned(),
            name: format!("Create{}", if subject == SubjectKind::Cluster { "Cluster" } else { "Nodegroup" }),
            subject,
            subject_name: "n".to_owned(),
            change: Change::Create,
            who: Who { arn: Some("arn:aws:iam::111122223333:user/noor".to_owned()), ..Who::default() },
            outcome: Outcome::Requested,
            details: details.iter().map(|(label, text)| ((*label).to_owned(), (*text).to_owned())).collect(),
            alarms: Vec::new(),
            token: None,
            retries: 0,
        }
    }

    fn part(kind: SubjectKind, name: &str, settings: &[(&str, &str)]) -> Part {
        Part {
            kind,
            name: name.to_owned(),
            created: Some(0),
            deleted: None,
            changed: Vec::new(),
            settings: settings
                .iter()
                .map(|(label, text)| ((*label).to_owned(), (*text).to_owned()))
                .collect(),
        }
    }

    fn cluster(details: &[(&str, &str)]) -> Cluster {
        Cluster {
            happenings: vec![happening(SubjectKind::Cluster, details)],
            parts: vec![
                part(SubjectKind::NodeGroup, "web", &[("node role", "arn:aws:iam::111122223333:role/node")]),
                part(SubjectKind::AccessEntry, "arn:aws:iam::111122223333:role/ops", &[("groups", "a, b")]),
                part(
                    SubjectKind::AccessPolicy,
                    "arn:aws:iam::111122223333:role/ops AmazonEKSViewPolicy",
                    &[],
                ),
            ],
            ..Cluster::default()
        }
    }

    fn found(cluster: &Cluster) -> Vec<(DoorKind, String, String)> {
        let short = |arn: &str| arn.rsplit(':').next().unwrap_or_default().to_owned();
        let doors = cluster.doors().into_iter();
        doors.map(|door| (door.kind, short(&door.principal), door.purpose)).collect()
    }

    fn door(kind: DoorKind, principal: &str, purpose: &str) -> (DoorKind, String, String) {
        (kind, principal.to_owned(), purpose.to_owned())
    }

    #[test]
    fn the_config_map_lets_in_nodes_and_others_whom_no_record_names() {
        let cluster = cluster(&[]);
        assert_eq!(cluster.access_mode(), Some(AccessMode::ConfigMap));
        assert!(cluster.has_hidden_doors());
        let ops = "groups a, b, AmazonEKSViewPolicy";
        let wanted = [
            door(DoorKind::AwsAuth, "role/node", "node group web"),
            door(DoorKind::Entry, "role/ops", ops),
            door(DoorKind::Creator, "user/noor", "administrator"),
        ];
        assert_eq!(found(&cluster), wanted);
    }

    #[test]
    fn with_entries_alone_nothing_is_hidden() {
        let mut cluster = cluster(&[("authentication mode", "API"), ("creator is admin", "false")]);
        assert!(!cluster.has_hidden_doors());
        let kinds: Vec<DoorKind> = found(&cluster).into_iter().map(|(kind, ..)| kind).collect();
        assert_eq!(kinds, [DoorKind::Entry]);
        // The mode changes with a later request, and a refused one changes nothing.
        let later = [("authentication mode", "API_AND_CONFIG_MAP")];
        let refused = Outcome::Failed { code: "AccessDenied".to_owned(), message: String::new() };
        cluster.happenings.push(Happening { outcome: refused, ..happening(SubjectKind::Cluster, &later) });
        assert_eq!(cluster.access_mode(), Some(AccessMode::Entries));
        cluster.happenings.push(happening(SubjectKind::Cluster, &later));
        assert_eq!(cluster.access_mode(), Some(AccessMode::Both));
    }

    #[test]
    fn an_entry_for_nodes_stands_for_itself_and_all_doors_close_with_the_cluster() {
        let mut cluster = cluster(&[("authentication mode", "API_AND_CONFIG_MAP")]);
        cluster.parts.push(part(SubjectKind::AccessEntry, "arn:aws:iam::111122223333:role/node", &[]));
        assert!(found(&cluster).iter().all(|(kind, ..)| *kind != DoorKind::AwsAuth));
        assert!(cluster.doors().iter().all(|door| door.closed.is_none()));
        cluster.deleted = Some(9);
        assert!(cluster.doors().iter().all(|door| door.closed == Some(9)));
    }

    #[test]
    fn of_a_cluster_whose_creation_was_not_seen_the_mode_is_not_known() {
        let cluster = Cluster::default();
        assert_eq!((cluster.access_mode(), cluster.has_hidden_doors()), (None, true));
        assert!(cluster.doors().is_empty());
    }
}
