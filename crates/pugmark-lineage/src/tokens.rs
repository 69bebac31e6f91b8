//! Identifying names in the parameters and answers of a call: which stack, cluster, group or instance it is about.
//!
//! Not who called, and not whether two calls belong together: that is `cause.rs`. A name is kept with its scope
//! (`111122223333/eu-west-1/prod/workers`), so that equal names in two Regions, accounts or clusters are two
//! names. Ids that AWS gives out once have no scope.

use serde_json::Value;

use crate::{Arn, services};
use pugmark_event::is_uuid;

/// What a name names. Owners come before what they own: of two names in one call, the one whose noun has the
/// lower rank owns the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Noun {
    /// `CloudFormation` stack.
    Stack,
    /// Elastic Beanstalk environment.
    Environment,
    /// EKS cluster.
    Cluster,
    /// ECS cluster.
    EcsCluster,
    /// EKS node group, with its cluster.
    Nodegroup,
    /// The name of an EKS node group of which the cluster is not known.
    NodegroupName,
    /// EKS Fargate profile, with its cluster.
    FargateProfile,
    /// EKS add-on, with its cluster.
    Addon,
    /// ECS service, with its cluster.
    EcsService,
    /// The UUID that EKS gives a node group and all that it makes for it.
    Uuid,
    /// IAM role that was passed to a service.
    Role,
    /// Auto Scaling group.
    ScalingGroup,
    /// EC2 or Spot fleet.
    Fleet,
    /// Load balancer.
    LoadBalancer,
    /// Target group.
    TargetGroup,
    /// RDS instance, cluster or proxy.
    Database,
    /// `ElastiCache` cluster or replication group.
    Cache,
    /// `OpenSearch` domain.
    Domain,
    /// Lambda function.
    Function,
    /// Any name, of something that `CloudFormation` made.
    Made,
    /// `DynamoDB` table.
    Table,
    /// Batch compute environment.
    ComputeEnvironment,
    /// A job with an id of its own: automation, command, backup, restore.
    Job,
    /// A resource known by its ARN alone.
    Resource,
    /// Name of a launch template.
    LaunchTemplate,
    /// IAM instance profile.
    InstanceProfile,
    /// `lt-…`.
    LaunchTemplateId,
    /// `i-…`.
    Instance,
    /// `eni-…`, `sg-…`, `vol-…` and other ids.
    Id,
}

/// One identifying name, with its scope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Clue {
    pub(crate) noun: Noun,
    pub(crate) text: String,
    /// It stands in the answer: the call gave it out.
    pub(crate) is_answer: bool,
}

/// The call that is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// `eks.amazonaws.com`.
    pub(crate) source: &'a str,
    /// `CreateNodegroup`.
    pub(crate) name: &'a str,
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    /// The service that made it, if one did.
    pub(crate) service: Option<&'a str>,
}

impl Noun {
    /// Rank in ownership, owners first. Nouns of one rank do not own each other.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Noun::Stack | Noun::Environment => 10,
            Noun::Cluster | Noun::EcsCluster | Noun::ComputeEnvironment => 20,
            Noun::Nodegroup | Noun::NodegroupName | Noun::FargateProfile | Noun::Addon | Noun::EcsService => {
                30
            }
            Noun::Uuid => 40,
            Noun::Role => 45,
            Noun::Job => 48,
            Noun::ScalingGroup
            | Noun::Fleet
            | Noun::LoadBalancer
            | Noun::Database
            | Noun::Cache
            | Noun::Domain
            | Noun::Function
            | Noun::Table => 50,
            Noun::Made => 255,
            Noun::TargetGroup | Noun::Resource => 55,
            Noun::LaunchTemplate | Noun::InstanceProfile => 60,
            Noun::LaunchTemplateId => 65,
            Noun::Instance => 70,
            Noun::Id => 80,
        }
    }

    /// AWS gives such a name out once.
    pub(crate) fn is_unique(self) -> bool {
        matches!(
            self,
            Noun::Uuid | Noun::Job | Noun::Fleet | Noun::LaunchTemplateId | Noun::Instance | Noun::Id
        )
    }

    /// The noun as words.
    pub fn as_str(self) -> &'static str {
        match self {
            Noun::Stack => "stack",
            Noun::Environment => "environment",
            Noun::Cluster => "cluster",
            Noun::EcsCluster => "ECS cluster",
            Noun::Nodegroup => "node group",
            Noun::NodegroupName => "node group name",
            Noun::FargateProfile => "Fargate profile",
            Noun::Addon => "add-on",
            Noun::EcsService => "ECS service",
            Noun::Uuid => "node group UUID",
            Noun::Role => "role",
            Noun::ScalingGroup => "auto scaling group",
            Noun::Fleet => "fleet",
            Noun::LoadBalancer => "load balancer",
            Noun::TargetGroup => "target group",
            Noun::Database => "database",
            Noun::Cache => "cache",
            Noun::Domain => "domain",
            Noun::Function => "function",
            Noun::Made => "name",
            Noun::Table => "table",
            Noun::ComputeEnvironment => "compute environment",
            Noun::Job => "job",
            Noun::Resource => "resource",
            Noun::LaunchTemplate => "launch template",
            Noun::InstanceProfile => "instance profile",
            Noun::LaunchTemplateId => "launch template id",
            Noun::Instance => "instance",
            Noun::Id => "id",
        }
    }
}

