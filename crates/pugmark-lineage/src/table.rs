//! The table `sessions`: one row for each session of a lineage.

use std::sync::{Arc, OnceLock};

use arrow::array::{
    ArrayRef, BooleanArray, ListBuilder, StringViewArray, StringViewBuilder, TimestampMicrosecondArray,
    UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;

use crate::activity::Counted;
use crate::lineage::Lineage;
use crate::session::Session;

/// What a column holds and how it is read off a session.
enum Read {
    Text(fn(&Session<'_>) -> Option<String>),
    Time(fn(&Session<'_>) -> Option<i64>),
    Count(fn(&Session<'_>) -> u64),
    Flag(fn(&Session<'_>) -> Option<bool>),
    List(fn(&Session<'_>) -> Vec<String>),
}

/// Columns of the table `sessions`: name, content, meaning.
const COLUMNS: [(&str, Read, &str); 31] = [
    ("session", Read::Text(|s| Some(s.id())), "short id"),
    ("name", Read::Text(|s| Some(s.name())), "role and session name, or user"),
    ("actor", Read::Text(|s| Some(s.actor().text().to_owned())), "identity at the root of the chain"),
    ("actor_type", Read::Text(|s| Some(s.actor().kind().as_str().to_owned())), "what that identity is"),
    ("confidence", Read::Text(|s| Some(s.confidence().as_str().to_owned())), "weakest link of the chain"),
    ("class", Read::Text(|s| Some(s.class().as_str().to_owned())), "what its own records say it is"),
    ("access_key_id", Read::Text(|s| owned(s.access_key())), "access key id"),
    ("principal_id", Read::Text(|s| owned(s.principal_id())), "unique id, with session name"),
    ("arn", Read::Text(|s| owned(s.arn())), "ARN, session form for roles"),
    ("account", Read::Text(|s| owned(s.account())), "account of the identity"),
    ("role", Read::Text(|s| owned(s.role())), "ARN of the role or user that issued it"),
    ("session_name", Read::Text(|s| owned(s.session_name())), "name of the session"),
    ("source_identity", Read::Text(|s| owned(s.source_identity())), "source identity"),
    ("created", Read::Time(|s| s.created()), "when it was issued"),
    ("first_event", Read::Time(|s| s.first_seen()), "first event made with it"),
    ("last_event", Read::Time(|s| s.last_seen()), "last event made with it"),
    ("events", Read::Count(|s| s.events()), "events made with it"),
    ("errors", Read::Count(|s| s.errors()), "events that failed"),
    ("mfa", Read::Flag(|s| s.mfa()), "opened with MFA"),
    ("depth", Read::Count(|s| u64::from(s.depth())), "sessions from the actor to this one"),
    ("opened_by", Read::Text(|s| s.above().map(Session::name)), "who is above it"),
    (
        "opener",
        Read::Text(|s| s.above().filter(|above| above.is_session()).map(Session::id)),
        "session above it",
    ),
    ("link", Read::Text(|s| s.link().map(|link| link.kind.as_str().to_owned())), "what joined the two"),
    (
        "issued_by",
        Read::Text(|s| s.issuance().map(|issuance| issuance.kind().as_str().to_owned())),
        "event that issued it",
    ),
    ("issued_by_event", Read::Text(|s| owned(s.issuance()?.event_id())), "id of that event"),
    ("issued_from", Read::Text(|s| owned(s.issuance()?.address())), "address it was asked for from"),
    ("addresses", Read::List(|s| texts(*s, Counted::Address)), "addresses it was used from"),
    ("agents", Read::List(|s| texts(*s, Counted::Agent)), "agents it was used with"),
    ("regions", Read::List(|s| texts(*s, Counted::Region)), "Regions it was used in"),
    ("services", Read::List(services), "services it was used for"),
    ("suspicions", Read::List(suspicions), "what is suspicious about it by itself"),
];

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

fn texts(session: Session<'_>, what: Counted) -> Vec<String> {
    session.counts(what).texts().into_iter().map(str::to_owned).collect()
}

fn services(session: &Session<'_>) -> Vec<String> {
    let calls = session.counts(Counted::Call);
    let mut services: Vec<String> =
        calls.texts().into_iter().map(|call| call.split(':').next().unwrap_or(call).to_owned()).collect();
    services.dedup();
    services
}

fn suspicions(session: &Session<'_>) -> Vec<String> {
    session.suspicions().map(|one| format!("{}: {}", one.kind().as_str(), one.about())).collect()
}

impl Lineage {
    /// Columns of the table `sessions`, with their meaning.
    pub fn session_columns() -> impl Iterator<Item = (&'static str, &'static str)> {
        COLUMNS.iter().map(|(name, _, meaning)| (*name, *meaning))
    }

    /// The schema of the table `sessions`.
    pub fn sessions_schema() -> SchemaRef {
        static SCHEMA: OnceLock<SchemaRef> = OnceLock::new();
        let field = |(name, read, _): &(&str, Read, &str)| Field::new(*name, data_type(read), true);
        let schema = || Arc::new(Schema::new(COLUMNS.iter().map(field).collect::<Vec<_>>()));
        Arc::clone(SCHEMA.get_or_init(schema))
    }

    /// The table `sessions`, by first event.
    pub fn sessions_table(&self) -> RecordBatch {
        let sessions: Vec<Session<'_>> = self.sessions().collect();
        let arrays = COLUMNS.iter().map(|(_, read, _)| array(read, &sessions)).collect();
        RecordBatch::try_new(Lineage::sessions_schema(), arrays)
            .expect("each column is made for all sessions by the type of the schema")
    }
}

fn data_type(read: &Read) -> DataType {
    match read {
        Read::Text(_) => DataType::Utf8View,
        Read::Time(_) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Read::Count(_) => DataType::UInt64,
        Read::Flag(_) => DataType::Boolean,
        Read::List(_) => DataType::List(Arc::new(Field::new("item", DataType::Utf8View, true))),
    }
}

fn array(read: &Read, sessions: &[Session<'_>]) -> ArrayRef {
    match read {
        Read::Text(read) => Arc::new(sessions.iter().map(read).collect::<StringViewArray>()),
        Read::Time(read) => {
            Arc::new(sessions.iter().map(read).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
        Read::Count(read) => {
            Arc::new(sessions.iter().map(|session| Some(read(session))).collect::<UInt64Array>())
        }
        Read::Flag(read) => Arc::new(sessions.iter().map(read).collect::<BooleanArray>()),
        Read::List(read) => {
            let mut lists = ListBuilder::new(StringViewBuilder::new());
            for session in sessions {
                lists.append_value(read(session).into_iter().map(Some));
            }
            Arc::new(lists.finish())
        }
    }
}
