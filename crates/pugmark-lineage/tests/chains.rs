//! Who opened which session, and who stands at the root.

mod trail;

use pugmark_lineage::{ActorClass, ActorType, Confidence, Lineage, LinkKind, Session};
use serde_json::{Value, json};
use trail::{ACCOUNT, OFFICE, OTHER, assume, at, event, event_id, lineage, role, row, service, user, with};

fn by_key<'a>(lineage: &'a Lineage, key: &str) -> Session<'a> {
    lineage.sessions().find(|session| session.access_key() == Some(key)).expect("a session with this key")
}

fn actor(lineage: &Lineage, key: &str) -> (String, Confidence) {
    let session = by_key(lineage, key);
    (session.actor().text().to_owned(), session.confidence())
}

fn describe(id: u32, seconds: u32, identity: &Value) -> Value {
    event(id, seconds, identity, ("ec2", "DescribeInstances"))
}

#[test]
fn a_role_session_leads_to_the_user_whose_key_asked_for_it() {
    let noor = user("noor", "AKIAEXAMPLE000000001");
    let dev = role(ACCOUNT, "dev", "cli", "ASIAEXAMPLE000000001", 60);
    let lineage = lineage(&[
        describe(1, 120, &dev),
        assume(2, 60, &noor, (ACCOUNT, "dev", "cli"), "ASIAEXAMPLE000000001"),
    ]);
    assert_eq!(
        actor(&lineage, "ASIAEXAMPLE000000001"),
        (format!("user/noor@{ACCOUNT}"), Confidence::Certain)
    );
    let link = by_key(&lineage, "ASIAEXAMPLE000000001").link().expect("a link");
    assert_eq!((link.kind, link.events), (LinkKind::AccessKeyId, vec![event_id(2).as_str()]));
}

#[test]
fn chains_of_any_depth_are_followed_to_their_root() {
    let mut records = Vec::new();
    let mut above = user("noor", "AKIAEXAMPLE000000001");
    for step in 0..40_u32 {
        let (name, key) = (format!("step{step:02}"), format!("ASIAEXAMPLE{step:09}"));
        records.push(assume(step, step * 10, &above, (ACCOUNT, &name, "hop"), &key));
        above = role(ACCOUNT, &name, "hop", &key, step * 10);
    }
    records.push(describe(99, 500, &above));
    records.reverse();
    let lineage = lineage(&records);
    let last = by_key(&lineage, "ASIAEXAMPLE000000039");
    assert_eq!(last.actor().text(), format!("user/noor@{ACCOUNT}"));
    assert_eq!((last.depth(), last.chain().len()), (40, 41));
    assert_eq!(last.chain()[0].tree().len(), 41);
}

#[test]
fn a_circle_ends_and_its_actor_is_unknown() {
    let (a, b) = ("ASIAEXAMPLE00000000A", "ASIAEXAMPLE00000000B");
    let (first, second) = (role(ACCOUNT, "a", "x", a, 0), role(ACCOUNT, "b", "x", b, 0));
    let lineage = lineage(&[
        assume(1, 0, &first, (ACCOUNT, "b", "x"), b),
        assume(2, 0, &second, (ACCOUNT, "a", "x"), a),
    ]);
    assert_eq!(by_key(&lineage, a).actor().kind(), ActorType::Unknown);
    assert_eq!(by_key(&lineage, b).actor().kind(), ActorType::Unknown);
    assert!(lineage.parties().all(|party| party.chain().len() <= 2));
}

