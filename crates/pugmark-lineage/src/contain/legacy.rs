//! What a call leaves behind that outlives the caller's credentials, and the command that removes or shows it.

use pugmark_event::Leaf;
use serde_json::Value;

use super::fate::Fates;
use super::step;
use crate::Row;
use crate::mentions::{text, without_version};
use crate::shell::AwsCommand;

/// Kinds of things left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LegacyKind {
    /// An IAM user.
    User,
    /// An access key.
    Key,
    /// A key that was switched or deleted: it explains why one no longer lives.
    KeyEnded,
    /// A password of a user.
    Login,
    /// An IAM role.
    Role,
    /// A trust policy.
    Trust,
    /// A policy attached to a user, role or group.
    Attached,
    /// A policy written into a user, role or group.
    Inline,
    /// A new version of a managed policy.
    PolicyVersion,
    /// A user in a group.
    Member,
    /// A multi-factor device taken away.
    MfaRemoved,
    /// An identity provider.
    Provider,
    /// A trust anchor or profile of IAM Roles Anywhere.
    Anchor,
    /// A function, its code, or who may call it.
    Function,
    /// A rule or schedule that runs something.
    Rule,
    /// An instance.
    Instance,
    /// What an instance runs at its start, or the role it has.
    InstanceChange,
    /// Somebody let into an EKS cluster.
    AccessEntry,
    /// A pod given a role.
    PodIdentity,
    /// A snapshot or image opened to others.
    Shared,
    /// A bucket's or key's policy.
    ResourcePolicy,
    /// Something that keeps the trail from telling.
    Evasion,
}

/// One thing left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Legacy {
    /// What it is.
    pub kind: LegacyKind,
    /// `eventTime`, microseconds since 1970.
    pub time: Option<i64>,
    /// `eventID`.
    pub event: String,
    /// `eventName`.
    pub call: String,
    /// Account that it is in.
    pub account: String,
    /// Region that it is in.
    pub region: String,
    /// Its name.
    pub name: String,
    /// Whose it is, where it belongs to a user, role, cluster…
    pub owner: Option<String>,
    /// ARN or key id of an identity that it made.
    made: Option<String>,
    /// What removes it or shows it; none if its name cannot be given to a shell safely.
    pub commands: Vec<AwsCommand>,
    /// It was removed later, and did not come again.
    pub is_removed: bool,
}

