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
    /// No permission: it is open to all, or no call to an API.
    Nothing,
    /// The table has no answer.
    Untold,
}

/// What the call `name` of `source` needed.
pub(crate) fn needed<'a>(source: &'a str, name: &'a str, request: &Value) -> Needed<'a> {
    let Some(host) = source.strip_suffix(".amazonaws.com") else { return Needed::Untold };
    let bare = without_version(name);
    match (host, bare) {
        // Of roles for web identities and SAML the trust policy alone decides: nobody with a policy signs these.
        ("signin", _)
        | (
            "sts",
            "GetCallerIdentity" | "GetSessionToken" | "AssumeRoleWithSAML" | "AssumeRoleWithWebIdentity",
        ) => Needed::Nothing,
        ("s3", _) => s3(bare),
        ("lambda", "Invoke" | "InvokeAsync" | "InvokeWithResponseStream") => {
            Needed::Action("lambda", "InvokeFunction")
        }
        ("apigateway", _) => gateway(bare),
        ("dynamodb", _) => dynamodb(bare, request),
        ("sqs", "SendMessageBatch") => Needed::Action("sqs", "SendMessage"),
        ("sqs", "DeleteMessageBatch") => Needed::Action("sqs", "DeleteMessage"),
        ("sqs", "ChangeMessageVisibilityBatch") => Needed::Action("sqs", "ChangeMessageVisibility"),
        ("sns", "PublishBatch") => Needed::Action("sns", "Publish"),
        _ => prefix(host).map_or(Needed::Untold, |prefix| Needed::Action(prefix, bare)),
    }
}

/// The prefix of a service's actions.
fn prefix(host: &str) -> Option<&str> {
    let renamed = RENAMED.iter().find(|(source, _)| *source == host).map(|(_, prefix)| *prefix);
    renamed.or_else(|| ALIKE.binary_search(&host).ok().map(|_| host))
}

/// Services whose events come from another name than their actions have.
const RENAMED: [(&str, &str); 8] = [
    ("appstream2", "appstream"),
    ("email", "ses"),
    ("entitlement.marketplace", "aws-marketplace"),
    ("monitoring", "cloudwatch"),
    ("runtime.lex", "lex"),
    ("runtime.sagemaker", "sagemaker"),
    ("streams.dynamodb", "dynamodb"),
    ("tagging", "tag"),
];

/// Services whose actions are named as their events are, sorted.
const ALIKE: [&str; 76] = [
    "access-analyzer",
    "account",
    "acm",
    "acm-pca",
    "airflow",
    "amplify",
    "appsync",
    "athena",
    "autoscaling",
    "backup",
    "batch",
    "bedrock",
    "ce",
    "cloud9",
    "cloudformation",
    "cloudfront",
    "cloudtrail",
    "codeartifact",
    "codebuild",
    "codecommit",
    "codedeploy",
    "codepipeline",
    "cognito-identity",
    "cognito-idp",
    "config",
    "detective",
    "dms",
    "ds",
    "ec2",
    "ec2-instance-connect",
    "ecr",
    "ecs",
    "eks",
    "eks-auth",
    "elasticache",
    "elasticbeanstalk",
    "elasticfilesystem",
    "elasticloadbalancing",
    "elasticmapreduce",
    "es",
    "events",
    "firehose",
    "glue",
    "guardduty",
    "health",
    "iam",
    "inspector2",
    "kafka",
    "kinesis",
    "kms",
    "lambda",
    "lightsail",
    "logs",
    "macie2",
    "organizations",
    "ram",
    "rds",
    "redshift",
    "resource-groups",
    "rolesanywhere",
    "route53",
    "route53domains",
    "sagemaker",
    "scheduler",
    "secretsmanager",
    "securityhub",
    "servicequotas",
    "ses",
    "sns",
    "sqs",
    "ssm",
    "sso",
    "states",
    "sts",
    "transfer",
    "wafv2",
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
    fn what_everybody_may_needs_nothing() {
        assert_eq!(needed("sts.amazonaws.com", "GetCallerIdentity", &Value::Null), Needed::Nothing);
    }
}