#[test]
fn the_copies_of_two_accounts_are_one_issuance() {
    let noor = user("noor", "AKIAEXAMPLE000000001");
    let to = (OTHER, "ops", "noor");
    let shared = json!({"sharedEventID": "77777777-0000-4000-8000-000000000001"});
    let outside = json!({"type": "AWSAccount", "principalId": "AIDAEXAMPLEnoor", "accountId": ACCOUNT});
    let with_key = assume(1, 60, &outside, to, "ASIAEXAMPLE000000001");
    let theirs = with(with(with_key, shared.clone()), json!({"recipientAccountId": OTHER}));
    let no_key = json!({"responseElements": null});
    let ours = with(with(assume(2, 60, &noor, to, "ASIAEXAMPLE000000001"), shared), no_key);
    let ops = role(OTHER, "ops", "noor", "ASIAEXAMPLE000000001", 60);
    let lineage = lineage(&[theirs, ours, describe(3, 90, &ops)]);
    let session = by_key(&lineage, "ASIAEXAMPLE000000001");
    assert_eq!(session.actor().text(), format!("user/noor@{ACCOUNT}"));
    let link = session.link().expect("a link");
    assert_eq!((link.kind, link.confidence), (LinkKind::SharedEventId, Confidence::Certain));
    assert_eq!(link.events.len(), 2);
    assert_eq!(lineage.issuances().count(), 1);
}

#[test]
fn a_key_that_two_events_claim_to_have_issued_is_not_certain() {
    let (first, second) = (user("noor", "AKIAEXAMPLE000000001"), user("noor", "AKIAEXAMPLE000000002"));
    let to = (ACCOUNT, "dev", "cli");
    let dev = role(ACCOUNT, "dev", "cli", "ASIAEXAMPLE000000001", 60);
    let records = [
        assume(1, 60, &first, to, "ASIAEXAMPLE000000001"),
        assume(2, 61, &second, to, "ASIAEXAMPLE000000001"),
        describe(3, 90, &dev),
    ];
    let link = by_key(&lineage(&records), "ASIAEXAMPLE000000001").link().map(|link| link.confidence);
    assert_eq!(link, Some(Confidence::Strong));
}

#[test]
fn a_caller_of_an_account_that_is_not_in_the_input_is_outside() {
    let outside = json!({"type": "AWSAccount", "principalId": "AIDAEXAMPLEeve", "accountId": OTHER});
    let record = assume(1, 60, &outside, (ACCOUNT, "ops", "eve"), "ASIAEXAMPLE000000001");
    let record = with(record, json!({"recipientAccountId": ACCOUNT}));
    let ops = role(ACCOUNT, "ops", "eve", "ASIAEXAMPLE000000001", 60);
    let lineage = lineage(&[record, describe(2, 90, &ops)]);
    let session = by_key(&lineage, "ASIAEXAMPLE000000001");
    assert_eq!(
        (session.actor().text(), session.actor().kind()),
        ("account/444455556666", ActorType::Outside)
    );
}

#[test]
fn without_the_key_principal_and_time_join_and_the_conclusion_is_strong() {
    let noor = user("noor", "AKIAEXAMPLE000000001");
    let record = assume(1, 60, &noor, (ACCOUNT, "dev", "cli"), "ASIAEXAMPLE000000001");
    // Another key of the same session, issued a second later by the session's clock.
    let sibling = role(ACCOUNT, "dev", "cli", "ASIAEXAMPLE000000002", 61);
    let later = role(ACCOUNT, "dev", "cli", "ASIAEXAMPLE000000003", 70);
    let lineage = lineage(&[record, describe(2, 90, &sibling), describe(3, 91, &later)]);
    let user = format!("user/noor@{ACCOUNT}");
    assert_eq!(actor(&lineage, "ASIAEXAMPLE000000002"), (user, Confidence::Strong));
    assert_eq!(by_key(&lineage, "ASIAEXAMPLE000000003").actor().kind(), ActorType::Unknown);
}

