//! Lives of EKS clusters, out of hand-made trails.

#![expect(clippy::needless_pass_by_value, reason = "records are written down where they are handed over")]

mod trail;

use pugmark_lineage::{Alarm, Change, Cluster, LifeState, Lineage, PodRight, SubjectKind};
use serde_json::{Value, json};
use trail::{ACCOUNT, assume, event, event_id, lineage, lineage_of, role, service, user, with};

const GROUP: &str = "11111111-2222-3333-4444-abcdef123456";
const ISSUER: &str = "EXAMPLED539D4633E53DE1B71EXAMPLE";

fn noor() -> Value {
    user("noor", "AKIAEXAMPLE000000001")
}

fn eks(id: u32, seconds: u32, call: &str, request: Value, response: Value) -> Value {
    with(
        event(id, seconds, &noor(), ("eks", call)),
        json!({"requestParameters": request, "responseElements": response}),
    )
}

fn refused(record: Value, code: &str, message: &str) -> Value {
    with(record, json!({"errorCode": code, "errorMessage": message, "responseElements": null}))
}

fn create(id: u32, seconds: u32, created: f64) -> Value {
    let cluster = json!({"name": "prod", "createdAt": created, "version": "1.33",
        "arn": format!("arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/prod"),
        "identity": {"oidc": {"issuer": format!("https://oidc.eks.eu-west-1.amazonaws.com/id/{ISSUER}")}}});
    let request = json!({"name": "prod", "roleArn": format!("arn:aws:iam::{ACCOUNT}:role/eks-cluster"),
        "clientRequestToken": format!("token-{id}")});
    eks(id, seconds, "CreateCluster", request, json!({"cluster": cluster}))
}

fn delete(id: u32, seconds: u32, created: f64) -> Value {
    let response = json!({"cluster": {"name": "prod", "createdAt": created, "status": "DELETING"}});
    eks(id, seconds, "DeleteCluster", json!({"name": "prod"}), response)
}

fn node_group(id: u32, seconds: u32) -> Value {
    let request = json!({"name": "prod", "nodegroupName": "web", "nodeRole": format!("arn:aws:iam::{ACCOUNT}:role/node")});
    let arn = format!("arn:aws:eks:eu-west-1:{ACCOUNT}:nodegroup/prod/web/{GROUP}");
    eks(
        id,
        seconds,
        "CreateNodegroup",
        request,
        json!({"nodegroup": {"nodegroupName": "web", "nodegroupArn": arn}}),
    )
}

fn linked_role(id: u32, seconds: u32, call: (&str, &str), request: Value) -> Value {
    let path = "/aws-service-role/eks-nodegroup.amazonaws.com/AWSServiceRoleForAmazonEKSNodegroup";
    let identity =
        with(role(ACCOUNT, path, "EKS", "", 0), json!({"invokedBy": "eks-nodegroup.amazonaws.com"}));
    with(event(id, seconds, &identity, call), json!({"requestParameters": request, "awsRegion": "us-east-1"}))
}

fn only(lineage: &Lineage) -> &Cluster {
    let [cluster] = lineage.clusters().all.as_slice() else {
        unreachable!("one cluster: {:?}", lineage.clusters())
    };
    cluster
}

#[test]
fn a_cluster_has_a_creator_a_version_and_an_end() {
    let lineage = lineage(&[create(1, 0, 1_768_471_200.2), delete(2, 3600, 1_768_471_200.2)]);
    let cluster = only(&lineage);
    assert_eq!((cluster.state, cluster.version.as_deref()), (LifeState::Deleted, Some("1.33")));
    assert_eq!(cluster.created, Some(1_768_471_200_200_000));
    let creation = cluster.creation().expect("it was seen");
    assert_eq!(creation.event, event_id(1));
    let session = creation.session(&lineage).expect("the creator's key was used");
    assert_eq!(session.actor().text(), format!("user/noor@{ACCOUNT}"));
    assert_eq!(cluster.role(), Some(format!("arn:aws:iam::{ACCOUNT}:role/eks-cluster").as_str()));
}

#[test]
fn a_name_that_is_used_again_is_another_cluster() {
    let lineage = lineage(&[
        create(1, 0, 1_768_471_200.0),
        node_group(2, 60),
        delete(3, 600, 1_768_471_200.0),
        create(4, 1800, 1_768_473_000.0),
        node_group(5, 1900),
    ]);
    let [first, later] = lineage.clusters().all.as_slice() else { unreachable!("two lives") };
    assert_eq!((first.state, later.state), (LifeState::Deleted, LifeState::Created));
    assert_eq!((first.happenings.len(), later.happenings.len()), (3, 2));
}

