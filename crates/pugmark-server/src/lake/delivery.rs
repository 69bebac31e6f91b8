//! Answers of queries as files in a bucket, signed.
//!
//! ```text
//! rows ─▶ result_1.csv.gz, result_2.csv.gz … ─▶ SHA-256 of each ─▶ result_sign.json
//! ```
//!
//! The sign file comes last: whoever sees it sees all files that it lists. Hashes
//! are of the compressed files, and the signature is over them in order, joined by
//! spaces. Source: AWS `CloudTrail` User Guide, "`CloudTrail` Lake query results" and
//! "Validate saved query results".

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;

use pugmark_event::format_time;
use pugmark_integrity::{hex, sha256};
use pugmark_trail::{BucketFault, Object, gzip};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::App;
use crate::call::Call;
use crate::fault::ApiFault;

/// Bytes of a file of results, uncompressed: no more of an answer is held at once.
const FILE_BYTES_MAX: usize = 64 << 20;
/// Characters of the address.
const URI_CHARS_MAX: usize = 1_024;

/// Where an answer is delivered, and how that went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// As the client gave it: `s3://bucket/prefix`.
    pub(crate) uri: String,
    /// Account whose folder it is.
    account: String,
    /// Region whose key signs it.
    region: String,
    pub(crate) status: DeliveryStatus,
}

/// How a delivery went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum DeliveryStatus {
    Pending,
    Success,
    Failed,
    FailedSigningFile,
    ResourceNotFound,
    AccessDenied,
    AccessDeniedSigningFile,
    Cancelled,
}

impl DeliveryStatus {
    pub(crate) fn name(self) -> &'static str {
        match self {
            DeliveryStatus::Pending => "PENDING",
            DeliveryStatus::Success => "SUCCESS",
            DeliveryStatus::Failed => "FAILED",
            DeliveryStatus::FailedSigningFile => "FAILED_SIGNING_FILE",
            DeliveryStatus::ResourceNotFound => "RESOURCE_NOT_FOUND",
            DeliveryStatus::AccessDenied => "ACCESS_DENIED",
            DeliveryStatus::AccessDeniedSigningFile => "ACCESS_DENIED_SIGNING_FILE",
            DeliveryStatus::Cancelled => "CANCELLED",
        }
    }

    fn of_file(fault: &BucketFault) -> DeliveryStatus {
        match fault.code {
            "NoSuchBucket" => DeliveryStatus::ResourceNotFound,
            "AccessDenied" => DeliveryStatus::AccessDenied,
            _ => DeliveryStatus::Failed,
        }
    }

    fn of_sign_file(fault: &BucketFault) -> DeliveryStatus {
        match fault.code {
            "AccessDenied" => DeliveryStatus::AccessDeniedSigningFile,
            _ => DeliveryStatus::FailedSigningFile,
        }
    }
}

impl Delivery {
    /// What the request asks for, once its bucket is known to take objects.
    ///
    /// # Errors
    /// `InvalidS3BucketNameException`, `InvalidS3PrefixException`,
    /// `S3BucketDoesNotExistException`, `InsufficientS3BucketPolicyException`.
    pub(crate) fn asked(call: &Call<'_>) -> Result<Option<Delivery>, ApiFault> {
        let Some(uri) = call.input.text("DeliveryS3Uri")? else { return Ok(None) };
        let Some((bucket, prefix)) = split(uri).filter(|_| uri.chars().count() <= URI_CHARS_MAX) else {
            return Err(ApiFault::parameter("`DeliveryS3Uri` must be as `s3://bucket/prefix`"));
        };
        call.app.desk.check_place(bucket, prefix)?;
        let (account, region) = (call.caller.account.clone(), call.caller.region.clone());
        Ok(Some(Delivery { uri: uri.to_owned(), account, region, status: DeliveryStatus::Pending }))
    }

    /// Delivers the rows of the file at `path`; `done` is when the query was done.
    pub(crate) fn deliver(&self, app: &Arc<App>, query: &str, path: &Path, done: i64) -> DeliveryStatus {
        // It was checked when the query was started.
        let Some((bucket, prefix)) = split(&self.uri) else { return DeliveryStatus::Failed };
        let day = format_time(done)[..10].replace('-', "/");
        let slash = if prefix.is_empty() { "" } else { "/" };
        let account = &self.account;
        let folder = format!("{prefix}{slash}AWSLogs/{account}/CloudTrail-Lake/Query/{day}/{query}");
        let mut files: Vec<(String, String)> = Vec::new();
        let mut put = |csv: &[u8]| {
            let name = format!("result_{}.csv.gz", files.len() + 1);
            let file = gzip(csv).map_err(|_| DeliveryStatus::Failed)?;
            files.push((hex(&sha256(&file)), name.clone()));
            let object = Object::plain(file, "application/gzip");
            let put = app.desk.put(bucket, &format!("{folder}/{name}"), object);
            put.map_err(|fault| DeliveryStatus::of_file(&fault))
        };
        if let Err(status) = each_file(path, &mut put) {
            return status;
        }
        let Ok(sign_file) = self.sign_file(app, &files, done) else {
            return DeliveryStatus::FailedSigningFile;
        };
        let object = Object::plain(sign_file.to_string().into_bytes(), "application/json");
        match app.desk.put(bucket, &format!("{folder}/result_sign.json"), object) {
            Ok(()) => DeliveryStatus::Success,
            Err(fault) => DeliveryStatus::of_sign_file(&fault),
        }
    }

