//! What the API answers when it refuses: the exceptions of the service model.

use thiserror::Error;

macro_rules! kinds {
    ($($variant:ident),* $(,)?) => {
        /// One exception of the API; the name on the wire ends in `Exception`.
        ///
        /// Source: AWS `CloudTrail` API Reference, the errors of each operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each is named as the API names it")]
        pub enum TrailErrorKind { $($variant),* }

        impl TrailErrorKind {
            /// The code as clients read it, such as `TrailNotFoundException`.
            pub fn code(self) -> &'static str {
                match self { $(TrailErrorKind::$variant => concat!(stringify!($variant), "Exception")),* }
            }
        }
    };
}

kinds! {
    CloudTrailARNInvalid, Conflict, InsightNotEnabled, InsufficientS3BucketPolicy, InternalError,
    InvalidCloudWatchLogsLogGroupArn, InvalidCloudWatchLogsRoleArn, InvalidEventSelectors, InvalidHomeRegion,
    InvalidInsightSelectors, InvalidKmsKeyId, InvalidParameter, InvalidParameterCombination, InvalidS3BucketName,
    InvalidS3Prefix, InvalidSnsTopicName, InvalidTagParameter, InvalidTimeRange, InvalidTrailName,
    MaximumNumberOfTrailsExceeded, NotOrganizationMasterAccount, OrganizationsNotInUse, ResourceARNNotValid,
    ResourceNotFound, ResourcePolicyNotFound, ResourcePolicyNotValid, ResourceTypeNotSupported,
    S3BucketDoesNotExist, TagsLimitExceeded, TrailAlreadyExists, TrailNotFound,
}

/// A refusal: which exception, and its text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct TrailError {
    /// Which exception.
    pub kind: TrailErrorKind,
    /// The text, as it goes to the client.
    pub message: String,
}

impl TrailError {
    /// A refusal with its text.
    pub fn new(kind: TrailErrorKind, message: impl Into<String>) -> TrailError {
        TrailError { kind, message: message.into() }
    }

    /// The code as clients read it.
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_name_in_the_service_model() {
        assert_eq!(TrailErrorKind::CloudTrailARNInvalid.code(), "CloudTrailARNInvalidException");
        assert_eq!(TrailErrorKind::TrailNotFound.code(), "TrailNotFoundException");
    }
}
