//! The life of EKS clusters: what people ask for, and what service-linked
//! roles and nodes then do.

use std::rc::Rc;

use serde_json::{Value, json};

use crate::clock::{DAY, iso};
use crate::identity::{self, Role, Session, Voice};
use crate::stage::{Assumption, Place, Stage};
use crate::story::{Line, Story, user_voice};
use crate::truth::{Cluster, ClusterLife};
use crate::world::World;

pub(crate) const CLUSTER: &str = "prod";
/// One life never makes more events than this.
pub(crate) const EVENTS_MAX: u64 = 220;
const LIVES_MAX: usize = 12;
const SUBNETS: [&str; 2] = ["subnet-0a11bb22cc33dd441", "subnet-0a11bb22cc33dd442"];
const NODEGROUP: &str = "workers";
const CLUSTER_AGENT: &str = "eksctl/0.193.0 aws-sdk-go-v2/1.32.2 ua/2.1 os/linux lang/go#1.23.2 md/GOOS#linux md/GOARCH#amd64 api/eks#1.51.0";

/// How many clusters live in a world: one per account, up to a limit.
pub(crate) fn lives(world: &World) -> usize {
    world.accounts.len().min(LIVES_MAX)
}

/// Names and callers of one life.
struct Life {
    arn: String,
    suffix: String,
    nodegroup_id: String,
    person: Voice,
    cluster_role: Rc<Voice>,
    nodegroup_role: Rc<Voice>,
    scaling_role: Rc<Voice>,
    node_role: Role,
}

/// Plays the life of one cluster.
pub(crate) fn play(stage: &mut Stage, index: usize) -> Cluster {
    let place = Place { account: index, region: 1.min(stage.world.regions.len() - 1) };
    let start = stage.world.start + 8 * 3_600 + index as i64 * 2_220;
    let days = ((stage.world.end - stage.world.start) / DAY).min(3) - 1;
    let mut life = Life::new(stage, place);
    let mut story = Story::begin(stage, place, start);
    let create_cluster = ask_for_cluster(&mut story, &life);
    life.enlist(&mut story);
    build_network(&mut story, &life);
    await_cluster(&mut story, &life);
    create_nodegroup(&mut story, &life);
    run_nodes(&mut story, &life);
    grant_access(&mut story, &life);
    story.time = start + days * DAY + 5 * 3_600;
    let deleted = story.time;
    let delete_nodegroup = delete_nodegroup(&mut story, &life);
    life.enlist(&mut story);
    let consequences = clean_up(&mut story, &life);
    story.insight((deleted, deleted + 120), ("eks.amazonaws.com", "DeleteNodegroup", ""));
    let delete_cluster = delete_cluster(&mut story, &life);
    note_life(&mut story, &life, (create_cluster, start), delete_cluster);
    Cluster {
        name: CLUSTER.into(),
        account: story.account(),
        region: story.region().into(),
        created_by: life.person.arn.clone(),
        steps: story.steps,
        delete_nodegroup,
        consequences,
    }
}

/// Puts the life on the answer sheet of lives, where the planted ones stand too.
fn note_life(
    story: &mut Story<'_>,
    life: &Life,
    (created_by, start): (String, i64),
    (deleted_by, deleted): (String, i64),
) {
    let granted = ["CreateAccessEntry", "AssociateAccessPolicy", "CreateOpenIDConnectProvider"];
    let entries = story.steps.iter().filter(|step| granted.contains(&step.event_name.as_str()));
    let mut entries: Vec<String> = entries.map(|step| step.event_id.clone()).collect();
    entries.insert(0, created_by.clone());
    let noted = ClusterLife {
        name: CLUSTER.into(),
        account: story.account(),
        region: story.region().into(),
        created_by,
        creator: story.stage.register.root(&life.person).actor,
        created: iso(start),
        deleted_by: Some(deleted_by),
        deleted: Some(iso(deleted)),
        version: "1.33".into(),
        nodegroups: vec![NODEGROUP.into()],
        entries,
        ..ClusterLife::default()
    };
    story.stage.register.lives.push(noted);
}