/// The service whose names begin with the stack's.
pub(crate) const STACKS: &str = "cloudformation.amazonaws.com";
/// Deepest member that is looked at; a log is not trusted to be shallow.
const DEPTH_MAX: u8 = 12;
/// Most names that are kept of one call: a call on hundreds of things tells nothing about one of them.
const CLUES_MAX: usize = 64;
/// Members that refer to what is shared or only looked up: being in them does not make a thing the call's subject.
const REFERENCES: [&str; 17] = [
    "groupset",
    "groups",
    "ippermissions",
    "securitygroups",
    "securitygroupids",
    "vpcsecuritygroupids",
    "vpcsecuritygroups",
    "sourcesecuritygroups",
    "subnetset",
    "subnetids",
    "subnets",
    "filterset",
    "filters",
    "blockdevicemapping",
    "credentials",
    "policydocument",
    "assumerolepolicydocument",
];

/// The identifying names of a call, sorted, each once.
pub(crate) fn clues(call: Call<'_>, request: Option<&str>, response: Option<&str>) -> Vec<Clue> {
    let mut found = Found { call, clues: Vec::new(), cluster: None, is_answer: false };
    let parse = |text: Option<&str>| text.filter(|text| text.len() > 2).map(serde_json::from_str::<Value>);
    let (request, response) = (parse(request), parse(response));
    // A text that is no JSON was told of when it was decoded; here it names nothing.
    if let Some(Ok(request)) = &request {
        found.cluster = cluster_of(call, request);
        found.walk("", request, 0);
    }
    if let Some(Ok(response)) = &response {
        found.is_answer = true;
        found.walk("", response, 0);
    }
    found.finish()
}

/// The cluster that a path of EKS or ECS names: `name`, in old records `clusterName` (EKS API Reference).
fn cluster_of(call: Call<'_>, request: &Value) -> Option<String> {
    let text = |key: &str| request.get(key).and_then(Value::as_str);
    let name = match call.source {
        "eks.amazonaws.com" | "eks-auth.amazonaws.com" => text("name").or_else(|| text("clusterName")),
        "ecs.amazonaws.com" => text("cluster").or_else(|| text("clusterName")).or(Some("default")),
        _ => None,
    }?;
    Some(last_part(&decoded(name)).to_owned())
}

struct Found<'a> {
    call: Call<'a>,
    clues: Vec<Clue>,
    cluster: Option<String>,
    is_answer: bool,
}

