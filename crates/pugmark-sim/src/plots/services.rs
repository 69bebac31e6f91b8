//! Plots of causes: someone asks a service for something, and the service acts
//! in the account, under its own role or for the one who asked; and services
//! that act because it is time to.

use std::rc::Rc;

use serde_json::{Value, json};

use super::people::{Seen, sso};
use super::{CLI_AGENT, How, Round};
use crate::identity::{self, Role, Voice};
use crate::stage::Stage;
use crate::story::{Line, Story, user_voice};

/// All of them.
pub(super) const PLOTS: &[fn(&mut Stage, Round)] = &[
    scaling,
    two_balancers,
    lost_request,
    database,
    cache,
    container_service,
    stack,
    stack_with_role,
    unprompted,
];

/// A line with a request and an answer.
pub(crate) fn line(request: Value, response: Value) -> Line {
    Line { request, response, ..Line::default() }
}

/// The person who asks in this round.
fn asker(story: &mut Story<'_>, round: Round, turn: usize) -> Rc<Voice> {
    let (name, ip) = round.person(turn);
    if (round.number + turn).is_multiple_of(2) {
        return sso(story, ("Administrator", name, ip), Seen::Whole);
    }
    let user = story.stage.world.user(story.place.account, name);
    Rc::new(user_voice(&user, (ip, CLI_AGENT)))
}

/// Someone resizes a fleet up and down again; auto scaling starts and stops instances.
fn scaling(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, round.number);
    let fleet = format!("fleet-{}", story.hex(6));
    let asker = asker(&mut story, round, 0);
    let template = format!("lt-0{}", story.hex(16));
    let mut instances: Vec<String> = Vec::new();
    for (call, size) in
        [("CreateAutoScalingGroup", 2), ("SetDesiredCapacity", 3), ("UpdateAutoScalingGroup", 1)]
    {
        let request = json!({"autoScalingGroupName": fleet, "desiredCapacity": size, "minSize": 1, "maxSize": 6,
            "launchTemplate": {"launchTemplateId": template, "version": "$Default"}});
        let request = story.says(&asker, ("autoscaling", call), (1_900, line(request, Value::Null)));
        story.because(&request);
        let voice = story.linked("autoscaling.amazonaws.com", "AutoScaling", "AutoScaling");
        if call == "UpdateAutoScalingGroup" {
            for id in instances.drain(..2) {
                stop(&mut story, &voice, &id);
            }
        } else {
            let count = if instances.is_empty() { 2 } else { 1 };
            instances.extend(start(&mut story, &voice, (&fleet, &template), count));
        }
        story.cause = None;
    }
}

/// Auto scaling starts instances of a group; returns their ids.
pub(crate) fn start(
    story: &mut Story<'_>,
    voice: &Voice,
    (group, template): (&str, &str),
    count: usize,
) -> Vec<String> {
    let ids: Vec<String> = (0..count).map(|_| format!("i-0{}", story.hex(16))).collect();
    let items: Vec<Value> = ids
        .iter()
        .map(|id| json!({"instanceId": id, "currentState": {"code": 0, "name": "pending"}}))
        .collect();
    let token = format!("fleet-{}", story.stage.chance.new_guid());
    story.says(voice, ("ec2", "RunInstances"), (11, line(
        json!({"instancesSet": {"items": [{"minCount": count, "maxCount": count}]}, "clientToken": token,
               "launchTemplate": {"launchTemplateId": template, "version": "1"},
               "tagSpecificationSet": {"items": [{"resourceType": "instance", "tags": [{"key": "aws:autoscaling:groupName", "value": group}]}]}}),
        json!({"instancesSet": {"items": items}}),
    )));
    ids
}

/// Auto scaling stops an instance.
pub(crate) fn stop(story: &mut Story<'_>, voice: &Voice, id: &str) {
    story.says(voice, ("ec2", "TerminateInstances"), (14, line(
        json!({"instancesSet": {"items": [{"instanceId": id}]}}),
        json!({"instancesSet": {"items": [{"instanceId": id, "currentState": {"code": 32, "name": "shutting-down"}, "previousState": {"code": 16, "name": "running"}}]}}),
    )));
}

