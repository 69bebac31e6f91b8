//! From the JSON of events to the JSON of Insights: the worked example, who did it, and that neither
//! order nor split can be seen.

use proptest::prelude::*;
use pugmark_decode::{Plan, decode};
use pugmark_event::{EventBatch, Limits, Projection, days_from_civil, format_time};
use pugmark_insights::{Call, Counts, Detail, Insight, Selector, Settings, State, Watcher};
use serde_json::{Value, json};

const MINUTE: i64 = 60_000_000;

/// 2026-01-15T10:04:00Z.
fn start() -> i64 {
    i64::from(days_from_civil(2026, 1, 15)) * 86_400_000_000 + (10 * 60 + 4) * MINUTE
}

fn event(id: u32, time: i64, name: &str) -> Value {
    json!({
        "eventVersion": "1.09",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": format!("AROAEXAMPLE0000000001:run-{id}"),
            "arn": format!("arn:aws:sts::111122223333:assumed-role/Deployer/run-{id}"),
            "accountId": "111122223333",
        },
        "eventTime": format_time(time),
        "eventSource": "eks.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.22.0",
        "eventID": format!("00000000-0000-4000-8000-{id:012}"),
        "readOnly": false,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": "111122223333",
        "eventCategory": "Management",
    })
}

fn batches(records: &[Value]) -> Vec<EventBatch> {
    let text = json!({ "Records": records }).to_string();
    let plan = Plan { projection: Projection::all(), needles: Vec::new(), limits: Limits::default() };
    decode(text.as_bytes(), plan).0
}

fn counted(records: &[Value]) -> Counts {
    let mut counts = Counts::new(&Selector::DEFAULT);
    for batch in &batches(records) {
        counts.read(batch);
    }
    counts
}

/// Three calls in the week before 10:04, six in that minute, nine in the next, then quiet.
fn worked_example() -> Vec<Value> {
    let week = start() - 7 * 24 * 60 * MINUTE;
    let before = [0, 3_000, 9_000].map(|minute| (week + minute * MINUTE, "DeleteNodegroup"));
    let unusual = (0..15).map(|call| (start() + i64::from(call >= 6) * MINUTE, "DeleteNodegroup"));
    let after = [(start() + 60 * MINUTE, "CreateCluster")];
    let calls = before.into_iter().chain(unusual).chain(after);
    calls.enumerate().map(|(id, (time, name))| event(id as u32, time, name)).collect()
}

fn records(insights: &[Insight]) -> Vec<String> {
    insights.iter().map(Insight::record).collect()
}

#[test]
fn the_worked_example_has_the_numbers_of_the_documentation() {
    let insights = counted(&worked_example()).insights(&Settings::default());
    let [begin, end] = &insights[..] else { unreachable!("two records, not {insights:?}") };
    assert_eq!((begin.state, end.state), (State::Start, State::End));
    assert_eq!(begin.shared_id, end.shared_id);
    assert_ne!(begin.event_id, end.event_id);
    let begin: Value = serde_json::from_str(&begin.record()).expect("JSON");
    let end: Value = serde_json::from_str(&end.record()).expect("JSON");
    assert_eq!(begin["eventTime"], "2026-01-15T10:04:00Z");
    assert_eq!(end["eventTime"], "2026-01-15T10:06:00Z");
    let numbers = |record: &Value| record["insightDetails"]["insightContext"]["statistics"].to_string();
    assert_eq!(
        numbers(&begin),
        r#"{"baseline":{"average":0.000297619},"insight":{"average":6.0},"insightDuration":1,"baselineDuration":10080}"#
    );
    assert_eq!(
        numbers(&end),
        r#"{"baseline":{"average":0.000297619},"insight":{"average":7.5},"insightDuration":2,"baselineDuration":10080}"#
    );
}