impl Found<'_> {
    fn finish(mut self) -> Vec<Clue> {
        if let Some(cluster) = self.cluster.take() {
            self.is_answer = false;
            let noun = if self.call.source == "ecs.amazonaws.com" { Noun::EcsCluster } else { Noun::Cluster };
            self.regional(noun, &cluster);
        }
        self.clues.sort();
        // What the answer repeats of the request was not given out by the call: the request's clue sorts first.
        self.clues.dedup_by(|later, first| later.noun == first.noun && later.text == first.text);
        self.clues.truncate(CLUES_MAX);
        self.clues
    }

    fn walk(&mut self, key: &str, value: &Value, depth: u8) {
        if depth > DEPTH_MAX || self.clues.len() > 4 * CLUES_MAX {
            return;
        }
        match value {
            Value::Object(members) => {
                if let (Some(tag), Some(content)) = (tag_part(members, "key"), tag_part(members, "value")) {
                    self.tag(tag, content);
                    self.tagged(members);
                    return;
                }
                for (key, value) in members {
                    let key = key.to_ascii_lowercase();
                    if key == "tags" || key == "tagset" {
                        self.tags(value, depth);
                    } else if !REFERENCES.contains(&key.as_str()) {
                        self.walk(&key, value, depth + 1);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(key, item, depth + 1)),
            Value::String(text) if !text.is_empty() => self.text(key, text),
            _ => {}
        }
    }

    /// Tags come as a list of pairs or as one object.
    fn tags(&mut self, value: &Value, depth: u8) {
        match value {
            Value::Object(members) if !members.contains_key("items") => {
                for (tag, content) in members {
                    self.tag(tag, content.as_str().unwrap_or_default());
                }
            }
            _ => self.walk("", value, depth + 1),
        }
    }

    /// A tag of Auto Scaling names its group beside the pair.
    fn tagged(&mut self, members: &serde_json::Map<String, Value>) {
        let text = |key: &str| members.get(key).and_then(Value::as_str);
        if text("resourceType") == Some("auto-scaling-group")
            && let Some(group) = text("resourceId")
        {
            self.named("autoscalinggroupname", group);
        }
    }

    fn tag(&mut self, tag: &str, content: &str) {
        match tag {
            "eks:cluster-name" | "aws:eks:cluster-name" | "alpha.eksctl.io/cluster-name" => {
                self.regional(Noun::Cluster, content);
            }
            "eks:nodegroup-name" => self.regional(Noun::NodegroupName, content),
            "aws:autoscaling:groupName" => self.named("autoscalinggroupname", content),
            "aws:cloudformation:stack-name" => self.regional(Noun::Stack, content),
            "aws:cloudformation:stack-id" => self.arn(content),
            "elasticbeanstalk:environment-name" => self.regional(Noun::Environment, content),
            "aws:ec2:fleet-id" | "aws:ec2spot:fleet-request-id" => self.push(Noun::Fleet, content.to_owned()),
            "aws:ec2launchtemplate:id" => {
                self.id(content);
            }
            _ => {
                if let Some(cluster) = tag.strip_prefix("kubernetes.io/cluster/") {
                    self.regional(Noun::Cluster, cluster);
                }
            }
        }
    }

    fn text(&mut self, key: &str, text: &str) {
        if text.contains("%3A") || text.contains("%2F") {
            let text = decoded(text);
            return self.text(key, &text);
        }
        if text.starts_with("arn:") {
            return self.arn(text);
        }
        match key {
            "description" | "groupdescription" => self.description(text),
            _ if self.id(text) => {}
            _ => self.named(key, text),
        }
        if self.call.service == Some(STACKS) && (key.ends_with("name") || key.ends_with("id")) {
            self.regional(Noun::Made, text);
        }
    }

    /// What services write into the description of a network interface.
    fn description(&mut self, text: &str) {
        if let Some(cluster) = text.strip_prefix("Amazon EKS ") {
            self.regional(Noun::Cluster, cluster);
        } else if let Some(rest) = text.strip_prefix("ELB ") {
            let name = rest.strip_prefix("app/").or(rest.strip_prefix("net/")).or(rest.strip_prefix("gwy/"));
            self.regional(Noun::LoadBalancer, name.unwrap_or(rest).split('/').next().unwrap_or_default());
        } else if let Some(cache) = text.strip_prefix("ElastiCache ") {
            self.cache(cache);
        } else if let Some(domain) = text.strip_prefix("ES ") {
            self.regional(Noun::Domain, domain);
        } else if let Some(rest) = text.strip_prefix("AWS Lambda VPC ENI-") {
            self.regional(Noun::Function, without_uuid(rest).unwrap_or(rest));
        }
        let words = text.split([' ', ',', '(', ')', '[', ']', '"']);
        words.filter(|word| !word.is_empty()).for_each(|word| {
            if word.starts_with("arn:") {
                self.arn(word);
            } else {
                self.id(word);
            }
        });
    }

    /// A name whose meaning its key tells.
    fn named(&mut self, key: &str, text: &str) {
        let source = self.call.source;
        match key {
            "autoscalinggroupname" | "autoscalinggroupnames" => self.scaling_group(text),
            "launchtemplatename" => {
                self.regional(Noun::LaunchTemplate, text);
                self.uuid_of(text);
            }
            "instanceprofilename" => {
                self.push(Noun::InstanceProfile, format!("{}/{text}", self.call.account));
                self.uuid_of(text);
            }
            "groupname" => {
                let cluster = text.strip_prefix("eks-cluster-sg-").and_then(|rest| rest.rsplit_once('-'));
                if let Some((cluster, _)) = cluster {
                    self.regional(Noun::Cluster, cluster);
                }
            }
            "nodegroupname" => self.of_cluster(Noun::Nodegroup, text),
            "fargateprofilename" => self.of_cluster(Noun::FargateProfile, text),
            "addonname" => self.of_cluster(Noun::Addon, text),
            "clustername" if source.starts_with("eks") => self.regional(Noun::Cluster, text),
            "service" | "servicename" if source == "ecs.amazonaws.com" => {
                self.of_cluster(Noun::EcsService, text);
            }
            "loadbalancername" | "loadbalancernames" => self.regional(Noun::LoadBalancer, text),
            "name" if source == "elasticloadbalancing.amazonaws.com" => self.balanced(text),
            "dbinstanceidentifier" | "dbclusteridentifier" | "dbproxyname" => {
                self.regional(Noun::Database, text);
            }
            "cacheclusterid" | "replicationgroupid" | "serverlesscachename" => self.cache(text),
            "domainname" => self.regional(Noun::Domain, text),
            "functionname" => self.regional(Noun::Function, text),
            "stackname" => self.regional(Noun::Stack, text),
            "tablename" => self.regional(Noun::Table, text),
            "environmentname" if source.starts_with("elasticbeanstalk") => {
                self.regional(Noun::Environment, text);
            }
            "computeenvironmentname" | "computeenvironment" => self.regional(Noun::ComputeEnvironment, text),
            "resourceid" if source.starts_with("application-autoscaling") => self.scalable(text),
            "alarmname" | "alarmnames" => self.alarm(text),
            "rolename" => self.push(Noun::Role, format!("{}/{text}", self.call.account)),
            "rolesessionname" => self.job_session(text),
            "fleetid" | "spotfleetrequestid" | "spotfleetrequestids" => {
                self.push(Noun::Fleet, text.to_owned());
            }
            "automationexecutionid" | "commandid" | "backupjobid" | "restorejobid" | "copyjobid" => {
                self.push(Noun::Job, text.to_owned());
            }
            _ => {}
        }
    }

    fn arn(&mut self, text: &str) {
        let Some(arn) = Arn::parse(text) else { return };
        let scope = |name: &str| format!("{}/{}/{name}", arn.account, arn.region);
        let (kind, rest) = arn.resource.split_once(['/', ':']).unwrap_or((arn.resource, ""));
        let parts: Vec<&str> = rest.split('/').collect();
        match (arn.service, kind, &parts[..]) {
            ("eks", "cluster", [cluster]) => self.push(Noun::Cluster, scope(cluster)),
            ("eks", "nodegroup", [cluster, name, uuid]) => {
                self.push(Noun::Nodegroup, scope(&format!("{cluster}/{name}")));
                self.push(Noun::NodegroupName, scope(name));
                self.push(Noun::Uuid, (*uuid).to_owned());
            }
            ("eks", "fargateprofile", [cluster, name, _]) => {
                self.push(Noun::FargateProfile, scope(&format!("{cluster}/{name}")));
            }
            ("eks", "addon", [cluster, name, _]) => {
                self.push(Noun::Addon, scope(&format!("{cluster}/{name}")));
            }
            ("ecs", "cluster", [cluster]) => self.push(Noun::EcsCluster, scope(cluster)),
            ("ecs", "service", [cluster, name]) => {
                self.push(Noun::EcsService, scope(&format!("{cluster}/{name}")));
            }
            ("elasticloadbalancing", "loadbalancer", ["app" | "net" | "gwy", name, _] | [name]) => {
                self.push(Noun::LoadBalancer, scope(name));
            }
            ("elasticloadbalancing", "targetgroup", [name, _]) => self.push(Noun::TargetGroup, scope(name)),
            ("autoscaling", ..) => {
                if let Some((_, group)) = text.split_once(":autoScalingGroupName/") {
                    self.scaling_group(group);
                }
            }
            ("rds", "db" | "cluster" | "db-proxy", [name]) => self.push(Noun::Database, scope(name)),
            ("elasticache", "cluster" | "replicationgroup" | "serverlesscache", [name]) => {
                self.push(Noun::Cache, scope(name));
            }
            ("es", "domain", [name, ..]) => self.push(Noun::Domain, scope(name)),
            ("lambda", "function", [name]) => {
                self.push(Noun::Function, scope(name.split(':').next().unwrap_or_default()));
            }
            ("cloudformation", "stack", [name, ..]) => self.push(Noun::Stack, scope(name)),
            ("dynamodb", "table", [name, ..]) => self.push(Noun::Table, scope(name)),
            // All clusters share the service-linked roles: they tell nothing apart.
            ("iam", "role", ["aws-service-role", ..]) => {}
            ("iam", "role", [.., name]) => self.push(Noun::Role, format!("{}/{name}", arn.account)),
            ("iam", "instance-profile", [.., name]) => {
                self.push(Noun::InstanceProfile, format!("{}/{name}", arn.account));
                self.uuid_of(name);
            }
            ("ec2", _, [.., id]) => {
                self.id(id);
            }
            ("iam" | "sts" | "kms" | "s3" | "logs" | "sns" | "sqs", ..) => {}
            // Services name their resources by ARN: a call's own ones are its subject.
            (service, ..) if self.call.source.split('.').next() == Some(service) => {
                self.push(Noun::Resource, text.to_owned());
            }
            _ => {}
        }
    }

    /// Auto Scaling groups of EKS are called `eks-<node group>-<UUID>` (EKS User Guide, "Managed node groups").
    fn scaling_group(&mut self, text: &str) {
        self.regional(Noun::ScalingGroup, text);
        if let Some(name) = text.strip_prefix("eks-").and_then(without_uuid) {
            self.regional(Noun::NodegroupName, name);
            self.uuid_of(text);
        }
    }

    /// `prefix-001` and `prefix-0001-001` are nodes of `prefix`.
    fn cache(&mut self, text: &str) {
        let mut rest = Some(text);
        while let Some(name) = rest {
            self.regional(Noun::Cache, name);
            let numbered = name.rsplit_once('-');
            let is_node = |number: &str| matches!(number.len(), 3 | 4) && is_digits(number);
            rest = numbered.filter(|(_, number)| is_node(number)).map(|(group, _)| group);
        }
    }

    fn balanced(&mut self, text: &str) {
        if self.call.name.contains("TargetGroup") {
            self.regional(Noun::TargetGroup, text);
        } else if self.call.name.contains("LoadBalancer") {
            self.regional(Noun::LoadBalancer, text);
        }
    }

    /// `service/cluster/name`, `table/name`… (Application Auto Scaling API Reference, "`ResourceId`").
    fn scalable(&mut self, text: &str) {
        match text.split('/').collect::<Vec<_>>()[..] {
            ["service", cluster, name] => self.regional(Noun::EcsService, &format!("{cluster}/{name}")),
            ["table", name, ..] => self.regional(Noun::Table, name),
            ["spot-fleet-request", id] => self.push(Noun::Fleet, id.to_owned()),
            _ => {}
        }
    }

    /// `TargetTracking-table/orders-AlarmHigh-<UUID>`.
    fn alarm(&mut self, text: &str) {
        let Some(rest) = text.strip_prefix("TargetTracking-") else { return };
        let resource = rest.split("-Alarm").next().unwrap_or_default();
        let resource = resource.split("-ProvisionedCapacity").next().unwrap_or_default();
        if resource.contains('/') {
            self.scalable(resource);
        } else {
            self.scaling_group(resource);
        }
    }

    /// The session that a service opens for an instance, or for a job of Systems Manager.
    fn job_session(&mut self, text: &str) {
        if !self.id(text)
            && let Some(id) = text.strip_prefix("Automation-")
        {
            self.push(Noun::Job, id.to_owned());
        }
    }

    fn uuid_of(&mut self, text: &str) {
        if text.starts_with("eks-") && without_uuid(text).is_some() {
            self.push(Noun::Uuid, text[text.len() - UUID_LEN..].to_owned());
        }
    }

    fn of_cluster(&mut self, noun: Noun, text: &str) {
        if noun == Noun::Nodegroup {
            self.regional(Noun::NodegroupName, text);
        }
        if let Some(cluster) = self.cluster.clone() {
            self.regional(noun, &format!("{cluster}/{}", last_part(text)));
        }
    }

    fn regional(&mut self, noun: Noun, text: &str) {
        if !text.is_empty() {
            let region = if services::is_global(self.call.source) { "*" } else { self.call.region };
            self.push(noun, format!("{}/{region}/{text}", self.call.account));
        }
    }

    /// Takes `text` if it is an id that is given out once.
    fn id(&mut self, text: &str) -> bool {
        let Some((prefix, digits)) = text.rsplit_once('-') else { return false };
        if !(8..=17).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return false;
        }
        let noun = match prefix {
            "i" => Noun::Instance,
            "lt" => Noun::LaunchTemplateId,
            "eni" | "sg" | "vol" | "snap" | "nat" | "eipalloc" | "vpce" | "fs" | "fsmt" | "fsap" | "sir"
            | "tgw" | "tgw-attach" | "eni-attach" | "eipassoc" | "sgr" => Noun::Id,
            _ => return false,
        };
        self.push(noun, text.to_owned());
        true
    }

    fn push(&mut self, noun: Noun, text: String) {
        self.clues.push(Clue { noun, text, is_answer: self.is_answer });
    }
}

