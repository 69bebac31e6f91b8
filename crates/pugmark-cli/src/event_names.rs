//! Names of events that people ask for, to guess what a misspelt one meant,
//! and those that deserve a look wherever they occur.

use crate::suggest::closest;

/// The event that `name` was meant to be, if it is not one of these but near.
pub(crate) fn meant(name: &str) -> Option<&'static str> {
    let is_known = COMMON.iter().chain(TAMPERING).chain(NEW_ACCESS).chain(EXPOSURE);
    if name.contains('*') || is_known.clone().any(|known| known.eq_ignore_ascii_case(name)) {
        return None;
    }
    closest(name, is_known.copied())
}

/// Calls that keep somebody from being seen.
pub(crate) const TAMPERING: &[&str] = &[
    "StopLogging",
    "DeleteTrail",
    "UpdateTrail",
    "PutEventSelectors",
    "DeleteEventDataStore",
    "StopEventDataStoreIngestion",
    "DeleteFlowLogs",
    "DeleteDetector",
    "UpdateDetector",
    "DisassociateFromMasterAccount",
    "DisassociateFromAdministratorAccount",
    "StopConfigurationRecorder",
    "DeleteConfigurationRecorder",
    "DeleteDeliveryChannel",
    "DeleteConfigRule",
    "DeleteLogGroup",
    "DeleteLogStream",
    "DisableSecurityHub",
    "DeleteAlarms",
    "DisableAlarmActions",
    "LeaveOrganization",
];

/// Calls that give somebody a new way in.
pub(crate) const NEW_ACCESS: &[&str] = &[
    "CreateAccessKey",
    "CreateUser",
    "CreateLoginProfile",
    "UpdateLoginProfile",
    "CreateVirtualMFADevice",
    "DeactivateMFADevice",
    "DeleteVirtualMFADevice",
    "UpdateAssumeRolePolicy",
    "AttachUserPolicy",
    "AttachRolePolicy",
    "AttachGroupPolicy",
    "PutUserPolicy",
    "PutRolePolicy",
    "PutGroupPolicy",
    "AddUserToGroup",
    "CreatePolicyVersion",
    "SetDefaultPolicyVersion",
    "CreateSAMLProvider",
    "UpdateSAMLProvider",
    "CreateOpenIDConnectProvider",
    "GetFederationToken",
    "CreateAccessEntry",
    "AssociateAccessPolicy",
    "ImportKeyPair",
    "CreateKeyPair",
    "AddPermission20150331v2",
];

/// Calls that open something to others.
pub(crate) const EXPOSURE: &[&str] = &[
    "ModifySnapshotAttribute",
    "ModifyImageAttribute",
    "ModifyDBSnapshotAttribute",
    "PutBucketPolicy",
    "PutBucketAcl",
    "DeleteBucketPublicAccessBlock",
    "DeletePublicAccessBlock",
    "PutBucketReplication",
    "PutKeyPolicy",
    "ScheduleKeyDeletion",
    "DisableKey",
    "GetPasswordData",
    "PutResourcePolicy",
];

const COMMON: &[&str] = &[
    "ConsoleLogin",
    "SwitchRole",
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "AssumeRoot",
    "GetCallerIdentity",
    "GetSessionToken",
    "GetSecretValue",
    "GetParameter",
    "GetParameters",
    "GetObject",
    "PutObject",
    "DeleteObject",
    "ListBuckets",
    "CreateBucket",
    "DeleteBucket",
    "RunInstances",
    "StopInstances",
    "StartInstances",
    "TerminateInstances",
    "DescribeInstances",
    "ModifyInstanceAttribute",
    "AuthorizeSecurityGroupIngress",
    "RevokeSecurityGroupIngress",
    "CreateSnapshot",
    "DeleteSnapshot",
    "CreateRole",
    "DeleteRole",
    "DeleteUser",
    "DeleteAccessKey",
    "UpdateAccessKey",
    "CreatePolicy",
    "DeletePolicy",
    "CreateInstanceProfile",
    "DeleteInstanceProfile",
    "AddRoleToInstanceProfile",
    "RemoveRoleFromInstanceProfile",
    "PassRole",
    "CreateFunction20150331",
    "UpdateFunctionCode20150331v2",
    "Invoke",
    "InvokeModel",
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "CreateStack",
    "DeleteStack",
    "UpdateStack",
    "CreateTrail",
    "StartLogging",
    "LookupEvents",
    "CreateCluster",
    "DeleteCluster",
    "SendCommand",
    "StartSession",
    "CreateServiceLinkedRole",
    "DeleteServiceLinkedRole",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_event_is_recognised() {
        assert_eq!(meant("DeletTrail"), Some("DeleteTrail"));
        assert_eq!(meant("ConsoelLogin"), Some("ConsoleLogin"));
        assert_eq!(meant("DeleteTrail"), None);
        assert_eq!(meant("Delet*"), None);
        assert_eq!(meant("DescribeFleets"), None);
    }
}
