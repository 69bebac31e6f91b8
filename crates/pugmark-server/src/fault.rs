//! What the API answers instead of a result.
//!
//! A code is one of the exception names of the service's model; clients key on
//! it, not on the status. Source: AWS `CloudTrail` API Reference, "Common
//! error types" and the errors of each operation.

use std::fmt;

/// An error as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiFault {
    /// Status of the HTTP answer.
    pub(crate) status: u16,
    /// Name of the exception.
    pub(crate) code: &'static str,
    /// For people; never a path, a plan or a stack of ours.
    pub(crate) message: String,
}

impl ApiFault {
    /// A fault of the request: status 400, as all modelled exceptions have.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> ApiFault {
        ApiFault { status: 400, code, message: message.into() }
    }

    /// A fault with a status of its own.
    pub(crate) fn with_status(status: u16, code: &'static str, message: impl Into<String>) -> ApiFault {
        ApiFault { status, code, message: message.into() }
    }

    /// What is wrong with us, and not with the request.
    pub(crate) fn internal() -> ApiFault {
        ApiFault::with_status(500, "InternalFailure", "the request failed because of an error of the server")
    }

    /// More requests than are allowed.
    pub(crate) fn throttled() -> ApiFault {
        ApiFault::new("ThrottlingException", "Rate exceeded")
    }

    /// What this server does not do, and says so.
    pub(crate) fn unsupported(what: impl Into<String>) -> ApiFault {
        ApiFault::new("UnsupportedOperationException", what)
    }

    /// A member that is not as it must be.
    pub(crate) fn parameter(message: impl Into<String>) -> ApiFault {
        ApiFault::new("InvalidParameterException", message)
    }
}

impl fmt::Display for ApiFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ApiFault {}
