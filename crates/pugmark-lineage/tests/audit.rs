//! Audit logs of clusters fused with trails: who is behind a `kubectl`, and behind a pod.

#![expect(clippy::needless_pass_by_value, reason = "records are written down where they are handed over")]

mod trail;

use proptest::prelude::*;
use pugmark_lineage::audit::{AuditLog, Entry, EntrySource, Fusion};
use pugmark_lineage::{Confidence, Lineage, Rows};
use serde_json::{Value, json};
use trail::{ACCOUNT, assume, at, batches, event, lineage, role, service, user, with};

const KEY: &str = "ASIAEXAMPLE000000002";
const CI_KEY: &str = "ASIAEXAMPLE000000003";
const POD_KEY: &str = "ASIAEXAMPLE000000004";

fn aws_user(role: &str, session: &str, key: Option<&str>) -> Value {
    json!({
        "username": format!("{role}:{session}"), "uid": format!("aws-iam-authenticator:{ACCOUNT}:AROAEXAMPLE{role}"),
        "groups": ["system:authenticated"],
        "extra": {"accessKeyId": [key.unwrap_or_default()], "sessionName": [session],
            "arn": [format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}")]},
    })
}

fn request(id: &str, seconds: u32, user: &Value, verb: &str, object: (&str, &str), body: Value) -> Value {
    json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": id, "stage": "ResponseComplete", "verb": verb,
        "user": user, "sourceIPs": ["198.51.100.7"], "requestReceivedTimestamp": at(seconds),
        "objectRef": {"resource": object.0, "namespace": "shop", "name": object.1},
        "responseStatus": {"code": 200}, "requestObject": body,
        "annotations": {"authorization.k8s.io/decision": "allow"},
    })
}

fn owned_by(kind: &str, name: &str) -> Value {
    json!({"metadata": {"ownerReferences": [{"kind": kind, "name": name}]}, "spec": {"serviceAccountName": "api"}})
}

/// A human who assumes a role, a pipeline that does, a cluster, and a pod with a role.
fn records() -> Vec<Value> {
    let alice = user("alice", "AKIAEXAMPLE000000001");
    let token = json!({"type": "WebIdentityUser", "identityProvider": "token.actions.githubusercontent.com",
        "userName": "repo:org/shop:ref:refs/heads/main", "principalId": "token.actions.githubusercontent.com:x"});
    let mut ci = assume(3, 15, &token, (ACCOUNT, "deploy", "ci"), CI_KEY);
    ci["eventName"] = json!("AssumeRoleWithWebIdentity");
    let mut pod =
        assume(4, 60, &service("pods.eks.amazonaws.com"), (ACCOUNT, "api", "eks-prod-api-1-x"), POD_KEY);
    pod["requestParameters"]["tags"] = json!([
        {"key": "eks-cluster-name", "value": "prod"}, {"key": "kubernetes-namespace", "value": "shop"},
        {"key": "kubernetes-service-account", "value": "api"}, {"key": "kubernetes-pod-name", "value": "api-7d4-x2b4z"}]);
    let secret = with(
        event(
            5,
            70,
            &role(ACCOUNT, "api", "eks-prod-api-1-x", POD_KEY, 60),
            ("secretsmanager", "GetSecretValue"),
        ),
        json!({"requestParameters": {"secretId": "shop/db"}}),
    );
    let create = with(
        event(1, 0, &alice, ("eks", "CreateCluster")),
        json!({"requestParameters": {"name": "prod"},
            "responseElements": {"cluster": {"name": "prod", "createdAt": 1_768_471_200.0}}}),
    );
    vec![create, assume(2, 10, &alice, (ACCOUNT, "dev", "alice"), KEY), ci, pod, secret]
}

fn log(events: &[Value]) -> AuditLog {
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    let mut log = AuditLog::default();
    log.read(lines.join("\n").as_bytes(), "/aws/eks/prod/cluster", None);
    log
}

fn fused(lineage: &Lineage, log: &AuditLog, records: &[Value]) -> Vec<Entry> {
    let mut fusion = Fusion::new(lineage, log, 1000);
    for batch in &batches(records) {
        Rows::of(batch).iter().for_each(|row| fusion.read(row));
    }
    fusion.finish().0
}