/// `account/region/name` as an event of a global service would name it; `None` for names without a Region.
pub(crate) fn of_any_region(text: &str) -> Option<String> {
    let (account, rest) = text.split_once('/')?;
    let (region, name) = rest.split_once('/')?;
    (region != "*" && !account.contains(':')).then(|| format!("{account}/*/{name}"))
}

/// True for names that [`of_any_region`] makes.
pub(crate) fn is_of_any_region(text: &str) -> bool {
    text.split('/').nth(1) == Some("*")
}

const UUID_LEN: usize = 36;

/// `text` without `-<UUID>` at its end; the rest of `eks-<UUID>` is `eks`.
fn without_uuid(text: &str) -> Option<&str> {
    let start = text.len().checked_sub(UUID_LEN)?;
    let (rest, uuid) = (text.get(..start)?, text.get(start..)?);
    is_uuid(uuid).then(|| rest.strip_suffix('-')).flatten().filter(|rest| !rest.is_empty())
}

fn tag_part<'a>(members: &'a serde_json::Map<String, Value>, part: &str) -> Option<&'a str> {
    let capital = if part == "key" { "Key" } else { "Value" };
    members.get(part).or_else(|| members.get(capital))?.as_str()
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn last_part(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

/// Parts of a path come percent-encoded from EKS; only what ARNs need is undone.
fn decoded(text: &str) -> String {
    text.replace("%3A", ":").replace("%2F", "/").replace("%40", "@")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Call<'_> = Call {
        source: "ec2.amazonaws.com",
        name: "Create",
        account: "111122223333",
        region: "eu-west-1",
        service: None,
    };
    const UUID: &str = "11111111-2222-3333-4444-abcdef123456";

    fn found(source: &str, request: &str, response: &str) -> Vec<(Noun, String)> {
        let clues = clues(Call { source, ..CALL }, Some(request), Some(response));
        clues.into_iter().map(|clue| (clue.noun, clue.text)).collect()
    }

    fn has(found: &[(Noun, String)], noun: Noun, text: &str) -> bool {
        found.iter().any(|(other, name)| *other == noun && name == text)
    }

    #[test]
    fn a_node_group_is_named_with_its_cluster_account_and_region() {
        let request = r#"{"name":"prod","nodegroupName":"workers"}"#;
        let response = format!(
            r#"{{"nodegroup":{{"nodegroupArn":"arn:aws:eks:eu-west-1:111122223333:nodegroup/prod/workers/{UUID}"}}}}"#
        );
        let found = found("eks.amazonaws.com", request, &response);
        assert!(has(&found, Noun::Nodegroup, "111122223333/eu-west-1/prod/workers"));
        assert!(has(&found, Noun::Cluster, "111122223333/eu-west-1/prod"));
        assert!(has(&found, Noun::Uuid, UUID));
    }

    #[test]
    fn the_uuid_of_a_node_group_is_in_the_names_of_what_eks_makes_for_it() {
        for (key, name) in [
            ("autoScalingGroupName", format!("eks-workers-{UUID}")),
            ("instanceProfileName", format!("eks-{UUID}")),
            ("LaunchTemplateName", format!("eks-{UUID}")),
        ] {
            let found = found("ec2.amazonaws.com", &format!(r#"{{"{key}":"{name}"}}"#), "null");
            assert!(has(&found, Noun::Uuid, UUID), "{key}");
        }
    }

    #[test]
    fn a_uuid_that_is_not_in_a_name_names_nothing() {
        let request = format!(r#"{{"clientToken":"{UUID}","autoScalingGroupName":"web-{UUID}"}}"#);
        let found = found("autoscaling.amazonaws.com", &request, "null");
        assert_eq!(found, [(Noun::ScalingGroup, format!("111122223333/eu-west-1/web-{UUID}"))]);
    }

    #[test]
    fn tags_and_descriptions_name_the_cluster() {
        let request = r#"{"resourcesSet":{"items":[{"resourceId":"sg-0abc1234def567890"}]},
            "tagSet":{"items":[{"key":"kubernetes.io/cluster/prod","value":"owned"}]}}"#;
        let tagged = found("ec2.amazonaws.com", request, "null");
        assert!(has(&tagged, Noun::Cluster, "111122223333/eu-west-1/prod"));
        assert!(has(&tagged, Noun::Id, "sg-0abc1234def567890"));
        let described = found("ec2.amazonaws.com", r#"{"description":"Amazon EKS prod"}"#, "null");
        assert!(has(&described, Noun::Cluster, "111122223333/eu-west-1/prod"));
    }

    #[test]
    fn shared_groups_and_subnets_are_not_the_subject_of_a_call() {
        let request =
            r#"{"groupSet":{"items":[{"groupId":"sg-0abc1234def567890"}]},"subnetId":"subnet-0abc1234"}"#;
        assert_eq!(found("ec2.amazonaws.com", request, "null"), []);
    }

    #[test]
    fn descriptions_of_interfaces_name_load_balancers_caches_domains_and_functions() {
        let of = |text: &str| found("ec2.amazonaws.com", &format!(r#"{{"description":"{text}"}}"#), "null");
        let scoped = |name: &str| format!("111122223333/eu-west-1/{name}");
        assert!(has(&of("ELB app/web/50dc6c495c0c9188"), Noun::LoadBalancer, &scoped("web")));
        assert!(has(&of("ElastiCache sessions-0001-001"), Noun::Cache, &scoped("sessions")));
        assert!(has(&of("ES search"), Noun::Domain, &scoped("search")));
        assert!(has(&of(&format!("AWS Lambda VPC ENI-etl-{UUID}")), Noun::Function, &scoped("etl")));
        assert!(has(&of("EFS mount target for fs-0abc1234 (fsmt-0abc1234)"), Noun::Id, "fs-0abc1234"));
    }

    #[test]
    fn names_that_a_stack_makes_are_kept() {
        let of_stack = Call { service: Some(STACKS), ..CALL };
        let clues = clues(of_stack, Some(r#"{"bucketName":"shop-bucket-1a2b"}"#), None);
        assert_eq!(clues[0].text, "111122223333/eu-west-1/shop-bucket-1a2b");
        assert_eq!(found("s3.amazonaws.com", r#"{"bucketName":"shop-bucket-1a2b"}"#, "null"), []);
    }

    #[test]
    fn a_global_service_names_things_of_any_region() {
        let request = r#"{"tags":[{"key":"eks:cluster-name","value":"prod"}]}"#;
        let found = found("iam.amazonaws.com", request, "null");
        assert_eq!(found, [(Noun::Cluster, "111122223333/*/prod".to_owned())]);
        assert_eq!(of_any_region("111122223333/eu-west-1/prod").as_deref(), Some("111122223333/*/prod"));
        assert_eq!(of_any_region("i-0abc1234def567890"), None);
    }

    #[test]
    fn what_the_request_names_was_not_given_out_by_the_answer() {
        let clues = clues(
            CALL,
            Some(r#"{"instanceId":"i-0abc1234def567890"}"#),
            Some(
                r#"{"a":{"instanceId":"i-0abc1234def567890"},"b":{"networkInterfaceId":"eni-0abc1234def567890"}}"#,
            ),
        );
        let answers: Vec<bool> = clues.iter().map(|clue| clue.is_answer).collect();
        assert_eq!(answers, [false, true]);
    }

    #[test]
    fn text_that_is_no_json_names_nothing() {
        assert_eq!(found("ec2.amazonaws.com", "{\"a\":", "x"), []);
    }
}
