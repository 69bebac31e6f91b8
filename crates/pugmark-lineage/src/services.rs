//! Which service acts because of which requests, and for how long.
//!
//! A table, not a law: AWS promises none of it. Sources are the permission policies of the service-linked roles
//! (AWS Managed Policy Reference) and the pages of the services that say what they do on whose request. A service
//! that is not in it is not explained.

/// What a call does to things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    /// Looks.
    Read,
    /// Makes something.
    Make,
    /// Changes something.
    Change,
    /// Takes something away.
    Unmake,
}

/// A service acts because of such requests.
#[derive(Debug)]
pub(crate) struct Duty {
    /// Principals that act.
    services: &'static [&'static str],
    /// Where the requests are made.
    source: &'static str,
    /// Their names; `*` at the end stands for any rest.
    names: &'static [&'static str],
    /// Where it acts because of them; empty for anywhere.
    acts_at: &'static str,
    /// Longest time between request and act where a name joins the two.
    pub(crate) minutes: u32,
    /// Longest time where nothing but the time does; 0 where the service also acts by itself too often for that.
    pub(crate) minutes_alone: u32,
}

const fn duty(
    services: &'static [&'static str],
    source: &'static str,
    names: &'static [&'static str],
    minutes: (u32, u32),
) -> Duty {
    Duty { services, source, names, acts_at: "", minutes: minutes.0, minutes_alone: minutes.1 }
}

/// Node groups are deleted in about half an hour if their pods refuse to go; an update of the version replaces
/// node after node and waits up to 15 minutes for each (EKS User Guide, "Update a managed node group").
const NODEGROUP_MINUTES: u32 = 60;
const NODEGROUP_VERSION_MINUTES: u32 = 240;
/// A cluster takes 10 to 15 minutes to create, about as long to delete; an update may take longer.
const CLUSTER_MINUTES: u32 = 30;
const CLUSTER_UPDATE_MINUTES: u32 = 60;
/// Stacks wait for what they make: hours, if it is a database.
const STACK_MINUTES: u32 = 360;

