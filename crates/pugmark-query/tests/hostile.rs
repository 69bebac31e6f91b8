//! Statements that are meant to bring the process down: each is refused or
//! stopped, on a worker with a small stack, and the session answers on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use pugmark_event::Limits;
use pugmark_query::{QueryError, Session, SessionOptions};
use pugmark_source::{Access, Location, Progress, Selection, list};

fn session(timeout: Option<Duration>) -> Session {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let location = Location::parse(&directory.to_string_lossy()).expect("a location");
    let progress = Arc::new(Progress::default());
    let selection = Selection::default();
    let listing =
        list(&[location], &selection, &Access::default(), &Limits::default(), &progress).expect("a listing");
    let options = SessionOptions {
        memory_bytes: 64 << 20,
        timeout,
        rows_max: Some(1_000),
        ..SessionOptions::default()
    };
    Session::new(listing, options, progress).expect("a session")
}

/// Runs on a worker of the runtime, as a server would.
async fn rows(session: &Arc<Session>, sql: String) -> Result<usize, QueryError> {
    let session = Arc::clone(session);
    let run = tokio::spawn(async move {
        let mut stream = session.sql(&sql).await?;
        let mut rows = 0;
        while let Some(batch) = stream.next().await {
            rows += batch.map_err(|error| QueryError::run(&error))?.num_rows();
        }
        Ok(rows)
    });
    run.await.expect("the statement does not panic")
}

fn ctes(count: usize) -> String {
    let tables: Vec<String> = (1..count).map(|n| format!("t{n} AS (SELECT n FROM t{})", n - 1)).collect();
    format!("WITH t0 AS (SELECT 1 AS n), {} SELECT * FROM t{}", tables.join(", "), count - 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_abort_a_planner_are_refused() {
    let session = Arc::new(session(Some(Duration::from_secs(5))));
    let ors = |count: usize| {
        let terms: Vec<String> = (0..count).map(|n| format!("source_offset = {n}")).collect();
        format!("SELECT 1 FROM events WHERE {}", terms.join(" OR "))
    };
    for sql in [
        format!("SELECT 1{}", "+1".repeat(2_000)),
        format!("SELECT 1{}", "+1".repeat(5_000)),
        ors(5_000),
        ors(20_000),
        format!("SELECT 'a'{}", "||'a'".repeat(2_000)),
        ctes(300),
        ctes(1_000),
        ctes(3_000),
        format!("SELECT {}1{}", "(".repeat(60), ")".repeat(60)),
        "SELECT length(repeat('a', 1500000000))".to_owned(),
        "WITH RECURSIVE r AS (SELECT 1 n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r".to_owned(),
        format!("SELECT {}1", "- ".repeat(2_000)),
        format!("SELECT {}true", "NOT ".repeat(2_000)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(1_000)),
    ] {
        let error = rows(&session, sql.clone()).await.expect_err(&sql[..80.min(sql.len())]);
        assert!(matches!(error.kind(), "refused" | "syntax"), "{}: {error}", &sql[..80.min(sql.len())]);
    }
    assert_eq!(rows(&session, "SELECT 1".to_owned()).await.expect("it answers on"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_at_the_limits_are_answered() {
    let session = Arc::new(session(None));
    let sums = format!("SELECT source_offset{} FROM events", "+1".repeat(500));
    let texts = format!("SELECT eventname{} FROM events", "||'a'".repeat(500));
    for (sql, expected) in [(sums, 34), (texts, 34), (ctes(100), 1)] {
        assert_eq!(rows(&session, sql).await.expect("an answer"), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_would_never_end_is_stopped() {
    let session = Arc::new(session(Some(Duration::from_secs(5))));
    let crossed = "SELECT count(*) FROM events a, events b, events c, events d, events e, events f, events g \
                   WHERE a.useragent || b.useragent || c.useragent || d.useragent || g.useragent = 'x'";
    let error = rows(&session, crossed.to_owned()).await.expect_err("it cannot end in time");
    assert_eq!(error.kind(), "limit", "{error}");
    assert_eq!(rows(&session, "SELECT 1".to_owned()).await.expect("it answers on"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_ends_at_the_row_limit() {
    let session = Arc::new(session(Some(Duration::from_secs(5))));
    let sql = "SELECT a.eventid FROM events a, events b".to_owned();
    assert_eq!(rows(&session, sql).await.expect("an answer"), 1_000);
}