#[test]
fn a_kubectl_delete_was_that_session_and_that_human() {
    let records = records();
    let lineage = lineage(&records);
    let log = log(&[request(
        "a-1",
        100,
        &aws_user("dev", "alice", Some(KEY)),
        "delete",
        ("pods", "api-1"),
        Value::Null,
    )]);
    let entries = fused(&lineage, &log, &records);
    let delete = entries.iter().find(|entry| entry.source == EntrySource::Kubernetes).expect("it is told");
    assert_eq!((delete.verb.as_str(), delete.object.as_str()), ("delete", "pods shop/api-1"));
    assert_eq!(delete.actor.as_deref(), Some(format!("user/alice@{ACCOUNT}").as_str()));
    assert_eq!(delete.confidence, Some(Confidence::Certain));
    assert_eq!((delete.cluster.as_str(), delete.decision.as_str()), ("prod", "allow"));
}

#[test]
fn without_a_key_the_session_is_found_by_its_arn() {
    let mut records = records();
    records.push(event(9, 20, &role(ACCOUNT, "dev", "alice", KEY, 10), ("sts", "GetCallerIdentity")));
    let lineage = lineage(&records);
    let log = log(&[request(
        "a-1",
        100,
        &aws_user("dev", "alice", None),
        "delete",
        ("pods", "api-1"),
        Value::Null,
    )]);
    let entries = fused(&lineage, &log, &records);
    let delete = entries.iter().find(|entry| entry.source == EntrySource::Kubernetes).expect("it is told");
    assert_eq!(delete.confidence, Some(Confidence::Strong));
    assert_eq!(delete.actor.as_deref(), Some(format!("user/alice@{ACCOUNT}").as_str()));
}

#[test]
fn what_a_pod_read_came_of_the_deployment_that_a_pipeline_created() {
    let records = records();
    let lineage = lineage(&records);
    let controller = |name: &str| json!({"username": format!("system:serviceaccount:kube-system:{name}")});
    let log = log(&[
        request(
            "a-1",
            20,
            &aws_user("deploy", "ci", Some(CI_KEY)),
            "create",
            ("deployments", "api"),
            Value::Null,
        ),
        request(
            "a-2",
            21,
            &controller("deployment-controller"),
            "create",
            ("replicasets", "api-7d4"),
            owned_by("Deployment", "api"),
        ),
        request(
            "a-3",
            22,
            &controller("replicaset-controller"),
            "create",
            ("pods", "api-7d4-x2b4z"),
            owned_by("ReplicaSet", "api-7d4"),
        ),
    ]);
    let entries = fused(&lineage, &log, &records);
    let read =
        entries.iter().find(|entry| entry.verb == "secretsmanager:GetSecretValue").expect("it is told");
    assert_eq!(read.object, "shop/db");
    assert_eq!(read.who, "system:serviceaccount:shop:api");
    let because = read.because.as_deref().expect("the log has the chain");
    assert!(
        because.starts_with("of deployments shop/api, created by ci/repo:org/shop:ref:refs/heads/main"),
        "{because}"
    );
}

#[test]
fn without_objects_in_the_log_names_alone_are_only_likely() {
    let records = records();
    let lineage = lineage(&records);
    let controller = |name: &str| json!({"username": format!("system:serviceaccount:kube-system:{name}")});
    let log = log(&[
        request(
            "a-1",
            20,
            &aws_user("deploy", "ci", Some(CI_KEY)),
            "create",
            ("deployments", "api"),
            Value::Null,
        ),
        request(
            "a-2",
            21,
            &controller("deployment-controller"),
            "create",
            ("replicasets", "api-7d4"),
            Value::Null,
        ),
        request(
            "a-3",
            22,
            &controller("replicaset-controller"),
            "create",
            ("pods", "api-7d4-x2b4z"),
            Value::Null,
        ),
    ]);
    let entries = fused(&lineage, &log, &records);
    let read =
        entries.iter().find(|entry| entry.verb == "secretsmanager:GetSecretValue").expect("it is told");
    let because = read.because.as_deref().expect("names lead there");
    assert!(because.starts_with("likely of deployments shop/api, created by ci/"), "{because}");
}