impl Life {
    fn new(stage: &mut Stage, place: Place) -> Life {
        let world = &stage.world;
        let user = world.user(place.account, "noor");
        let account = &world.accounts[place.account];
        let region = world.regions[place.region];
        let person = user_voice(&user, ("198.51.100.7", CLUSTER_AGENT));
        let node_role = world.role(place.account, "eks-node");
        let arn = format!("arn:aws:eks:{region}:{account}:cluster/{CLUSTER}");
        let nobody = identity::service("eks.amazonaws.com");
        let nodegroup_id = stage.chance.new_guid();
        let mut suffix = String::new();
        stage.chance.hex(&mut suffix, 15);
        let (cluster_role, nodegroup_role, scaling_role) = (Rc::clone(&nobody), Rc::clone(&nobody), nobody);
        Life { arn, suffix, nodegroup_id, person, cluster_role, nodegroup_role, scaling_role, node_role }
    }

    /// The services assume their roles for the work to come; sessions last an hour.
    fn enlist(&mut self, story: &mut Story<'_>) {
        let roles = [
            (&mut self.cluster_role, "eks.amazonaws.com", "AmazonEKS", "EKS"),
            (&mut self.nodegroup_role, "eks-nodegroup.amazonaws.com", "AmazonEKSNodegroup", "EKS"),
            (&mut self.scaling_role, "autoscaling.amazonaws.com", "AutoScaling", "AutoScaling"),
        ];
        for (voice, principal, name, session) in roles {
            let role = story.stage.world.linked_role(story.place.account, principal, name);
            story.time += 1;
            let (_, step) = story.stage.assume(Assumption {
                caller: &identity::service(principal),
                from: story.place.account,
                role: &role,
                place: story.place,
                time: story.time,
                call: "AssumeRole",
                lasts: 3_600,
                session: Session { name: session.to_owned(), ..Session::default() },
            });
            *voice = identity::linked_role(&role, session, story.time);
            story.explain(voice, &step.event_id, "session");
            story.note(step);
        }
    }

    fn group(&self) -> String {
        format!("sg-0a{}", self.suffix)
    }

    fn template(&self) -> String {
        format!("lt-0b{}", self.suffix)
    }

    fn profile(&self) -> String {
        format!("eks-{}", self.nodegroup_id)
    }

    fn scaling_group(&self) -> String {
        format!("eks-{NODEGROUP}-{}", self.nodegroup_id)
    }

    fn instance(&self, number: usize) -> String {
        format!("i-0{number}{}", self.suffix)
    }

    fn interface(&self, number: usize) -> String {
        format!("eni-0{number}{}", self.suffix)
    }
}

fn line(request: Value, response: Value) -> Line {
    Line { request, response, ..Line::default() }
}

/// The person creates the cluster; its service-linked roles are made on the way.
fn ask_for_cluster(story: &mut Story<'_>, life: &Life) -> String {
    let account = story.account();
    let subnets = SUBNETS;
    let role = format!("arn:aws:iam::{account}:role/eks-cluster");
    let created = story.time;
    let request = story.says(&life.person, ("eks", "CreateCluster"), (0, line(
        json!({"name": CLUSTER, "version": "1.33", "roleArn": role, "clientRequestToken": life.nodegroup_id.replace('4', "5"),
               "resourcesVpcConfig": {"subnetIds": subnets, "endpointPublicAccess": false, "endpointPrivateAccess": true},
               "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP", "bootstrapClusterCreatorAdminPermissions": true}}),
        json!({"cluster": {"name": CLUSTER, "arn": life.arn, "createdAt": created as f64 + 0.208, "version": "1.33", "roleArn": role,
               "resourcesVpcConfig": {"subnetIds": subnets, "securityGroupIds": [], "vpcId": "vpc-0a11bb22cc33dd44e", "endpointPublicAccess": false, "endpointPrivateAccess": true},
               "status": "CREATING", "certificateAuthority": {}, "platformVersion": "eks.9", "tags": {}}}),
    )));
    story.because(&request);
    let here = story.place;
    story.place = Place { region: 0, ..here };
    let mut for_person = client_through(&life.person, "eks.amazonaws.com");
    for (principal, name) in
        [("eks.amazonaws.com", "AmazonEKS"), ("eks-nodegroup.amazonaws.com", "AmazonEKSNodegroup")]
    {
        for_person = client_through(&for_person, "eks.amazonaws.com");
        let role = story.stage.world.linked_role(here.account, principal, name);
        story.says(&for_person, ("iam", "CreateServiceLinkedRole"), (3, line(
            json!({"aWSServiceName": principal}),
            json!({"role": {"path": role.path, "roleName": role.name, "roleId": role.id, "arn": role.arn(), "createDate": iso(created + 3)}}),
        )));
    }
    story.place = here;
    request
}

