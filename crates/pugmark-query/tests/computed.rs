//! Columns and tables that are worked out of the whole input: they are made
//! when a statement names them, and only then.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use futures::StreamExt;
use pugmark_event::{EventBatch, Leaf, Limits, Projection};
use pugmark_query::{ComputedTable, Session, SessionOptions};
use pugmark_scan::{Annotate, ScanError};
use pugmark_source::{Access, Location, Progress, Selection, list};

/// Says of each event that its service did it, and counts how often it was prepared.
#[derive(Default)]
struct Services {
    prepared: AtomicUsize,
}

impl Annotate for Services {
    fn fills(&self) -> Projection {
        Projection::NONE.with(Leaf::Actor)
    }

    fn needs(&self) -> Projection {
        Projection::NONE.with(Leaf::EventSource)
    }

    fn prepare(&self) -> Result<(), ScanError> {
        self.prepared.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn annotate(&self, batch: &EventBatch) -> Result<EventBatch, ScanError> {
        let sources = batch.text(Leaf::EventSource).expect("it was asked for");
        let actors: StringViewArray =
            sources.iter().map(|source| Some(format!("service/{}", source?))).collect();
        Ok(batch.with_text(Leaf::Actor, actors)?)
    }
}

impl ComputedTable for Services {
    fn name(&self) -> &'static str {
        "sessions"
    }

    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("id", DataType::Utf8View, false)]))
    }

    fn rows(&self) -> Result<RecordBatch, ScanError> {
        self.prepared.fetch_add(1, Ordering::Relaxed);
        let ids: ArrayRef = Arc::new(StringViewArray::from(vec!["a", "b"]));
        Ok(RecordBatch::try_new(self.schema(), vec![ids])?)
    }
}

fn session(services: &Arc<Services>) -> Session {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let location = Location::parse(&directory.to_string_lossy()).expect("a location");
    let progress = Arc::new(Progress::default());
    let limits = Limits::default();
    let listing =
        list(&[location], &Selection::default(), &Access::default(), &limits, &progress).expect("a listing");
    let tables = vec![Arc::clone(services) as Arc<dyn ComputedTable>];
    let mut options = SessionOptions { tables, ..SessionOptions::default() };
    options.request.annotators = vec![Arc::clone(services) as Arc<dyn Annotate>];
    options.request.threads = 1;
    Session::new(listing, options, progress).expect("a session")
}

async fn rows(session: &Session, sql: &str) -> Vec<RecordBatch> {
    let stream = session.sql(sql).await.expect("a plan");
    stream.map(|batch| batch.expect("rows")).collect().await
}

#[tokio::test]
async fn a_computed_column_is_filled_where_it_is_selected_and_where_it_filters() {
    let services = Arc::new(Services::default());
    let session = session(&services);
    let sql = "SELECT actor, eventsource FROM events WHERE actor LIKE 'service/%'";
    let found = rows(&session, sql).await;
    assert!(found.iter().map(RecordBatch::num_rows).sum::<usize>() > 0);
    for batch in &found {
        let (actors, sources) = (batch.column(0).as_string_view(), batch.column(1).as_string_view());
        for row in 0..batch.num_rows() {
            assert_eq!(actors.value(row), format!("service/{}", sources.value(row)));
        }
    }
    assert_eq!(services.prepared.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_star_does_not_compute() {
    let services = Arc::new(Services::default());
    let session = session(&services);
    let found = rows(&session, "SELECT * FROM events").await;
    assert!(found[0].schema().field_with_name("actor").is_err());
    assert_eq!(services.prepared.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_computed_table_is_read_like_any_other() {
    let services = Arc::new(Services::default());
    let session = session(&services);
    let found = rows(&session, "SELECT id FROM sessions WHERE id > 'a'").await;
    assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
    assert!(found[0].column(0).is_valid(0));
}
