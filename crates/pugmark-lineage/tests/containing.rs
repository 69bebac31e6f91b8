//! The life of a resource, the least policy of an identity, and what to do about a suspect.

#![expect(clippy::needless_pass_by_value, reason = "records are written down where they are handed over")]

mod trail;

use proptest::prelude::*;
use pugmark_decode::{Plan, decode};
use pugmark_event::{EventBatch, Leaf, Limits};
use pugmark_lineage::{
    AwsCommand, Contain, Containment, Deed, Facts, Least, LegacyKind, Life, Lineage, Needs, PolicyKind,
    Refusal, Rows, Story,
};
use serde_json::{Value, json};
use trail::{ACCOUNT, assume, event, lineage, role, user, with};

/// Batches with all that a second reading reads.
fn batches(records: &[Value]) -> Vec<EventBatch> {
    let body = json!({"Records": records}).to_string();
    let leaves = Story::LEAVES.into_iter().chain(Needs::LEAVES).chain(Contain::LEAVES).chain([Leaf::EventId]);
    let projection = leaves.fold(Facts::leaves(), pugmark_event::Projection::with);
    decode(body.as_bytes(), Plan { projection, needles: Vec::new(), limits: Limits::default() }).0
}

fn life(lineage: &Lineage, subject: &str, files: &[Vec<Value>]) -> Life {
    let read = |records: &Vec<Value>| {
        let mut story = Story::new(lineage, subject);
        for batch in batches(records) {
            Rows::of(&batch).iter().for_each(|row| story.read(row));
        }
        story
    };
    files.iter().map(read).reduce(Story::merge).expect("a file").finish()
}

fn least(lineage: &Lineage, subject: &str, files: &[Vec<Value>]) -> Least {
    let parties = lineage.find(subject).expect("parties").parties;
    let read = |records: &Vec<Value>| {
        let mut needs = Needs::new(lineage, &parties);
        for batch in batches(records) {
            Rows::of(&batch).iter().for_each(|row| needs.read(row));
        }
        needs
    };
    files.iter().map(read).reduce(Needs::merge).expect("a file").finish()
}

fn containment<'a>(lineage: &'a Lineage, subject: &str, files: &[Vec<Value>]) -> Containment<'a> {
    let parties = lineage.find(subject).expect("parties").parties;
    let read = |records: &Vec<Value>| {
        let mut contain = Contain::new(lineage);
        for batch in batches(records) {
            Rows::of(&batch).iter().for_each(|row| contain.read(row));
        }
        contain
    };
    files.iter().map(read).reduce(Contain::merge).expect("a file").finish(&parties, 1_768_500_000_000_000)
}

fn noor() -> Value {
    user("noor", "AKIAEXAMPLE000000001")
}

fn call(id: u32, seconds: u32, identity: &Value, call: (&str, &str), request: Value) -> Value {
    let is_read = ["Get", "List", "Describe", "Head"].iter().any(|verb| call.1.starts_with(verb));
    with(event(id, seconds, identity, call), json!({"requestParameters": request, "readOnly": is_read}))
}

/// A bucket's life with a session in the middle.
fn bucket() -> Vec<Value> {
    let admin = role(ACCOUNT, "Admin", "noor", "ASIAEXAMPLE000000002", 5);
    let name = || json!({"bucketName": "acme-records"});
    vec![
        call(1, 0, &noor(), ("s3", "CreateBucket"), name()),
        assume(2, 5, &noor(), (ACCOUNT, "Admin", "noor"), "ASIAEXAMPLE000000002"),
        call(3, 10, &admin, ("s3", "PutBucketPolicy"), name()),
        call(4, 20, &admin, ("s3", "GetObject"), json!({"bucketName": "acme-records", "key": "a"})),
        call(5, 25, &noor(), ("s3", "DeleteBucketTagging"), name()),
        call(6, 30, &noor(), ("s3", "DeleteBucket"), name()),
        call(7, 30, &noor(), ("s3", "CreateBucket"), json!({"bucketName": "acme-records-2"})),
    ]
}