/// At most 128: sets of duties are bits of a `u128`.
pub(crate) const DUTIES: &[Duty] = &[
    duty(
        &["eks-nodegroup.amazonaws.com"],
        "eks.amazonaws.com",
        &["CreateNodegroup", "DeleteNodegroup", "UpdateNodegroupConfig"],
        (NODEGROUP_MINUTES, 20),
    ),
    duty(
        &["eks-nodegroup.amazonaws.com"],
        "eks.amazonaws.com",
        &["UpdateNodegroupVersion"],
        (NODEGROUP_VERSION_MINUTES, 20),
    ),
    duty(
        &["eks.amazonaws.com"],
        "eks.amazonaws.com",
        &["CreateCluster", "DeleteCluster", "RegisterCluster", "DeregisterCluster"],
        (CLUSTER_MINUTES, 20),
    ),
    duty(
        &["eks.amazonaws.com"],
        "eks.amazonaws.com",
        &["UpdateClusterConfig", "UpdateClusterVersion"],
        (CLUSTER_UPDATE_MINUTES, 20),
    ),
    // For node groups and profiles the cluster's own role makes access entries, and nothing else.
    Duty {
        services: &["eks.amazonaws.com"],
        source: "eks.amazonaws.com",
        names: &["CreateNodegroup", "DeleteNodegroup", "CreateFargateProfile", "DeleteFargateProfile"],
        acts_at: "eks.amazonaws.com",
        minutes: CLUSTER_MINUTES,
        minutes_alone: 10,
    },
    // Fargate makes an interface for each pod, whenever one starts: time alone says nothing.
    duty(
        &["eks-fargate.amazonaws.com", "eks-fargate-pods.amazonaws.com"],
        "eks.amazonaws.com",
        &["CreateFargateProfile", "DeleteFargateProfile"],
        (30, 5),
    ),
    duty(
        &["eks-connector.amazonaws.com"],
        "eks.amazonaws.com",
        &["RegisterCluster", "DeregisterCluster"],
        (60, 20),
    ),
    // Groups also grow, shrink and heal by themselves, so the name must agree.
    duty(
        &["autoscaling.amazonaws.com"],
        "autoscaling.amazonaws.com",
        &[
            "CreateAutoScalingGroup",
            "UpdateAutoScalingGroup",
            "DeleteAutoScalingGroup",
            "SetDesiredCapacity",
            "TerminateInstanceInAutoScalingGroup",
            "AttachInstances",
            "DetachInstances",
            "AttachLoadBalancer*",
            "DetachLoadBalancer*",
            "AttachTrafficSources",
            "DetachTrafficSources",
            "ExecutePolicy",
            "EnterStandby",
            "ExitStandby",
            "PutWarmPool",
            "DeleteWarmPool",
            "SetInstanceHealth",
            "CompleteLifecycleAction",
        ],
        (20, 3),
    ),
    duty(
        &["autoscaling.amazonaws.com"],
        "autoscaling.amazonaws.com",
        &["StartInstanceRefresh", "RollbackInstanceRefresh", "CancelInstanceRefresh"],
        (180, 3),
    ),
    duty(
        &["autoscaling.amazonaws.com"],
        "eks.amazonaws.com",
        &["CreateNodegroup", "DeleteNodegroup", "UpdateNodegroupConfig", "UpdateNodegroupVersion"],
        (NODEGROUP_MINUTES, 0),
    ),
    duty(
        &["elasticloadbalancing.amazonaws.com"],
        "elasticloadbalancing.amazonaws.com",
        &[
            "CreateLoadBalancer",
            "DeleteLoadBalancer",
            "SetSubnets",
            "SetSecurityGroups",
            "SetIpAddressType",
            "ModifyLoadBalancerAttributes",
            "RegisterTargets",
            "DeregisterTargets",
            "RegisterInstancesWithLoadBalancer",
            "DeregisterInstancesFromLoadBalancer",
            "AttachLoadBalancerToSubnets",
            "DetachLoadBalancerFromSubnets",
            "ApplySecurityGroupsToLoadBalancer",
            "EnableAvailabilityZonesForLoadBalancer",
            "DisableAvailabilityZonesForLoadBalancer",
            "CreateTargetGroup",
            "DeleteTargetGroup",
            "CreateListener",
        ],
        (20, 3),
    ),
    duty(
        &["ecs.amazonaws.com", "ecs-tasks.amazonaws.com"],
        "ecs.amazonaws.com",
        &[
            "CreateService",
            "UpdateService",
            "DeleteService",
            "RunTask",
            "StartTask",
            "StopTask",
            "CreateTaskSet",
            "UpdateTaskSet",
            "DeleteTaskSet",
            "CreateCluster",
            "DeleteCluster",
            "CreateCapacityProvider",
            "UpdateCapacityProvider",
            "DeleteCapacityProvider",
            "PutClusterCapacityProviders",
        ],
        (30, 5),
    ),
    duty(
        &["rds.amazonaws.com", "custom.rds.amazonaws.com"],
        "rds.amazonaws.com",
        &[
            "CreateDB*",
            "DeleteDB*",
            "ModifyDB*",
            "RestoreDB*",
            "RebootDB*",
            "StartDB*",
            "StopDB*",
            "FailoverDB*",
            "PromoteReadReplica*",
            "CreateGlobalCluster",
        ],
        (60, 20),
    ),
    duty(
        &["elasticache.amazonaws.com"],
        "elasticache.amazonaws.com",
        &[
            "CreateCacheCluster",
            "CreateReplicationGroup",
            "CreateServerlessCache",
            "CreateCacheSubnetGroup",
            "ModifyCacheCluster",
            "ModifyReplicationGroup*",
            "ModifyServerlessCache",
            "DeleteCacheCluster",
            "DeleteReplicationGroup",
            "DeleteServerlessCache",
            "IncreaseReplicaCount",
            "DecreaseReplicaCount",
            "RebootCacheCluster",
            "TestFailover",
        ],
        (45, 20),
    ),
    duty(
        &["lambda.amazonaws.com"],
        "lambda.amazonaws.com",
        &[
            "CreateFunction*",
            "UpdateFunction*",
            "DeleteFunction*",
            "PublishVersion*",
            "CreateEventSourceMapping*",
            "UpdateEventSourceMapping*",
            "DeleteEventSourceMapping*",
            "PutProvisionedConcurrencyConfig",
        ],
        (30, 3),
    ),
    duty(
        &["cloudformation.amazonaws.com"],
        "cloudformation.amazonaws.com",
        &[
            "CreateStack",
            "UpdateStack",
            "DeleteStack",
            "ExecuteChangeSet",
            "CreateChangeSet",
            "ContinueUpdateRollback",
            "RollbackStack",
            "CancelUpdateStack",
        ],
        (STACK_MINUTES, 30),
    ),
    duty(
        &["stacksets.cloudformation.amazonaws.com", "member.org.stacksets.cloudformation.amazonaws.com"],
        "cloudformation.amazonaws.com",
        &[
            "CreateStackInstances",
            "UpdateStackInstances",
            "DeleteStackInstances",
            "CreateStackSet",
            "UpdateStackSet",
        ],
        (STACK_MINUTES, 30),
    ),
    duty(
        &["opensearchservice.amazonaws.com", "es.amazonaws.com"],
        "es.amazonaws.com",
        &[
            "CreateDomain",
            "UpdateDomainConfig",
            "DeleteDomain",
            "UpgradeDomain",
            "CreateElasticsearchDomain",
            "UpdateElasticsearchDomainConfig",
            "DeleteElasticsearchDomain",
            "CreateVpcEndpoint",
            "DeleteVpcEndpoint",
        ],
        (60, 20),
    ),
    // AWS Config looks at everything that changes, at any time.
    duty(
        &["config.amazonaws.com", "config-conforms.amazonaws.com"],
        "config.amazonaws.com",
        &[
            "PutConfigurationRecorder",
            "StartConfigurationRecorder",
            "PutDeliveryChannel",
            "DeliverConfigSnapshot",
            "PutConfigRule",
            "StartConfigRulesEvaluation",
            "StartRemediationExecution",
            "PutConformancePack",
            "DeleteConformancePack",
        ],
        (15, 0),
    ),
    duty(
        &["ssm.amazonaws.com"],
        "ssm.amazonaws.com",
        &[
            "StartAutomationExecution",
            "StartChangeRequestExecution",
            "SendCommand",
            "CreateAssociation*",
            "StartAssociationsOnce",
            "StopAutomationExecution",
        ],
        (120, 5),
    ),
    duty(
        &["backup.amazonaws.com", "reports.backup.amazonaws.com", "restore-testing.backup.amazonaws.com"],
        "backup.amazonaws.com",
        &[
            "StartBackupJob",
            "StartRestoreJob",
            "StartCopyJob",
            "StartReportJob",
            "StopBackupJob",
            "DeleteRecoveryPoint",
        ],
        (240, 10),
    ),
    duty(
        &["spot.amazonaws.com", "spotfleet.amazonaws.com", "ec2fleet.amazonaws.com"],
        "ec2.amazonaws.com",
        &[
            "RequestSpotInstances",
            "CancelSpotInstanceRequests",
            "RequestSpotFleet",
            "ModifySpotFleetRequest",
            "CancelSpotFleetRequests",
            "CreateFleet",
            "ModifyFleet",
            "DeleteFleets",
            "RunInstances",
        ],
        (15, 3),
    ),
    duty(
        &[
            "dynamodb.application-autoscaling.amazonaws.com",
            "ecs.application-autoscaling.amazonaws.com",
            "ec2.application-autoscaling.amazonaws.com",
            "rds.application-autoscaling.amazonaws.com",
            "lambda.application-autoscaling.amazonaws.com",
            "cassandra.application-autoscaling.amazonaws.com",
            "application-autoscaling.amazonaws.com",
        ],
        "application-autoscaling.amazonaws.com",
        &["RegisterScalableTarget", "DeregisterScalableTarget", "PutScalingPolicy", "DeleteScalingPolicy"],
        (5, 1),
    ),
    duty(
        &["dynamodb.amazonaws.com", "replication.dynamodb.amazonaws.com"],
        "dynamodb.amazonaws.com",
        &[
            "CreateTable",
            "UpdateTable",
            "DeleteTable",
            "CreateGlobalTable",
            "UpdateGlobalTable",
            "RestoreTable*",
        ],
        (60, 5),
    ),
    duty(
        &["redshift.amazonaws.com"],
        "redshift.amazonaws.com",
        &[
            "CreateCluster",
            "ModifyCluster*",
            "DeleteCluster",
            "ResizeCluster",
            "RestoreFromClusterSnapshot",
            "CreateEndpointAccess",
        ],
        (60, 20),
    ),
    duty(
        &["batch.amazonaws.com"],
        "batch.amazonaws.com",
        &[
            "CreateComputeEnvironment",
            "UpdateComputeEnvironment",
            "DeleteComputeEnvironment",
            "SubmitJob",
            "TerminateJob",
        ],
        (30, 5),
    ),
    duty(
        &["elasticbeanstalk.amazonaws.com", "managedupdates.elasticbeanstalk.amazonaws.com"],
        "elasticbeanstalk.amazonaws.com",
        &[
            "CreateEnvironment",
            "UpdateEnvironment",
            "TerminateEnvironment",
            "RebuildEnvironment",
            "SwapEnvironmentCNAMEs",
        ],
        (60, 20),
    ),
    duty(
        &["elasticmapreduce.amazonaws.com"],
        "elasticmapreduce.amazonaws.com",
        &[
            "RunJobFlow",
            "TerminateJobFlows",
            "ModifyInstanceGroups",
            "AddInstanceGroups",
            "ModifyInstanceFleet",
        ],
        (60, 20),
    ),
    duty(
        &["elasticfilesystem.amazonaws.com"],
        "elasticfilesystem.amazonaws.com",
        &[
            "CreateFileSystem",
            "DeleteFileSystem",
            "CreateMountTarget",
            "DeleteMountTarget",
            "CreateReplicationConfiguration",
        ],
        (15, 3),
    ),
    duty(
        &["transitgateway.amazonaws.com"],
        "ec2.amazonaws.com",
        &["CreateTransitGateway*", "DeleteTransitGateway*", "ModifyTransitGateway*", "AcceptTransitGateway*"],
        (20, 5),
    ),
    duty(
        &["globalaccelerator.amazonaws.com"],
        "globalaccelerator.amazonaws.com",
        &[
            "CreateEndpointGroup",
            "UpdateEndpointGroup",
            "DeleteEndpointGroup",
            "AddEndpoints",
            "RemoveEndpoints",
        ],
        (20, 5),
    ),
    duty(
        &["sso.amazonaws.com"],
        "sso.amazonaws.com",
        &["CreateAccountAssignment", "DeleteAccountAssignment", "ProvisionPermissionSet"],
        (15, 5),
    ),
    duty(
        &["kafka.amazonaws.com"],
        "kafka.amazonaws.com",
        &["CreateCluster*", "DeleteCluster", "UpdateBroker*", "UpdateConnectivity"],
        (60, 20),
    ),
    duty(
        &["memorydb.amazonaws.com"],
        "memory-db.amazonaws.com",
        &["CreateCluster", "UpdateCluster", "DeleteCluster"],
        (45, 20),
    ),
    duty(
        &["dax.amazonaws.com"],
        "dax.amazonaws.com",
        &["CreateCluster", "UpdateCluster", "DeleteCluster"],
        (45, 20),
    ),
    duty(
        &["imagebuilder.amazonaws.com"],
        "imagebuilder.amazonaws.com",
        &["StartImagePipelineExecution", "CreateImage", "CancelImageCreation"],
        (180, 10),
    ),
    duty(
        &["guardduty.amazonaws.com", "malware-protection.guardduty.amazonaws.com"],
        "guardduty.amazonaws.com",
        &["CreateDetector", "UpdateDetector", "DeleteDetector", "StartMalwareScan"],
        (15, 0),
    ),
    duty(
        &["delivery.logs.amazonaws.com", "vpc-flow-logs.amazonaws.com"],
        "ec2.amazonaws.com",
        &["CreateFlowLogs", "DeleteFlowLogs"],
        (10, 2),
    ),
    duty(
        &["servicecatalog.amazonaws.com"],
        "servicecatalog.amazonaws.com",
        &["ProvisionProduct", "UpdateProvisionedProduct", "TerminateProvisionedProduct"],
        (STACK_MINUTES, 20),
    ),
];

