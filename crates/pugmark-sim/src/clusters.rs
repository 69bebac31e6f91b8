//! Planted clusters: several at once, some of one name, with node groups that
//! are deleted at the same time, failed attempts, pods at work, and a second
//! life under the first one's name. The simpler life that every trail has is
//! told in `eks.rs`.

mod audit;
mod nodegroups;

use std::rc::Rc;

use serde_json::{Value, json};

use self::audit::AuditLog;
use self::nodegroups::Group;
use crate::clock::iso;
use crate::identity::{self, Voice};
use crate::plots::{How, Round, SDK_AGENT, Seen, line, sso};
use crate::record::Fault;
use crate::stage::{Place, Stage};
use crate::story::{Line, Story, user_voice};
use crate::truth::ClusterLife;

/// What there is in every account: names that say nothing about a cluster.
const SUBNETS: [&str; 2] = ["subnet-0a11bb22cc33dd441", "subnet-0a11bb22cc33dd442"];
const POLICY: &str = "arn:aws:eks::aws:cluster-access-policy/AmazonEKS";

/// One cluster while it lives.
struct Life {
    name: String,
    arn: String,
    /// Id of its token issuer.
    issuer: String,
    group: String,
    interfaces: Vec<String>,
    person: Rc<Voice>,
    truth: ClusterLife,
    audit: Option<AuditLog>,
}

/// Plays the clusters of one round: a full life, a twin of the same name elsewhere
/// that loses its node group in the same minute, and a life after the first.
pub(crate) fn play(stage: &mut Stage, round: Round) {
    let first = round.story(stage, round.number);
    let (time, place) = (first.time, first.place);
    let regions = stage.world.regions.len();
    let name = format!("{}-{}", ["shop", "data", "edge"][round.number % 3], round.number);
    let deleted = time + 5 * 3_600;
    full_life(stage, (round, &name), (place, time), deleted);
    let elsewhere = Place {
        account: (place.account + usize::from(regions == 1)) % stage.world.accounts.len(),
        region: (place.region + 1) % regions,
    };
    if elsewhere != place {
        twin(stage, (round, &name), (elsewhere, time + 2_400), deleted);
    }
    second_life(stage, (round, &name), (place, deleted + 7_000));
}

/// Everything that can happen to a cluster.
fn full_life(stage: &mut Stage, (round, name): (Round, &str), (place, time): (Place, i64), deleted: i64) {
    let mut story = Story::begin(stage, place, time);
    let (person, ip) = round.person(0);
    let person = sso(&mut story, ("Administrator", person, ip), Seen::Whole);
    refused_creation(&mut story, name);
    let mut life = Life::create(&mut story, name, person, round);
    life.network(&mut story);
    life.settle(&mut story);
    let mut groups: Vec<Group> =
        ["workers", "spot"].iter().map(|name| nodegroups::create(&mut story, &mut life, name)).collect();
    life.open_doors(&mut story, round);
    nodegroups::pods(&mut story, &mut life, &groups[0]);
    life.profile(&mut story);
    nodegroups::resize(&mut story, &life, &mut groups[0]);
    life.upgrade(&mut story, "1.34");
    nodegroups::upgrade(&mut story, &life, &mut groups[1]);
    life.kubectl(&mut story, round);
    story.time = deleted;
    life.delete_too_early(&mut story);
    let at = story.time;
    // Both groups go at once: what is done for them lies interleaved.
    for (turn, group) in groups.iter().enumerate() {
        story.time = at + 11 * turn as i64;
        nodegroups::delete(&mut story, &life, group);
    }
    life.delete(&mut story);
    life.end(&mut story);
}

/// Another cluster of that name, with a node group of the same name, and another person.
fn twin(stage: &mut Stage, (round, name): (Round, &str), (place, time): (Place, i64), deleted: i64) {
    let mut story = Story::begin(stage, place, time);
    let (person, ip) = round.person(1);
    let user = story.stage.world.user(place.account, person);
    let person = Rc::new(user_voice(&user, (ip, SDK_AGENT)));
    let mut life = Life::create(&mut story, name, person, round);
    life.network(&mut story);
    let group = nodegroups::create(&mut story, &mut life, "workers");
    nodegroups::pods(&mut story, &mut life, &group);
    story.time = deleted + 5;
    nodegroups::delete(&mut story, &life, &group);
    life.delete(&mut story);
    life.end(&mut story);
}