#[test]
fn a_deletion_that_names_another_time_of_creation_ends_another_cluster() {
    let lineage = lineage(&[create(1, 0, 1_768_471_200.0), delete(2, 7200, 1_768_474_000.0)]);
    let states: Vec<LifeState> = lineage.clusters().all.iter().map(|cluster| cluster.state).collect();
    assert_eq!(states, [LifeState::Created, LifeState::Deleted]);
}

#[test]
fn a_refused_attempt_belongs_to_the_cluster_that_came_of_it() {
    let denied =
        refused(create(1, 0, 0.0), "AccessDeniedException", "not authorized to perform: iam:PassRole");
    let lineage = lineage(&[denied, create(2, 60, 1_768_471_260.0)]);
    let cluster = only(&lineage);
    assert_eq!(cluster.state, LifeState::Created);
    assert_eq!(cluster.refused().map(|one| one.event.as_str()).collect::<Vec<_>>(), [event_id(1)]);
    assert_eq!(cluster.creation().map(|one| one.event.clone()), Some(event_id(2)));
}

#[test]
fn a_cluster_that_was_only_refused_never_lived() {
    let lineage = lineage(&[refused(create(1, 0, 0.0), "AccessDeniedException", "no")]);
    assert_eq!(only(&lineage).state, LifeState::Refused);
    assert_eq!(only(&lineage).creation(), None);
}

#[test]
fn retries_of_one_intent_are_one_request() {
    let mut again = create(2, 5, 1_768_471_200.0);
    again["requestParameters"]["clientRequestToken"] = json!("token-1");
    let lineage = lineage(&[create(1, 0, 1_768_471_200.0), again]);
    let cluster = only(&lineage);
    assert_eq!(cluster.happenings.len(), 1);
    assert_eq!(cluster.happenings[0].retries, 1);
}

#[test]
fn parts_have_lives_of_their_own() {
    let remove = |id, seconds| {
        eks(
            id,
            seconds,
            "DeleteNodegroup",
            json!({"name": "prod", "nodegroupName": "web"}),
            json!({"nodegroup": {}}),
        )
    };
    let lineage =
        lineage(&[create(1, 0, 1_768_471_200.0), node_group(2, 60), remove(3, 120), node_group(4, 180)]);
    let cluster = only(&lineage);
    let groups: Vec<_> = cluster.parts_of(SubjectKind::NodeGroup).collect();
    assert_eq!(groups.len(), 2);
    assert_eq!(groups.iter().filter(|group| group.deleted.is_some()).count(), 1);
    let ended = groups.iter().find(|group| group.deleted.is_some()).expect("one ended");
    let happening = &cluster.happenings[ended.deleted.expect("it ended")];
    assert_eq!((happening.name.as_str(), happening.change), ("DeleteNodegroup", Change::Delete));
    assert_eq!(happening.alarms, [Alarm::Deletion]);
}

#[test]
fn an_association_is_deleted_by_its_id() {
    let made = eks(
        2,
        60,
        "CreatePodIdentityAssociation",
        json!({"name": "prod", "namespace": "shop", "serviceAccount": "api", "roleArn": format!("arn:aws:iam::{ACCOUNT}:role/api")}),
        json!({"association": {"associationId": "a-1", "associationArn": format!("arn:aws:eks:eu-west-1:{ACCOUNT}:podidentityassociation/prod/a-1")}}),
    );
    let removed = eks(
        3,
        90,
        "DeletePodIdentityAssociation",
        json!({"name": "prod", "associationId": "a-1"}),
        Value::Null,
    );
    let lineage = lineage(&[create(1, 0, 1_768_471_200.0), made, removed]);
    let parts: Vec<_> = only(&lineage).parts_of(SubjectKind::PodIdentity).collect();
    assert_eq!(parts.len(), 1);
    assert_eq!(parts[0].name, "shop/api");
    assert!(parts[0].created.is_some() && parts[0].deleted.is_some());
}

#[test]
fn what_eks_did_is_told_to_the_cluster_by_the_names_it_gives() {
    let profile = json!({"instanceProfileName": format!("eks-{GROUP}")});
    let lineage = lineage(&[
        create(1, 0, 1_768_471_200.0),
        node_group(2, 60),
        linked_role(3, 120, ("iam", "DeleteInstanceProfile"), profile.clone()),
        linked_role(4, 130, ("iam", "DeleteInstanceProfile"), profile),
        linked_role(5, 140, ("ec2", "DescribeSubnets"), json!({})),
    ]);
    let calls = &only(&lineage).service_calls;
    assert_eq!(
        calls.iter().map(|call| (call.call.as_str(), call.count, call.is_named)).collect::<Vec<_>>(),
        [("iam:DeleteInstanceProfile", 2, true)]
    );
    assert_eq!(lineage.clusters().unplaced.len(), 1, "no name, and a Region without a cluster");
}

