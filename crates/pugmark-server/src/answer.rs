//! An answer as it goes back.

use serde_json::{Value, json};

use crate::fault::ApiFault;

/// Status, type and bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
    /// Name of the exception, for the header that some clients read.
    pub(crate) code: Option<&'static str>,
}

/// The type of the AWS JSON 1.1 protocol.
pub(crate) const AWS_JSON: &str = "application/x-amz-json-1.1";
/// The type of the REST JSON protocol and of our own routes.
pub(crate) const JSON: &str = "application/json";

impl Answer {
    pub(crate) fn value(content_type: &'static str, value: &Value) -> Answer {
        Answer { status: 200, content_type, body: value.to_string().into_bytes(), code: None }
    }

    pub(crate) fn text(status: u16, text: impl Into<String>) -> Answer {
        let body = text.into().into_bytes();
        Answer { status, content_type: "text/plain; charset=utf-8", body, code: None }
    }

    pub(crate) fn fault(content_type: &'static str, fault: &ApiFault) -> Answer {
        let body = json!({ "__type": fault.code, "message": fault.message });
        Answer {
            status: fault.status,
            content_type,
            body: body.to_string().into_bytes(),
            code: Some(fault.code),
        }
    }
}