/// Two people make balancers in the same minute, and delete them an hour later.
fn two_balancers(stage: &mut Stage, round: Round) {
    let (time, place) = {
        let story = round.story(stage, round.number);
        (story.time, story.place)
    };
    for turn in 1..3 {
        let mut story = round.story(stage, 0);
        story.place = place;
        story.time = time + 9 * turn as i64;
        let asker = asker(&mut story, round, turn);
        let (name, id) = (format!("web-{}", story.hex(5)), story.hex(16));
        let (account, region) = (story.account(), story.region());
        let arn = format!("arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/app/{name}/{id}");
        let request = story.says(&asker, ("elasticloadbalancing", "CreateLoadBalancer"), (4, line(
            json!({"name": name, "type": "application", "scheme": "internal", "subnets": ["subnet-0a11bb22cc33dd441", "subnet-0a11bb22cc33dd442"]}),
            json!({"loadBalancers": [{"loadBalancerArn": arn, "loadBalancerName": name, "state": {"code": "provisioning"}}]}),
        )));
        let description = format!("ELB app/{name}/{id}");
        let principal =
            ("elasticloadbalancing.amazonaws.com", "ElasticLoadBalancing", "ElasticLoadBalancing");
        let made = interfaces(&mut story, (principal, &request), &description);
        story.time += 3_600;
        let gone = line(json!({"loadBalancerArn": arn}), Value::Null);
        let request = story.says(&asker, ("elasticloadbalancing", "DeleteLoadBalancer"), (4, gone));
        remove(&mut story, (principal, &request), &made);
    }
}

/// A balancer's interfaces are made; the request for it is missing.
fn lost_request(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, round.number);
    let role = ("elasticloadbalancing.amazonaws.com", "ElasticLoadBalancing", "ElasticLoadBalancing");
    let description = format!("ELB app/lost-{}/{}", story.hex(5), story.hex(16));
    make(&mut story, role, &description);
}

/// A service-linked role: its service, its name's end, and the name of its sessions.
type Linked = (&'static str, &'static str, &'static str);

/// A service's role makes two network interfaces because of a request.
fn interfaces(story: &mut Story<'_>, (role, request): (Linked, &str), description: &str) -> Vec<String> {
    story.because(request);
    story.time += 3;
    let made = make(story, role, description);
    story.cause = None;
    made
}

fn make(story: &mut Story<'_>, role: Linked, description: &str) -> Vec<String> {
    let voice = story.linked(role.0, role.1, role.2);
    story.does(&voice, ("ec2", "DescribeSubnets"), 2);
    let mut made = Vec::new();
    for subnet in ["subnet-0a11bb22cc33dd441", "subnet-0a11bb22cc33dd442"] {
        let id = format!("eni-0{}", story.hex(16));
        story.says(&voice, ("ec2", "CreateNetworkInterface"), (3, line(
            json!({"subnetId": subnet, "description": description, "groupSet": {}, "privateIpAddressesSet": {}}),
            json!({"networkInterface": {"networkInterfaceId": id, "subnetId": subnet, "description": description, "status": "pending"}}),
        )));
        made.push(id);
    }
    made
}

fn remove(story: &mut Story<'_>, (role, request): (Linked, &str), interfaces: &[String]) {
    story.because(request);
    story.time += 20;
    let voice = story.linked(role.0, role.1, role.2);
    for id in interfaces {
        let request = json!({"networkInterfaceId": id});
        story.says(&voice, ("ec2", "DeleteNetworkInterface"), (9, line(request, json!({"_return": true}))));
    }
    story.cause = None;
}

/// A database comes and goes; its interfaces say nothing of its name.
fn database(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, round.number);
    let asker = asker(&mut story, round, 3);
    let name = format!("orders-{}", story.hex(5));
    let request = story.says(&asker, ("rds", "CreateDBInstance"), (5, line(
        json!({"dBInstanceIdentifier": name, "engine": "postgres", "dBInstanceClass": "db.m6g.large", "allocatedStorage": 50, "masterUserPassword": "****"}),
        json!({"dBInstanceIdentifier": name, "dBInstanceStatus": "creating"}),
    )));
    let role = ("rds.amazonaws.com", "RDS", "RDS");
    let made = interfaces(&mut story, (role, &request), "RDSNetworkInterface");
    story.time += 2 * 3_600;
    let gone = line(json!({"dBInstanceIdentifier": name, "skipFinalSnapshot": true}), Value::Null);
    let request = story.says(&asker, ("rds", "DeleteDBInstance"), (5, gone));
    remove(&mut story, (role, &request), &made);
}