/// Services whose changes are read for the names they join, whoever makes them.
const TEACHERS: [&str; 18] = [
    "autoscaling.amazonaws.com",
    "backup.amazonaws.com",
    "batch.amazonaws.com",
    "cloudformation.amazonaws.com",
    "application-autoscaling.amazonaws.com",
    "dynamodb.amazonaws.com",
    "ec2.amazonaws.com",
    "ecs.amazonaws.com",
    "eks.amazonaws.com",
    "elasticache.amazonaws.com",
    "elasticbeanstalk.amazonaws.com",
    "elasticfilesystem.amazonaws.com",
    "elasticloadbalancing.amazonaws.com",
    "es.amazonaws.com",
    "iam.amazonaws.com",
    "lambda.amazonaws.com",
    "rds.amazonaws.com",
    "ssm.amazonaws.com",
];

/// Other services at which requests are made that set a service off.
const SOURCES: [&str; 13] = [
    "config.amazonaws.com",
    "dax.amazonaws.com",
    "elasticmapreduce.amazonaws.com",
    "globalaccelerator.amazonaws.com",
    "guardduty.amazonaws.com",
    "imagebuilder.amazonaws.com",
    "kafka.amazonaws.com",
    "memory-db.amazonaws.com",
    "redshift.amazonaws.com",
    "servicecatalog.amazonaws.com",
    "sso.amazonaws.com",
    "route53.amazonaws.com",
    "logs.amazonaws.com",
];