/// The cluster's service-linked role builds the network.
fn build_network(story: &mut Story<'_>, life: &Life) {
    let account = story.account();
    let actor = &life.cluster_role;
    let group = life.group();
    story.says(actor, ("ec2", "CreateSecurityGroup"), (35, line(
        json!({"groupName": format!("eks-cluster-sg-{CLUSTER}-{}", &life.suffix[..10]), "groupDescription": "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as well as any managed workloads.", "vpcId": "vpc-0a11bb22cc33dd44e"}),
        json!({"requestId": life.nodegroup_id, "_return": true, "groupId": group}),
    )));
    story.says(actor, ("ec2", "CreateTags"), (1, line(
        json!({"resourcesSet": {"items": [{"resourceId": group}]}, "tagSet": {"items": [{"key": format!("kubernetes.io/cluster/{CLUSTER}"), "value": "owned"}, {"key": "aws:eks:cluster-name", "value": CLUSTER}]}}),
        json!({"requestId": life.nodegroup_id, "_return": true}),
    )));
    story.says(actor, ("ec2", "AuthorizeSecurityGroupIngress"), (1, line(
        json!({"groupId": group, "ipPermissions": {"items": [{"ipProtocol": "-1", "groups": {"items": [{"groupId": group}]}, "ipRanges": {}, "ipv6Ranges": {}, "prefixListIds": {}}]}}),
        json!({"requestId": life.nodegroup_id, "_return": true}),
    )));
    for call in ["DescribeSubnets", "DescribeVpcs", "DescribeSecurityGroups"] {
        story.does(actor, ("ec2", call), 1);
    }
    for number in 0..4 {
        let interface = life.interface(number);
        story.says(actor, ("ec2", "CreateNetworkInterface"), (2, line(
            json!({"subnetId": SUBNETS[number % 2], "description": format!("Amazon EKS {CLUSTER}"), "groupSet": {"items": [{"groupId": group}]}, "privateIpAddressesSet": {}}),
            json!({"requestId": life.nodegroup_id, "networkInterface": {"networkInterfaceId": interface, "subnetId": SUBNETS[number % 2], "description": format!("Amazon EKS {CLUSTER}"), "ownerId": account, "status": "pending"}}),
        )));
        story.says(actor, ("ec2", "CreateNetworkInterfacePermission"), (1, line(
            json!({"CreateNetworkInterfacePermissionRequest": {"NetworkInterfaceId": interface, "Permission": "INSTANCE-ATTACH"}}),
            Value::Null,
        )));
    }
    story.says(
        actor,
        ("logs", "CreateLogGroup"),
        (5, line(json!({"logGroupName": format!("/aws/eks/{CLUSTER}/cluster")}), Value::Null)),
    );
}

/// The person waits for the cluster and lets pods have roles.
fn await_cluster(story: &mut Story<'_>, life: &Life) {
    let (account, here) = (story.account(), story.place);
    for _ in 0..10 {
        let request = json!({"name": CLUSTER});
        story.says(&life.person, ("eks", "DescribeCluster"), (45, line(request, Value::Null)));
    }
    story.place = Place { region: 0, ..here };
    let issuer = format!(
        "oidc.eks.{}.amazonaws.com/id/{}",
        story.stage.world.regions[here.region],
        life.suffix.to_uppercase()
    );
    story.says(&life.person, ("iam", "CreateOpenIDConnectProvider"), (20, line(
        json!({"url": format!("https://{issuer}"), "clientIDList": ["sts.amazonaws.com"], "thumbprintList": []}),
        json!({"openIDConnectProviderArn": format!("arn:aws:iam::{account}:oidc-provider/{issuer}")}),
    )));
    story.place = here;
    story.says(&life.person, ("eks", "CreateAddon"), (8, line(
        json!({"name": CLUSTER, "addonName": "vpc-cni", "clientRequestToken": life.nodegroup_id.replace('4', "6")}),
        json!({"addon": {"addonName": "vpc-cni", "clusterName": CLUSTER, "status": "CREATING"}}),
    )));
}

