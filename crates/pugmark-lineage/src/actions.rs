//! Which IAM action a recorded call needed.
//!
//! Most are `service:EventName`; here are the exceptions (Service Authorization Reference), and what is not known is
//! said, never guessed.

use serde_json::Value;

use crate::mentions::{text, verb, without_version};

/// What a call needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needed<'a> {
    /// This action.
    Action(&'a str, &'a str),
    /// Both of these.
    Both(&'a str, [&'a str; 2]),
    /// No permission: it is open to all, or no call to an API.
    Nothing,
    /// The table has no answer.
    Untold,
}

/// What the call `name` of `source` needed.
pub(crate) fn needed<'a>(source: &'a str, name: &'a str, request: &Value) -> Needed<'a> {
    let Some(host) = source.strip_suffix(".amazonaws.com") else { return Needed::Untold };
    let bare = without_version(name);
    if is_open(host, bare) {
        return Needed::Nothing;
    }
    match host {
        "s3" => s3(bare),
        "apigateway" => gateway(bare),
        "dynamodb" => dynamodb(bare, request),
        "budgets" => budgets(bare),
        "autoscaling" => autoscaling(bare, request),
        "kms" if bare == "ReEncrypt" => Needed::Both("kms", ["ReEncryptFrom", "ReEncryptTo"]),
        _ => {
            let irregular = |(of, call, _): &&(&str, &str, &str)| (*of, *call) == (host, bare);
            let action = IRREGULAR.iter().find(irregular).map_or(bare, |(_, _, action)| *action);
            prefix(host).map_or(Needed::Untold, |prefix| Needed::Action(prefix, action))
        }
    }
}

/// True for a call that no policy of its caller decides: it is open to all, or a token of another kind
/// than AWS credentials stands behind it. Of roles for web identities and SAML the trust policy alone decides.
fn is_open(host: &str, name: &str) -> bool {
    match host {
        "signin" => true,
        "sts" => matches!(
            name,
            "GetCallerIdentity" | "GetSessionToken" | "AssumeRoleWithSAML" | "AssumeRoleWithWebIdentity"
        ),
        // Calls of applications in the name of their users (Cognito's "unauthenticated" and "token-authorized" API).
        "cognito-idp" => COGNITO_OPEN.contains(&name) || name.ends_with("_GET") || name.ends_with("_POST"),
        "cognito-identity" => {
            matches!(name, "GetId" | "GetCredentialsForIdentity" | "GetOpenIdToken" | "UnlinkIdentity")
        }
        // The access portal and the command line's sign-in.
        "sso" => matches!(
            name,
            "Authenticate"
                | "Federate"
                | "Logout"
                | "ListApplications"
                | "ListProfilesForApplication"
                | "GetRoleCredentials"
                | "ListAccounts"
                | "ListAccountRoles"
                | "CreateToken"
                | "RegisterClient"
                | "StartDeviceAuthorization"
        ),
        // A certificate stands behind it.
        "rolesanywhere" => name == "CreateSession",
        _ => false,
    }
}

/// Calls of users of a user pool.
const COGNITO_OPEN: [&str; 20] = [
    "AssociateSoftwareToken",
    "ChangePassword",
    "ConfirmDevice",
    "ConfirmForgotPassword",
    "ConfirmSignUp",
    "DeleteUser",
    "DeleteUserAttributes",
    "ForgotPassword",
    "GetUser",
    "GetUserAttributeVerificationCode",
    "GlobalSignOut",
    "InitiateAuth",
    "ResendConfirmationCode",
    "RespondToAuthChallenge",
    "RevokeToken",
    "SetUserMFAPreference",
    "SignUp",
    "UpdateUserAttributes",
    "VerifySoftwareToken",
    "VerifyUserAttribute",
];

/// The prefix of a service's actions.
fn prefix(host: &str) -> Option<&str> {
    let renamed = RENAMED.iter().find(|(source, _)| *source == host).map(|(_, prefix)| *prefix);
    renamed.or_else(|| ALIKE.binary_search(&host).ok().map(|_| host))
}

/// Services whose events come from another name than their actions have.
const RENAMED: [(&str, &str); 10] = [
    ("appstream2", "appstream"),
    ("email", "ses"),
    ("entitlement.marketplace", "aws-marketplace"),
    ("metering.marketplace", "aws-marketplace"),
    ("monitoring", "cloudwatch"),
    ("rdsdata", "rds-data"),
    ("runtime.lex", "lex"),
    ("runtime.sagemaker", "sagemaker"),
    ("streams.dynamodb", "dynamodb"),
    ("tagging", "tag"),
];

