//! Actors that are no IAM users: functions, tasks, federated people, root, other accounts.

mod trail;

use pugmark_lineage::{ActorType, Confidence, Lineage, LinkKind, Session};
use serde_json::{Value, json};
use trail::{ACCOUNT, OTHER, assume, at, event, lineage, role, row, service, user, with};

const KEY: &str = "ASIAEXAMPLE000000001";

fn session(lineage: &Lineage) -> Session<'_> {
    lineage.sessions().find(|session| session.access_key() == Some(KEY)).expect("the session")
}

fn actor(records: &[Value]) -> (String, ActorType, Confidence) {
    let lineage = lineage(records);
    let session = session(&lineage);
    (session.actor().text().to_owned(), session.actor().kind(), session.confidence())
}

fn call(id: u32, identity: &Value) -> Value {
    event(id, 90, identity, ("s3", "ListBuckets"))
}

/// A session of `name` that `principal` opened for itself.
fn opened(principal: &str, name: &str) -> [Value; 2] {
    [
        assume(1, 60, &service(principal), (ACCOUNT, "work", name), KEY),
        call(2, &role(ACCOUNT, "work", name, KEY, 60)),
    ]
}

#[test]
fn functions_tasks_and_builds_are_workloads_by_the_service_that_opened_their_session() {
    let workload = |text: &str| (format!("{text}@{ACCOUNT}"), ActorType::Workload, Confidence::Certain);
    assert_eq!(actor(&opened("lambda.amazonaws.com", "resize")), workload("function/resize"));
    assert_eq!(actor(&opened("ecs-tasks.amazonaws.com", "0a1b2c")), workload("task/0a1b2c"));
    assert_eq!(actor(&opened("codebuild.amazonaws.com", "b-1")), workload("build/b-1"));
}

#[test]
fn a_role_that_a_service_uses_for_itself_is_the_services() {
    let (text, kind, _) = actor(&opened("glue.amazonaws.com", "crawler"));
    assert_eq!((text.as_str(), kind), ("service/glue.amazonaws.com", ActorType::Service));
}

#[test]
fn a_function_is_named_by_what_its_credentials_were_issued_to() {
    let scope = json!({"inScopeOf": {
        "issuerType": "AWS::Lambda::Function",
        "credentialsIssuedTo": "arn:aws:lambda:eu-west-1:111122223333:function:resize",
    }});
    let found = actor(&[call(1, &with(role(ACCOUNT, "work", "resize", KEY, 60), scope))]);
    assert_eq!(found, (format!("function/resize@{ACCOUNT}"), ActorType::Workload, Confidence::Certain));
}

#[test]
fn a_person_of_a_directory_is_named_by_the_assertion() {
    let saml = json!({"type": "SAMLUser", "principalId": "q:noor", "userName": "noor@example.com", "identityProvider": "q"});
    let records = [
        assume(1, 60, &saml, (ACCOUNT, "dev", "noor"), KEY),
        call(2, &role(ACCOUNT, "dev", "noor", KEY, 60)),
    ];
    assert_eq!(actor(&records), ("saml/noor@example.com".to_owned(), ActorType::Human, Confidence::Certain));
}

#[test]
fn a_federated_session_is_its_users_even_without_the_issuing_event() {
    let federated = json!({
        "type": "FederatedUser", "principalId": format!("{ACCOUNT}:app"), "accountId": ACCOUNT, "accessKeyId": KEY,
        "arn": format!("arn:aws:sts::{ACCOUNT}:federated-user/app"),
        "sessionContext": {
            "sessionIssuer": {"type": "IAMUser", "arn": format!("arn:aws:iam::{ACCOUNT}:user/broker"), "accountId": ACCOUNT},
            "attributes": {"creationDate": at(60), "mfaAuthenticated": "false"},
        },
    });
    let broker = (format!("user/broker@{ACCOUNT}"), ActorType::Human, Confidence::Certain);
    assert_eq!(actor(&[call(1, &federated)]), broker);
}

#[test]
fn a_root_session_that_someone_assumed_is_theirs_and_root_itself_is_root() {
    let root = json!({
        "type": "Root", "principalId": OTHER, "accountId": OTHER, "accessKeyId": KEY,
        "arn": format!("arn:aws:iam::{OTHER}:root"),
        "sessionContext": {"attributes": {"creationDate": at(60), "mfaAuthenticated": "false"}},
    });
    assert_eq!(actor(&[call(1, &root)]).0, format!("root@{OTHER}"));
    let mut assumed = root;
    assumed["sessionContext"]["assumedRoot"] = json!("true");
    let mut issued = assume(2, 60, &user("noor", "AKIAEXAMPLE000000001"), (OTHER, "root", "x"), KEY);
    issued["eventName"] = json!("AssumeRoot");
    let noor = (format!("user/noor@{ACCOUNT}"), ActorType::Human, Confidence::Certain);
    assert_eq!(actor(&[issued, call(1, &assumed)]), noor);
}

