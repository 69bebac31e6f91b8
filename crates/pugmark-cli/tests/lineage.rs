//! Who did it: a person behind two roles, and a service that acted because of
//! the person, told by each command.

#![expect(clippy::needless_pass_by_value, reason = "records are written down where they are handed over")]

#[expect(dead_code, reason = "other transcripts need the rest")]
mod common;
#[path = "common/venv.rs"]
mod venv;

use common::{Answer, Desk};
use serde_json::{Value, json};
use venv::{python, venv};

const UUID: &str = "11111111-2222-3333-4444-abcdef123456";

fn record(time: &str, id: &str, (source, name): (&str, &str), identity: Value, more: Value) -> String {
    let mut record = json!({
        "eventVersion": "1.11", "userIdentity": identity, "eventTime": time,
        "eventSource": format!("{source}.amazonaws.com"), "eventName": name, "awsRegion": "eu-west-1",
        "sourceIPAddress": "198.51.100.7", "userAgent": "aws-cli/2.22.0", "requestParameters": null,
        "responseElements": null, "requestID": id, "eventID": id, "readOnly": false, "eventType": "AwsApiCall",
        "managementEvent": true, "recipientAccountId": "111122223333", "eventCategory": "Management",
    });
    for (name, value) in more.as_object().expect("an object") {
        record[name] = value.clone();
    }
    record.to_string()
}

fn noor() -> Value {
    json!({"type": "IAMUser", "principalId": "AIDAEXAMPLENOOR", "arn": "arn:aws:iam::111122223333:user/noor",
        "accountId": "111122223333", "accessKeyId": "AKIAEXAMPLENOOR", "userName": "noor"})
}

fn session(role: &str, name: &str, key: &str) -> Value {
    json!({"type": "AssumedRole", "principalId": format!("AROA{role}:{name}"),
        "arn": format!("arn:aws:sts::111122223333:assumed-role/{role}/{name}"), "accountId": "111122223333",
        "accessKeyId": key, "sessionContext": {
            "sessionIssuer": {"type": "Role", "principalId": format!("AROA{role}"), "accountId": "111122223333",
                "arn": format!("arn:aws:iam::111122223333:role/{role}"), "userName": role},
            "attributes": {"creationDate": "2026-08-01T10:00:00Z", "mfaAuthenticated": "false"}}})
}

fn assume(role: &str, name: &str, key: &str) -> Value {
    json!({"requestParameters": {"roleArn": format!("arn:aws:iam::111122223333:role/{role}"), "roleSessionName": name},
        "responseElements": {"credentials": {"accessKeyId": key, "expiration": "Aug 1, 2026, 11:00:00 AM"},
            "assumedRoleUser": {"assumedRoleId": format!("AROA{role}:{name}"),
                "arn": format!("arn:aws:sts::111122223333:assumed-role/{role}/{name}")}}})
}

/// The service-linked role of node groups; `path` makes it one, the name alone does not.
fn node_group_role(path: &str) -> Value {
    let name = "AWSServiceRoleForAmazonEKSNodegroup";
    json!({"type": "AssumedRole", "principalId": "AROASLR:EKS",
        "arn": format!("arn:aws:sts::111122223333:assumed-role/{name}/EKS"), "accountId": "111122223333",
        "invokedBy": "eks-nodegroup.amazonaws.com", "sessionContext": {
            "sessionIssuer": {"type": "Role", "principalId": "AROASLR", "accountId": "111122223333",
                "arn": format!("arn:aws:iam::111122223333:role{path}{name}"), "userName": name},
            "webIdFederationData": {},
            "attributes": {"creationDate": "2026-08-01T10:06:00Z", "mfaAuthenticated": "false"}}})
}