impl LegacyKind {
    /// The kind as words.
    pub fn as_str(self) -> &'static str {
        match self {
            LegacyKind::User => "user",
            LegacyKind::Key => "access key",
            LegacyKind::KeyEnded => "access key switched",
            LegacyKind::Login => "console password",
            LegacyKind::Role => "role",
            LegacyKind::Trust => "trust policy",
            LegacyKind::Attached => "policy attached",
            LegacyKind::Inline => "inline policy",
            LegacyKind::PolicyVersion => "policy version",
            LegacyKind::Member => "group member",
            LegacyKind::MfaRemoved => "MFA taken away",
            LegacyKind::Provider => "identity provider",
            LegacyKind::Anchor => "Roles Anywhere",
            LegacyKind::Function => "function",
            LegacyKind::Rule => "rule or schedule",
            LegacyKind::Instance => "instance",
            LegacyKind::InstanceChange => "instance changed",
            LegacyKind::AccessEntry => "cluster access",
            LegacyKind::PodIdentity => "pod identity",
            LegacyKind::Shared => "shared with others",
            LegacyKind::ResourcePolicy => "resource policy",
            LegacyKind::Evasion => "trail changed",
        }
    }

    /// The kind of thing that the call `name` of `source` leaves behind.
    pub fn of(source: &str, name: &str) -> Option<LegacyKind> {
        Some(match (source.strip_suffix(".amazonaws.com")?, without_version(name)) {
            ("iam", "CreateUser") => LegacyKind::User,
            ("iam", "CreateAccessKey") => LegacyKind::Key,
            ("iam", "UpdateAccessKey" | "DeleteAccessKey") => LegacyKind::KeyEnded,
            ("iam", "CreateLoginProfile" | "UpdateLoginProfile") => LegacyKind::Login,
            ("iam", "CreateRole") => LegacyKind::Role,
            ("iam", "UpdateAssumeRolePolicy") => LegacyKind::Trust,
            ("iam", "AttachUserPolicy" | "AttachRolePolicy" | "AttachGroupPolicy") => LegacyKind::Attached,
            ("iam", "PutUserPolicy" | "PutRolePolicy" | "PutGroupPolicy") => LegacyKind::Inline,
            ("iam", "CreatePolicyVersion" | "SetDefaultPolicyVersion") => LegacyKind::PolicyVersion,
            ("iam", "AddUserToGroup") => LegacyKind::Member,
            ("iam", "DeactivateMFADevice") => LegacyKind::MfaRemoved,
            ("iam", "CreateOpenIDConnectProvider" | "CreateSAMLProvider" | "UpdateSAMLProvider") => {
                LegacyKind::Provider
            }
            ("rolesanywhere", "CreateTrustAnchor" | "CreateProfile") => LegacyKind::Anchor,
            (
                "lambda",
                "CreateFunction"
                | "UpdateFunctionCode"
                | "UpdateFunctionConfiguration"
                | "AddPermission"
                | "CreateFunctionUrlConfig",
            ) => LegacyKind::Function,
            ("events", "PutRule" | "PutTargets") | ("scheduler", "CreateSchedule" | "UpdateSchedule") => {
                LegacyKind::Rule
            }
            ("ec2", "RunInstances") => LegacyKind::Instance,
            (
                "ec2",
                "ModifyInstanceAttribute"
                | "AssociateIamInstanceProfile"
                | "ReplaceIamInstanceProfileAssociation",
            ) => LegacyKind::InstanceChange,
            ("eks", "CreateAccessEntry" | "AssociateAccessPolicy" | "UpdateAccessEntry") => {
                LegacyKind::AccessEntry
            }
            ("eks", "CreatePodIdentityAssociation" | "UpdatePodIdentityAssociation") => {
                LegacyKind::PodIdentity
            }
            ("ec2", "ModifySnapshotAttribute" | "ModifyImageAttribute")
            | ("rds", "ModifyDBSnapshotAttribute" | "ModifyDBClusterSnapshotAttribute") => LegacyKind::Shared,
            (
                "s3",
                "PutBucketPolicy"
                | "PutBucketAcl"
                | "PutBucketPublicAccessBlock"
                | "DeleteBucketPublicAccessBlock"
                | "PutAccountPublicAccessBlock"
                | "DeleteAccountPublicAccessBlock",
            )
            | ("kms", "PutKeyPolicy" | "CreateGrant")
            | ("secretsmanager", "PutResourcePolicy") => LegacyKind::ResourcePolicy,
            ("cloudtrail", "StopLogging" | "DeleteTrail" | "UpdateTrail" | "PutEventSelectors") => {
                LegacyKind::Evasion
            }
            _ => return None,
        })
    }
}

impl Legacy {
    /// Reads what `row` left behind: one thing, but for instances that start together.
    pub(super) fn read(kind: LegacyKind, row: Row<'_>, record: &Value) -> Vec<Legacy> {
        let named = Named::of(record);
        let started = named.started();
        if kind == LegacyKind::Instance && !started.is_empty() {
            let each = |instance| Named { instance: Some(instance), ..named };
            return started.into_iter().map(each).map(|named| Legacy::named(kind, row, &named)).collect();
        }
        vec![Legacy::named(kind, row, &named)]
    }

    fn named(kind: LegacyKind, row: Row<'_>, named: &Named<'_>) -> Legacy {
        let copied = |leaf| row.text(leaf).unwrap_or_default().to_owned();
        let region = copied(Leaf::AwsRegion);
        let (name, owner) = named.name(kind);
        let call = copied(Leaf::EventName);
        let commands = commands(kind, &call, named, &region);
        Legacy {
            kind,
            time: row.time(),
            event: copied(Leaf::EventId),
            account: copied(Leaf::RecipientAccountId),
            name: name.unwrap_or("(not recorded)").to_owned(),
            owner: owner.map(str::to_owned),
            made: named.made(kind).map(str::to_owned),
            call,
            region,
            commands,
            is_removed: false,
        }
    }

    /// With what became of it; nothing is to be done about what was removed.
    pub(super) fn with(mut self, fates: &Fates) -> Legacy {
        self.is_removed = fates.is_removed(&self);
        if self.is_removed {
            self.commands.clear();
        }
        self
    }

    /// ARN of the user or role, or id of the key, that came into being.
    pub(super) fn identity(&self) -> Option<&str> {
        self.made.as_deref()
    }
}

/// Name and owner of a thing of `kind` in the call that `record` tells of.
pub(super) fn named(record: &Value, kind: LegacyKind) -> (Option<&str>, Option<&str>) {
    Named::of(record).name(kind)
}

/// The names in a call.
#[derive(Clone, Copy)]
struct Named<'a> {
    request: &'a Value,
    answer: &'a Value,
    /// The instance that is meant, of several.
    instance: Option<&'a str>,
}

