use super::*;

fn advanced(conditions: &str) -> Selectors {
    let text = format!(r#"[{{"FieldSelectors":[{conditions}]}}]"#);
    Selectors::Advanced(serde_json::from_str(&text).unwrap())
}

fn takes(selectors: &Selectors, event: &str) -> bool {
    Selection { selectors, insights: &[] }.matches(&Facts::read(event).unwrap())
}

fn data(conditions: &str) -> Selectors {
    let head = r#"{"Field":"eventCategory","Equals":["Data"]},{"Field":"resources.type","Equals":["AWS::S3::Object"]}"#;
    advanced(&format!("{head},{conditions}"))
}

fn object(arn: &str) -> String {
    format!(
        r#"{{"eventCategory":"Data","readOnly":false,"eventName":"PutObject","eventSource":"s3.amazonaws.com","eventType":"AwsApiCall","userIdentity":{{"arn":"arn:aws:iam::111122223333:user/ann"}},"resources":[{{"type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::other"}},{{"type":"AWS::S3::Object","ARN":"{arn}"}}]}}"#
    )
}

#[test]
fn a_new_trail_takes_management_events_alone() {
    let new = Selectors::default();
    assert!(takes(&new, r#"{"eventCategory":"Management"}"#));
    assert!(takes(&new, "{}"));
    for category in ["Data", "NetworkActivity", "Insight", "Aggregated", "ActivityAuditLog"] {
        assert!(!takes(&new, &format!(r#"{{"eventCategory":"{category}"}}"#)), "{category}");
    }
}

#[test]
fn each_operator_decides_as_documented() {
    let arn = "arn:aws:s3:::logs/a.json";
    let decides = |operator: &str, value: &str| {
        takes(&data(&format!(r#"{{"Field":"resources.ARN","{operator}":["{value}"]}}"#)), &object(arn))
    };
    let cases = [
        ("Equals", arn, true),
        ("Equals", "arn:aws:s3:::logs/a", false),
        ("StartsWith", "arn:aws:s3:::logs/", true),
        ("StartsWith", "arn:aws:s3:::log/", false),
        ("EndsWith", ".json", true),
        ("EndsWith", ".tmp", false),
        ("NotEquals", arn, false),
        ("NotEquals", "arn:aws:s3:::logs/b", true),
        ("NotStartsWith", "arn:aws:s3:::logs/", false),
        ("NotStartsWith", "arn:aws:s3:::x/", true),
        ("NotEndsWith", ".json", false),
        ("NotEndsWith", ".tmp", true),
        // No value is a pattern, and case matters.
        ("Equals", "arn:aws:s3:::logs/*", false),
        ("StartsWith", "ARN:AWS", false),
    ];
    for (operator, value, is_taken) in cases {
        assert_eq!(decides(operator, value), is_taken, "{operator} {value}");
    }
}

#[test]
fn selecting_is_any_and_keeping_out_is_each() {
    let selectors = data(
        r#"{"Field":"resources.ARN","Equals":["arn:x"],"StartsWith":["arn:aws:s3:::logs/"],"NotEndsWith":[".tmp",".bak"]}"#,
    );
    assert!(takes(&selectors, &object("arn:x")));
    assert!(takes(&selectors, &object("arn:aws:s3:::logs/a.json")));
    assert!(!takes(&selectors, &object("arn:aws:s3:::logs/a.tmp")));
    assert!(!takes(&selectors, &object("arn:aws:s3:::logs/a.bak")));
    assert!(!takes(&selectors, &object("arn:aws:s3:::logs2/a.json")));
}

#[test]
fn an_arn_counts_for_the_selected_type_alone() {
    let selectors = data(r#"{"Field":"resources.ARN","StartsWith":["arn:aws:s3:::other"]}"#);
    assert!(!takes(&selectors, &object("arn:aws:s3:::logs/a")));
}

#[test]
fn each_field_is_looked_at() {
    let event = object("arn:aws:s3:::logs/a");
    let cases = [
        ("readOnly", "false", "true"),
        ("eventName", "PutObject", "GetObject"),
        ("eventSource", "s3.amazonaws.com", "kms.amazonaws.com"),
        ("eventType", "AwsApiCall", "AwsServiceEvent"),
        ("userIdentity.arn", "arn:aws:iam::111122223333:user/ann", "arn:aws:iam::111122223333:user/bob"),
        ("resources.ARN", "arn:aws:s3:::logs/a", "arn:aws:s3:::logs/b"),
    ];
    for (field, right, wrong) in cases {
        let with = |value: &str| data(&format!(r#"{{"Field":"{field}","Equals":["{value}"]}}"#));
        assert!(takes(&with(right), &event), "{field}");
        assert!(!takes(&with(wrong), &event), "{field}");
    }
}

#[test]
fn console_sessions_are_told_apart() {
    let only = data(r#"{"Field":"sessionCredentialFromConsole","Equals":["true"]}"#);
    let not = data(r#"{"Field":"sessionCredentialFromConsole","NotEquals":["true"]}"#);
    let plain = object("arn:aws:s3:::logs/a");
    let console = plain.replacen('{', r#"{"sessionCredentialFromConsole":"true","#, 1);
    assert!(takes(&only, &console) && !takes(&only, &plain));
    assert!(takes(&not, &plain) && !takes(&not, &console));
}

#[test]
fn network_activity_is_selected_by_source_endpoint_and_refusal() {
    let selectors = advanced(
        r#"{"Field":"eventCategory","Equals":["NetworkActivity"]},{"Field":"eventSource","Equals":["s3.amazonaws.com"]},
        {"Field":"vpcEndpointId","Equals":["vpce-1"]},{"Field":"errorCode","Equals":["VpceAccessDenied"]}"#,
    );
    let event = r#"{"eventType":"AwsVpceEvent","eventSource":"s3.amazonaws.com","vpcEndpointId":"vpce-1","errorCode":"VpceAccessDenied"}"#;
    assert!(takes(&selectors, event));
    for (from, to) in [("s3.", "kms."), ("vpce-1", "vpce-2"), ("VpceAccessDenied", "Other")] {
        assert!(!takes(&selectors, &event.replace(from, to)), "{to}");
    }
}

#[test]
fn management_selectors_leave_sources_out_and_tell_reads_from_writes() {
    let selectors = advanced(
        r#"{"Field":"eventCategory","Equals":["Management"]},{"Field":"eventSource","NotEquals":["kms.amazonaws.com","rdsdata.amazonaws.com"]},{"Field":"readOnly","Equals":["true"]}"#,
    );
    assert!(takes(&selectors, r#"{"eventSource":"iam.amazonaws.com","readOnly":true}"#));
    assert!(!takes(&selectors, r#"{"eventSource":"iam.amazonaws.com","readOnly":false}"#));
    assert!(!takes(&selectors, r#"{"eventSource":"kms.amazonaws.com","readOnly":true}"#));
    assert!(!takes(&selectors, r#"{"eventSource":"rdsdata.amazonaws.com","readOnly":true}"#));
}

#[test]
fn basic_selectors_decide_management_events() {
    let basic = |text: &str| Selectors::Basic(vec![serde_json::from_str(text).unwrap()]);
    let (read, write) = (r#"{"readOnly":true}"#, r#"{"readOnly":false}"#);
    let reads = basic(r#"{"ReadWriteType":"ReadOnly"}"#);
    let writes = basic(r#"{"ReadWriteType":"WriteOnly"}"#);
    assert!(takes(&reads, read) && !takes(&reads, write));
    assert!(takes(&writes, write) && !takes(&writes, read));
    assert!(takes(&writes, "{}"), "what says nothing may have changed something");
    let none = basic(r#"{"IncludeManagementEvents":false}"#);
    assert!(!takes(&none, read));
    let excluded = basic(r#"{"ExcludeManagementEventSources":["kms.amazonaws.com"]}"#);
    assert!(!takes(&excluded, r#"{"eventSource":"kms.amazonaws.com"}"#));
    assert!(takes(&excluded, r#"{"eventSource":"iam.amazonaws.com"}"#));
}

#[test]
fn basic_selectors_decide_data_events_by_the_beginning_of_an_arn() {
    let with = |resource_type: &str, value: &str| {
        let text = format!(r#"{{"DataResources":[{{"Type":"{resource_type}","Values":["{value}"]}}]}}"#);
        Selectors::Basic(vec![serde_json::from_str(&text).unwrap()])
    };
    let event = object("arn:aws:s3:::logs/in/a");
    for (value, is_taken) in [
        ("arn:aws:s3", true),
        ("arn:aws:s3:::", true),
        ("arn:aws:s3:::logs", true),
        ("arn:aws:s3:::logs/", true),
        ("arn:aws:s3:::logs/in", true),
        ("arn:aws:s3:::logs/out", false),
        ("arn:aws:s3:::log", false),
    ] {
        assert_eq!(takes(&with("AWS::S3::Object", value), &event), is_taken, "{value}");
    }
    let call = r#"{"eventCategory":"Data","resources":[{"type":"AWS::Lambda::Function","ARN":"arn:aws:lambda:eu-west-1:111122223333:function:f"}]}"#;
    assert!(takes(&with("AWS::Lambda::Function", "arn:aws:lambda"), call));
    assert!(takes(&with("AWS::Lambda::Function", "arn:aws:lambda:eu-west-1:111122223333:function:f"), call));
    assert!(!takes(
        &with("AWS::Lambda::Function", "arn:aws:lambda:eu-west-1:111122223333:function:fx"),
        call
    ));
    assert!(!takes(&with("AWS::DynamoDB::Table", "arn:aws:dynamodb"), call));
}

#[test]
fn insights_are_taken_by_trails_that_look_for_them() {
    let selectors = Selectors::default();
    let insights: Vec<InsightSelector> =
        serde_json::from_str(r#"[{"InsightType":"ApiCallRateInsight"}]"#).unwrap();
    let facts = Facts::read(r#"{"eventCategory":"Insight"}"#).unwrap();
    assert!(Selection { selectors: &selectors, insights: &insights }.matches(&facts));
    assert!(!Selection { selectors: &selectors, insights: &[] }.matches(&facts));
}