#[test]
fn an_instance_is_named_and_its_issuer_is_the_service() {
    let instance = "i-0abc1234def567890";
    let ec2 = with(service("ec2.amazonaws.com"), json!({}));
    let mut issued = assume(1, 60, &ec2, (ACCOUNT, "node", instance), "ASIAEXAMPLE000000001");
    issued["responseElements"].as_object_mut().expect("an object").remove("assumedRoleUser");
    let delivered = |key| {
        let mut identity = role(ACCOUNT, "node", instance, key, 60);
        identity["sessionContext"]["ec2RoleDelivery"] = json!("1.0");
        identity
    };
    let lineage = lineage(&[
        issued,
        describe(2, 70, &delivered("ASIAEXAMPLE000000001")),
        describe(3, 80, &delivered("ASIAEXAMPLE000000002")),
    ]);
    let expected = format!("instance/{instance}@{ACCOUNT}");
    assert_eq!(actor(&lineage, "ASIAEXAMPLE000000001"), (expected.clone(), Confidence::Certain));
    assert_eq!(actor(&lineage, "ASIAEXAMPLE000000002"), (expected, Confidence::Strong));
    let stolen = by_key(&lineage, "ASIAEXAMPLE000000002");
    assert_eq!(stolen.above().expect("an issuer").name(), "ec2.amazonaws.com");
}

#[test]
fn a_pod_is_named_by_the_subject_of_its_token() {
    let provider = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/0A1B2C";
    let pod = json!({
        "type": "WebIdentityUser", "identityProvider": provider,
        "principalId": format!("{provider}:sts.amazonaws.com:system:serviceaccount:shop:api"),
        "userName": "system:serviceaccount:shop:api",
    });
    let mut issued = assume(1, 60, &pod, (ACCOUNT, "api", "botocore-session-1"), "ASIAEXAMPLE000000001");
    issued["eventName"] = json!("AssumeRoleWithWebIdentity");
    let api = role(ACCOUNT, "api", "botocore-session-1", "ASIAEXAMPLE000000001", 60);
    let lineage = lineage(&[issued, describe(2, 90, &api)]);
    assert_eq!(
        actor(&lineage, "ASIAEXAMPLE000000001"),
        (format!("pod/0A1B2C/shop/api@{ACCOUNT}"), Confidence::Certain)
    );
}

#[test]
fn pod_identity_is_named_by_its_session_tags() {
    let tags = json!([
        {"key": "eks-cluster-name", "value": "prod"}, {"key": "kubernetes-namespace", "value": "shop"},
        {"key": "kubernetes-service-account", "value": "api"}, {"key": "kubernetes-pod-name", "value": "api-1"},
    ]);
    let eks = service("pods.eks.amazonaws.com");
    let mut issued = assume(1, 60, &eks, (ACCOUNT, "api", "eks-prod-api-1-7f"), "ASIAEXAMPLE000000001");
    issued["requestParameters"]["tags"] = tags;
    let api = role(ACCOUNT, "api", "eks-prod-api-1-7f", "ASIAEXAMPLE000000001", 60);
    let lineage = lineage(&[issued, describe(2, 90, &api)]);
    assert_eq!(actor(&lineage, "ASIAEXAMPLE000000001").0, format!("pod/prod/shop/api@{ACCOUNT}"));
}

#[test]
fn a_pipeline_is_named_by_its_subject() {
    let token = json!({
        "type": "WebIdentityUser", "identityProvider": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com",
        "principalId": "x", "userName": "repo:acme/app:ref:refs/heads/main",
    });
    let issued = assume(1, 60, &token, (ACCOUNT, "deploy", "run"), "ASIAEXAMPLE000000001");
    let deploy = role(ACCOUNT, "deploy", "run", "ASIAEXAMPLE000000001", 60);
    let lineage = lineage(&[issued, describe(2, 90, &deploy)]);
    let session = by_key(&lineage, "ASIAEXAMPLE000000001");
    assert_eq!(session.actor().text(), format!("ci/repo:acme/app:ref:refs/heads/main@{ACCOUNT}"));
    assert_eq!(session.actor().kind(), ActorType::Workload);
}