#[test]
fn a_record_has_the_members_of_an_insights_event_and_no_actor() {
    let insights = counted(&worked_example()).insights(&Settings::default());
    let record: Value = serde_json::from_str(&insights[0].record()).expect("JSON");
    let members: Vec<&String> = record.as_object().expect("an object").keys().collect();
    let expected = [
        "eventVersion",
        "eventTime",
        "awsRegion",
        "eventID",
        "eventType",
        "recipientAccountId",
        "sharedEventID",
        "insightDetails",
        "eventCategory",
    ];
    assert_eq!(members, expected);
    let attributions = &record["insightDetails"]["insightContext"]["attributions"];
    assert_eq!(
        attributions[0],
        json!({
            "attribute": "userIdentityArn",
            "insight": [{"value": "arn:aws:sts::111122223333:assumed-role/Deployer", "average": 6.0}],
            "baseline": [{"value": "arn:aws:sts::111122223333:assumed-role/Deployer", "average": 0.000_297_619}],
        })
    );
    assert_eq!(attributions[2]["insight"][0], json!({"value": "null", "average": 6.0}));
}

#[test]
fn our_decoder_reads_our_records() {
    let insights = counted(&worked_example()).insights(&Settings::default());
    let read: Vec<Value> =
        records(&insights).iter().map(|record| serde_json::from_str(record).expect("JSON")).collect();
    let rows: usize = batches(&read).iter().map(EventBatch::rows).sum();
    assert_eq!(rows, 2);
    // Insights are not analysed in their turn.
    assert!(counted(&read).insights(&Settings::default()).is_empty());
}

#[test]
fn errors_are_counted_by_their_code_reads_too() {
    let denied = |id: u32, time: i64, code: &str| {
        let mut event = event(id, time, "DeleteInstanceProfile");
        event["readOnly"] = json!(true);
        event["errorCode"] = json!(code);
        event
    };
    let mut records = vec![event(0, start() - 8 * 24 * 60 * MINUTE, "CreateCluster")];
    records.extend((1..13).map(|id| denied(id, start(), "AccessDenied")));
    records.extend((13..17).map(|id| denied(id, start(), "NoSuchEntity")));
    records.push(event(99, start() + 30 * MINUTE, "CreateCluster"));
    let insights = counted(&records).insights(&Settings::default());
    assert_eq!(insights.len(), 2);
    let details: Value = serde_json::from_str(&insights[0].record()).expect("JSON");
    let details = &details["insightDetails"];
    assert_eq!(details["insightType"], "ApiErrorRateInsight");
    assert_eq!(details["errorCode"], "AccessDenied");
    let attributions = details["insightContext"]["attributions"].as_array().expect("a list");
    assert!(attributions.iter().all(|one| one["attribute"] != "errorCode"));
}

#[test]
fn each_region_has_its_own_insight() {
    let mut records = worked_example();
    let mut elsewhere = worked_example();
    for record in &mut elsewhere {
        record["awsRegion"] = json!("us-east-1");
    }
    records.extend(elsewhere);
    let insights = counted(&records).insights(&Settings::default());
    assert_eq!(insights.len(), 4);
}

#[test]
fn counts_get_coarser_when_they_would_not_fit_whatever_the_order() {
    let many: Vec<Value> = (0..400_u32)
        .map(|id| {
            let mut event = event(id, start() + i64::from(id % 7) * MINUTE, "CreateCluster");
            event["userAgent"] = json!(format!("agent/{id}"));
            event
        })
        .chain(worked_example())
        .collect();
    let read = |order: &mut dyn Iterator<Item = &Value>| {
        let mut counts = Counts::bounded(&Selector::DEFAULT, 12_000);
        let records: Vec<Value> = order.cloned().collect();
        for chunk in records.chunks(50) {
            let mut part = Counts::bounded(&Selector::DEFAULT, 12_000);
            for batch in &batches(chunk) {
                part.read(batch);
            }
            counts = counts.merge(part);
        }
        let insights = counts.insights(&Settings::default());
        (counts.detail(), insights)
    };
    let (detail, forward) = read(&mut many.iter());
    assert_eq!(detail, Detail::Identities);
    assert!(!forward.is_empty());
    assert_eq!((detail, forward), read(&mut many.iter().rev()));
}