/// Services whose events are recorded in one Region, whatever the request was about
/// (`CloudTrail` User Guide, "Global service events").
const GLOBAL: [&str; 6] = [
    "iam.amazonaws.com",
    "route53.amazonaws.com",
    "cloudfront.amazonaws.com",
    "organizations.amazonaws.com",
    "globalaccelerator.amazonaws.com",
    "sso.amazonaws.com",
];

/// True if changes at `source` can make a service act, or join names.
pub(crate) fn is_known(source: &str) -> bool {
    is_teacher(source) || SOURCES.contains(&source)
}

/// True if a change at `source` is read for the names it joins.
pub(crate) fn is_teacher(source: &str) -> bool {
    TEACHERS.contains(&source)
}

/// True if the Region of such an event says nothing of the Region it is about.
pub(crate) fn is_global(source: &str) -> bool {
    GLOBAL.contains(&source)
}

/// The duties that the request sets off, as bits.
pub(crate) fn set_off_by(source: &str, name: &str) -> u128 {
    let is_named = |duty: &Duty| duty.names.iter().any(|pattern| matches_name(pattern, name));
    bits(|duty| duty.source == source && is_named(duty))
}

/// The duties that the service has where it acts at `source`, as bits.
pub(crate) fn duties_of(service: &str, source: &str) -> u128 {
    // Wherever a service acts, it first opens a session.
    let is_at = |duty: &Duty| ["", source].contains(&duty.acts_at) || source == "sts.amazonaws.com";
    bits(|duty| duty.services.contains(&service) && is_at(duty))
}