/// The name is taken again, by a pipeline, and this cluster stays.
fn second_life(stage: &mut Stage, (round, name): (Round, &str), (place, time): (Place, i64)) {
    let mut story = Story::begin(stage, place, time);
    let (person, ip) = round.person(2);
    let user = story.stage.world.user(place.account, person);
    let own = user_voice(&user, (ip, SDK_AGENT));
    let role = story.role("cluster-builder");
    let session = format!("{person}-build");
    let voice = story.assumes(&own, &role, &How { name: &session, ..How::default() });
    let mut life = Life::create(&mut story, name, voice, round);
    life.network(&mut story);
    life.settle(&mut story);
    // Whoever asked for this group's end, the trail lacks the request: its end has no cause here.
    let group = nodegroups::create(&mut story, &mut life, "workers");
    story.time += 3_000;
    nodegroups::clean_up(&mut story, &group);
    life.end(&mut story);
}

/// Someone without the right tries first.
fn refused_creation(story: &mut Story<'_>, name: &str) {
    let role = story.role("developer");
    let user = story.stage.world.user(story.place.account, "kofi");
    let own = user_voice(&user, ("198.51.100.140", SDK_AGENT));
    let voice = story.assumes(&own, &role, &How { name: "kofi-try", ..How::default() });
    let fault = Some(crate::scenes::denied("AccessDeniedException", &voice, "eks", "CreateCluster"));
    let request = json!({"name": name, "roleArn": story.role("eks-cluster").arn()});
    story.says(&voice, ("eks", "CreateCluster"), (6, Line { request, fault, ..Line::default() }));
}