fn cache(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, round.number + 1);
    let asker = asker(&mut story, round, 4);
    let name = format!("basket-{}", story.hex(5));
    let request = story.says(&asker, ("elasticache", "CreateCacheCluster"), (5, line(
        json!({"cacheClusterId": name, "engine": "redis", "cacheNodeType": "cache.t4g.small", "numCacheNodes": 1}),
        json!({"cacheClusterId": name, "cacheClusterStatus": "creating"}),
    )));
    let role = ("elasticache.amazonaws.com", "ElastiCache", "ElastiCache");
    let made = interfaces(&mut story, (role, &request), &format!("ElastiCache {name}-0001-001"));
    story.time += 3_600;
    let gone = line(json!({"cacheClusterId": name}), Value::Null);
    let request = story.says(&asker, ("elasticache", "DeleteCacheCluster"), (5, gone));
    remove(&mut story, (role, &request), &made);
}

/// A container service is made and takes its place behind a balancer.
fn container_service(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, round.number);
    let asker = asker(&mut story, round, 5);
    let (name, cluster) = (format!("api-{}", story.hex(5)), "web");
    let (account, region) = (story.account(), story.region());
    let target =
        format!("arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/{name}/{}", story.hex(16));
    let request = story.says(&asker, ("ecs", "CreateService"), (5, line(
        json!({"cluster": cluster, "serviceName": name, "desiredCount": 2, "launchType": "FARGATE", "loadBalancers": [{"targetGroupArn": target, "containerName": "app", "containerPort": 8080}]}),
        json!({"service": {"serviceArn": format!("arn:aws:ecs:{region}:{account}:service/{cluster}/{name}"), "serviceName": name, "status": "ACTIVE"}}),
    )));
    story.because(&request);
    let voice = story.linked("ecs.amazonaws.com", "ECS", "ecs-service-scheduler");
    for number in 0..2 {
        let id = format!("eni-0{}", story.hex(16));
        let attachment = story.stage.chance.new_guid();
        story.says(&voice, ("ec2", "CreateNetworkInterface"), (6, line(
            json!({"subnetId": "subnet-0a11bb22cc33dd441", "description": format!("arn:aws:ecs:{region}:{account}:attachment/{attachment}"), "tagSpecificationSet": {"items": [{"resourceType": "network-interface", "tags": [{"key": "aws:ecs:serviceName", "value": name}, {"key": "aws:ecs:clusterName", "value": cluster}]}]}}),
            json!({"networkInterface": {"networkInterfaceId": id}}),
        )));
        let targets = json!({"targetGroupArn": target, "targets": [{"id": format!("10.0.3.{}", 20 + number), "port": 8080}]});
        story.says(&voice, ("elasticloadbalancing", "RegisterTargets"), (25, line(targets, Value::Null)));
    }
}