/// Longest windows of the duties in `set`, in minutes: with a name, and with nothing but time.
pub(crate) fn windows(set: u128) -> (u32, u32) {
    let (mut rest, mut longest) = (set, (0, 0));
    while rest != 0 {
        let duty = &DUTIES[rest.trailing_zeros() as usize];
        longest = (duty.minutes.max(longest.0), duty.minutes_alone.max(longest.1));
        rest &= rest - 1;
    }
    longest
}

/// What a call of that name does.
pub(crate) fn verb(name: &str) -> Verb {
    const READS: [&str; 12] = [
        "Describe", "Get", "List", "Head", "BatchGet", "Assume", "Lookup", "Search", "Decrypt", "Simulate",
        "Query", "Check",
    ];
    const UNMAKES: [&str; 10] = [
        "Delete",
        "Terminate",
        "Release",
        "Remove",
        "Deregister",
        "Detach",
        "Disassociate",
        "Cancel",
        "Stop",
        "Retire",
    ];
    const MAKES: [&str; 6] = ["Create", "Run", "Allocate", "Request", "Restore", "Copy"];
    const CHANGES: [&str; 6] = [
        "CreateTags",
        "CreateOrUpdateTags",
        "DeleteTags",
        "CreateLaunchTemplateVersion",
        "RemoveTags",
        "DeleteLaunchTemplateVersions",
    ];
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if CHANGES.contains(&name) {
        Verb::Change
    } else if starts(&READS) {
        Verb::Read
    } else if starts(&UNMAKES) {
        Verb::Unmake
    } else if starts(&MAKES) {
        Verb::Make
    } else {
        Verb::Change
    }
}