#[test]
fn pods_are_told_by_service_account() {
    let provider =
        format!("arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/{ISSUER}");
    let pod = json!({"type": "WebIdentityUser", "identityProvider": provider, "accountId": null,
        "userName": "system:serviceaccount:shop:api", "principalId": format!("{provider}:sts.amazonaws.com:system:serviceaccount:shop:api")});
    let mut issued = assume(2, 60, &pod, (ACCOUNT, "api", "botocore-session-1"), "ASIAEXAMPLE000000009");
    issued["eventName"] = json!("AssumeRoleWithWebIdentity");
    let session = role(ACCOUNT, "api", "botocore-session-1", "ASIAEXAMPLE000000009", 60);
    let read = event(3, 70, &session, ("secretsmanager", "GetSecretValue"));
    let tagged = with(
        assume(
            4,
            80,
            &service("pods.eks.amazonaws.com"),
            (ACCOUNT, "web", "eks-prod-web-1-x"),
            "ASIAEXAMPLE000000010",
        ),
        json!({}),
    );
    let mut tagged = tagged;
    tagged["requestParameters"]["tags"] = json!([
        {"key": "eks-cluster-name", "value": "prod"}, {"key": "kubernetes-namespace", "value": "shop"},
        {"key": "kubernetes-service-account", "value": "web"}, {"key": "kubernetes-pod-name", "value": "web-1"}]);
    let lineage = lineage(&[create(1, 0, 1_768_471_200.0), issued, read, tagged]);
    let clusters = lineage.clusters();
    let pods = clusters.pods(only(&lineage), &lineage);
    assert_eq!(pods.len(), 2);
    assert_eq!((pods[0].namespace, pods[0].service_account, pods[0].right), ("shop", "api", PodRight::Irsa));
    assert_eq!(pods[0].calls.kept, [("secretsmanager:GetSecretValue", 1)]);
    assert_eq!((pods[1].service_account, pods[1].pod, pods[1].issued), ("web", "web-1", 1));
}

#[test]
fn nodes_are_told_by_the_role_of_their_group() {
    let node = role(ACCOUNT, "node", "i-0abc1234def567890", "ASIAEXAMPLE000000011", 100);
    let lineage = lineage(&[
        create(1, 0, 1_768_471_200.0),
        node_group(2, 60),
        event(3, 120, &node, ("ecr", "GetAuthorizationToken")),
    ]);
    let nodes = only(&lineage).nodes(&lineage);
    assert_eq!(nodes.len(), 1);
    assert_eq!(nodes[0].calls.kept, [("ecr:GetAuthorizationToken", 1)]);
}

#[test]
fn reads_are_counted_by_who_read() {
    let look = |id, seconds| eks(id, seconds, "DescribeCluster", json!({"name": "prod"}), Value::Null);
    let lineage = lineage(&[look(1, 60), look(2, 10)]);
    let cluster = only(&lineage);
    assert_eq!(cluster.state, LifeState::Seen);
    assert_eq!((cluster.visits[0].count, cluster.visits[0].event.clone()), (2, event_id(2)));
}

#[test]
fn clusters_do_not_depend_on_the_order_or_the_split_of_the_input() {
    let records = vec![
        refused(create(9, 0, 0.0), "AccessDeniedException", "no"),
        create(1, 1, 1_768_471_200.0),
        node_group(2, 60),
        linked_role(
            3,
            120,
            ("iam", "DeleteInstanceProfile"),
            json!({"instanceProfileName": format!("eks-{GROUP}")}),
        ),
        delete(4, 600, 1_768_471_200.0),
        create(5, 1800, 1_768_473_000.0),
        eks(6, 1900, "DescribeCluster", json!({"name": "prod"}), Value::Null),
    ];
    let whole = lineage(&records);
    let mut backward = records.clone();
    backward.reverse();
    let split: Vec<Vec<Value>> = backward.into_iter().map(|record| vec![record]).collect();
    assert_eq!(whole.clusters(), lineage_of(&split).clusters());
    assert_eq!(whole.clusters_table(), lineage_of(&split).clusters_table());
    assert_eq!(whole.clusters_table().num_rows(), 2);
}
