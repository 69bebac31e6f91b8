//! Which request made a service act: by what names, how sure, and where nothing is said.

mod trail;

use proptest::prelude::*;
use pugmark_event::{EventBatch, Leaf};
use pugmark_lineage::{Confidence, Facts, Folded, Folds, Lineage, Rows, Why};
use serde_json::{Value, json};
use trail::{ACCOUNT, OTHER, batches, event, event_id, lineage, lineage_of, role, row, service, user, with};

const NODEGROUP_ROLE: &str =
    "/aws-service-role/eks-nodegroup.amazonaws.com/AWSServiceRoleForAmazonEKSNodegroup";
const EKS_ROLE: &str = "/aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS";
const SCALING_ROLE: &str = "/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";
const UUIDS: [&str; 2] = ["11111111-2222-3333-4444-abcdef123456", "66666666-7777-8888-9999-abcdef123456"];

/// A session of a service-linked role in `account`.
fn linked_in(account: &str, path: &str, created: u32) -> Value {
    let service = path.split('/').nth(2).expect("a principal");
    let mut identity = with(role(account, path, "EKS", "", created), json!({"invokedBy": service}));
    identity.as_object_mut().expect("an object").remove("accessKeyId");
    identity
}

fn linked(path: &str, created: u32) -> Value {
    linked_in(ACCOUNT, path, created)
}

fn alice() -> Value {
    user("alice", "AKIAEXAMPLE000000001")
}

fn called(id: u32, seconds: u32, identity: &Value, call: (&str, &str), parameters: (Value, Value)) -> Value {
    let (request, response) = parameters;
    with(
        event(id, seconds, identity, call),
        json!({"requestParameters": request, "responseElements": response}),
    )
}

/// `CreateNodegroup` or `DeleteNodegroup`, answered with the group's UUID if one is given.
fn nodegroup(id: u32, seconds: u32, call: &str, of: (&str, &str), uuid: Option<&str>) -> Value {
    let (cluster, name) = of;
    let arn = uuid.map(|uuid| format!("arn:aws:eks:eu-west-1:{ACCOUNT}:nodegroup/{cluster}/{name}/{uuid}"));
    let group = json!({"nodegroup": {"nodegroupName": name, "clusterName": cluster, "nodegroupArn": arn}});
    called(id, seconds, &alice(), ("eks", call), (json!({"name": cluster, "nodegroupName": name}), group))
}

fn delete_profile(id: u32, seconds: u32, uuid: &str) -> Value {
    let request = json!({"instanceProfileName": format!("eks-{uuid}")});
    let identity = linked(NODEGROUP_ROLE, 0);
    let call = called(id, seconds, &identity, ("iam", "DeleteInstanceProfile"), (request, Value::Null));
    with(call, json!({"awsRegion": "us-east-1"}))
}

fn delete_group(id: u32, seconds: u32, name: &str, uuid: &str) -> Value {
    let request = json!({"autoScalingGroupName": format!("eks-{name}-{uuid}"), "forceDelete": true});
    let call = ("autoscaling", "DeleteAutoScalingGroup");
    called(id, seconds, &linked(NODEGROUP_ROLE, 0), call, (request, Value::Null))
}

/// What is said of a record: the cause's event id and confidence, `own`, `none` or `ambiguous`.
fn said(lineage: &Lineage, record: &Value) -> String {
    row(record, |row| match lineage.causes().why(row) {
        Why::Own => "own".to_owned(),
        Why::Caused(cause) => format!("{} {}", cause.request().event_id(), cause.confidence().as_str()),
        Why::Ambiguous { .. } => "ambiguous".to_owned(),
        Why::NoCause { .. } => "none".to_owned(),
    })
}

fn strong(id: u32) -> String {
    format!("{} strong", event_id(id))
}

#[test]
fn what_the_role_of_node_groups_deletes_is_because_of_the_request_to_delete_one() {
    let request = nodegroup(1, 600, "DeleteNodegroup", ("prod", "workers"), Some(UUIDS[0]));
    let act = delete_profile(2, 900, UUIDS[0]);
    let lineage = lineage(&[request, act.clone()]);
    assert_eq!(said(&lineage, &act), strong(1));
    row(&act, |row| {
        let cause = lineage.causes().why(row).cause().expect("a cause");
        assert_eq!(cause.request().caller().user_name, Some("alice"));
        assert_eq!(cause.request().name(), "DeleteNodegroup");
        let evidence: Vec<String> = cause.evidence().iter().map(ToString::to_string).collect();
        let uuid = format!("it names the node group UUID `{}`, which the request gave out", UUIDS[0]);
        assert_eq!(evidence, [uuid, "the request came 300 s before".to_owned()]);
    });
}

