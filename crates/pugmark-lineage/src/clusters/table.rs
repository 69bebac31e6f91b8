//! The table `clusters`: one row for each life of a cluster.

use std::sync::{Arc, OnceLock};

use arrow::array::{
    ArrayRef, ListBuilder, StringViewArray, StringViewBuilder, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;

use super::cluster::{Cluster, Part};
use super::operations::SubjectKind;
use crate::{Lineage, Session};

/// What a column holds and how it is read off a cluster.
enum Read {
    Text(fn(&Cluster, &Lineage) -> Option<String>),
    Time(fn(&Cluster) -> Option<i64>),
    Count(fn(&Cluster) -> u64),
    List(fn(&Cluster) -> Vec<String>),
}

/// Columns of the table `clusters`: name, content, meaning.
const COLUMNS: [(&str, Read, &str); 30] = [
    ("account", Read::Text(|c, _| Some(c.account.clone())), "account that owns it"),
    ("region", Read::Text(|c, _| Some(c.region.clone())), "its Region"),
    ("cluster", Read::Text(|c, _| Some(c.name.clone())), "its name"),
    ("arn", Read::Text(|c, _| Some(c.arn())), "its ARN"),
    ("state", Read::Text(|c, _| Some(c.state.as_str().to_owned())), "what is known of its life"),
    ("version", Read::Text(|c, _| c.version.clone()), "Kubernetes version, as last asked for"),
    ("created", Read::Time(|c| c.created), "when it was created"),
    ("created_by", Read::Text(|c, l| Some(root(c.creation()?.session(l)?))), "actor that created it"),
    ("created_by_session", Read::Text(|c, l| session(c.creation()?.session(l)?)), "session that created it"),
    ("created_by_event", Read::Text(|c, _| Some(c.creation()?.event.clone())), "event that created it"),
    ("deleted", Read::Time(|c| c.deleted), "when its deletion was asked for"),
    ("deleted_by", Read::Text(|c, l| Some(root(c.deletion()?.session(l)?))), "actor that deleted it"),
    ("deleted_by_session", Read::Text(|c, l| session(c.deletion()?.session(l)?)), "session that deleted it"),
    ("deleted_by_event", Read::Text(|c, _| Some(c.deletion()?.event.clone())), "event that deleted it"),
    ("first_seen", Read::Time(|c| c.first_seen), "first record about it"),
    ("last_seen", Read::Time(|c| c.last_seen), "last record about it"),
    ("role", Read::Text(|c, _| c.role().map(str::to_owned)), "role that EKS uses for it"),
    (
        "node_roles",
        Read::List(|c| c.node_roles().into_iter().map(str::to_owned).collect()),
        "roles of its nodes",
    ),
    ("issuers", Read::List(|c| c.issuers.iter().cloned().collect()), "ids of its token issuer"),
    ("node_groups", Read::List(|c| parts(c, SubjectKind::NodeGroup)), "node groups ever made"),
    ("fargate_profiles", Read::List(|c| parts(c, SubjectKind::FargateProfile)), "Fargate profiles ever made"),
    ("add_ons", Read::List(|c| parts(c, SubjectKind::AddOn)), "add-ons ever made"),
    ("access_entries", Read::List(|c| parts(c, SubjectKind::AccessEntry)), "principals let in"),
    (
        "access_mode",
        Read::Text(|c, _| c.access_mode().map(|mode| mode.as_str().to_owned())),
        "how access is decided, as last asked for",
    ),
    ("doors", Read::List(doors), "principals that may enter, as far as the records tell"),
    ("pod_identities", Read::List(|c| parts(c, SubjectKind::PodIdentity)), "service accounts given roles"),
    (
        "changes",
        Read::Count(|c| c.happenings.iter().filter(|one| !one.outcome.is_failure()).count() as u64),
        "requests that were taken",
    ),
    ("refused", Read::Count(|c| c.refused().count() as u64), "requests that were refused"),
    ("alarms", Read::List(alarms), "what is relevant to security about its changes"),
    (
        "service_calls",
        Read::Count(|c| c.service_calls.iter().map(|call| call.count).sum()),
        "calls that EKS made for it by itself",
    ),
];

fn doors(cluster: &Cluster) -> Vec<String> {
    let open = cluster.doors().into_iter().filter(|door| door.closed.is_none());
    open.map(|door| format!("{} ({})", door.principal, door.kind.as_str())).collect()
}

fn root(session: Session<'_>) -> String {
    session.actor().text().to_owned()
}

fn session(session: Session<'_>) -> Option<String> {
    session.is_session().then(|| session.id())
}

fn parts(cluster: &Cluster, kind: SubjectKind) -> Vec<String> {
    let mut names: Vec<String> = cluster.parts_of(kind).map(|part: &Part| part.name.clone()).collect();
    names.dedup();
    names
}

fn alarms(cluster: &Cluster) -> Vec<String> {
    let mut alarms: Vec<_> = cluster
        .alarming()
        .filter(|one| !one.outcome.is_failure())
        .flat_map(|one| one.alarms.iter().copied())
        .collect();
    alarms.sort_unstable();
    alarms.dedup();
    alarms.into_iter().map(|alarm| alarm.as_str().to_owned()).collect()
}

impl Lineage {
    /// Name and meaning of the columns of the table `clusters`.
    pub fn cluster_columns() -> impl Iterator<Item = (&'static str, &'static str)> {
        COLUMNS.iter().map(|(name, _, meaning)| (*name, *meaning))
    }

    /// Schema of the table `clusters`.
    pub fn clusters_schema() -> SchemaRef {
        static SCHEMA: OnceLock<SchemaRef> = OnceLock::new();
        let make = || {
            let fields = COLUMNS.iter().map(|(name, read, _)| Field::new(*name, data_type(read), true));
            Arc::new(Schema::new(fields.collect::<Vec<_>>()))
        };
        Arc::clone(SCHEMA.get_or_init(make))
    }

    /// The table `clusters`: one row for each life of a cluster.
    pub fn clusters_table(&self) -> RecordBatch {
        let columns = COLUMNS.iter().map(|(_, read, _)| column(read, self)).collect();
        RecordBatch::try_new(Lineage::clusters_schema(), columns)
            .expect("columns and schema are made from one table")
    }
}

fn data_type(read: &Read) -> DataType {
    match read {
        Read::Text(_) => DataType::Utf8View,
        Read::Time(_) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Read::Count(_) => DataType::UInt64,
        Read::List(_) => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8View, true))),
    }
}

fn column(read: &Read, lineage: &Lineage) -> ArrayRef {
    let all = lineage.clusters().all.iter();
    match read {
        Read::Text(text) => Arc::new(all.map(|cluster| text(cluster, lineage)).collect::<StringViewArray>()),
        Read::Time(time) => {
            Arc::new(all.map(time).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
        Read::Count(count) => Arc::new(all.map(|cluster| Some(count(cluster))).collect::<UInt64Array>()),
        Read::List(list) => {
            let mut lists = ListBuilder::new(StringViewBuilder::new());
            for cluster in all {
                for text in list(cluster) {
                    lists.values().append_value(text);
                }
                lists.append(true);
            }
            Arc::new(lists.finish())
        }
    }
}