#[test]
fn a_source_identity_is_believed_but_only_weakly() {
    let mut identity = role(ACCOUNT, "dev", "cli", KEY, 60);
    identity["sessionContext"]["sourceIdentity"] = json!("noor");
    let lineage = lineage(&[call(1, &identity)]);
    let session = session(&lineage);
    assert_eq!(session.actor().text(), format!("source-identity/noor@{ACCOUNT}"));
    let link = session.link().expect("a link");
    assert_eq!((link.kind, link.confidence), (LinkKind::SourceIdentity, Confidence::Weak));
}

#[test]
fn a_source_identity_is_a_user_if_only_one_has_that_name() {
    let mut identity = role(ACCOUNT, "dev", "cli", KEY, 60);
    identity["sessionContext"]["sourceIdentity"] = json!("noor");
    let noor = user("noor", "AKIAEXAMPLE000000001");
    let mut other = user("noor", "AKIAEXAMPLE000000002");
    other["accountId"] = json!(OTHER);
    other["arn"] = json!(format!("arn:aws:iam::{OTHER}:user/noor"));
    let found = actor(&[call(1, &identity), call(2, &noor)]);
    assert_eq!(found, (format!("user/noor@{ACCOUNT}"), ActorType::Human, Confidence::Weak));
    let two = actor(&[call(1, &identity), call(2, &noor), call(3, &other)]);
    assert_eq!(two.0, format!("source-identity/noor@{ACCOUNT}"));
}

#[test]
fn an_identity_center_user_with_a_token_has_a_session_and_the_name_that_another_event_tells() {
    let person = json!({
        "type": "IdentityCenterUser", "accountId": ACCOUNT, "credentialId": "cred-1",
        "onBehalfOf": {"userId": "u-1", "identityStoreArn": "arn:aws:identitystore::111122223333:identitystore/d-1"},
    });
    let named = json!({"additionalEventData": {"UserName": "noor", "AuthWorkflowID": "w"}});
    let records = [
        event(1, 60, &person, ("codewhisperer", "GenerateCompletions")),
        with(event(2, 30, &person, ("signin", "UserAuthentication")), named),
    ];
    let lineage = lineage(&records);
    let session = lineage.sessions().next().expect("a session");
    assert_eq!((session.credential_id(), session.events()), (Some("cred-1"), 2));
    assert_eq!(session.actor().text(), format!("sso/noor@{ACCOUNT}"));
}

#[test]
fn a_role_session_of_identity_center_hangs_below_the_users_token() {
    let person = json!({
        "type": "IdentityCenterUser", "accountId": OTHER, "credentialId": "cred-1", "userName": "noor",
        "onBehalfOf": {"userId": "u-1", "identityStoreArn": "arn:aws:identitystore::444455556666:identitystore/d-1"},
    });
    let path = "/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0123456789abcdef";
    let admin = role(ACCOUNT, path, "noor", KEY, 60);
    let lineage = lineage(&[event(1, 60, &person, ("sso", "GetRoleCredentials")), call(2, &admin)]);
    let session = session(&lineage);
    assert_eq!(session.above().and_then(Session::credential_id), Some("cred-1"));
    assert_eq!(session.actor().text(), format!("sso/noor@{ACCOUNT}"));
}

#[test]
fn the_other_accounts_copy_of_a_call_leads_to_the_session_that_its_principal_means() {
    let noor = user("noor", "AKIAEXAMPLE000000001");
    let dev = role(ACCOUNT, "dev", "cli", KEY, 60);
    let outside = json!({"type": "AWSAccount", "principalId": "AROAEXAMPLEdev:cli", "accountId": ACCOUNT});
    let copy = with(event(3, 95, &outside, ("s3", "GetObject")), json!({"recipientAccountId": OTHER}));
    let lineage = lineage(&[assume(1, 60, &noor, (ACCOUNT, "dev", "cli"), KEY), call(2, &dev), copy.clone()]);
    let judged = row(&copy, |row| {
        let judged = lineage.judge(row).expect("a judgement");
        (judged.actor.text().to_owned(), judged.confidence, judged.session.is_none())
    });
    assert_eq!(judged, (format!("user/noor@{ACCOUNT}"), Confidence::Strong, true));
}

#[test]
fn an_anonymous_caller_is_outside() {
    let nobody = json!({"type": "AWSAccount", "principalId": "", "accountId": "anonymous"});
    let record = with(event(1, 60, &nobody, ("s3", "GetObject")), json!({"recipientAccountId": ACCOUNT}));
    let lineage = lineage(std::slice::from_ref(&record));
    let judged = row(&record, |row| lineage.judge(row).map(|judged| judged.actor.text().to_owned()));
    assert_eq!(judged.as_deref(), Some("account/anonymous"));
}

#[test]
fn a_record_without_identity_has_an_unknown_actor() {
    let record = json!({"eventVersion": "1.11", "eventTime": at(1), "eventSource": "x.amazonaws.com", "eventName": "Y"});
    let lineage = lineage(std::slice::from_ref(&record));
    let judged = row(&record, |row| lineage.judge(row).map(|judged| judged.actor.text().to_owned()));
    assert_eq!(judged.as_deref(), Some("unknown (no identity in the record)"));
}