#[test]
fn the_uuid_is_learned_from_the_creation_where_the_deletion_does_not_answer_it() {
    let created = nodegroup(1, 0, "CreateNodegroup", ("prod", "workers"), Some(UUIDS[0]));
    let request = nodegroup(2, 6000, "DeleteNodegroup", ("prod", "workers"), None);
    let act = delete_profile(3, 6300, UUIDS[0]);
    assert_eq!(said(&lineage(&[created, request, act.clone()]), &act), strong(2));
}

#[test]
fn groups_that_are_deleted_at_once_are_told_apart() {
    let records = [
        nodegroup(1, 0, "CreateNodegroup", ("prod", "workers"), Some(UUIDS[0])),
        nodegroup(2, 10, "CreateNodegroup", ("stage", "workers"), Some(UUIDS[1])),
        nodegroup(3, 6000, "DeleteNodegroup", ("prod", "workers"), None),
        nodegroup(4, 6000, "DeleteNodegroup", ("stage", "workers"), None),
    ];
    let lineage = lineage(&records);
    for (uuid, request) in [(UUIDS[0], 3), (UUIDS[1], 4)] {
        assert_eq!(said(&lineage, &delete_profile(9, 6100, uuid)), strong(request));
        assert_eq!(said(&lineage, &delete_group(9, 6100, "workers", uuid)), strong(request));
    }
}

#[test]
fn equal_names_in_two_clusters_stay_open_where_nothing_tells_them_apart() {
    let (act, other) =
        (delete_group(8, 6100, "workers", UUIDS[0]), delete_group(9, 6100, "others", UUIDS[1]));
    let records = [
        nodegroup(1, 6000, "DeleteNodegroup", ("prod", "workers"), None),
        nodegroup(2, 6005, "DeleteNodegroup", ("stage", "workers"), None),
        act.clone(),
        other.clone(),
    ];
    let lineage = lineage(&records);
    assert_eq!(said(&lineage, &act), "ambiguous");
    assert_eq!(said(&lineage, &other), "none");
}

#[test]
fn equal_names_in_two_regions_are_two_groups() {
    let here = nodegroup(1, 6000, "DeleteNodegroup", ("prod", "workers"), None);
    let there = with(
        nodegroup(2, 6001, "DeleteNodegroup", ("prod", "workers"), None),
        json!({"awsRegion": "us-west-2"}),
    );
    let act = delete_group(9, 6100, "workers", UUIDS[0]);
    let lineage = lineage(&[here, there]);
    assert_eq!(said(&lineage, &act), strong(1));
    assert_eq!(said(&lineage, &with(act, json!({"awsRegion": "us-west-2"}))), strong(2));
}

#[test]
fn equal_names_in_two_accounts_are_two_groups() {
    let request = nodegroup(1, 6000, "DeleteNodegroup", ("prod", "workers"), None);
    let act = delete_group(9, 6100, "workers", UUIDS[0]);
    let elsewhere = with(
        act.clone(),
        json!({"recipientAccountId": OTHER, "userIdentity": linked_in(OTHER, NODEGROUP_ROLE, 0)}),
    );
    let lineage = lineage(&[request]);
    assert_eq!(said(&lineage, &act), strong(1));
    assert_eq!(said(&lineage, &elsewhere), "none");
}

#[test]
fn a_role_that_is_only_called_like_a_service_linked_one_acts_by_its_own_will() {
    let request = nodegroup(1, 600, "DeleteNodegroup", ("prod", "workers"), Some(UUIDS[0]));
    let alike = role(ACCOUNT, "AWSServiceRoleForAmazonEKSNodegroup", "EKS", "ASIAEXAMPLE000000001", 0);
    let act = with(delete_profile(2, 900, UUIDS[0]), json!({"userIdentity": alike}));
    assert_eq!(said(&lineage(&[request]), &act), "own");
}

#[test]
fn a_request_that_was_refused_caused_nothing() {
    let request = nodegroup(1, 600, "DeleteNodegroup", ("prod", "workers"), None);
    let refused = with(request, json!({"errorCode": "AccessDenied"}));
    assert_eq!(said(&lineage(&[refused]), &delete_group(2, 900, "workers", UUIDS[0])), "none");
}