#[test]
fn a_service_linked_role_leads_to_its_service() {
    let path = "/aws-service-role/eks-nodegroup.amazonaws.com/AWSServiceRoleForAmazonEKSNodegroup";
    let mut linked = role(ACCOUNT, path, "EKS", "", 60);
    linked["invokedBy"] = json!("eks-nodegroup.amazonaws.com");
    let record = event(1, 90, &linked, ("iam", "DeleteInstanceProfile"));
    let lineage = lineage(std::slice::from_ref(&record));
    let judged = row(&record, |row| {
        let judged = lineage.judge(row).expect("a judgement");
        (judged.actor.text().to_owned(), judged.actor_type(), judged.confidence, judged.session.is_some())
    });
    let service = "service/eks-nodegroup.amazonaws.com".to_owned();
    assert_eq!(judged, (service, ActorType::Service, Confidence::Certain, true));
}

#[test]
fn a_service_that_acts_for_a_user_stands_below_the_users_key() {
    let noor = user("noor", "AKIAEXAMPLE000000001");
    let mut forwarded = user("noor", "ASIAEXAMPLE000000009");
    forwarded["invokedBy"] = json!("cloudformation.amazonaws.com");
    forwarded["sessionContext"] =
        json!({"attributes": {"creationDate": at(61), "mfaAuthenticated": "false"}});
    let lineage = lineage(&[describe(1, 60, &noor), describe(2, 62, &forwarded)]);
    let session = by_key(&lineage, "ASIAEXAMPLE000000009");
    assert_eq!(session.actor().text(), format!("user/noor@{ACCOUNT}"));
    assert_eq!(session.above().and_then(Session::access_key), Some("AKIAEXAMPLE000000001"));
}

#[test]
fn a_service_that_acts_in_a_role_session_is_not_its_own_master() {
    let dev = role(ACCOUNT, "dev", "noor", "ASIAEXAMPLE000000001", 60);
    let mut forwarded = role(ACCOUNT, "dev", "noor", "ASIAEXAMPLE000000002", 60);
    forwarded["invokedBy"] = json!("cloudformation.amazonaws.com");
    let (direct, by_service) = (describe(1, 90, &dev), describe(2, 95, &forwarded));
    let noor = user("noor", "AKIAEXAMPLE000000001");
    let issued = assume(3, 60, &noor, (ACCOUNT, "dev", "noor"), "ASIAEXAMPLE000000001");
    let known = lineage(&[direct.clone(), by_service.clone(), issued]);
    let user = format!("user/noor@{ACCOUNT}");
    assert_eq!(actor(&known, "ASIAEXAMPLE000000002"), (user, Confidence::Strong));
    assert_eq!(by_key(&known, "ASIAEXAMPLE000000002").class(), ActorClass::ForwardAccess);
    let unknown = lineage(&[direct, by_service.clone()]);
    assert_eq!(by_key(&unknown, "ASIAEXAMPLE000000002").actor().kind(), ActorType::Unknown);
    let alone = lineage(&[by_service]);
    let service = ("service/cloudformation.amazonaws.com".to_owned(), Confidence::Weak);
    assert_eq!(actor(&alone, "ASIAEXAMPLE000000002"), service);
}

#[test]
fn a_console_session_stands_below_the_sign_in_and_knows_of_mfa() {
    let mut signed_in = user("noor", "");
    signed_in.as_object_mut().expect("an object").remove("accessKeyId");
    let login = with(
        event(1, 60, &signed_in, ("signin", "ConsoleLogin")),
        json!({"responseElements": {"ConsoleLogin": "Success"}, "additionalEventData": {"MFAUsed": "Yes"}}),
    );
    let console = with(
        user("noor", "ASIAEXAMPLE000000001"),
        json!({"sessionContext": {"attributes": {"creationDate": at(60), "mfaAuthenticated": "true"}}}),
    );
    let lineage = lineage(&[login, describe(2, 90, &console)]);
    let session = by_key(&lineage, "ASIAEXAMPLE000000001");
    assert_eq!(session.mfa(), Some(true));
    let issuance = session.issuance().expect("the sign-in");
    assert_eq!((issuance.kind().as_str(), issuance.address()), ("ConsoleLogin", Some(OFFICE)));
}

