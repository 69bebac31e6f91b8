//! The resources that an event is about, as an event history names them.
//!
//! A record lists some itself; others are known by the members of the request
//! that name them. Source: AWS `CloudTrail` User Guide, "Resource types
//! supported by `CloudTrail` event history".

use pugmark_event::{Leaf, Projection};
use serde_json::Value;

/// Members of a request that name a resource, the service they name it for
/// (or any), and its type.
const NAMING: [(&str, &str, &str); 24] = [
    ("", "bucketName", "AWS::S3::Bucket"),
    ("", "roleArn", "AWS::IAM::Role"),
    ("", "policyArn", "AWS::IAM::Policy"),
    ("iam", "userName", "AWS::IAM::User"),
    ("iam", "roleName", "AWS::IAM::Role"),
    ("iam", "groupName", "AWS::IAM::Group"),
    ("iam", "policyName", "AWS::IAM::Policy"),
    ("iam", "accessKeyId", "AWS::IAM::AccessKey"),
    ("iam", "instanceProfileName", "AWS::IAM::InstanceProfile"),
    ("cloudtrail", "name", "AWS::CloudTrail::Trail"),
    ("cloudtrail", "trailName", "AWS::CloudTrail::Trail"),
    ("cloudtrail", "s3BucketName", "AWS::S3::Bucket"),
    ("cloudtrail", "eventDataStore", "AWS::CloudTrail::EventDataStore"),
    ("eks", "name", "AWS::EKS::Cluster"),
    ("eks", "clusterName", "AWS::EKS::Cluster"),
    ("lambda", "functionName", "AWS::Lambda::Function"),
    ("kms", "keyId", "AWS::KMS::Key"),
    ("ec2", "instanceId", "AWS::EC2::Instance"),
    ("ec2", "groupId", "AWS::EC2::SecurityGroup"),
    ("ec2", "vpcId", "AWS::EC2::VPC"),
    ("ec2", "subnetId", "AWS::EC2::Subnet"),
    ("ec2", "volumeId", "AWS::EC2::Volume"),
    ("dynamodb", "tableName", "AWS::DynamoDB::Table"),
    ("rds", "dBInstanceIdentifier", "AWS::RDS::DBInstance"),
];

/// The leaves that hold what names a resource.
pub(super) fn leaves() -> Projection {
    Projection::NONE.with(Leaf::Raw)
}

/// Types and names, each pair once, in the order of the record.
pub(super) fn resources(record: &str) -> Vec<(String, String)> {
    let Ok(record) = serde_json::from_str::<Value>(record) else { return Vec::new() };
    let mut found: Vec<(String, String)> = Vec::new();
    let mut add = |kind: &str, name: &str| {
        let pair = (kind.to_owned(), name.to_owned());
        if !name.is_empty() && !found.contains(&pair) {
            found.push(pair);
        }
    };
    for resource in record["resources"].as_array().map_or(&[][..], Vec::as_slice) {
        if let Some(name) = resource["ARN"].as_str() {
            add(resource["type"].as_str().unwrap_or_default(), name);
        }
    }
    let source = record["eventSource"].as_str().unwrap_or_default();
    let service = source.split('.').next().unwrap_or_default();
    for (of, member, kind) in NAMING {
        let applies = of.is_empty() || of == service;
        if let Some(name) = record["requestParameters"][member].as_str().filter(|_| applies) {
            add(kind, name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_resources() {
        let record = r#"{"eventSource":"cloudtrail.amazonaws.com",
            "requestParameters":{"name":"main","s3BucketName":"logs"},
            "resources":[{"ARN":"arn:aws:s3:::logs","type":"AWS::S3::Bucket"}]}"#;
        let pair = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
        assert_eq!(
            resources(record),
            [
                pair("AWS::S3::Bucket", "arn:aws:s3:::logs"),
                pair("AWS::CloudTrail::Trail", "main"),
                pair("AWS::S3::Bucket", "logs"),
            ]
        );
    }

    #[test]
    fn what_is_no_record_has_none() {
        assert!(resources("").is_empty() && resources("[]").is_empty());
        assert!(resources(r#"{"requestParameters":"text"}"#).is_empty());
    }
}