#[test]
fn what_comes_too_late_has_no_cause() {
    let request = nodegroup(1, 0, "DeleteNodegroup", ("prod", "workers"), Some(UUIDS[0]));
    let lineage = lineage(&[request]);
    assert_eq!(said(&lineage, &delete_profile(2, 59 * 60, UUIDS[0])), strong(1));
    assert_eq!(said(&lineage, &delete_profile(2, 61 * 60, UUIDS[0])), "none");
}

#[test]
fn a_thing_is_deleted_because_of_the_deletion_and_not_of_the_creation_before() {
    let records = [
        nodegroup(1, 0, "CreateNodegroup", ("prod", "workers"), Some(UUIDS[0])),
        nodegroup(2, 300, "DeleteNodegroup", ("prod", "workers"), None),
    ];
    assert_eq!(said(&lineage(&records), &delete_profile(3, 400, UUIDS[0])), strong(2));
}

#[test]
fn a_creation_is_undone_soon_or_not_because_of_it() {
    let created = nodegroup(1, 0, "CreateNodegroup", ("prod", "workers"), Some(UUIDS[0]));
    let lineage = lineage(&[created]);
    assert_eq!(said(&lineage, &delete_profile(2, 29 * 60, UUIDS[0])), strong(1));
    assert_eq!(said(&lineage, &delete_profile(2, 50 * 60, UUIDS[0])), "none");
}

#[test]
fn the_chain_goes_through_services_to_the_person() {
    let terminate = called(
        2,
        660,
        &linked(NODEGROUP_ROLE, 0),
        ("autoscaling", "TerminateInstanceInAutoScalingGroup"),
        (
            json!({"instanceId": "i-0abc1234def567890"}),
            json!({"activity": {"autoScalingGroupName": format!("eks-workers-{}", UUIDS[0])}}),
        ),
    );
    let act = called(
        3,
        670,
        &linked(SCALING_ROLE, 0),
        ("ec2", "TerminateInstances"),
        (json!({"instancesSet": {"items": [{"instanceId": "i-0abc1234def567890"}]}}), Value::Null),
    );
    let request = nodegroup(1, 600, "DeleteNodegroup", ("prod", "workers"), None);
    let whole = lineage(&[request, terminate.clone(), act.clone()]);
    assert_eq!(said(&whole, &act), strong(1));
    row(&act, |row| {
        let cause = whole.causes().why(row).cause().expect("a cause");
        let via: Vec<&str> = cause.via().iter().map(|request| request.name()).collect();
        assert_eq!(via, ["TerminateInstanceInAutoScalingGroup"]);
    });
    let beheaded = lineage(&[terminate, act.clone()]);
    row(&act, |row| {
        let Why::NoCause { after: Some(after), .. } = beheaded.causes().why(row) else { panic!("a service") };
        assert_eq!(after.event_id(), event_id(2));
    });
}

#[test]
fn only_a_making_that_names_what_the_request_gave_out_is_certain() {
    let request = nodegroup(1, 0, "CreateNodegroup", ("prod", "workers"), Some(UUIDS[0]));
    let asked = json!({"instanceProfileName": format!("eks-{}", UUIDS[0])});
    let act = |name| called(2, 30, &linked(NODEGROUP_ROLE, 0), ("iam", name), (asked.clone(), Value::Null));
    let lineage = lineage(&[request]);
    assert_eq!(said(&lineage, &act("CreateInstanceProfile")), format!("{} certain", event_id(1)));
    assert_eq!(said(&lineage, &act("AddRoleToInstanceProfile")), strong(1));
}

#[test]
fn the_network_of_a_cluster_belongs_to_it_by_descriptions_and_tags() {
    let create = called(1, 0, &alice(), ("eks", "CreateCluster"), (json!({"name": "prod"}), Value::Null));
    let made = called(
        2,
        60,
        &linked(EKS_ROLE, 0),
        ("ec2", "CreateNetworkInterface"),
        (
            json!({"description": "Amazon EKS prod"}),
            json!({"networkInterface": {"networkInterfaceId": "eni-0abc1234def567890"}}),
        ),
    );
    let delete = called(3, 9000, &alice(), ("eks", "DeleteCluster"), (json!({"name": "prod"}), Value::Null));
    let request = json!({"networkInterfaceId": "eni-0abc1234def567890"});
    let gone =
        called(4, 9100, &linked(EKS_ROLE, 0), ("ec2", "DeleteNetworkInterface"), (request, Value::Null));
    let lineage = lineage(&[create, made.clone(), delete, gone.clone()]);
    assert_eq!(said(&lineage, &made), strong(1));
    assert_eq!(said(&lineage, &gone), strong(3));
}

