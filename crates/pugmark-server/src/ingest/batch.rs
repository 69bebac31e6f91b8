//! A body of events, cut into records.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::fault::ApiFault;

/// Bytes of a batch, uncompressed.
const BATCH_BYTES_MAX: usize = 64 << 20;
/// Records of a batch.
const RECORDS_MAX: usize = 100_000;

/// True if the body is gzip: its first bytes say so.
pub(super) fn is_packed(body: &[u8]) -> bool {
    body.starts_with(&[0x1f, 0x8b])
}

/// The body uncompressed.
pub(super) fn inflated(body: &[u8]) -> Result<Cow<'_, [u8]>, ApiFault> {
    if !is_packed(body) {
        return Ok(Cow::Borrowed(body));
    }
    pugmark_source::inflate_gzip(body, BATCH_BYTES_MAX).map(Cow::Owned).map_err(|fault| {
        if fault.is_too_long {
            let message = format!("the body is longer than {BATCH_BYTES_MAX} bytes, uncompressed");
            ApiFault::with_status(413, "RequestEntityTooLarge", message)
        } else {
            ApiFault::new("SerializationException", "the body is not valid gzip")
        }
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogFile<'a> {
    #[serde(borrow, rename = "Records")]
    records: Vec<&'a RawValue>,
}

/// The records of a body: those of one `{"Records": […]}`, or one a line.
pub(super) fn records(text: &[u8]) -> Result<Vec<&[u8]>, ApiFault> {
    let records: Vec<&[u8]> = match serde_json::from_slice::<LogFile<'_>>(text) {
        Ok(file) => file.records.iter().map(|record| record.get().as_bytes()).collect(),
        Err(_) => text
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .filter(|line| !line.is_empty())
            .collect(),
    };
    match records.len() {
        0 => Err(ApiFault::new("ValidationException", "the body holds no event")),
        1..=RECORDS_MAX => Ok(records),
        _ => {
            let message = format!("the body holds more than {RECORDS_MAX} events");
            Err(ApiFault::with_status(413, "RequestEntityTooLarge", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_cut_into_records() {
        assert_eq!(records(br#"{"Records":[{"a":1}, {}]}"#).unwrap(), [&br#"{"a":1}"#[..], b"{}"]);
        assert_eq!(records(b"{\"a\":1}\r\n\n{}\n").unwrap(), [&br#"{"a":1}"#[..], b"{}"]);
    }

    #[test]
    fn a_line_that_is_no_record_is_left_to_be_refused_by_itself() {
        assert_eq!(records(b"{}\nnot json\n").unwrap().len(), 2);
    }

    #[test]
    fn a_batch_of_nothing_is_refused() {
        assert_eq!(records(b"\n").unwrap_err().code, "ValidationException");
        assert_eq!(records(br#"{"Records":[]}"#).unwrap_err().code, "ValidationException");
    }
}