    fn sign_file(&self, app: &Arc<App>, files: &[(String, String)], done: i64) -> Result<Value, ApiFault> {
        let hashes: Vec<&str> = files.iter().map(|(hash, _)| hash.as_str()).collect();
        let signed = app.desk.service.sign_text(&self.region, &hashes.join(" "));
        let signature = signed.map_err(|_| ApiFault::internal())?;
        let file = |(hash, name): &(String, String)| json!({ "fileHashValue": hash, "fileName": name });
        Ok(json!({
            "version": "1.0",
            "region": self.region,
            "files": files.iter().map(file).collect::<Vec<_>>(),
            "hashAlgorithm": "SHA-256",
            "signatureAlgorithm": "SHA256withRSA",
            "queryCompleteTime": format_time(done),
            "hashSignature": hex(&signature.bytes),
            "publicKeyFingerprint": signature.fingerprint,
        }))
    }
}

/// Bucket and prefix, which has no slash at its end.
fn split(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("s3://")?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    Some((bucket, prefix.trim_end_matches('/')))
}

/// Makes CSV files of the rows at `path`, one at least; each begins with the names.
fn each_file(
    path: &Path,
    put: &mut dyn FnMut(&[u8]) -> Result<(), DeliveryStatus>,
) -> Result<(), DeliveryStatus> {
    let failed = |_: io::Error| DeliveryStatus::Failed;
    let mut reader = BufReader::new(File::open(path).map_err(failed)?);
    let (mut csv, mut names, mut line, mut is_first) = (Vec::new(), Vec::new(), String::new(), true);
    loop {
        line.clear();
        if reader.read_line(&mut line).map_err(failed)? == 0 {
            break;
        }
        let row: Vec<Value> = serde_json::from_str(&line).map_err(|_| DeliveryStatus::Failed)?;
        let cells = || row.iter().filter_map(Value::as_object).flat_map(|cell| cell.iter());
        if is_first {
            push_line(&mut names, cells().map(|(name, _)| Some(name.as_str())));
            csv.extend_from_slice(&names);
            is_first = false;
        }
        push_line(&mut csv, cells().map(|(_, value)| value.as_str()));
        if csv.len() >= FILE_BYTES_MAX {
            put(&csv)?;
            csv.clear();
            csv.extend_from_slice(&names);
        }
    }
    if is_first || csv.len() > names.len() { put(&csv) } else { Ok(()) }
}

/// A line of CSV (RFC 4180): text in quotes, nothing for null. It is read by programs, so
/// what a spreadsheet would take for a formula stays as it is.
fn push_line<'a>(csv: &mut Vec<u8>, cells: impl Iterator<Item = Option<&'a str>>) {
    for (place, cell) in cells.enumerate() {
        if place > 0 {
            csv.push(b',');
        }
        if let Some(cell) = cell {
            csv.push(b'"');
            csv.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            csv.push(b'"');
        }
    }
    csv.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(rows: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("q.rows");
        std::fs::write(&path, rows).unwrap();
        let mut files = Vec::new();
        let mut put = |csv: &[u8]| {
            files.push(String::from_utf8(csv.to_vec()).unwrap());
            Ok(())
        };
        each_file(&path, &mut put).unwrap();
        files
    }

    #[test]
    fn rows_become_lines_below_their_names() {
        let rows = "[{\"a\":\"x,\\\"y\\\"\"},{\"b\":null}]\n[{\"a\":\"1\"},{\"b\":\"2\"}]\n";
        assert_eq!(files(rows), ["\"a\",\"b\"\r\n\"x,\"\"y\"\"\",\r\n\"1\",\"2\"\r\n"]);
    }

    #[test]
    fn an_answer_without_rows_is_one_empty_file() {
        assert_eq!(files(""), [""]);
    }

    #[test]
    fn a_long_answer_is_cut_into_files_with_names_of_their_own() {
        let row = format!("[{{\"a\":\"{}\"}}]\n", "x".repeat(FILE_BYTES_MAX / 2));
        let files = files(&row.repeat(3));
        assert_eq!(files.len(), 2);
        assert!(files.iter().all(|file| file.starts_with("\"a\"\r\n")));
    }

    #[test]
    fn an_address_is_a_bucket_and_a_prefix() {
        assert_eq!(split("s3://b/a/c/"), Some(("b", "a/c")));
        assert_eq!(split("s3://b"), Some(("b", "")));
        assert_eq!(split("https://b/a"), None);
    }
}