#[test]
fn without_a_name_the_only_request_of_a_short_time_counts_weakly() {
    let create = called(
        1,
        0,
        &alice(),
        ("rds", "CreateDBInstance"),
        (json!({"dBInstanceIdentifier": "orders"}), Value::Null),
    );
    let path = "/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS";
    let act = event(2, 60, &linked(path, 0), ("ec2", "DescribeSubnets"));
    assert_eq!(said(&lineage(std::slice::from_ref(&create)), &act), format!("{} weak", event_id(1)));
    let other = called(
        3,
        5,
        &alice(),
        ("rds", "CreateDBInstance"),
        (json!({"dBInstanceIdentifier": "other"}), Value::Null),
    );
    assert_eq!(said(&lineage(&[create, other]), &act), "ambiguous");
}

#[test]
fn what_is_done_on_a_schedule_has_no_cause_even_right_after_a_request() {
    let path = "/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS";
    let look = |id: u32, seconds: u32| event(id, seconds, &linked(path, 0), ("ec2", "DescribeSubnets"));
    let mut records: Vec<Value> = (0..8).map(|hour| look(10 + hour, hour * 3600)).collect();
    records.push(called(
        1,
        4 * 3600 - 30,
        &alice(),
        ("rds", "CreateDBInstance"),
        (json!({"dBInstanceIdentifier": "orders"}), Value::Null),
    ));
    assert_eq!(said(&lineage(&records), &look(14, 4 * 3600)), "none");
}

#[test]
fn a_stack_acts_with_the_identity_of_who_asked_and_its_names_begin_with_its_own() {
    let stack = |id, seconds, name: &str| {
        called(
            id,
            seconds,
            &alice(),
            ("cloudformation", "CreateStack"),
            (json!({"stackName": name}), Value::Null),
        )
    };
    let forwarded = with(
        alice(),
        json!({"invokedBy": "cloudformation.amazonaws.com", "accessKeyId": "ASIAEXAMPLE000000009"}),
    );
    let named = |name: &str| {
        let request = json!({"bucketName": format!("{name}-bucket-1a2b3c")});
        called(9, 60, &forwarded, ("s3", "CreateBucket"), (request, Value::Null))
    };
    let bare = event(9, 60, &forwarded, ("s3", "CreateBucket"));
    let one = lineage(&[stack(1, 0, "shop-a")]);
    assert_eq!(said(&one, &bare), strong(1));
    let two = lineage(&[stack(1, 0, "shop-a"), stack(2, 5, "shop-b")]);
    assert_eq!(said(&two, &bare), "ambiguous");
    assert_eq!(said(&two, &named("shop-a")), strong(1));
    assert_eq!(said(&two, &named("shop-b")), strong(2));
}

#[test]
fn the_session_that_a_service_opens_is_because_of_what_it_is_opened_for() {
    let request = nodegroup(1, 600, "DeleteNodegroup", ("prod", "workers"), Some(UUIDS[0]));
    let to = (ACCOUNT, NODEGROUP_ROLE, "EKS");
    let open = trail::assume(2, 605, &service("eks-nodegroup.amazonaws.com"), to, "ASIAEXAMPLE000000009");
    let act = with(delete_profile(3, 640, UUIDS[0]), json!({"userIdentity": linked(NODEGROUP_ROLE, 605)}));
    let lineage = lineage(&[request, open.clone(), act]);
    assert_eq!(said(&lineage, &open), format!("{} weak", event_id(1)));
}

fn folded(lineage: &Lineage, batches: &[EventBatch]) -> Folded {
    let mut folds = Folds::default();
    for batch in batches {
        Rows::of(batch).iter().for_each(|row| folds.read(lineage.causes(), row));
    }
    folds.finish(lineage.causes())
}

#[test]
fn what_came_of_a_request_is_folded_and_what_has_no_cause_is_listed() {
    let records = [
        nodegroup(1, 120, "DeleteNodegroup", ("prod", "workers"), Some(UUIDS[0])),
        delete_group(2, 150, "workers", UUIDS[0]),
        delete_profile(3, 200, UUIDS[0]),
        called(
            4,
            9000,
            &linked(SCALING_ROLE, 0),
            ("ec2", "TerminateInstances"),
            (json!({"instancesSet": {"items": [{"instanceId": "i-0abc1234def567890"}]}}), Value::Null),
        ),
    ];
    let folded = folded(&lineage(&records), &batches(&records));
    let lines: Vec<String> = folded.folds.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        ["+2 by AWSServiceRoleForAmazonEKSNodegroup, because of DeleteNodegroup by user/alice at 10:02"]
    );
    assert_eq!(folded.folds[0].confidence, Confidence::Strong);
    assert_eq!(folded.unexplained.len(), 1);
    assert_eq!(folded.unexplained[0].name, "TerminateInstances");
    let table = folded.table();
    assert_eq!((table.num_rows(), table.num_columns()), (1, 15));
}