impl<'a> Named<'a> {
    fn of(record: &'a Value) -> Named<'a> {
        Named { request: &record["requestParameters"], answer: &record["responseElements"], instance: None }
    }

    fn ask(&self, member: &str) -> Option<&'a str> {
        text(self.request, &[member])
    }

    fn any(&self, members: &[&str]) -> Option<&'a str> {
        members.iter().find_map(|member| self.ask(member))
    }

    /// The caller's own user, where a call for oneself names none, is in the answer only.
    fn user(&self) -> Option<&'a str> {
        self.ask("userName").or_else(|| text(self.answer, &["accessKey", "userName"]))
    }

    fn key(&self) -> Option<&'a str> {
        text(self.answer, &["accessKey", "accessKeyId"]).or_else(|| self.ask("accessKeyId"))
    }

    fn instance(&self) -> Option<&'a str> {
        self.instance.or_else(|| self.ask("instanceId"))
    }

    /// The instances that the call started.
    fn started(&self) -> Vec<&'a str> {
        let items =
            self.answer.get("instancesSet").and_then(|set| set.get("items")).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(|item| text(item, &["instanceId"])).collect()
    }

    fn made(&self, kind: LegacyKind) -> Option<&'a str> {
        match kind {
            LegacyKind::User => text(self.answer, &["user", "arn"]),
            LegacyKind::Role => text(self.answer, &["role", "arn"]),
            LegacyKind::Key => self.key(),
            _ => None,
        }
    }

    /// Its name, and whose it is.
    fn name(&self, kind: LegacyKind) -> (Option<&'a str>, Option<&'a str>) {
        let holder = self.any(&["userName", "roleName", "groupName"]);
        match kind {
            LegacyKind::User | LegacyKind::Login => (self.user(), None),
            LegacyKind::Key | LegacyKind::KeyEnded => (self.key(), self.user()),
            LegacyKind::Role | LegacyKind::Trust => (self.ask("roleName"), None),
            LegacyKind::Attached => (self.ask("policyArn"), holder),
            LegacyKind::Inline => (self.ask("policyName"), holder),
            LegacyKind::PolicyVersion => (self.ask("policyArn"), None),
            LegacyKind::Member => (self.ask("groupName"), self.user()),
            LegacyKind::MfaRemoved => (self.ask("serialNumber"), self.user()),
            LegacyKind::Provider => (self.provider(), None),
            LegacyKind::Anchor | LegacyKind::Rule => (self.any(&["name", "rule"]), None),
            LegacyKind::Function => (self.ask("functionName"), None),
            LegacyKind::Instance | LegacyKind::InstanceChange => (self.instance(), None),
            LegacyKind::AccessEntry => (self.ask("principalArn"), self.any(&["name", "clusterName"])),
            LegacyKind::PodIdentity => {
                (self.any(&["serviceAccount", "associationId"]), self.any(&["clusterName", "name"]))
            }
            LegacyKind::Shared => (
                self.any(&["snapshotId", "imageId", "dBSnapshotIdentifier", "dBClusterSnapshotIdentifier"]),
                None,
            ),
            LegacyKind::ResourcePolicy => (self.any(&["bucketName", "keyId", "secretId"]), None),
            LegacyKind::Evasion => (self.any(&["name", "trailName"]), None),
        }
    }

    fn provider(&self) -> Option<&'a str> {
        text(self.answer, &["openIDConnectProviderArn"])
            .or_else(|| text(self.answer, &["sAMLProviderArn"]))
            .or_else(|| self.any(&["sAMLProviderArn", "name", "url"]))
    }
}