/// The person creates a node group; its service-linked role does the rest.
fn create_nodegroup(story: &mut Story<'_>, life: &Life) {
    let account = story.account();
    let node_role = life.node_role.arn();
    let arn = format!(
        "{}/{CLUSTER}/{NODEGROUP}/{}",
        life.arn.replace(":cluster/prod", ":nodegroup"),
        life.nodegroup_id
    );
    let request = story.says(&life.person, ("eks", "CreateNodegroup"), (60, line(
        json!({"name": CLUSTER, "nodegroupName": NODEGROUP, "nodeRole": node_role, "scalingConfig": {"minSize": 1, "maxSize": 4, "desiredSize": 2}, "subnets": ["subnet-0a11bb22cc33dd441", "subnet-0a11bb22cc33dd442"], "instanceTypes": ["m6i.large"], "clientRequestToken": life.nodegroup_id}),
        json!({"nodegroup": {"nodegroupName": NODEGROUP, "clusterName": CLUSTER, "nodegroupArn": arn, "status": "CREATING", "createdAt": story.time as f64 + 60.413, "nodeRole": node_role, "version": "1.33"}}),
    )));
    story.because(&request);
    let here = story.place;
    let actor = &life.nodegroup_role;
    story.does(actor, ("ec2", "DescribeSubnets"), 4);
    story.does(actor, ("ec2", "DescribeLaunchTemplates"), 1);
    story.says(actor, ("ec2", "CreateLaunchTemplate"), (2, line(
        json!({"CreateLaunchTemplateRequest": {"LaunchTemplateName": life.profile(), "LaunchTemplateData": {"InstanceType": "m6i.large", "TagSpecification": [{"ResourceType": "instance", "Tag": [{"Key": "eks:cluster-name", "Value": CLUSTER}, {"Key": "eks:nodegroup-name", "Value": NODEGROUP}]}]}}}),
        json!({"CreateLaunchTemplateResponse": {"requestId": life.nodegroup_id, "launchTemplate": {"launchTemplateId": life.template(), "launchTemplateName": life.profile()}}}),
    )));
    story.place = Place { region: 0, ..here };
    let profile = life.profile();
    story.says(actor, ("iam", "CreateInstanceProfile"), (2, line(
        json!({"instanceProfileName": profile, "path": "/"}),
        json!({"instanceProfile": {"instanceProfileName": profile, "arn": format!("arn:aws:iam::{account}:instance-profile/{profile}"), "path": "/", "roles": []}}),
    )));
    story.says(
        actor,
        ("iam", "AddRoleToInstanceProfile"),
        (1, line(json!({"instanceProfileName": profile, "roleName": life.node_role.name}), Value::Null)),
    );
    story.place = here;
    let scaling_group = life.scaling_group();
    story.says(actor, ("autoscaling", "CreateAutoScalingGroup"), (9, line(
        json!({"autoScalingGroupName": scaling_group, "minSize": 1, "maxSize": 4, "desiredCapacity": 2, "vPCZoneIdentifier": "subnet-0a11bb22cc33dd441,subnet-0a11bb22cc33dd442", "mixedInstancesPolicy": {"launchTemplate": {"launchTemplateSpecification": {"launchTemplateId": life.template(), "version": "1"}}},
               "tags": [{"key": "eks:cluster-name", "value": CLUSTER, "propagateAtLaunch": true}, {"key": "eks:nodegroup-name", "value": NODEGROUP, "propagateAtLaunch": true}, {"key": format!("kubernetes.io/cluster/{CLUSTER}"), "value": "owned", "propagateAtLaunch": true}]}),
        Value::Null,
    )));
    story.says(actor, ("autoscaling", "PutLifecycleHook"), (1, line(
        json!({"autoScalingGroupName": scaling_group, "lifecycleHookName": "Launch-LC-Hook", "lifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING", "heartbeatTimeout": 1800}),
        Value::Null,
    )));
    story.says(&life.cluster_role, ("eks", "CreateAccessEntry"), (2, line(
        json!({"name": CLUSTER, "principalArn": node_role, "type": "EC2_LINUX"}),
        json!({"accessEntry": {"clusterName": CLUSTER, "principalArn": node_role, "type": "EC2_LINUX", "username": "system:node:{{EC2PrivateDNSName}}", "kubernetesGroups": ["system:nodes"]}}),
    )));
    let instances: Vec<Value> = (0..2).map(|number| json!({"instanceId": life.instance(number)})).collect();
    story.says(&life.scaling_role, ("ec2", "RunInstances"), (20, line(
        json!({"instancesSet": {"items": [{"minCount": 2, "maxCount": 2}]}, "launchTemplate": {"launchTemplateId": life.template(), "version": "1"}, "clientToken": life.nodegroup_id}),
        json!({"requestId": life.nodegroup_id, "reservationId": "r-0a11bb22cc33dd44e", "ownerId": account, "requesterId": "AIDAEXAMPLE0000000002", "instancesSet": {"items": instances}}),
    )));
}