/// A record of a small world in which groups, clusters and services meet often.
fn record() -> impl Strategy<Value = Value> {
    (0..8_u8, 0..2_usize, 0..2_usize, 0..4000_u32, 0..1000_u32).prop_map(
        |(kind, uuid, cluster, second, id)| {
            let of = (["prod", "stage"][cluster], "workers");
            let uuid = UUIDS[uuid];
            match kind {
                0 => nodegroup(id, second, "CreateNodegroup", of, Some(uuid)),
                1 => nodegroup(id, second, "DeleteNodegroup", of, None),
                2 => nodegroup(id, second, "UpdateNodegroupConfig", of, None),
                3 => delete_profile(id, second, uuid),
                4 => delete_group(id, second, "workers", uuid),
                5 => event(id, second, &linked(NODEGROUP_ROLE, 0), ("ec2", "DescribeSubnets")),
                6 => called(
                    id,
                    second,
                    &linked(SCALING_ROLE, 0),
                    ("ec2", "RunInstances"),
                    (
                        json!({"tagSpecificationSet": {"items": [{"tags": [
                        {"key": "aws:autoscaling:groupName", "value": format!("eks-workers-{uuid}")}]}]}}),
                        Value::Null,
                    ),
                ),
                _ => called(
                    id,
                    second,
                    &linked(NODEGROUP_ROLE, 0),
                    ("iam", "CreateInstanceProfile"),
                    (json!({"instanceProfileName": format!("eks-{uuid}")}), Value::Null),
                ),
            }
        },
    )
}

fn trail() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(record(), 1..30).prop_map(|mut records| {
        records.sort_by_key(|record| record["eventID"].to_string());
        records.dedup_by_key(|record| record["eventID"].to_string());
        records
    })
}

/// Records in another order, cut into files.
fn shuffled() -> impl Strategy<Value = (Vec<Value>, Vec<Vec<Value>>)> {
    trail().prop_flat_map(|records| {
        let order = Just(records.clone()).prop_shuffle();
        (Just(records), order, 1..6_usize).prop_map(|(records, order, files)| {
            let files = order.chunks(order.len().div_ceil(files)).map(<[Value]>::to_vec).collect();
            (records, files)
        })
    })
}

/// Everything that is said of `records`, folds and evidence too.
fn told(lineage: &Lineage, records: &[Value]) -> String {
    let said: Vec<String> = records.iter().map(|record| said(lineage, record)).collect();
    format!("{said:?} {:?}", folded(lineage, &batches(records)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn order_and_split_cannot_be_seen((records, files) in shuffled()) {
        let one = lineage_of(std::slice::from_ref(&records));
        prop_assert_eq!(told(&one, &records), told(&lineage_of(&files), &records));
    }

    #[test]
    fn folds_of_workers_are_merged_in_any_order((records, files) in shuffled()) {
        let lineage = lineage_of(std::slice::from_ref(&records));
        let mut merged = Folds::default();
        for file in files.iter().rev() {
            let mut folds = Folds::default();
            for batch in &batches(file) {
                Rows::of(batch).iter().for_each(|row| folds.read(lineage.causes(), row));
            }
            merged.merge(folds);
        }
        prop_assert_eq!(merged.finish(lineage.causes()), folded(&lineage, &batches(&records)));
    }

    #[test]
    fn merging_facts_with_themselves_changes_no_cause(records in trail()) {
        let facts = || {
            let mut facts = Facts::default();
            for batch in batches(&records) {
                facts.read(&batch);
            }
            facts
        };
        let (once, twice) = (facts().resolve(), facts().merge(facts()).resolve());
        prop_assert_eq!(told(&once, &records), told(&twice, &records));
    }

    #[test]
    fn no_cause_comes_after_its_effect_by_more_than_clocks_differ(records in trail()) {
        let lineage = lineage_of(std::slice::from_ref(&records));
        for batch in &batches(&records) {
            for row in Rows::of(batch).iter() {
                if let Some(cause) = lineage.causes().why(row).cause() {
                    prop_assert!(cause.request().time() <= row.time().expect("a time") + 2_000_000);
                    prop_assert!(row.text(Leaf::EventId) != Some(cause.request().event_id()));
                }
            }
        }
    }
}