/// Calls whose action has another name, by service and call.
const IRREGULAR: [(&str, &str, &str); 10] = [
    ("bedrock", "Converse", "InvokeModel"),
    ("bedrock", "ConverseStream", "InvokeModelWithResponseStream"),
    ("bedrock", "InvokeModelWithBidirectionalStream", "InvokeModelWithResponseStream"),
    ("lambda", "Invoke", "InvokeFunction"),
    ("lambda", "InvokeAsync", "InvokeFunction"),
    ("lambda", "InvokeWithResponseStream", "InvokeFunction"),
    ("sns", "PublishBatch", "Publish"),
    ("sqs", "ChangeMessageVisibilityBatch", "ChangeMessageVisibility"),
    ("sqs", "DeleteMessageBatch", "DeleteMessage"),
    ("sqs", "SendMessageBatch", "SendMessage"),
];

/// Services whose actions are named as their events are, sorted.
const ALIKE: [&str; 147] = [
    "access-analyzer",
    "account",
    "acm",
    "acm-pca",
    "airflow",
    "amplify",
    "aoss",
    "appconfig",
    "apprunner",
    "appsync",
    "athena",
    "auditmanager",
    "backup",
    "batch",
    "bedrock",
    "ce",
    "cloud9",
    "cloudformation",
    "cloudfront",
    "cloudhsm",
    "cloudtrail",
    "cloudtrail-data",
    "codeartifact",
    "codebuild",
    "codecommit",
    "codeconnections",
    "codedeploy",
    "codepipeline",
    "codestar-connections",
    "cognito-identity",
    "cognito-idp",
    "comprehend",
    "compute-optimizer",
    "config",
    "connect",
    "controltower",
    "cur",
    "datasync",
    "dax",
    "detective",
    "directconnect",
    "dlm",
    "dms",
    "drs",
    "ds",
    "ebs",
    "ec2",
    "ec2-instance-connect",
    "ecr",
    "ecr-public",
    "ecs",
    "eks",
    "eks-auth",
    "elasticache",
    "elasticbeanstalk",
    "elasticfilesystem",
    "elasticloadbalancing",
    "elasticmapreduce",
    "emr-containers",
    "emr-serverless",
    "es",
    "events",
    "firehose",
    "fis",
    "fms",
    "freetier",
    "fsx",
    "glacier",
    "globalaccelerator",
    "glue",
    "grafana",
    "guardduty",
    "health",
    "iam",
    "identitystore",
    "imagebuilder",
    "inspector2",
    "iot",
    "kafka",
    "kendra",
    "kinesis",
    "kinesisanalytics",
    "kinesisvideo",
    "kms",
    "lakeformation",
    "lambda",
    "license-manager",
    "lightsail",
    "logs",
    "macie2",
    "memorydb",
    "mq",
    "network-firewall",
    "networkmanager",
    "notifications",
    "organizations",
    "osis",
    "pipes",
    "polly",
    "quicksight",
    "ram",
    "rds",
    "redshift",
    "redshift-data",
    "redshift-serverless",
    "rekognition",
    "resource-explorer-2",
    "resource-groups",
    "rolesanywhere",
    "route53",
    "route53domains",
    "route53resolver",
    "sagemaker",
    "savingsplans",
    "scheduler",
    "schemas",
    "secretsmanager",
    "securityhub",
    "securitylake",
    "servicecatalog",
    "servicediscovery",
    "servicequotas",
    "ses",
    "shield",
    "signer",
    "sns",
    "sqs",
    "ssm",
    "ssm-contacts",
    "ssm-incidents",
    "sso",
    "sso-directory",
    "states",
    "storagegateway",
    "sts",
    "support",
    "synthetics",
    "textract",
    "transcribe",
    "transfer",
    "translate",
    "verifiedpermissions",
    "waf",
    "waf-regional",
    "wafv2",
    "workspaces",
    "xray",
];