#[test]
fn the_timeline_is_by_time_and_has_the_requests_to_eks_too() {
    let records = records();
    let lineage = lineage(&records);
    let check = format!(
        "time=\"{}\" level=info msg=\"STS response\" accesskeyid={KEY} arn=\"arn:aws:sts::{ACCOUNT}:assumed-role/dev/alice\" client=\"10.0.0.1:1\"\n",
        at(90)
    );
    let mut log = log(&[request(
        "a-1",
        100,
        &aws_user("dev", "alice", Some(KEY)),
        "delete",
        ("pods", "api-1"),
        Value::Null,
    )]);
    log.read(check.as_bytes(), "/aws/eks/prod/cluster", None);
    let entries = fused(&lineage, &log, &records);
    let sources: Vec<&str> = entries.iter().map(|entry| entry.source.as_str()).collect();
    assert_eq!(sources, ["cloudtrail", "cloudtrail", "authenticator", "kubernetes"]);
    assert!(entries.iter().all(|entry| entry.actor.is_some()));
}

#[test]
fn a_change_of_aws_auth_names_whom_it_lets_in() {
    let records = records();
    let lineage = lineage(&records);
    let roles = format!(
        "- rolearn: arn:aws:iam::{ACCOUNT}:role/ops\n  username: ops\n  groups:\n  - system:masters\n"
    );
    let body = json!({"data": {"mapRoles": roles}});
    let mut change =
        request("a-1", 100, &aws_user("dev", "alice", Some(KEY)), "patch", ("configmaps", "aws-auth"), body);
    change["objectRef"]["namespace"] = json!("kube-system");
    let entries = fused(&lineage, &log(&[change]), &records);
    let told = entries.iter().find(|entry| entry.source == EntrySource::Kubernetes).expect("it is told");
    assert_eq!(told.object, format!("configmaps kube-system/aws-auth: arn:aws:iam::{ACCOUNT}:role/ops"));
    assert_eq!(told.actor.as_deref(), Some(format!("user/alice@{ACCOUNT}").as_str()));
}

/// Lines of an audit log in which objects, callers and times meet often.
fn audit_line() -> impl Strategy<Value = String> {
    (0..6_u8, 0..4_u32, 0..60_u32, 0..3_u8).prop_map(|(kind, name, second, stage)| {
        let controller = |name: &str| json!({"username": format!("system:serviceaccount:kube-system:{name}")});
        let (set, pod) = (format!("api-{name}"), format!("api-{name}-x2b4z"));
        let dev = aws_user("dev", "alice", (name > 1).then_some(KEY));
        let id = format!("a-{kind}-{name}-{second}");
        let mut line = match kind {
            0 => request(&id, second, &dev, "delete", ("pods", &pod), Value::Null),
            1 => request(&id, second, &aws_user("deploy", "ci", Some(CI_KEY)), "create", ("deployments", "api"), Value::Null),
            2 => request(&id, second, &controller("deployment-controller"), "create", ("replicasets", &set), owned_by("Deployment", "api")),
            3 => request(&id, second, &controller("replicaset-controller"), "create", ("pods", &pod), owned_by("ReplicaSet", &set)),
            4 => request(&id, second, &json!({"username": "system:serviceaccount:shop:api"}), "create", ("secrets", "s"), Value::Null),
            _ => {
                return format!(
                    "time=\"{}\" level=info msg=\"STS response\" accesskeyid={KEY} arn=\"arn:aws:sts::{ACCOUNT}:assumed-role/dev/alice\" client=\"10.0.0.{name}:1\"",
                    at(second)
                );
            }
        };
        if stage == 0 {
            line["stage"] = json!("RequestReceived");
        }
        line.to_string()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn neither_order_nor_split_of_either_log_can_be_seen(
        (lines, shuffled) in prop::collection::vec(audit_line(), 1..25)
            .prop_flat_map(|lines| (Just(lines.clone()), Just(lines).prop_shuffle())),
        order in Just(records()).prop_shuffle(),
        files in 1..5_usize,
    ) {
        let read = |lines: &[String]| {
            let mut log = AuditLog::default();
            log.read(lines.join("\n").as_bytes(), "/aws/eks/prod/cluster", None);
            log
        };
        let whole = fused(&lineage(&records()), &read(&lines), &records());
        let parts = shuffled.chunks(shuffled.len().div_ceil(files)).map(read);
        let merged = parts.fold(AuditLog::default(), |mut all, part| {
            all.merge(part);
            all
        });
        prop_assert_eq!(whole, fused(&lineage(&order), &merged, &order));
    }
}