/// noor → Admin/noor → Deploy/ship, which deletes a node group; its role then deletes the instance profile.
fn trail() -> Desk {
    let desk = Desk::new();
    let group = json!({"nodegroupName": "workers", "clusterName": "prod", "nodegroupArn":
        format!("arn:aws:eks:eu-west-1:111122223333:nodegroup/prod/workers/{UUID}")});
    let eks =
        json!({"sourceIPAddress": "eks-nodegroup.amazonaws.com", "userAgent": "eks-nodegroup.amazonaws.com"});
    let by_service = |parameters: Value| {
        let mut more = eks.clone();
        more["requestParameters"] = parameters;
        more
    };
    let role = node_group_role("/aws-service-role/eks-nodegroup.amazonaws.com/");
    // Opened in the middle of what is covered, and nobody is seen to open it.
    let mut stranger = session("Stranger", "x", "ASIASTRANGER");
    stranger["sessionContext"]["attributes"]["creationDate"] = json!("2026-08-01T11:30:00Z");
    let records = [
        record(
            "2026-08-01T10:00:00Z",
            "e1",
            ("sts", "AssumeRole"),
            noor(),
            assume("Admin", "noor", "ASIAADMIN"),
        ),
        record(
            "2026-08-01T10:02:00Z",
            "e2",
            ("sts", "AssumeRole"),
            session("Admin", "noor", "ASIAADMIN"),
            assume("Deploy", "ship", "ASIADEPLOY"),
        ),
        record(
            "2026-08-01T10:05:00Z",
            "e3",
            ("eks", "DeleteNodegroup"),
            session("Deploy", "ship", "ASIADEPLOY"),
            json!({"requestParameters": {"name": "prod", "nodegroupName": "workers"},
                "responseElements": {"nodegroup": group}}),
        ),
        record(
            "2026-08-01T10:07:00Z",
            "e4",
            ("autoscaling", "DeleteAutoScalingGroup"),
            role.clone(),
            by_service(json!({"autoScalingGroupName": format!("eks-workers-{UUID}"), "forceDelete": true})),
        ),
        record(
            "2026-08-01T10:08:00Z",
            "e5",
            ("iam", "DeleteInstanceProfile"),
            role,
            by_service(json!({"instanceProfileName": format!("eks-{UUID}")})),
        ),
        record(
            "2026-08-01T12:00:00Z",
            "e6",
            ("ec2", "TerminateInstances"),
            stranger,
            json!({"requestParameters": {"instancesSet": {"items": [{"instanceId": "i-0abc"}]}}}),
        ),
    ];
    // Half in one file, half in another, neither in order.
    let (even, odd): (Vec<_>, Vec<_>) =
        records.into_iter().enumerate().partition(|(place, _)| place % 2 == 0);
    let texts = |half: Vec<(usize, String)>| half.into_iter().rev().map(|(_, text)| text).collect::<Vec<_>>();
    desk.log("b.json", &texts(even));
    desk.log("a.json", &texts(odd));
    desk
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.stdout).expect("one JSON document")
}