/// S3's calls and actions share few names.
fn s3(name: &str) -> Needed<'_> {
    let action = match name {
        "HeadObject" | "SelectObjectContent" => "GetObject",
        "HeadBucket" | "ListObjects" => "ListBucket",
        "ListObjectVersions" => "ListBucketVersions",
        "ListBuckets" => "ListAllMyBuckets",
        "ListMultipartUploads" => "ListBucketMultipartUploads",
        "ListParts" => "ListMultipartUploadParts",
        "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload"
        | "CopyObject" => "PutObject",
        "DeleteObjects" => "DeleteObject",
        "GetBucketEncryption" => "GetEncryptionConfiguration",
        "PutBucketEncryption" | "DeleteBucketEncryption" => "PutEncryptionConfiguration",
        "GetBucketLifecycle" | "GetBucketLifecycleConfiguration" => "GetLifecycleConfiguration",
        "PutBucketLifecycle" | "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => {
            "PutLifecycleConfiguration"
        }
        "GetBucketReplication" => "GetReplicationConfiguration",
        "PutBucketReplication" | "DeleteBucketReplication" => "PutReplicationConfiguration",
        "GetBucketAccelerateConfiguration" => "GetAccelerateConfiguration",
        "PutBucketAccelerateConfiguration" => "PutAccelerateConfiguration",
        "GetBucketCors" => "GetBucketCORS",
        "DeleteBucketCors" | "PutBucketCors" => "PutBucketCORS",
        "DeleteBucketTagging" => "PutBucketTagging",
        "DeleteBucketPublicAccessBlock" => "PutBucketPublicAccessBlock",
        "DeleteAccountPublicAccessBlock" => "PutAccountPublicAccessBlock",
        _ if S3_ALIKE.contains(&name) => name,
        _ => return Needed::Untold,
    };
    Needed::Action("s3", action)
}

/// Calls of S3 that are named as their actions are.
const S3_ALIKE: [&str; 46] = [
    "GetBucketPublicAccessBlock",
    "PutBucketPublicAccessBlock",
    "GetAccountPublicAccessBlock",
    "PutAccountPublicAccessBlock",
    "GetBucketObjectLockConfiguration",
    "PutBucketObjectLockConfiguration",
    "GetObject",
    "PutObject",
    "DeleteObject",
    "GetObjectAcl",
    "PutObjectAcl",
    "GetObjectTagging",
    "PutObjectTagging",
    "DeleteObjectTagging",
    "GetObjectAttributes",
    "RestoreObject",
    "CreateBucket",
    "DeleteBucket",
    "GetBucketAcl",
    "PutBucketAcl",
    "GetBucketLocation",
    "GetBucketLogging",
    "PutBucketLogging",
    "GetBucketNotification",
    "PutBucketNotification",
    "GetBucketOwnershipControls",
    "PutBucketOwnershipControls",
    "GetBucketPolicy",
    "PutBucketPolicy",
    "DeleteBucketPolicy",
    "GetBucketPolicyStatus",
    "GetBucketRequestPayment",
    "PutBucketRequestPayment",
    "GetBucketTagging",
    "PutBucketTagging",
    "GetBucketVersioning",
    "PutBucketVersioning",
    "GetBucketWebsite",
    "PutBucketWebsite",
    "DeleteBucketWebsite",
    "AbortMultipartUpload",
    "GetObjectRetention",
    "PutObjectRetention",
    "GetObjectLegalHold",
    "PutObjectLegalHold",
    "ListAccessPoints",
];

/// API Gateway's actions are the methods of HTTP (API Gateway Developer Guide, "Control access").
fn gateway(name: &str) -> Needed<'_> {
    let method = match verb(name) {
        "Get" => "GET",
        "Delete" => "DELETE",
        "Update" => "PATCH",
        "Create" => "POST",
        _ => return Needed::Untold,
    };
    Needed::Action("apigateway", method)
}

/// Budgets has two actions for all of its older calls (Service Authorization Reference, "AWS Budget Service").
fn budgets(name: &str) -> Needed<'_> {
    let action = match verb(name) {
        _ if name.contains("BudgetAction") || name.contains("Tag") => name,
        "Describe" => "ViewBudget",
        "Create" | "Update" | "Delete" => "ModifyBudget",
        _ => return Needed::Untold,
    };
    Needed::Action("budgets", action)
}

/// Application Auto Scaling writes events under the name of EC2 Auto Scaling; its calls name the service that they scale.
fn autoscaling<'a>(name: &'a str, request: &Value) -> Needed<'a> {
    let is_application = text(request, &["serviceNamespace"]).is_some();
    Needed::Action(if is_application { "application-autoscaling" } else { "autoscaling" }, name)
}

