//! Tables end as the same columns as log files.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray,
};
use parquet::arrow::ArrowWriter;
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, prop_assert, prop_oneof, proptest};
use pugmark_decode::{Plan, decode};
use pugmark_event::{EventBatch, Leaf, Limits, Projection, Tally, format_time};

fn read(bytes: &[u8]) -> (EventBatch, Tally) {
    let plan = Plan { projection: Projection::all(), needles: Vec::new(), limits: Limits::default() };
    let (mut batches, tally) = decode(bytes, plan);
    assert_eq!((tally.defects.as_slice(), tally.lost, batches.len()), ([].as_slice(), 0, 1));
    (batches.remove(0), tally)
}

fn text(batch: &EventBatch, leaf: Leaf) -> Vec<Option<String>> {
    batch.text(leaf).expect("decoded").iter().map(|text| text.map(str::to_owned)).collect()
}

fn one(batch: &EventBatch, leaf: Leaf) -> Option<String> {
    assert_eq!(batch.rows(), 1);
    text(batch, leaf).remove(0)
}

fn time(batch: &EventBatch) -> Option<String> {
    let times = batch.times(Leaf::EventTime).expect("decoded");
    times.is_valid(0).then(|| format_time(times.value(0)))
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a schema");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    bytes
}

#[test]
fn an_athena_result_is_read() {
    let csv = "\"eventtime\",\"eventname\",\"useridentity\",\"readonly\",\"requestparameters\",\"errorcode\"\n\
        \"2026-01-15T10:00:00Z\",\"PutObject\",\"{type=AssumedRole, arn=arn:aws:sts::1:assumed-role/r/s, sessioncontext={sessionissuer={username=r}}}\",\"false\",\"{\"\"bucketName\"\":\"\"b\"\"}\",\n";
    let (batch, tally) = read(csv.as_bytes());
    assert_eq!((tally.records, tally.rows), (1, 1));
    assert_eq!(time(&batch).as_deref(), Some("2026-01-15T10:00:00Z"));
    assert_eq!(one(&batch, Leaf::EventName).as_deref(), Some("PutObject"));
    assert_eq!(one(&batch, Leaf::IdentityArn).as_deref(), Some("arn:aws:sts::1:assumed-role/r/s"));
    assert_eq!(one(&batch, Leaf::IssuerUserName).as_deref(), Some("r"));
    assert_eq!(one(&batch, Leaf::RequestParameters).as_deref(), Some(r#"{"bucketName":"b"}"#));
    assert_eq!(one(&batch, Leaf::ErrorCode), None);
    assert!(!batch.flags(Leaf::ReadOnly).expect("decoded").value(0));
}

#[test]
fn a_lake_export_is_read() {
    let csv = "eventJson,eventTime\n\"{\"\"eventID\"\":\"\"i\"\",\"\"eventName\"\":\"\"A\"\"}\",2026-01-15 10:00:00.000\n";
    let (batch, _) = read(csv.as_bytes());
    assert_eq!(one(&batch, Leaf::EventId).as_deref(), Some("i"));
    assert_eq!(one(&batch, Leaf::Raw).as_deref(), Some(r#"{"eventID":"i","eventName":"A"}"#));
}

#[test]
fn the_consoles_event_history_is_read() {
    let csv = "User name,AWS access key,Event name,Event time,Event source,Event ID,Read-only,AWS region,Source IP address,Error code,Request ID,Resources\r\n\
        noor,AKIAEXAMPLE,DeleteTrail,2026-01-15T10:00:00Z,cloudtrail.amazonaws.com,id-1,false,eu-west-1,198.51.100.7,,r-1,\"[{\"\"resourceType\"\":\"\"AWS::CloudTrail::Trail\"\",\"\"resourceName\"\":\"\"arn:aws:cloudtrail:eu-west-1:1:trail/t\"\"}]\"\r\n";
    let (batch, _) = read(csv.as_bytes());
    for (leaf, expected) in [
        (Leaf::IdentityUserName, "noor"),
        (Leaf::IdentityAccessKeyId, "AKIAEXAMPLE"),
        (Leaf::EventName, "DeleteTrail"),
        (Leaf::EventSource, "cloudtrail.amazonaws.com"),
        (Leaf::EventId, "id-1"),
        (Leaf::AwsRegion, "eu-west-1"),
        (Leaf::SourceIpAddress, "198.51.100.7"),
        (Leaf::RequestId, "r-1"),
    ] {
        assert_eq!(one(&batch, leaf).as_deref(), Some(expected), "{}", leaf.name());
    }
}

#[test]
fn rows_of_a_lake_answer_are_read() {
    let json = r#"{"QueryStatus":"FINISHED","QueryResultRows":[[{"eventName":"A"},{"eventTime":"2026-01-15 10:00:00.000"},{"userIdentity.arn":"a"}],[{"eventName":"B"},{"eventTime":""},{"userIdentity.arn":null}]],"NextToken":"t"}"#;
    let (batch, tally) = read(json.as_bytes());
    assert_eq!((tally.records, tally.rows), (2, 2));
    assert_eq!(text(&batch, Leaf::EventName), [Some("A".to_owned()), Some("B".to_owned())]);
    assert_eq!(text(&batch, Leaf::IdentityArn), [Some("a".to_owned()), None]);
}

#[test]
fn a_parquet_table_is_read() {
    let bytes = parquet(vec![
        ("eventname", Arc::new(StringArray::from(vec!["A"]))),
        ("eventtime", Arc::new(TimestampMicrosecondArray::from(vec![1_768_471_200_000_000]))),
        ("readonly", Arc::new(BooleanArray::from(vec![true]))),
        (
            "useridentity",
            Arc::new(
                StructArray::try_from(vec![(
                    "principalid",
                    Arc::new(StringArray::from(vec!["p"])) as ArrayRef,
                )])
                .expect("a struct"),
            ),
        ),
    ]);
    let (batch, _) = read(&bytes);
    assert_eq!(one(&batch, Leaf::EventName).as_deref(), Some("A"));
    assert_eq!(one(&batch, Leaf::IdentityPrincipalId).as_deref(), Some("p"));
    assert_eq!(time(&batch).as_deref(), Some("2026-01-15T10:00:00Z"));
    assert!(batch.flags(Leaf::ReadOnly).expect("decoded").value(0));
}

#[test]
fn what_was_decoded_and_written_as_parquet_reads_the_same_again() {
    let json = r#"{"eventName":"A","eventTime":"2026-01-15T10:00:00Z","userIdentity":{"type":"Root","sessionContext":{"attributes":{"mfaAuthenticated":"true"}}},"readOnly":false,"requestParameters":{"a" : [1.50]},"resources":[{"ARN":"a"},{"type":"T"}],"tlsDetails":{"tlsVersion":"TLSv1.3"}}"#;
    let (first, _) = read(json.as_bytes());
    let columns = |keep_raw: bool| {
        let schema = first.record_batch().schema();
        let names = schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<String>>();
        let columns = names.into_iter().zip(first.record_batch().columns().iter().map(Arc::clone));
        columns.filter(|(name, _)| keep_raw || name != "raw").collect::<Vec<(String, ArrayRef)>>()
    };
    for keep_raw in [true, false] {
        let columns = columns(keep_raw);
        let (again, _) =
            read(&parquet(columns.iter().map(|(name, array)| (name.as_str(), Arc::clone(array))).collect()));
        for field in
            pugmark_event::FIELDS.iter().filter(|field| !field.member.is_empty() && !field.leaf.is_in_list())
        {
            let (first, again) = (first.leaf(field.leaf), again.leaf(field.leaf));
            assert_eq!(
                first.as_ref().map(Array::to_data),
                again.as_ref().map(Array::to_data),
                "{}",
                field.name
            );
        }
        let resources =
            |batch: &EventBatch| batch.record_batch().column_by_name("resources").map(Array::to_data);
        assert_eq!(resources(&first), resources(&again));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_under_a_header_balances(
        rows in vec(vec("[a-z{}\\[\\]=, \"\\\\:\u{0}é\n]{0,20}", 1..4), 0..6),
        delimiter in prop_oneof![Just(","), Just("\t"), Just(";")],
    ) {
        let mut text = ["eventName", "userIdentity", "requestParameters"].join(delimiter);
        for row in rows {
            text.push('\n');
            text.push_str(&row.join(delimiter));
        }
        let plan = Plan { projection: Projection::all(), needles: Vec::new(), limits: Limits::default() };
        let (batches, tally) = decode(text.as_bytes(), plan);
        prop_assert!(tally.balances(), "{text:?}: {tally:?}");
        for column in batches.iter().flat_map(|batch| batch.record_batch().columns()) {
            prop_assert!(column.to_data().validate_full().is_ok(), "{text:?}");
        }
    }
}