impl Life {
    /// The request, and what the service first does for the one who asked.
    fn create(story: &mut Story<'_>, name: &str, person: Rc<Voice>, round: Round) -> Life {
        let (account, region) = (story.account(), story.region());
        let failed = story.steps.last().filter(|step| step.event_name == "CreateCluster");
        let failures: Vec<String> = failed.map(|step| step.event_id.clone()).into_iter().collect();
        let arn = format!("arn:aws:eks:{region}:{account}:cluster/{name}");
        let issuer = story.hex(32).to_uppercase();
        // Not every answer tells the issuer; then nothing says which cluster's pods its tokens are.
        let mut identity = Value::Null;
        if story.stage.chance.odds(0.6) {
            story.stage.register.issuers.insert(issuer.clone(), name.to_owned());
            let url = format!("https://oidc.eks.{region}.amazonaws.com/id/{issuer}");
            identity = json!({"oidc": {"issuer": url}});
        }
        let role = story.role("eks-cluster").arn();
        let token = story.stage.chance.new_guid();
        let created = story.time + 30;
        let request = story.says(&person, ("eks", "CreateCluster"), (30, line(
            json!({"name": name, "version": "1.33", "roleArn": role, "clientRequestToken": token,
                   "resourcesVpcConfig": {"subnetIds": SUBNETS, "endpointPublicAccess": true},
                   "accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": true}}),
            json!({"cluster": {"name": name, "arn": arn, "createdAt": created as f64 + 0.5, "version": "1.33", "roleArn": role, "status": "CREATING", "identity": identity}}),
        )));
        story.because(&request);
        let forward = story.forward(&person, "eks.amazonaws.com");
        for (call, id) in
            [("DescribeSubnets", SUBNETS[0]), ("DescribeSecurityGroups", "sg-0a11bb22cc33dd443")]
        {
            let asked =
                json!({"filterSet": {"items": [{"name": "id", "valueSet": {"items": [{"value": id}]}}]}});
            story.says(&forward, ("ec2", call), (1, line(asked, Value::Null)));
        }
        let creator = story.stage.register.root(&person).actor;
        let audit = round.audit_logs.then(|| AuditLog::begin(story, name));
        let truth = ClusterLife {
            name: name.to_owned(),
            account,
            region: region.to_owned(),
            created_by: request.clone(),
            creator,
            created: iso(created),
            version: "1.33".to_owned(),
            entries: vec![request],
            failures,
            audit_log: audit.as_ref().map(|log| log.file.clone()),
            ..ClusterLife::default()
        };
        let group = format!("sg-0{}", story.hex(16));
        Life { name: name.to_owned(), arn, issuer, group, interfaces: Vec::new(), person, truth, audit }
    }

    /// The cluster's role of the service builds the network.
    fn network(&mut self, story: &mut Story<'_>) {
        let name = self.name.clone();
        let voice = story.linked("eks.amazonaws.com", "AmazonEKS", "EKS");
        let suffix = story.stage.chance.between(100_000_000, 999_999_999);
        story.says(&voice, ("ec2", "CreateSecurityGroup"), (20, line(
            json!({"groupName": format!("eks-cluster-sg-{name}-{suffix}"), "groupDescription": "EKS created security group", "vpcId": "vpc-0a11bb22cc33dd44e"}),
            json!({"_return": true, "groupId": self.group}),
        )));
        story.says(&voice, ("ec2", "CreateTags"), (1, line(
            json!({"resourcesSet": {"items": [{"resourceId": self.group}]}, "tagSet": {"items": [{"key": format!("kubernetes.io/cluster/{name}"), "value": "owned"}, {"key": "aws:eks:cluster-name", "value": name}]}}),
            json!({"_return": true}),
        )));
        story.does(&voice, ("ec2", "DescribeVpcs"), 1);
        for subnet in SUBNETS {
            self.interface(story, &voice, subnet);
        }
        let request = json!({"logGroupName": format!("/aws/eks/{name}/cluster")});
        story.says(&voice, ("logs", "CreateLogGroup"), (5, line(request, Value::Null)));
        let zone = format!("Z{}", story.hex(13).to_uppercase());
        story.says(&voice, ("route53", "AssociateVPCWithHostedZone"), (8, line(
            json!({"hostedZoneId": zone, "vPC": {"vPCId": "vpc-0a11bb22cc33dd44e"}, "comment": format!("EKS {name}")}),
            Value::Null,
        )));
    }

    fn interface(&mut self, story: &mut Story<'_>, voice: &Voice, subnet: &str) {
        let id = format!("eni-0{}", story.hex(16));
        let description = format!("Amazon EKS {}", self.name);
        story.says(voice, ("ec2", "CreateNetworkInterface"), (3, line(
            json!({"subnetId": subnet, "description": description, "groupSet": {"items": [{"groupId": self.group}]}}),
            json!({"networkInterface": {"networkInterfaceId": id, "description": description, "status": "pending"}}),
        )));
        let asked = json!({"CreateNetworkInterfacePermissionRequest": {"NetworkInterfaceId": id, "Permission": "INSTANCE-ATTACH"}});
        story.says(voice, ("ec2", "CreateNetworkInterfacePermission"), (1, line(asked, Value::Null)));
        self.interfaces.push(id);
    }

    /// The creator waits, then says whose tokens count, and adds what pods need.
    fn settle(&mut self, story: &mut Story<'_>) {
        story.cause = None;
        let (account, region, name) = (story.account(), story.region(), self.name.clone());
        for _ in 0..3 {
            story.says(
                &self.person,
                ("eks", "DescribeCluster"),
                (180, line(json!({"name": name}), Value::Null)),
            );
        }
        let issuer = format!("oidc.eks.{region}.amazonaws.com/id/{}", self.issuer);
        let provider = story.says(&self.person, ("iam", "CreateOpenIDConnectProvider"), (20, line(
            json!({"url": format!("https://{issuer}"), "clientIDList": ["sts.amazonaws.com"]}),
            json!({"openIDConnectProviderArn": format!("arn:aws:iam::{account}:oidc-provider/{issuer}")}),
        )));
        self.truth.entries.push(provider);
        for addon in ["vpc-cni", "eks-pod-identity-agent"] {
            story.says(
                &self.person,
                ("eks", "CreateAddon"),
                (
                    6,
                    line(
                        json!({"name": name, "addonName": addon}),
                        json!({"addon": {"addonName": addon, "clusterName": name, "status": "CREATING"}}),
                    ),
                ),
            );
        }
    }

    /// Others are let in: a role, a pod, and one attempt that fails.
    fn open_doors(&mut self, story: &mut Story<'_>, round: Round) {
        story.cause = None;
        let (name, account) = (self.name.clone(), story.account());
        let team = story.role("orders-team").arn();
        let mut entry = |story: &mut Story<'_>, call, request: Value, response: Value| {
            let id = story.says(&self.person, ("eks", call), (40, line(request, response)));
            self.truth.entries.push(id);
        };
        entry(
            story,
            "CreateAccessEntry",
            json!({"name": name, "principalArn": team, "type": "STANDARD", "kubernetesGroups": ["orders"]}),
            json!({"accessEntry": {"clusterName": name, "principalArn": team, "type": "STANDARD"}}),
        );
        let encoded = team.replace(':', "%3A").replace('/', "%2F");
        entry(
            story,
            "AssociateAccessPolicy",
            json!({"name": name, "principalArn": encoded, "policyArn": format!("{POLICY}EditPolicy"), "accessScope": {"type": "namespace", "namespaces": ["orders"]}}),
            json!({"clusterName": name, "principalArn": team, "associatedAccessPolicy": {"policyArn": format!("{POLICY}EditPolicy")}}),
        );
        let association = format!("a-{}", story.hex(17));
        entry(
            story,
            "CreatePodIdentityAssociation",
            json!({"name": name, "namespace": "orders", "serviceAccount": "api", "roleArn": format!("arn:aws:iam::{account}:role/orders-pods")}),
            json!({"association": {"clusterName": name, "namespace": "orders", "serviceAccount": "api", "associationId": association, "roleArn": format!("arn:aws:iam::{account}:role/orders-pods")}}),
        );
        let (person, ip) = round.person(5);
        let guest = sso(story, ("ReadOnly", person, ip), Seen::Whole);
        let fault = Some(crate::scenes::denied("AccessDeniedException", &guest, "eks", "CreateAccessEntry"));
        let request = json!({"name": name, "principalArn": guest.arn});
        let failed = Line { request, fault, ..Line::default() };
        let failed = story.says(&guest, ("eks", "CreateAccessEntry"), (15, failed));
        self.truth.failures.push(failed);
    }

    /// A Fargate profile, and the interface of its first pod.
    fn profile(&mut self, story: &mut Story<'_>) {
        let (name, profile, account) = (self.name.clone(), "batch", story.account());
        let arn = self.arn.replace(":cluster/", ":fargateprofile/");
        let uuid = story.stage.chance.new_guid();
        let role = format!("arn:aws:iam::{account}:role/fargate-pods");
        let request = story.says(&self.person, ("eks", "CreateFargateProfile"), (60, line(
            json!({"name": name, "fargateProfileName": profile, "podExecutionRoleArn": role, "subnets": SUBNETS, "selectors": [{"namespace": "batch"}]}),
            json!({"fargateProfile": {"fargateProfileName": profile, "fargateProfileArn": format!("{arn}/{profile}/{uuid}"), "clusterName": name, "status": "CREATING"}}),
        )));
        story.because(&request);
        let eks = story.linked("eks.amazonaws.com", "AmazonEKS", "EKS");
        story.says(&eks, ("eks", "CreateAccessEntry"), (4, line(
            json!({"name": name, "principalArn": role, "type": "FARGATE_LINUX"}),
            json!({"accessEntry": {"clusterName": name, "principalArn": role, "type": "FARGATE_LINUX"}}),
        )));
        let fargate = story.linked("eks-fargate.amazonaws.com", "AmazonEKSForFargate", "EKS-Fargate");
        story.does(&fargate, ("ec2", "DescribeSubnets"), 3);
        let id = format!("eni-0{}", story.hex(16));
        story.says(&fargate, ("ec2", "CreateNetworkInterface"), (9, line(
            json!({"subnetId": SUBNETS[1], "description": format!("fargate {name}/{profile}"), "tagSpecificationSet": {"items": [{"resourceType": "network-interface", "tags": [{"key": "aws:eks:cluster-name", "value": name}]}]}}),
            json!({"networkInterface": {"networkInterfaceId": id}}),
        )));
        self.interfaces.push(id);
        story.cause = None;
    }

    /// The control plane gets a new version, and new interfaces with it.
    fn upgrade(&mut self, story: &mut Story<'_>, version: &str) {
        let update = story.stage.chance.new_guid();
        let request = story.says(&self.person, ("eks", "UpdateClusterVersion"), (300, line(
            json!({"name": self.name, "version": version}),
            json!({"update": {"id": update, "status": "InProgress", "type": "VersionUpdate", "params": [{"type": "Version", "value": version}]}}),
        )));
        story.because(&request);
        let voice = story.linked("eks.amazonaws.com", "AmazonEKS", "EKS");
        let old = self.interfaces.remove(0);
        self.interface(story, &voice, SUBNETS[0]);
        let gone = json!({"networkInterfaceId": old});
        story.says(&voice, ("ec2", "DeleteNetworkInterface"), (60, line(gone, json!({"_return": true}))));
        version.clone_into(&mut self.truth.version);
        story.cause = None;
    }

    /// People work inside the cluster; only its own log says what they do.
    fn kubectl(&mut self, story: &mut Story<'_>, round: Round) {
        let (person, ip) = round.person(6);
        let guest = sso(story, ("Developer", person, ip), Seen::Whole);
        let team = story.role("orders-team");
        let voice = story.assumes(&guest, &team, &How { name: person, ..How::default() });
        story.says(&voice, ("eks", "DescribeCluster"), (3, line(json!({"name": self.name}), Value::Null)));
        if let Some(audit) = &mut self.audit {
            audit.speaks(story, &voice, ("create", "deployments", "orders"));
            audit.speaks(story, &voice, ("delete", "pods", "orders"));
            audit.speaks(story, &self.person, ("get", "secrets", "kube-system"));
            audit.runs(story, ("system:serviceaccount:orders:api", "list", "configmaps"));
        }
    }

    /// A cluster with node groups cannot be deleted.
    fn delete_too_early(&mut self, story: &mut Story<'_>) {
        let message = "Cluster has nodegroups attached".to_owned();
        let fault = Some(Fault { code: "ResourceInUseException", message });
        let line = Line { request: json!({"name": self.name}), fault, ..Line::default() };
        let failed = story.says(&self.person, ("eks", "DeleteCluster"), (5, line));
        self.truth.failures.push(failed);
        story.time += 20;
    }

    /// The cluster goes, and the network with it.
    fn delete(&mut self, story: &mut Story<'_>) {
        story.time += 900;
        story.cause = None;
        let request = story.says(
            &self.person,
            ("eks", "DeleteCluster"),
            (
                0,
                line(
                    json!({"name": self.name}),
                    json!({"cluster": {"name": self.name, "arn": self.arn, "status": "DELETING"}}),
                ),
            ),
        );
        self.truth.deleted = Some(iso(story.time));
        self.truth.deleted_by = Some(request.clone());
        story.because(&request);
        let voice = story.linked("eks.amazonaws.com", "AmazonEKS", "EKS");
        for id in &self.interfaces {
            let gone = json!({"networkInterfaceId": id});
            story.says(&voice, ("ec2", "DeleteNetworkInterface"), (30, line(gone, json!({"_return": true}))));
        }
        let gone = json!({"groupId": self.group});
        story.says(&voice, ("ec2", "DeleteSecurityGroup"), (4, line(gone, json!({"_return": true}))));
    }

    /// Puts the life on the answer sheet.
    fn end(self, story: &mut Story<'_>) {
        if let Some(audit) = self.audit {
            audit.end(story);
        }
        story.stage.register.lives.push(self.truth);
    }
}

/// A session of a role that an instance or a pod's agent holds.
fn held(story: &mut Story<'_>, service: &str, role: &str, how: &How<'_>) -> Rc<Voice> {
    let role = story.role(role);
    story.assumes(&identity::service(service), &role, how)
}