/// Nodes get their role and start to work.
fn run_nodes(story: &mut Story<'_>, life: &Life) {
    for number in 0..2 {
        let name = life.instance(number);
        let session = Session { name, on_instance: true, ..Session::default() };
        let (place, time) = (story.place, story.time + 18);
        let caller = identity::service("ec2.amazonaws.com");
        let (session, step) = story.stage.assume(Assumption {
            caller: &caller,
            from: place.account,
            role: &life.node_role,
            place,
            time,
            call: "AssumeRole",
            lasts: 6 * 3_600,
            session,
        });
        story.time = time;
        story.note(step);
        let ip = format!("10.0.{number}.17");
        let node =
            Stage::session_voice(&life.node_role, &session, (&ip, "amazon-vpc-cni-k8s aws-sdk-go-v2/1.32.2"));
        let request = json!({"name": CLUSTER});
        story.says(&node, ("eks", "DescribeCluster"), (6, line(request, Value::Null)));
        story.does(&node, ("ec2", "DescribeInstances"), 2);
        story.does(&node, ("ecr", "GetAuthorizationToken"), 3);
        story.does(&node, ("ecr", "BatchGetImage"), 1);
        story.does(&node, ("ec2", "DescribeNetworkInterfaces"), 5);
        story.does(&node, ("ec2", "AssignPrivateIpAddresses"), 1);
        let token = json!({"clusterName": CLUSTER, "token": "HIDDEN_DUE_TO_SECURITY_REASONS", "instanceId": life.instance(number)});
        story.says(&node, ("eks-auth", "AssumeRoleForPodIdentity"), (30, line(token, Value::Null)));
    }
}

/// The person lets a team's role in and resizes the group.
fn grant_access(story: &mut Story<'_>, life: &Life) {
    let account = story.account();
    let team = format!("arn:aws:iam::{account}:role/orders-team");
    story.says(&life.person, ("eks", "CreateAccessEntry"), (300, line(
        json!({"name": CLUSTER, "principalArn": team, "type": "STANDARD", "kubernetesGroups": ["orders"]}),
        json!({"accessEntry": {"clusterName": CLUSTER, "principalArn": team, "type": "STANDARD", "kubernetesGroups": ["orders"]}}),
    )));
    let policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy";
    story.says(&life.person, ("eks", "AssociateAccessPolicy"), (11, line(
        json!({"name": CLUSTER, "principalArn": team.replace(':', "%3A").replace('/', "%2F"), "policyArn": policy, "accessScope": {"type": "namespace", "namespaces": ["orders"]}}),
        json!({"clusterName": CLUSTER, "principalArn": team, "associatedAccessPolicy": {"policyArn": policy, "accessScope": {"type": "namespace", "namespaces": ["orders"]}}}),
    )));
    let request = story.says(&life.person, ("eks", "UpdateNodegroupConfig"), (600, line(
        json!({"name": CLUSTER, "nodegroupName": NODEGROUP, "scalingConfig": {"minSize": 1, "maxSize": 4, "desiredSize": 2}}),
        json!({"update": {"id": life.nodegroup_id, "status": "InProgress", "type": "ConfigUpdate", "params": [{"type": "DesiredSize", "value": "2"}]}}),
    )));
    story.because(&request);
    let scaling_group = life.scaling_group();
    story.says(&life.nodegroup_role, ("autoscaling", "UpdateAutoScalingGroup"), (7, line(
        json!({"autoScalingGroupName": scaling_group, "desiredCapacity": 2, "minSize": 1, "maxSize": 4}),
        Value::Null,
    )));
}

/// The person deletes the node group; returns the id of the request.
fn delete_nodegroup(story: &mut Story<'_>, life: &Life) -> String {
    let request = story.says(&life.person, ("eks", "DeleteNodegroup"), (0, line(
        json!({"name": CLUSTER, "nodegroupName": NODEGROUP}),
        json!({"nodegroup": {"nodegroupName": NODEGROUP, "clusterName": CLUSTER, "status": "DELETING"}}),
    )));
    story.because(&request);
    request
}