/// The commands against what was left behind: those that only show come where removing is no single step.
fn commands(kind: LegacyKind, call: &str, named: &Named<'_>, region: &str) -> Vec<AwsCommand> {
    let (Some(name), owner) = named.name(kind) else { return Vec::new() };
    let of_owner = |words: &str, option: &str, member: &str| {
        owner
            .map(|owner| {
                step(words, &[(owner_option(call), owner), (option, named.ask(member).unwrap_or(name))])
            })
            .unwrap_or_default()
    };
    match kind {
        LegacyKind::User => [
            step("iam list-access-keys", &[("user-name", name)]),
            step("iam delete-login-profile", &[("user-name", name)]),
        ]
        .concat(),
        LegacyKind::Key | LegacyKind::KeyEnded => {
            of_owner("iam update-access-key --status Inactive", "access-key-id", "accessKeyId")
        }
        LegacyKind::Login => step("iam delete-login-profile", &[("user-name", name)]),
        LegacyKind::Role | LegacyKind::Trust => step("iam get-role", &[("role-name", name)]),
        LegacyKind::Attached => {
            of_owner(&format!("iam detach-{}-policy", holder(call)), "policy-arn", "policyArn")
        }
        LegacyKind::Inline => {
            of_owner(&format!("iam delete-{}-policy", holder(call)), "policy-name", "policyName")
        }
        LegacyKind::PolicyVersion => step("iam list-policy-versions", &[("policy-arn", name)]),
        LegacyKind::Member => owner
            .map(|user| step("iam remove-user-from-group", &[("group-name", name), ("user-name", user)]))
            .unwrap_or_default(),
        LegacyKind::MfaRemoved => {
            owner.map(|user| step("iam list-mfa-devices", &[("user-name", user)])).unwrap_or_default()
        }
        LegacyKind::Provider if name.contains(":oidc-provider/") => {
            step("iam delete-open-id-connect-provider", &[("open-id-connect-provider-arn", name)])
        }
        LegacyKind::Provider if name.contains(":saml-provider/") => {
            step("iam get-saml-provider", &[("saml-provider-arn", name)])
        }
        LegacyKind::Provider => step("iam list-open-id-connect-providers", &[]),
        LegacyKind::Anchor => step("rolesanywhere list-trust-anchors", &[("region", region)]),
        _ => regional(kind, call, named, region),
    }
}

/// The commands against what lives in a Region.
fn regional(kind: LegacyKind, call: &str, named: &Named<'_>, region: &str) -> Vec<AwsCommand> {
    let (Some(name), owner) = named.name(kind) else { return Vec::new() };
    let here = |words: &str, option: &str| step(words, &[(option, name), ("region", region)]);
    match kind {
        LegacyKind::Function => {
            [here("lambda get-function", "function-name"), here("lambda get-policy", "function-name")]
                .concat()
        }
        LegacyKind::Rule if call.contains("Schedule") => here("scheduler get-schedule", "name"),
        LegacyKind::Rule => {
            [here("events disable-rule", "name"), here("events list-targets-by-rule", "rule")].concat()
        }
        LegacyKind::Instance => here("ec2 stop-instances", "instance-ids"),
        LegacyKind::InstanceChange => {
            here("ec2 describe-instance-attribute --attribute userData", "instance-id")
        }
        LegacyKind::AccessEntry => owner
            .map(|cluster| {
                step(
                    "eks delete-access-entry",
                    &[("cluster-name", cluster), ("principal-arn", name), ("region", region)],
                )
            })
            .unwrap_or_default(),
        LegacyKind::PodIdentity => owner
            .map(|cluster| {
                step("eks list-pod-identity-associations", &[("cluster-name", cluster), ("region", region)])
            })
            .unwrap_or_default(),
        LegacyKind::Shared if name.starts_with("snap-") => {
            here("ec2 reset-snapshot-attribute --attribute createVolumePermission", "snapshot-id")
        }
        LegacyKind::Shared if name.starts_with("ami-") => {
            here("ec2 reset-image-attribute --attribute launchPermission", "image-id")
        }
        LegacyKind::Shared if call.contains("Cluster") => {
            here("rds describe-db-cluster-snapshot-attributes", "db-cluster-snapshot-identifier")
        }
        LegacyKind::Shared => here("rds describe-db-snapshot-attributes", "db-snapshot-identifier"),
        LegacyKind::ResourcePolicy if named.ask("bucketName").is_some() => [
            step("s3api get-bucket-policy", &[("bucket", name)]),
            step("s3api get-bucket-acl", &[("bucket", name)]),
        ]
        .concat(),
        LegacyKind::ResourcePolicy if named.ask("keyId").is_some() => {
            [here("kms get-key-policy", "key-id"), here("kms list-grants", "key-id")].concat()
        }
        LegacyKind::ResourcePolicy => here("secretsmanager get-resource-policy", "secret-id"),
        LegacyKind::Evasion => here("cloudtrail get-trail-status", "name"),
        _ => Vec::new(),
    }
}

/// `user`, `role` or `group`, whatever a policy was given to.
pub(super) fn holder(call: &str) -> &'static str {
    if call.contains("User") {
        "user"
    } else if call.contains("Group") {
        "group"
    } else {
        "role"
    }
}

fn owner_option(call: &str) -> &'static str {
    match call {
        "AttachRolePolicy" | "PutRolePolicy" => "role-name",
        "AttachGroupPolicy" | "PutGroupPolicy" => "group-name",
        _ => "user-name",
    }
}