#[test]
fn a_watcher_tells_start_and_end_once_each_when_their_minutes_are_over() {
    let mut watcher = Watcher::new(&Selector::DEFAULT, Settings::default());
    for batch in &batches(&worked_example()) {
        watcher.read(batch);
    }
    let told = |watcher: &mut Watcher, minute: i64| -> Vec<(State, String)> {
        let new = watcher.minute(start() + minute * MINUTE);
        new.into_iter().map(|insight| (insight.state, insight.shared_id)).collect()
    };
    assert!(told(&mut watcher, 15).is_empty());
    let begin = told(&mut watcher, 16);
    assert_eq!(begin.len(), 1);
    assert_eq!(watcher.running().len(), 1);
    assert!(told(&mut watcher, 20).is_empty());
    let end = told(&mut watcher, 40);
    assert_eq!(end, [(State::End, begin[0].1.clone())]);
    assert!(told(&mut watcher, 600).is_empty() && watcher.running().is_empty());
}

#[test]
fn a_watcher_that_is_fed_again_after_a_restart_makes_the_same_records() {
    let run = || {
        let mut watcher = Watcher::new(&Selector::DEFAULT, Settings::default());
        for batch in &batches(&worked_example()) {
            watcher.read(batch);
        }
        (0..60).flat_map(|minute| records(&watcher.minute(start() + minute * MINUTE))).collect::<Vec<_>>()
    };
    let first = run();
    assert_eq!(first.len(), 2);
    assert_eq!(first, run());
}

#[test]
fn a_watcher_that_forgets_old_events_tells_what_the_whole_corpus_tells() {
    let call = |minute: i64| Call {
        time: Some(start() + minute * MINUTE),
        account: "111122223333",
        event_source: "eks.amazonaws.com",
        event_name: "CreateCluster",
        read_only: Some(false),
        ..Call::default()
    };
    let day = 24 * 60;
    let (mut watcher, mut counts) =
        (Watcher::new(&Selector::DEFAULT, Settings::default()), Counts::new(&Selector::DEFAULT));
    let mut told = Vec::new();
    for hour in 0..60 * 24 {
        let burst = if hour % (24 * 17) == 30 { 12 } else { 1 };
        for _ in 0..burst {
            watcher.count(&call(hour * 60));
            counts.count(&call(hour * 60));
        }
        told.extend(watcher.minute(start() + (hour * 60 + 40) * MINUTE));
    }
    let whole = counts.insights(&Settings::default());
    assert_eq!(whole.len(), 8);
    assert_eq!(records(&told), records(&whole));
    assert!(whole.iter().all(|insight| insight.time > start() + day * MINUTE));
}

/// Calls of a small world, over nine days, some of them in bursts.
fn trail() -> impl Strategy<Value = Vec<Value>> {
    let call = (0..3_usize, 0..13_000_i64, 1..14_u32, any::<bool>());
    prop::collection::vec(call, 1..30).prop_map(|calls| {
        let mut records = Vec::new();
        for (name, minute, count, denied) in calls {
            for _ in 0..count {
                let name = ["CreateCluster", "DeleteNodegroup", "TagResource"][name];
                let mut record = event(records.len() as u32, start() + minute * MINUTE, name);
                if denied {
                    record["errorCode"] = json!("AccessDenied");
                }
                records.push(record);
            }
        }
        records
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn neither_order_nor_split_can_be_seen(
        (whole, order, files) in trail()
            .prop_flat_map(|records| (Just(records.clone()), Just(records).prop_shuffle(), 1..8_usize)),
    ) {
        let parts = order.chunks(order.len().div_ceil(files)).map(counted);
        let merged = parts.reduce(|one, other| other.merge(one));
        let merged = merged.expect("at least one part").insights(&Settings::default());
        let expected = counted(&whole).insights(&Settings::default());
        prop_assert_eq!(records(&merged), records(&expected));
    }
}