#[test]
fn a_life_tells_what_each_event_was_and_who_stands_behind_it() {
    let records = bucket();
    let lineage = lineage(&records);
    let life = life(&lineage, "acme-records", &[records]);
    let deeds: Vec<(&str, Deed)> = life.chapters.iter().map(|one| (one.name.as_str(), one.deed)).collect();
    let wanted = [
        ("CreateBucket", Deed::Created),
        ("PutBucketPolicy", Deed::Shared),
        ("GetObject", Deed::Used),
        ("DeleteBucketTagging", Deed::Changed),
        ("DeleteBucket", Deed::Deleted),
        ("CreateBucket", Deed::Mentioned),
    ];
    assert_eq!(deeds, wanted);
    assert_eq!(life.chapters[1].actor.as_deref(), Some("user/noor@111122223333"));
}

#[test]
fn a_part_of_a_cluster_that_is_deleted_is_not_the_cluster() {
    let records = [
        call(1, 0, &noor(), ("eks", "CreateCluster"), json!({"name": "prod"})),
        call(2, 1, &noor(), ("eks", "DeleteNodegroup"), json!({"clusterName": "prod", "nodegroupName": "w"})),
        call(3, 2, &noor(), ("eks", "DeleteAddon"), json!({"name": "prod", "addonName": "cni"})),
        call(4, 3, &noor(), ("eks", "DeleteCluster"), json!({"name": "prod"})),
    ];
    let lineage = lineage(&records);
    let arn = format!("arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/prod");
    let deeds: Vec<Deed> =
        life(&lineage, &arn, &[records.to_vec()]).chapters.iter().map(|one| one.deed).collect();
    assert_eq!(deeds, [Deed::Created, Deed::Changed, Deed::Changed, Deed::Deleted]);
}

#[test]
fn an_instance_is_born_in_an_answer_with_what_came_with_it() {
    let answer = json!({"responseElements": {"instancesSet": {"items": [
        {"instanceId": "i-0abc1234def567890", "networkInterfaceId": "eni-0abc1234def567890"}]}}});
    let records = [with(
        call(1, 0, &noor(), ("ec2", "RunInstances"), json!({"imageId": "ami-0abc1234def567890"})),
        answer,
    )];
    let lineage = lineage(&records);
    let life = life(&lineage, "i-0abc1234def567890", &[records.to_vec()]);
    assert_eq!(life.chapters[0].deed, Deed::Created);
    assert_eq!(life.related.iter().map(String::as_str).collect::<Vec<_>>(), ["eni-0abc1234def567890"]);
}

#[test]
fn a_policy_names_actions_resources_and_refusals() {
    let refused = json!({"errorCode": "AccessDenied", "errorMessage": "User: x is not authorized to perform: \
        secretsmanager:GetSecretValue on resource: db because no permissions boundary allows the action"});
    let records = [
        call(1, 0, &noor(), ("s3", "ListObjects"), json!({"bucketName": "acme"})),
        call(2, 1, &noor(), ("s3", "HeadObject"), json!({"bucketName": "acme", "key": "a"})),
        call(3, 2, &noor(), ("ec2", "DescribeInstances"), Value::Null),
        call(4, 3, &noor(), ("sts", "GetCallerIdentity"), Value::Null),
        call(5, 4, &noor(), ("quidditch", "CreateBroom"), Value::Null),
        with(call(6, 5, &noor(), ("secretsmanager", "GetSecretValue"), json!({"secretId": "db"})), refused),
    ];
    let lineage = lineage(&records);
    let least = least(&lineage, "noor", &[records.to_vec()]);
    let document = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["ec2:DescribeInstances"], "Resource": ["*"]},
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::acme/a"]},
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::acme"]},
    ]});
    assert_eq!(least.document(), document);
    assert_eq!(least.untold.keys().collect::<Vec<_>>(), ["quidditch:CreateBroom"]);
    let (denied, _) = least.denied.first_key_value().expect("a refusal");
    assert_eq!(denied.action, "secretsmanager:GetSecretValue");
    assert_eq!(denied.denial.refusal, Refusal::NotAllowed(PolicyKind::Boundary));
}