#[test]
fn a_failed_sign_in_opens_nothing() {
    let login = with(
        event(1, 60, &user("noor", ""), ("signin", "ConsoleLogin")),
        json!({"responseElements": {"ConsoleLogin": "Failure"}}),
    );
    assert_eq!(lineage(&[login]).issuances().count(), 0);
}

#[test]
fn a_key_that_someone_else_made_still_is_its_users() {
    let eve = role(ACCOUNT, "admin", "eve", "ASIAEXAMPLE000000001", 0);
    let made = with(
        event(1, 60, &eve, ("iam", "CreateAccessKey")),
        json!({
            "requestParameters": {"userName": "bob"},
            "responseElements": {"accessKey": {"accessKeyId": "AKIAEXAMPLE000000002", "userName": "bob"}},
        }),
    );
    let lineage = lineage(&[made, describe(2, 90, &user("bob", "AKIAEXAMPLE000000002"))]);
    let key = by_key(&lineage, "AKIAEXAMPLE000000002");
    assert_eq!(key.actor().text(), format!("user/bob@{ACCOUNT}"));
    assert_eq!(key.above().and_then(Session::access_key), Some("ASIAEXAMPLE000000001"));
}

#[test]
fn an_unknown_actor_says_what_is_missing() {
    let early = role(ACCOUNT, "dev", "cli", "ASIAEXAMPLE000000001", 0);
    let covered = role(ACCOUNT, "dev", "cli", "ASIAEXAMPLE000000002", 200);
    let lineage = lineage(&[describe(1, 100, &early), describe(2, 300, &covered)]);
    assert_eq!(
        actor(&lineage, "ASIAEXAMPLE000000001").0,
        "unknown (issued before 2026-01-15, the first day covered)"
    );
    assert_eq!(
        actor(&lineage, "ASIAEXAMPLE000000002").0,
        format!("unknown (no issuance of role dev of {ACCOUNT} in the input)")
    );
}

#[test]
fn an_identity_center_user_is_named_by_the_session_of_a_reserved_role_only() {
    let reserved = "/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0123456789abcdef";
    let real = role(ACCOUNT, reserved, "noor@example.com", "ASIAEXAMPLE000000001", 0);
    let alike = role(ACCOUNT, "AWSReservedSSO_Admin_0123456789abcdef", "noor", "ASIAEXAMPLE000000002", 0);
    let lineage = lineage(&[describe(1, 100, &real), describe(2, 100, &alike)]);
    let noor = format!("sso/noor@example.com@{ACCOUNT}");
    assert_eq!(actor(&lineage, "ASIAEXAMPLE000000001"), (noor, Confidence::Strong));
    assert_eq!(by_key(&lineage, "ASIAEXAMPLE000000001").actor().name(), "noor@example.com");
    assert_eq!(by_key(&lineage, "ASIAEXAMPLE000000002").actor().kind(), ActorType::Unknown);
}

#[test]
fn a_switch_in_the_console_leads_to_the_user_but_only_weakly() {
    let noor = user("noor", "AKIAEXAMPLE000000001");
    let ops = role(ACCOUNT, "ops", "noor", "ASIAEXAMPLE000000001", 60);
    let mut switched = ops.clone();
    switched["accessKeyId"] = json!("");
    let switch = with(
        event(1, 60, &switched, ("signin", "SwitchRole")),
        json!({
            "responseElements": {"SwitchRole": "Success"},
            "additionalEventData": {"SwitchFrom": "arn:aws:iam::111122223333:user/noor"},
        }),
    );
    let lineage = lineage(&[describe(1, 30, &noor), switch, describe(3, 90, &ops)]);
    assert_eq!(actor(&lineage, "ASIAEXAMPLE000000001"), (format!("user/noor@{ACCOUNT}"), Confidence::Weak));
}
