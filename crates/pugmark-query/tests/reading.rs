//! What a statement reads: which objects are opened, which leaves are decoded,
//! and that the sums of what was read are right.

use std::path::Path;
use std::sync::Arc;

use arrow::array::AsArray;
use datafusion::arrow;
use futures::StreamExt;
use pugmark_event::{EventBatch, Leaf, Limits, Projection, Tally};
use pugmark_query::{Session, SessionOptions, condition};
use pugmark_scan::{Duplicates, Request, Sink, scan};
use pugmark_source::{Access, Listing, Location, Progress, Selection, list};

fn listing() -> Listing {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let location = Location::parse(&directory.to_string_lossy()).expect("a location");
    let progress = Progress::default();
    list(&[location], &Selection::default(), &Access::default(), &Limits::default(), &progress)
        .expect("a listing")
}

fn with_threads(threads: usize) -> SessionOptions {
    let mut options = SessionOptions::default();
    options.request.threads = threads;
    options
}

/// All cells of the answer, and what was read for it.
async fn ask(sql: &str, options: SessionOptions) -> (String, Tally) {
    let session = Session::new(listing(), options, Arc::new(Progress::default())).expect("a session");
    let mut stream = session.sql(sql).await.expect(sql);
    let mut text = String::new();
    while let Some(batch) = stream.next().await {
        let batch = batch.expect(sql);
        for column in batch.columns() {
            let column = arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).expect("text");
            for cell in column.as_string::<i32>().iter().flatten() {
                text.push_str(cell);
                text.push('\n');
            }
        }
    }
    drop(stream);
    (text, session.tally())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_leaves_that_are_asked_for_are_decoded() {
    for (sql, decoded) in [
        (
            "SELECT userIdentity.sessionContext.sessionIssuer.userName FROM events",
            "decoded=[useridentity.sessioncontext.sessionissuer.username]",
        ),
        (
            "SELECT userIdentity.arn, count(*) FROM events WHERE tlsDetails.tlsVersion LIKE 'TLS%' GROUP BY 1",
            "decoded=[useridentity.arn, tlsdetails.tlsversion]",
        ),
        ("SELECT count(*) FROM events", "decoded=[]"),
        ("SELECT addendum.reason, year FROM cloudtrail_logs", "decoded=[addendum, day]"),
        ("SELECT eventjson FROM events", "decoded=[raw]"),
    ] {
        let (plan, _) = ask(&format!("EXPLAIN {sql}"), SessionOptions::default()).await;
        assert!(plan.contains(decoded), "{sql}\n{plan}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn literals_are_looked_for_before_records_are_parsed() {
    let sql = "SELECT eventid FROM events WHERE eventName = 'DeleteBucket' \
               AND element_at(requestParameters, 'bucketName') = 'old-bucket' AND (errorCode = 'X' OR readOnly IS NOT NULL)";
    let (plan, _) = ask(&format!("EXPLAIN {sql}"), SessionOptions::default()).await;
    assert!(plan.contains("needle=DeleteBucket, needle=old-bucket, decoded"), "{plan}");
    let (_, tally) = ask(sql, SessionOptions::default()).await;
    assert!(tally.bytes_passed > 0 && tally.records < 10, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_pruned_by_their_keys() {
    for (condition, opened) in [
        ("true", 7),
        ("region = 'us-east-1'", 1),
        ("account = '444455556666' AND day = date '2026-01-16'", 5),
        ("eventTime < '2026-01-14'", 0),
        ("eventTime >= '2026-01-17 12:00:00'", 5),
        ("eventTime >= '2026-01-15' AND eventTime < '2026-01-16'", 7),
        ("region = 'nowhere'", 0),
    ] {
        let sql = format!("SELECT eventname FROM events WHERE {condition}");
        let (_, tally) = ask(&sql, SessionOptions::default()).await;
        assert_eq!((tally.decoded, tally.pruned), (opened, 7 - opened), "{condition}");
        assert!(tally.balances(), "{condition}: {tally:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_counts_only_where_it_is_asked_for() {
    let sql = "SELECT CAST(count(*) AS varchar) FROM events";
    let (once, tally) = ask(sql, SessionOptions::default()).await;
    assert_eq!((once.trim(), tally.records, tally.rows, tally.duplicates), ("34", 35, 34, 1));
    let mut with_duplicates = SessionOptions::default();
    with_duplicates.request.duplicates = Duplicates::Keep;
    let (each, _) = ask(sql, with_duplicates).await;
    assert_eq!(each.trim(), "35");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn which_copy_is_the_row_is_not_chance() {
    let sql = "SELECT source_object FROM events WHERE eventname = 'DeleteBucket'";
    for threads in [1, 2, 8] {
        let (place, _) = ask(sql, with_threads(threads)).await;
        assert!(place.contains("20260116T0905Z") && place.lines().count() == 1, "{threads}: {place}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_does_not_depend_on_the_number_of_workers() {
    let sql = "SELECT eventid FROM events ORDER BY eventtime, eventid";
    let (one, _) = ask(sql, with_threads(1)).await;
    let (many, _) = ask(sql, with_threads(7)).await;
    assert_eq!(one, many);
}

#[derive(Default)]
struct Names(Vec<String>);

impl Sink for Names {
    fn batch(&mut self, batch: EventBatch) -> std::ops::ControlFlow<()> {
        let names = batch.text(Leaf::EventName).expect("names are decoded");
        self.0.extend(names.iter().flatten().map(str::to_owned));
        std::ops::ControlFlow::Continue(())
    }
}

fn search(text: &str) -> Vec<String> {
    let condition = condition(text).expect(text);
    let mut request = Request::new(condition.projection.with(Leaf::EventName));
    request.needles = condition.needles;
    request.filter = Some(condition.filter);
    let (sinks, _) = scan(listing(), &request, &Progress::default(), Names::default).expect("a scan");
    let mut names: Vec<String> = sinks.into_iter().flat_map(|names| names.0).collect();
    names.sort();
    names
}

#[test]
fn a_condition_filters_a_search() {
    for (text, names) in [
        ("eventName = 'DeleteBucket'", vec!["DeleteBucket"]),
        ("userIdentity.type = 'Root'", vec!["ConsoleLogin"]),
        (
            "requestParameters['aliasName'] LIKE 'alias/%' AND readOnly = false",
            vec!["CreateAlias", "UpdateAlias"],
        ),
        ("any_match(resources, r -> r.arn LIKE '%words%')", vec!["PutObject"]),
        ("eventTime >= '2026-01-16 13:00:00'", vec!["ListObjects"]),
        ("errorCode LIKE '%Throttl%' OR eventName = 'Publish'", vec!["Publish", "Scan"]),
        ("cidr_contains('198.51.100.0/25', sourceIPAddress)", vec!["ConsoleLogin", "GetObject"]),
        ("false", vec![]),
    ] {
        assert_eq!(search(text), names, "{text}");
    }
}

#[test]
fn a_condition_says_what_it_needs() {
    let condition =
        condition("eventName = 'DeleteTrail' AND userIdentity.arn LIKE '%x' AND NOT errorCode = 'Abc'")
            .expect("a condition");
    let leaves: Projection = [Leaf::EventName, Leaf::IdentityArn, Leaf::ErrorCode].into_iter().collect();
    assert_eq!(condition.projection, leaves);
    assert_eq!(condition.needles, vec![b"DeleteTrail".to_vec()]);
}

#[test]
fn what_is_no_condition_is_refused() {
    for text in ["eventName", "eventName = ", "noSuchColumn = 1", "count(*) > 1", "1 + 1", "true; SELECT 1"] {
        assert!(condition(text).is_err(), "{text}");
    }
}