#[test]
fn who_gets_a_policy_is_the_resource_and_not_the_policy() {
    let attach = json!({"userName": "mallory", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"});
    let records = [call(1, 0, &noor(), ("iam", "AttachUserPolicy"), attach)];
    let lineage = lineage(&records);
    let least = least(&lineage, "noor", &[records.to_vec()]);
    let resources: Vec<&str> =
        least.actions["iam:AttachUserPolicy"].resources.iter().map(String::as_str).collect();
    let user = |name: &str| format!("arn:aws:iam::{ACCOUNT}:user/{name}");
    assert_eq!(resources, [user("*/mallory"), user("mallory")]);
}

#[test]
fn a_name_with_a_wildcard_does_not_widen_the_policy_to_what_it_matches() {
    let records = [call(1, 0, &noor(), ("s3", "GetObject"), json!({"bucketName": "acme", "key": "*"}))];
    let lineage = lineage(&records);
    let least = least(&lineage, "noor", &[records.to_vec()]);
    let grantable = &least.actions["s3:GetObject"];
    assert_eq!(grantable.resources.iter().collect::<Vec<_>>(), ["arn:aws:s3:::acme/*"]);
}

/// noor makes a user, who makes a role; the user's key reads a secret.
fn theft() -> Vec<Value> {
    let mallory = user("mallory", "AKIAEXAMPLE000000009");
    let made = |value: Value| json!({"responseElements": value});
    vec![
        with(
            call(1, 0, &noor(), ("iam", "CreateUser"), json!({"userName": "mallory"})),
            made(
                json!({"user": {"userName": "mallory", "arn": format!("arn:aws:iam::{ACCOUNT}:user/mallory")}}),
            ),
        ),
        with(
            call(2, 1, &noor(), ("iam", "CreateAccessKey"), json!({"userName": "mallory"})),
            made(json!({"accessKey": {"userName": "mallory", "accessKeyId": "AKIAEXAMPLE000000009"}})),
        ),
        call(
            3,
            2,
            &noor(),
            ("iam", "AttachUserPolicy"),
            json!({"userName": "mallory", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        ),
        call(4, 3, &mallory, ("iam", "CreateRole"), json!({"roleName": "a';$(id)"})),
        call(5, 4, &mallory, ("secretsmanager", "GetSecretValue"), json!({"secretId": "db"})),
        call(6, 5, &user("alice", "AKIAEXAMPLE000000003"), ("iam", "CreateUser"), json!({"userName": "bob"})),
    ]
}

#[test]
fn what_a_suspect_made_is_suspect_and_what_others_did_is_not() {
    let records = theft();
    let lineage = lineage(&records);
    let found = containment(&lineage, "noor", &[records]);
    let kinds: Vec<LegacyKind> = found.legacies.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [LegacyKind::User, LegacyKind::Key, LegacyKind::Attached, LegacyKind::Role]);
    assert_eq!(found.touched.get(&("secret read", "db".to_owned())), Some(&1));
    let keys: Vec<&str> = found
        .revocations
        .iter()
        .map(|one| one.name.as_str())
        .filter(|name| name.starts_with("AKIA"))
        .collect();
    assert_eq!(keys, ["AKIAEXAMPLE000000001", "AKIAEXAMPLE000000009"]);
}

#[test]
fn a_hostile_name_stays_one_word_of_the_command() {
    let records = theft();
    let lineage = lineage(&records);
    let found = containment(&lineage, "noor", &[records]);
    let commands: Vec<&str> =
        found.legacies.iter().flat_map(|one| one.commands.iter().map(AwsCommand::as_str)).collect();
    assert!(commands.contains(&r"aws iam get-role --role-name 'a'\'';$(id)'"), "{commands:?}");
    assert!(
        commands.contains(
            &"aws iam detach-user-policy --user-name mallory --policy-arn arn:aws:iam::aws:policy/AdministratorAccess"
        ),
        "{commands:?}"
    );
}

#[test]
fn a_key_that_was_switched_off_is_not_revoked_again() {
    let mut records = theft();
    let off = json!({"userName": "mallory", "accessKeyId": "AKIAEXAMPLE000000009", "status": "Inactive"});
    records.push(call(8, 9, &user("alice", "AKIAEXAMPLE000000003"), ("iam", "UpdateAccessKey"), off));
    let lineage = lineage(&records);
    let found = containment(&lineage, "noor", &[records]);
    assert!(found.revocations.iter().all(|one| one.name != "AKIAEXAMPLE000000009"));
}

#[test]
fn a_key_that_was_switched_on_again_is_revoked_whatever_the_order() {
    let alice = user("alice", "AKIAEXAMPLE000000003");
    let switch = |id, seconds, status: &str| {
        let to = json!({"userName": "mallory", "accessKeyId": "AKIAEXAMPLE000000009", "status": status});
        call(id, seconds, &alice, ("iam", "UpdateAccessKey"), to)
    };
    let mut records = theft();
    records.extend([switch(8, 9, "Inactive"), switch(9, 20, "Active")]);
    let lineage = lineage(&records);
    for files in [vec![records.clone()], vec![records[7..].to_vec(), records[..7].to_vec()]] {
        let found = containment(&lineage, "noor", &files);
        assert!(found.revocations.iter().any(|one| one.name == "AKIAEXAMPLE000000009"));
        assert!(found.legacies.iter().all(|one| !one.is_removed));
    }
}

#[test]
fn what_was_deleted_later_is_told_unless_it_came_again() {
    let policy = json!({"userName": "mallory", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"});
    let role = || json!({"roleName": "a';$(id)"});
    let mut records = theft();
    records.extend([
        call(8, 9, &noor(), ("iam", "DetachUserPolicy"), policy),
        call(9, 10, &noor(), ("iam", "DeleteRole"), role()),
        call(10, 11, &noor(), ("iam", "CreateRole"), role()),
    ]);
    let lineage = lineage(&records);
    let found = containment(&lineage, "noor", &[records]);
    let removed: Vec<LegacyKind> =
        found.legacies.iter().filter(|one| one.is_removed).map(|one| one.kind).collect();
    assert_eq!(removed, [LegacyKind::Attached]);
}

#[test]
fn a_password_that_was_set_again_is_deleted_again() {
    let login = || json!({"userName": "noor"});
    let deletes = |records: &[Value]| {
        let lineage = lineage(records);
        let found = containment(&lineage, "noor", &[records.to_vec()]);
        let mut commands =
            found.revocations.iter().flat_map(|one| one.commands.iter().map(AwsCommand::as_str));
        commands.any(|command| command == "aws iam delete-login-profile --user-name noor")
    };
    let mut records = vec![call(1, 0, &noor(), ("iam", "DeleteLoginProfile"), login())];
    assert!(!deletes(&records));
    records.push(call(2, 9, &noor(), ("iam", "CreateLoginProfile"), login()));
    assert!(deletes(&records));
}

/// Objects of some buckets, and further buckets: about as many as the policy lists.
fn resources() -> impl Strategy<Value = Vec<Value>> {
    let one = |(bucket, key): (u8, u8)| {
        call(
            0,
            0,
            &noor(),
            ("s3", "GetObject"),
            json!({"bucketName": format!("b{bucket}"), "key": format!("k{key}")}),
        )
    };
    let some = (60..70_u8).prop_flat_map(move |buckets| {
        let all: Vec<(u8, u8)> =
            (0..buckets).flat_map(|bucket| (0..=bucket % 7).map(move |key| (bucket, key))).collect();
        Just(all).prop_shuffle()
    });
    some.prop_map(move |all| all.into_iter().map(one).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn the_limit_of_resources_does_not_depend_on_order(records in resources(), files in 1..6_usize) {
        let lineage = lineage(&records[..1]);
        let parts: Vec<Vec<Value>> = records.chunks(records.len().div_ceil(files)).map(<[Value]>::to_vec).collect();
        let mut sorted = records;
        sorted.sort_by_key(|record| record["requestParameters"].to_string());
        prop_assert_eq!(least(&lineage, "noor", &parts), least(&lineage, "noor", &[sorted]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn order_and_split_cannot_be_seen(order in Just((0..13_usize).collect::<Vec<_>>()).prop_shuffle(), files in 1..6_usize) {
        let all: Vec<Value> = bucket().into_iter().chain(theft().into_iter().map(renumbered)).collect();
        let lineage = lineage(&all);
        let shuffled: Vec<Value> = order.iter().map(|place| all[*place].clone()).collect();
        let files: Vec<Vec<Value>> = shuffled.chunks(shuffled.len().div_ceil(files)).map(<[Value]>::to_vec).collect();
        let whole = [all];
        prop_assert_eq!(life(&lineage, "acme-records", &whole), life(&lineage, "acme-records", &files));
        prop_assert_eq!(least(&lineage, "noor", &whole), least(&lineage, "noor", &files));
        let (one, other) = (containment(&lineage, "noor", &whole), containment(&lineage, "noor", &files));
        prop_assert_eq!(one.legacies, other.legacies);
        prop_assert_eq!(one.revocations, other.revocations);
        prop_assert_eq!(one.touched, other.touched);
    }
}

fn renumbered(mut record: Value) -> Value {
    let id = record["eventID"].as_str().expect("an id").replace("00000000-", "11111111-");
    record["eventID"] = Value::String(id);
    record
}