/// A `PartiQL` statement needs the action of its first word; a transaction those of its parts, which are not recorded.
fn dynamodb<'a>(name: &'a str, request: &Value) -> Needed<'a> {
    let action = match name {
        "ExecuteStatement" => {
            let word = text(request, &["statement"]).and_then(|words| words.split_whitespace().next());
            match word.map(str::to_ascii_uppercase).as_deref() {
                Some("SELECT") => "PartiQLSelect",
                Some("INSERT") => "PartiQLInsert",
                Some("UPDATE") => "PartiQLUpdate",
                Some("DELETE") => "PartiQLDelete",
                _ => return Needed::Untold,
            }
        }
        "BatchExecuteStatement" | "ExecuteTransaction" | "TransactWriteItems" => return Needed::Untold,
        "TransactGetItems" => "GetItem",
        _ => name,
    };
    Needed::Action("dynamodb", action)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn action(source: &str, name: &str) -> Option<String> {
        match needed(&format!("{source}.amazonaws.com"), name, &json!({"statement": "select * from t"})) {
            Needed::Action(prefix, action) => Some(format!("{prefix}:{action}")),
            _ => None,
        }
    }

    #[test]
    fn services_are_found_in_a_sorted_list() {
        assert!(ALIKE.is_sorted());
    }

    #[test]
    fn actions_that_are_not_named_as_their_events_are_known() {
        let cases = [
            ("s3", "ListObjects", "s3:ListBucket"),
            ("s3", "HeadObject", "s3:GetObject"),
            ("s3", "UploadPart", "s3:PutObject"),
            ("lambda", "Invoke", "lambda:InvokeFunction"),
            ("lambda", "UpdateFunctionCode20150331v2", "lambda:UpdateFunctionCode"),
            ("monitoring", "PutMetricAlarm", "cloudwatch:PutMetricAlarm"),
            ("dynamodb", "ExecuteStatement", "dynamodb:PartiQLSelect"),
            ("apigateway", "CreateRestApi", "apigateway:POST"),
            ("wafv2", "GetWebACL", "wafv2:GetWebACL"),
            ("ec2", "RunInstances", "ec2:RunInstances"),
            ("bedrock", "Converse", "bedrock:InvokeModel"),
            ("budgets", "CreateBudget", "budgets:ModifyBudget"),
            ("budgets", "DescribeBudgets", "budgets:ViewBudget"),
            ("budgets", "CreateBudgetAction", "budgets:CreateBudgetAction"),
            ("cloudfront", "CreateDistribution2020_05_31", "cloudfront:CreateDistribution"),
            ("rdsdata", "ExecuteStatement", "rds-data:ExecuteStatement"),
            ("autoscaling", "PutScalingPolicy", "autoscaling:PutScalingPolicy"),
            ("cloudtrail-data", "PutAuditEvents", "cloudtrail-data:PutAuditEvents"),
            ("cognito-idp", "AdminCreateUser", "cognito-idp:AdminCreateUser"),
        ];
        for (source, name, wanted) in cases {
            assert_eq!(action(source, name).as_deref(), Some(wanted));
        }
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        assert_eq!(action("quidditch", "CreateBroom"), None);
        assert_eq!(action("s3", "CreateBroom"), None);
        assert_eq!(action("dynamodb", "ExecuteTransaction"), None);
    }

    #[test]
    fn what_no_policy_decides_needs_nothing() {
        let cases = [
            ("sts", "GetCallerIdentity"),
            ("cognito-idp", "InitiateAuth"),
            ("cognito-idp", "Token_POST"),
            ("sso", "Federate"),
            ("rolesanywhere", "CreateSession"),
        ];
        for (host, name) in cases {
            assert_eq!(
                needed(&format!("{host}.amazonaws.com"), name, &Value::Null),
                Needed::Nothing,
                "{name}"
            );
        }
    }

    #[test]
    fn a_call_may_need_more_than_one_action() {
        let both = Needed::Both("kms", ["ReEncryptFrom", "ReEncryptTo"]);
        assert_eq!(needed("kms.amazonaws.com", "ReEncrypt", &Value::Null), both);
    }

    #[test]
    fn application_auto_scaling_is_known_by_its_request() {
        let request = json!({"serviceNamespace": "ecs"});
        let wanted = Needed::Action("application-autoscaling", "PutScalingPolicy");
        assert_eq!(needed("autoscaling.amazonaws.com", "PutScalingPolicy", &request), wanted);
    }
}
