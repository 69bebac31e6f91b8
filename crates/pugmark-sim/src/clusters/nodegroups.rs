//! Node groups: asked for by a person, carried out by two service-linked roles;
//! the nodes they bring, and the pods on those.

use serde_json::{Value, json};

use super::{Life, SUBNETS, held};
use crate::identity::{self, Voice};
use crate::plots::{How, SDK_AGENT, line, start, stop};
use crate::story::Story;

/// One node group.
pub(super) struct Group {
    name: String,
    uuid: String,
    template: String,
    instances: Vec<String>,
}

impl Group {
    fn profile(&self) -> String {
        format!("eks-{}", self.uuid)
    }

    fn scaling_group(&self) -> String {
        format!("eks-{}-{}", self.name, self.uuid)
    }
}

/// A person asks for a group; launch template, profile and scaling group are made.
pub(super) fn create(story: &mut Story<'_>, life: &mut Life, name: &str) -> Group {
    story.cause = None;
    let uuid = story.stage.chance.new_guid();
    let mut group = Group {
        name: name.to_owned(),
        template: format!("lt-0{}", story.hex(16)),
        uuid,
        instances: Vec::new(),
    };
    let (cluster, role) = (life.name.clone(), story.role("eks-node").arn());
    let arn = format!("{}/{name}/{}", life.arn.replace(":cluster/", ":nodegroup/"), group.uuid);
    let request = story.says(&life.person, ("eks", "CreateNodegroup"), (45, line(
        json!({"name": cluster, "nodegroupName": name, "nodeRole": role, "scalingConfig": {"minSize": 1, "maxSize": 4, "desiredSize": 2}, "subnets": SUBNETS}),
        json!({"nodegroup": {"nodegroupName": name, "clusterName": cluster, "nodegroupArn": arn, "status": "CREATING", "nodeRole": role}}),
    )));
    life.truth.nodegroups.push(name.to_owned());
    story.because(&request);
    build(story, &cluster, &group);
    let scaling = story.linked("autoscaling.amazonaws.com", "AutoScaling", "AutoScaling");
    group.instances = start(story, &scaling, (&group.scaling_group(), &group.template), 2);
    story.cause = None;
    group
}

fn build(story: &mut Story<'_>, cluster: &str, group: &Group) {
    let voice = story.linked("eks-nodegroup.amazonaws.com", "AmazonEKSNodegroup", "EKS");
    let (profile, scaling_group) = (group.profile(), group.scaling_group());
    story.does(&voice, ("ec2", "DescribeSubnets"), 4);
    let data = json!({"InstanceType": "m6i.large", "TagSpecification": [{"ResourceType": "instance", "Tag": [{"Key": "eks:cluster-name", "Value": cluster}, {"Key": "eks:nodegroup-name", "Value": group.name}]}]});
    story.says(&voice, ("ec2", "CreateLaunchTemplate"), (2, line(
        json!({"CreateLaunchTemplateRequest": {"LaunchTemplateName": profile, "LaunchTemplateData": data}}),
        json!({"CreateLaunchTemplateResponse": {"launchTemplate": {"launchTemplateId": group.template, "launchTemplateName": profile}}}),
    )));
    let account = story.account();
    story.says(&voice, ("iam", "CreateInstanceProfile"), (2, line(
        json!({"instanceProfileName": profile, "path": "/"}),
        json!({"instanceProfile": {"instanceProfileName": profile, "arn": format!("arn:aws:iam::{account}:instance-profile/{profile}")}}),
    )));
    let both = json!({"instanceProfileName": profile, "roleName": "eks-node"});
    story.says(&voice, ("iam", "AddRoleToInstanceProfile"), (1, line(both, Value::Null)));
    story.says(&voice, ("autoscaling", "CreateAutoScalingGroup"), (7, line(
        json!({"autoScalingGroupName": scaling_group, "minSize": 1, "maxSize": 4, "desiredCapacity": 2,
               "mixedInstancesPolicy": {"launchTemplate": {"launchTemplateSpecification": {"launchTemplateId": group.template, "version": "1"}}},
               "tags": [{"key": "eks:cluster-name", "value": cluster}, {"key": "eks:nodegroup-name", "value": group.name}, {"key": format!("kubernetes.io/cluster/{cluster}"), "value": "owned"}]}),
        Value::Null,
    )));
    for call in ["PutLifecycleHook", "PutNotificationConfiguration"] {
        let request = json!({"autoScalingGroupName": scaling_group});
        story.says(&voice, ("autoscaling", call), (1, line(request, Value::Null)));
    }
}