/// Within minutes the service-linked roles have cleaned up; returns the ids of what they did.
fn clean_up(story: &mut Story<'_>, life: &Life) -> Vec<String> {
    let actor = &life.nodegroup_role;
    let group = life.scaling_group();
    let mut consequences = Vec::new();
    story.does(actor, ("autoscaling", "DescribeAutoScalingGroups"), 6);
    for number in 0..2 {
        consequences.push(story.says(actor, ("autoscaling", "TerminateInstanceInAutoScalingGroup"), (14, line(
            json!({"instanceId": life.instance(number), "shouldDecrementDesiredCapacity": true}),
            json!({"activity": {"activityId": life.nodegroup_id, "autoScalingGroupName": group, "statusCode": "InProgress", "progress": 0}}),
        ))));
        consequences.push(story.says(&life.scaling_role, ("ec2", "TerminateInstances"), (9, line(
            json!({"instancesSet": {"items": [{"instanceId": life.instance(number)}]}}),
            json!({"requestId": life.nodegroup_id, "instancesSet": {"items": [{"instanceId": life.instance(number), "currentState": {"code": 32, "name": "shutting-down"}, "previousState": {"code": 16, "name": "running"}}]}}),
        ))));
    }
    let force = json!({"autoScalingGroupName": group, "forceDelete": true});
    consequences.push(story.says(
        actor,
        ("autoscaling", "DeleteAutoScalingGroup"),
        (95, line(force, Value::Null)),
    ));
    consequences.push(story.says(actor, ("ec2", "DeleteLaunchTemplate"), (4, line(
        json!({"DeleteLaunchTemplateRequest": {"LaunchTemplateId": life.template()}}),
        json!({"DeleteLaunchTemplateResponse": {"requestId": life.nodegroup_id, "launchTemplate": {"launchTemplateId": life.template(), "launchTemplateName": life.profile()}}}),
    ))));
    let here = story.place;
    story.place = Place { region: 0, ..here };
    let profile = life.profile();
    let both = json!({"instanceProfileName": profile, "roleName": life.node_role.name});
    consequences.push(story.says(
        actor,
        ("iam", "RemoveRoleFromInstanceProfile"),
        (2, line(both, Value::Null)),
    ));
    let one = json!({"instanceProfileName": profile});
    consequences.push(story.says(actor, ("iam", "DeleteInstanceProfile"), (1, line(one, Value::Null))));
    story.place = here;
    let entry = json!({"name": CLUSTER, "principalArn": life.node_role.arn().replace(':', "%3A").replace('/', "%2F")});
    consequences.push(story.says(
        &life.cluster_role,
        ("eks", "DeleteAccessEntry"),
        (2, line(entry, Value::Null)),
    ));
    consequences
}

/// The person deletes the cluster; the network goes with it.
fn delete_cluster(story: &mut Story<'_>, life: &Life) -> (String, i64) {
    let request = story.says(
        &life.person,
        ("eks", "DeleteCluster"),
        (
            900,
            line(
                json!({"name": CLUSTER}),
                json!({"cluster": {"name": CLUSTER, "arn": life.arn, "status": "DELETING"}}),
            ),
        ),
    );
    let deleted = story.time;
    story.because(&request);
    for number in 0..4 {
        let interface = json!({"networkInterfaceId": life.interface(number)});
        let answer = json!({"requestId": life.nodegroup_id, "_return": true});
        story.says(&life.cluster_role, ("ec2", "DeleteNetworkInterface"), (40, line(interface, answer)));
    }
    let answer = json!({"requestId": life.nodegroup_id, "_return": true});
    story.says(
        &life.cluster_role,
        ("ec2", "DeleteSecurityGroup"),
        (3, line(json!({"groupId": life.group()}), answer)),
    );
    (request, deleted)
}

/// A service acting for a person: the person's identity, the service's address.
fn client_through(person: &Voice, service: &str) -> Voice {
    let identity = person.identity.trim_end_matches('}').to_owned();
    let invoked = format!(r#","invokedBy":"{service}"}}"#);
    let identity =
        if person.identity.ends_with(&invoked) { person.identity.clone() } else { identity + &invoked };
    Voice {
        identity,
        arn: person.arn.clone(),
        key: person.key.clone(),
        ip: service.to_owned(),
        agent: service.to_owned(),
        manner: identity::Manner::Service,
    }
}