fn bits(is_in: impl Fn(&Duty) -> bool) -> u128 {
    let places = DUTIES.iter().enumerate().filter(|(_, duty)| is_in(duty)).map(|(place, _)| place);
    places.fold(0, |set, place| set | 1 << place)
}

fn matches_name(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EC2: &str = "ec2.amazonaws.com";

    #[test]
    fn for_node_groups_the_role_of_the_cluster_makes_access_entries_alone() {
        let create = set_off_by("eks.amazonaws.com", "CreateNodegroup");
        assert_eq!(create & duties_of("eks.amazonaws.com", EC2), 0);
        assert_ne!(create & duties_of("eks.amazonaws.com", "eks.amazonaws.com"), 0);
    }

    #[test]
    fn sets_of_duties_fit_into_bits() {
        assert!(DUTIES.len() <= 128);
        assert!(DUTIES.iter().all(|duty| duty.minutes >= duty.minutes_alone && duty.minutes > 0));
    }

    #[test]
    fn every_source_of_a_duty_is_known() {
        assert!(DUTIES.iter().all(|duty| is_known(duty.source)));
    }

    #[test]
    fn a_service_has_the_duty_that_a_request_sets_off() {
        let delete = set_off_by("eks.amazonaws.com", "DeleteNodegroup");
        assert_ne!(delete & duties_of("eks-nodegroup.amazonaws.com", EC2), 0);
        assert_ne!(delete & duties_of("autoscaling.amazonaws.com", EC2), 0);
        assert_eq!(delete & duties_of("rds.amazonaws.com", EC2), 0);
        assert_eq!(set_off_by("eks.amazonaws.com", "DescribeNodegroup"), 0);
        assert_ne!(set_off_by("rds.amazonaws.com", "CreateDBInstanceReadReplica"), 0);
    }

    #[test]
    fn a_node_group_has_an_hour_and_its_upgrade_longer() {
        let window = |name| {
            windows(set_off_by("eks.amazonaws.com", name) & duties_of("eks-nodegroup.amazonaws.com", EC2))
        };
        assert_eq!(window("DeleteNodegroup"), (60, 20));
        assert_eq!(window("UpdateNodegroupVersion"), (240, 20));
        assert!(windows(bits(|_| true)).0 >= 240);
    }

    #[test]
    fn verbs_are_read_from_names() {
        assert_eq!(verb("DescribeSubnets"), Verb::Read);
        assert_eq!(verb("CreateTags"), Verb::Change);
        assert_eq!(verb("RunInstances"), Verb::Make);
        assert_eq!(verb("DeleteInstanceProfile"), Verb::Unmake);
        assert_eq!(verb("AuthorizeSecurityGroupIngress"), Verb::Change);
    }
}