/// Nodes get their role; pods get theirs, by token and by association, and work.
pub(super) fn pods(story: &mut Story<'_>, life: &mut Life, group: &Group) {
    story.cause = None;
    let (account, region, name) = (story.account(), story.region(), life.name.clone());
    let how =
        How { name: &group.instances[0], hours: 6, ip: "10.0.1.17", agent: SDK_AGENT, ..How::default() };
    let node = held(story, "ec2.amazonaws.com", "eks-node", &how);
    story.does(&node, ("ecr", "GetAuthorizationToken"), 5);
    story.says(&node, ("eks", "DescribeCluster"), (2, line(json!({"name": name}), Value::Null)));

    let provider =
        format!("arn:aws:iam::{account}:oidc-provider/oidc.eks.{region}.amazonaws.com/id/{}", life.issuer);
    let subject = "system:serviceaccount:billing:invoicer";
    let caller =
        crate::actors::client(identity::web_identity(&provider, subject), subject, ("10.0.1.44", SDK_AGENT));
    let session = format!("botocore-session-{}", story.time);
    let role = story.role("billing-pods");
    let how =
        How { call: "AssumeRoleWithWebIdentity", name: &session, provider: &provider, ..How::default() };
    let voice = story.assumes(&caller, &role, &how);
    story.does(&voice, ("secretsmanager", "GetSecretValue"), 4);
    story.works(&voice, 2);
    life.truth.pods.push(story.stage.register.root(&voice).actor);

    let asked = json!({"clusterName": name, "token": "HIDDEN_DUE_TO_SECURITY_REASONS", "instanceId": group.instances[0]});
    story.says(&node, ("eks-auth", "AssumeRoleForPodIdentity"), (20, line(asked, Value::Null)));
    let pod = format!("api-{}", story.hex(9));
    let session = format!("eks-{name}-{pod}-{}", story.stage.chance.new_guid());
    let session: String = session.chars().take(64).collect();
    let subject = format!("{name}/orders/api");
    let tags = [
        ("eks-cluster-arn", life.arn.as_str()),
        ("eks-cluster-name", &name),
        ("kubernetes-namespace", "orders"),
        ("kubernetes-service-account", "api"),
        ("kubernetes-pod-name", &pod),
    ];
    let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    let how = How {
        name: &session,
        hours: 6,
        ip: "10.0.1.45",
        agent: SDK_AGENT,
        subject: &subject,
        ..How::default()
    };
    story.stage.tags = Value::Array(tags).to_string();
    let voice = held(story, "pods.eks.amazonaws.com", "orders-pods", &how);
    story.works(&voice, 3);
    let other = (story.place.account + 1) % story.stage.world.accounts.len();
    let target = story.stage.world.role(other, "orders-archive");
    let home = story.place;
    let voice = story.assumes(&voice, &target, &How { name: &session, ..How::default() });
    story.works(&voice, 1);
    story.place = home;
    life.truth.pods.push(format!("pod/{subject}@{account}"));
}

/// A person wants one node more.
pub(super) fn resize(story: &mut Story<'_>, life: &Life, group: &mut Group) {
    let update = story.stage.chance.new_guid();
    let request = story.says(&life.person, ("eks", "UpdateNodegroupConfig"), (400, line(
        json!({"name": life.name, "nodegroupName": group.name, "scalingConfig": {"desiredSize": 3}}),
        json!({"update": {"id": update, "status": "InProgress", "type": "ConfigUpdate", "params": [{"type": "DesiredSize", "value": "3"}]}}),
    )));
    story.because(&request);
    let voice = story.linked("eks-nodegroup.amazonaws.com", "AmazonEKSNodegroup", "EKS");
    let asked = json!({"autoScalingGroupName": group.scaling_group(), "desiredCapacity": 3});
    story.says(&voice, ("autoscaling", "UpdateAutoScalingGroup"), (6, line(asked, Value::Null)));
    let scaling = story.linked("autoscaling.amazonaws.com", "AutoScaling", "AutoScaling");
    let more = start(story, &scaling, (&group.scaling_group(), &group.template), 1);
    group.instances.extend(more);
    story.cause = None;
}