/// What a stack consists of, made by `CloudFormation` for whoever stands behind the voice.
fn resources(story: &mut Story<'_>, voice: &Voice, stack: &str) {
    let (account, group) = (story.account(), format!("sg-0{}", story.hex(16)));
    let suffix = story.hex(8);
    let tags = json!([{"key": "aws:cloudformation:stack-name", "value": stack}]);
    story.says(voice, ("ec2", "CreateSecurityGroup"), (6, line(
        json!({"groupName": format!("{stack}-group-{suffix}"), "groupDescription": "of the stack", "tagSpecificationSet": {"items": [{"resourceType": "security-group", "tags": tags}]}}),
        json!({"_return": true, "groupId": group}),
    )));
    let role = format!("{stack}-role-{suffix}");
    story.says(voice, ("iam", "CreateRole"), (4, line(
        json!({"roleName": role, "tags": tags}),
        json!({"role": {"roleName": role, "arn": format!("arn:aws:iam::{account}:role/{role}"), "path": "/"}}),
    )));
    let bucket = format!("{stack}-bucket-{suffix}");
    let request = json!({"bucketName": bucket, "Host": "s3.amazonaws.com"});
    story.says(voice, ("s3", "CreateBucket"), (5, line(request, Value::Null)));
    let request = json!({"groupId": group, "ipPermissions": {"items": [{"ipProtocol": "tcp", "fromPort": 443, "toPort": 443}]}});
    story.says(voice, ("ec2", "AuthorizeSecurityGroupIngress"), (3, line(request, json!({"_return": true}))));
}

fn create_stack(story: &mut Story<'_>, asker: &Voice, role: Option<&Role>) -> String {
    let stack = format!("shop-{}", story.hex(6));
    let id = story.stage.chance.new_guid();
    let arn = format!("arn:aws:cloudformation:{}:{}:stack/{stack}/{id}", story.region(), story.account());
    let request = story.says(
        asker,
        ("cloudformation", "CreateStack"),
        (
            5,
            line(
                json!({"stackName": stack, "capabilities": ["CAPABILITY_NAMED_IAM"], "roleARN": role.map(Role::arn)}),
                json!({"stackId": arn}),
            ),
        ),
    );
    story.because(&request);
    stack
}

/// A stack is made with the asker's own rights: forward access.
fn stack(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, round.number);
    let asker = asker(&mut story, round, 6);
    let stack = create_stack(&mut story, &asker, None);
    let voice = story.forward(&asker, "cloudformation.amazonaws.com");
    resources(&mut story, &voice, &stack);
}

/// A stack is made with the rights of a role that `CloudFormation` assumes.
fn stack_with_role(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, round.number + 1);
    let asker = asker(&mut story, round, 7);
    let role = story.role("cfn-execution");
    let stack = create_stack(&mut story, &asker, Some(&role));
    let service = identity::service("cloudformation.amazonaws.com");
    let voice = story.assumes(&service, &role, &How { name: "AWSCloudFormation", ..How::default() });
    let mut identity = voice.identity.clone();
    identity.pop();
    identity.push_str(r#","invokedBy":"cloudformation.amazonaws.com"}"#);
    let voice = Voice {
        identity,
        arn: voice.arn.clone(),
        key: voice.key.clone(),
        ip: "cloudformation.amazonaws.com".into(),
        agent: "cloudformation.amazonaws.com".into(),
        manner: identity::Manner::Service,
    };
    resources(&mut story, &voice, &stack);
}

/// Nobody asked: unhealthy instances are replaced, a scan goes round.
fn unprompted(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, round.number);
    let voice = story.linked("autoscaling.amazonaws.com", "AutoScaling", "AutoScaling");
    let (id, template) = (format!("i-0{}", story.hex(16)), format!("lt-0{}", story.hex(16)));
    stop(&mut story, &voice, &id);
    let fleet = format!("steady-{}", story.hex(6));
    start(&mut story, &voice, (&fleet, &template), 1);
    story.time += 900;
    let scan = story.linked("inspector2.amazonaws.com", "AmazonInspector2", "scan");
    story.does(&scan, ("ec2", "DescribeInstances"), 3);
    story.does(&scan, ("ecr", "BatchGetImage"), 2);
    story.does(&scan, ("ec2", "DescribeVpcs"), 2);
}