#[test]
fn a_temporary_key_leads_to_the_person_behind_two_roles() {
    let desk = trail();
    let answer = desk.run(&["who", "logs", "ASIADEPLOY", "--output", "json"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let found = json_of(&answer);
    let names: Vec<&str> = found["sessions"]
        .as_array()
        .expect("a chain")
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(names, ["user/noor", "Admin/noor", "Deploy/ship"]);
    let last = &found["sessions"][2];
    assert_eq!(last["actor"], "user/noor@111122223333");
    assert_eq!((&last["confidence"], &last["link"]["kind"]), (&json!("certain"), &json!("access key id")));
    assert_eq!(last["issued"]["id"], "e2");
}

#[test]
fn the_chain_is_a_tree_on_a_page_and_a_graph_elsewhere() {
    let desk = trail();
    let page = desk.run(&["who", "logs", "ASIADEPLOY", "--output", "table"]).stdout;
    let lines: Vec<&str> = page.lines().take(4).collect();
    assert_eq!(lines[0], "user/noor@111122223333  human");
    assert!(lines[2].starts_with("└─ Admin/noor"), "{page}");
    assert!(lines[3].starts_with("   └─ Deploy/ship") && lines[3].ends_with('◀'), "{page}");
    let dot = desk.run(&["who", "logs", "ASIADEPLOY", "--output", "dot"]).stdout;
    assert!(dot.starts_with("digraph chain {") && dot.contains("n1 -> n2"), "{dot}");
    let mermaid = desk.run(&["who", "logs", "ASIADEPLOY", "--output", "mermaid"]).stdout;
    assert!(mermaid.starts_with("graph LR") && mermaid.contains("n0 -->|\"AssumeRole\"| n1"), "{mermaid}");
}

#[test]
fn an_event_id_an_address_and_a_name_lead_there_too() {
    let desk = trail();
    for subject in ["e3", "198.51.100.7", "noor", "arn:aws:iam::111122223333:role/Deploy", "AROADeploy:ship"]
    {
        let answer = desk.run(&["who", "logs", subject, "--output", "json"]);
        assert!(answer.stdout.contains("user/noor@111122223333"), "{subject}: {}", answer.stderr);
    }
    let nobody = desk.run(&["who", "logs", "mallory"]);
    assert_eq!(nobody.code, 1);
    assert!(
        nobody.stderr.contains("nobody is known as `mallory` in events of 2026-08-01T10:00:00Z"),
        "{}",
        nobody.stderr
    );
}

#[test]
fn an_act_of_a_service_linked_role_has_a_cause_and_a_person_behind_it() {
    let desk = trail();
    let answer = desk.run(&["why", "logs", "e5", "--output", "json"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let why = json_of(&answer);
    let because = &why["because"];
    assert_eq!((&because["kind"], &because["request"]["id"]), (&json!("caused"), &json!("e3")), "{why}");
    assert_eq!(because["request"]["actor"], "user/noor@111122223333");
    assert!(!because["evidence"].as_array().expect("evidence").is_empty());
    let page = desk.run(&["why", "logs", "e5", "--output", "table"]).stdout;
    assert!(page.contains("because  DeleteNodegroup"), "{page}");
    assert!(page.contains("+2 by AWSServiceRoleForAmazonEKSNodegroup"), "{page}");
}

#[test]
fn a_role_of_that_name_outside_the_reserved_path_is_no_service() {
    let desk = Desk::new();
    let parameters = json!({"requestParameters": {"instanceProfileName": format!("eks-{UUID}")}});
    let mut identity = node_group_role("/");
    identity.as_object_mut().expect("an object").remove("invokedBy");
    let record = record("2026-08-01T10:08:00Z", "e5", ("iam", "DeleteInstanceProfile"), identity, parameters);
    desk.log("a.json", &[record]);
    let why = json_of(&desk.run(&["why", "logs", "e5", "--output", "json"]));
    assert_eq!(why["because"]["kind"], "own will", "{why}");
}

#[test]
fn a_timeline_folds_what_services_did_below_its_cause() {
    let desk = trail();
    let folded = desk.run(&["who", "logs", "noor", "--events", "--output", "table"]).stdout;
    assert!(folded.contains("+2 events by AWSServiceRoleForAmazonEKSNodegroup"), "{folded}");
    assert!(folded.contains("because of DeleteNodegroup at 2026-08-01T10:05:00Z"), "{folded}");
    assert!(!folded.contains("TerminateInstances"), "{folded}");
    let told = desk.run(&["who", "logs", "noor", "--events", "--unfold", "--output", "table"]).stdout;
    assert!(told.contains("iam:DeleteInstanceProfile") && !told.contains("+2 events"), "{told}");
}

#[test]
fn sessions_are_listed_and_one_is_shown_by_its_short_id() {
    let desk = trail();
    let answer = desk.run(&["sessions", "logs", "--output", "jsonl"]);
    let rows: Vec<Value> =
        answer.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let ship = rows.iter().find(|row| row["name"] == "Deploy/ship").expect("it is listed");
    assert_eq!(ship["actor"], "user/noor@111122223333");
    let stranger = rows.iter().find(|row| row["name"] == "Stranger/x").expect("it is listed");
    assert!(stranger["actor"].as_str().expect("a text").starts_with("unknown"), "{stranger}");
    let id = ship["session"].as_str().expect("an id");
    let one = desk.run(&["session", "logs", id, "--output", "json"]);
    assert!(one.stdout.contains("Deploy/ship"), "{}", one.stdout);
    assert_eq!(desk.run(&["session", "logs", "ffffffff"]).code, 1);
    let suspicious = desk.run(&["sessions", "logs", "--suspicious", "--output", "jsonl"]).stdout;
    assert!(suspicious.contains("Stranger/x"), "{suspicious}");
    assert!(!suspicious.contains("Deploy/ship"), "{suspicious}");
}

#[test]
fn sql_has_actors_causes_and_their_tables() {
    let desk = trail();
    let ask =
        |sql: &str| desk.run(&["sql", "logs", "-q", sql, "--output", "csv"]).stdout.replace("\r\n", "\n");
    assert_eq!(
        ask("SELECT eventid, actor, actor_type, cause FROM events WHERE eventid IN ('e3', 'e5') ORDER BY 1"),
        "eventid,actor,actor_type,cause\n\
         e3,user/noor@111122223333,human,\n\
         e5,service/eks-nodegroup.amazonaws.com,service,e3\n"
    );
    assert_eq!(ask("SELECT count(*) AS n FROM sessions WHERE actor = 'user/noor@111122223333'"), "n\n3\n");
    assert_eq!(ask("SELECT cluster, account FROM clusters"), "cluster,account\nprod,111122223333\n");
    assert!(ask("SELECT * FROM causes").contains("e3"));
}

#[test]
fn a_search_for_an_actor_follows_the_chain() {
    let desk = trail();
    let found =
        desk.run(&["search", "logs", "--actor", "user/noor@", "--output", "csv", "--columns", "id"]).stdout;
    assert_eq!(found.lines().collect::<Vec<_>>(), ["id", "e1", "e2", "e3"]);
}

#[test]
fn a_cluster_tells_who_changed_it_and_what_eks_did() {
    let desk = trail();
    let answer = desk.run(&["eks", "logs", "--output", "json"]);
    let clusters = json_of(&answer);
    let happening = &clusters["clusters"][0]["happenings"][0];
    assert_eq!(
        (&happening["name"], &happening["actor"]),
        (&json!("DeleteNodegroup"), &json!("user/noor@111122223333"))
    );
    let page = desk.run(&["eks", "logs", "--output", "table"]).stdout;
    assert!(page.starts_with("prod  eu-west-1 111122223333"), "{page}");
}

#[test]
fn a_kubectl_of_the_audit_log_is_led_to_the_person() {
    let desk = trail();
    let event = json!({"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "k1",
        "stage": "ResponseComplete", "requestURI": "/api/v1/namespaces/default/pods/api", "verb": "delete",
        "user": {"username": "arn:aws:sts::111122223333:assumed-role/Deploy/ship",
            "uid": "aws-iam-authenticator:111122223333:AROADeploy",
            "extra": {"accessKeyId": ["ASIADEPLOY"], "sessionName": ["ship"],
                "arn": ["arn:aws:sts::111122223333:assumed-role/Deploy/ship"]}},
        "sourceIPs": ["198.51.100.7"], "objectRef": {"resource": "pods", "namespace": "default", "name": "api"},
        "responseStatus": {"code": 200}, "requestReceivedTimestamp": "2026-08-01T10:06:00.000000Z",
        "stageTimestamp": "2026-08-01T10:06:00.100000Z",
        "annotations": {"authorization.k8s.io/decision": "allow"}});
    desk.file("audit.jsonl", format!("{event}\n{{\"kind\":\"Event\",\n"));
    let answer = desk.run(&["eks", "logs", "--audit", "audit.jsonl", "--output", "jsonl"]);
    let line = answer.stdout.lines().find(|line| line.contains("k1")).expect("the deletion is told");
    let entry: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(
        (&entry["actor"], &entry["verb"]),
        (&json!("user/noor@111122223333"), &json!("delete")),
        "{entry}"
    );
    assert!(answer.stderr.contains("1 lines of audit logs could not be read"), "{}", answer.stderr);
}

#[test]
fn lineage_of_standard_input_is_refused_with_a_hint() {
    let desk = trail();
    let answer = desk.run_as_is(&["who", "-", "noor"]);
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("stdin can be read only once"), "{}", answer.stderr);
}

#[test]
fn sql_that_names_an_actor_on_standard_input_is_refused_with_a_hint() {
    let desk = trail();
    let answer = desk.run_as_is(&["sql", "-", "-q", "SELECT actor FROM events"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (2, ""));
    assert!(answer.stderr.contains("stdin can be read only once"), "{}", answer.stderr);
}

#[test]
fn a_name_that_fits_a_person_and_her_sessions_counts_each_event_once() {
    let desk = trail();
    let page = desk.run(&["who", "logs", "noor", "--output", "table"]).stdout;
    assert!(page.contains("3 events"), "{page}");
}

#[test]
fn the_story_of_a_node_group_names_the_person_who_deleted_it() {
    let desk = trail();
    let answer = desk.run(&["story", "logs", "workers", "--output", "json"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let story = json_of(&answer);
    let event = &story["events"][0];
    assert_eq!((&event["id"], &event["deed"]), (&json!("e3"), &json!("deleted")), "{story}");
    assert_eq!(event["actor"], "user/noor@111122223333");
    let nothing = desk.run(&["story", "logs", "nonesuch"]);
    assert_eq!(nothing.code, 1);
}

#[test]
fn the_bare_policy_is_a_document_of_iam() {
    let desk = trail();
    let answer = desk.run(&["policy", "logs", "ASIAADMIN", "--output", "policy"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let policy = json_of(&answer);
    assert_eq!(policy["Version"], "2012-10-17");
    let wanted = json!([{"Effect": "Allow", "Action": ["sts:AssumeRole"],
        "Resource": ["arn:aws:iam::111122223333:role/Deploy"]}]);
    assert_eq!(policy["Statement"], wanted);
}

#[test]
fn containing_a_person_revokes_the_key_and_the_roles_taken_on() {
    let desk = trail();
    let at_the_time =
        ["contain", "logs", "AKIAEXAMPLENOOR", "--at", "2026-08-01T10:30:00Z", "--output", "sh"];
    let answer = desk.run(&at_the_time);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    for wanted in [
        "aws iam update-access-key --status Inactive --user-name noor --access-key-id AKIAEXAMPLENOOR\n",
        "aws iam put-role-policy --role-name Deploy --policy-name AWSRevokeOlderSessions --policy-document '{",
        "aws iam put-role-policy --role-name Admin ",
    ] {
        assert!(answer.stdout.contains(wanted), "{}", answer.stdout);
    }
    assert!(!answer.stdout.contains("Stranger"), "{}", answer.stdout);
    let is_talk = |line: &str| line.is_empty() || line.starts_with('#') || line.starts_with("aws ");
    assert!(answer.stdout.lines().all(is_talk), "{}", answer.stdout);
}

#[test]
fn a_session_that_has_ended_needs_no_command_and_a_key_does() {
    let desk = trail();
    let later = ["contain", "logs", "AKIAEXAMPLENOOR", "--at", "2026-09-01T00:00:00Z"];
    let page = desk.run(&[&later[..], &["--output", "table"]].concat()).stdout;
    assert!(page.contains("update-access-key") && !page.contains("put-role-policy"), "{page}");
    let over = page.split("over: nothing to revoke").nth(1).expect("what is over");
    assert!(over.contains("Deploy in 111122223333") && over.contains("ended 2026-08-01T11:00:00Z"), "{page}");
    let answer = json_of(&desk.run(&[&later[..], &["--output", "json"]].concat()));
    let revoke = answer["revoke"].as_array().expect("a list");
    let role = revoke.iter().find(|one| one["name"] == "Deploy").expect("the role");
    assert_eq!(
        (&role["over"], &role["ends"]["recorded"], &role["commands"]),
        (&json!(true), &json!(true), &json!([]))
    );
}

#[test]
fn the_aws_cli_takes_every_command_that_contains() {
    let Some(aws) = venv("PUGMARK_AWSCLI", "awscli", "aws") else { return };
    python(&aws, "lineage/contain.py", &[]);
}