/// The nodes are replaced by ones of a new version.
pub(super) fn upgrade(story: &mut Story<'_>, life: &Life, group: &mut Group) {
    let update = story.stage.chance.new_guid();
    let request = story.says(&life.person, ("eks", "UpdateNodegroupVersion"), (600, line(
        json!({"name": life.name, "nodegroupName": group.name, "version": "1.34"}),
        json!({"update": {"id": update, "status": "InProgress", "type": "VersionUpdate", "params": [{"type": "Version", "value": "1.34"}]}}),
    )));
    story.because(&request);
    let voice = story.linked("eks-nodegroup.amazonaws.com", "AmazonEKSNodegroup", "EKS");
    let scaling = story.linked("autoscaling.amazonaws.com", "AutoScaling", "AutoScaling");
    let asked = json!({"CreateLaunchTemplateVersionRequest": {"LaunchTemplateId": group.template, "SourceVersion": "1"}});
    story.says(&voice, ("ec2", "CreateLaunchTemplateVersion"), (4, line(asked, Value::Null)));
    let asked = json!({"autoScalingGroupName": group.scaling_group(), "maxSize": 6});
    story.says(&voice, ("autoscaling", "UpdateAutoScalingGroup"), (3, line(asked, Value::Null)));
    let fresh = start(story, &scaling, (&group.scaling_group(), &group.template), 2);
    for id in std::mem::replace(&mut group.instances, fresh) {
        retire(story, (&voice, &scaling), (group, &id), 120);
    }
    story.cause = None;
}

fn retire(story: &mut Story<'_>, (voice, scaling): (&Voice, &Voice), (group, id): (&Group, &str), wait: i64) {
    let activity = story.stage.chance.new_guid();
    story.says(voice, ("autoscaling", "TerminateInstanceInAutoScalingGroup"), (wait, line(
        json!({"instanceId": id, "shouldDecrementDesiredCapacity": true}),
        json!({"activity": {"activityId": activity, "autoScalingGroupName": group.scaling_group(), "statusCode": "InProgress"}}),
    )));
    stop(story, scaling, id);
}

/// A person deletes the group, and the service-linked roles clean up.
pub(super) fn delete(story: &mut Story<'_>, life: &Life, group: &Group) {
    story.cause = None;
    let arn = format!("{}/{}/{}", life.arn.replace(":cluster/", ":nodegroup/"), group.name, group.uuid);
    let request = story.says(&life.person, ("eks", "DeleteNodegroup"), (0, line(
        json!({"name": life.name, "nodegroupName": group.name}),
        json!({"nodegroup": {"nodegroupName": group.name, "clusterName": life.name, "nodegroupArn": arn, "status": "DELETING"}}),
    )));
    story.because(&request);
    clean_up(story, group);
    story.cause = None;
}

/// The service-linked roles take a group apart.
pub(super) fn clean_up(story: &mut Story<'_>, group: &Group) {
    let voice = story.linked("eks-nodegroup.amazonaws.com", "AmazonEKSNodegroup", "EKS");
    let scaling = story.linked("autoscaling.amazonaws.com", "AutoScaling", "AutoScaling");
    story.does(&voice, ("autoscaling", "DescribeAutoScalingGroups"), 3);
    for id in &group.instances {
        retire(story, (&voice, &scaling), (group, id), 14);
    }
    let scaling_group = group.scaling_group();
    let asked = json!({"autoScalingGroupName": scaling_group, "lifecycleHookName": "Launch-LC-Hook"});
    story.says(&voice, ("autoscaling", "DeleteLifecycleHook"), (20, line(asked, Value::Null)));
    let asked = json!({"autoScalingGroupName": scaling_group, "forceDelete": true});
    story.says(&voice, ("autoscaling", "DeleteAutoScalingGroup"), (60, line(asked, Value::Null)));
    story.says(&voice, ("ec2", "DeleteLaunchTemplate"), (4, line(
        json!({"DeleteLaunchTemplateRequest": {"LaunchTemplateId": group.template}}),
        json!({"DeleteLaunchTemplateResponse": {"launchTemplate": {"launchTemplateId": group.template, "launchTemplateName": group.profile()}}}),
    )));
    let both = json!({"instanceProfileName": group.profile(), "roleName": "eks-node"});
    story.says(&voice, ("iam", "RemoveRoleFromInstanceProfile"), (2, line(both, Value::Null)));
    let one = json!({"instanceProfileName": group.profile()});
    story.says(&voice, ("iam", "DeleteInstanceProfile"), (1, line(one, Value::Null)));
}
