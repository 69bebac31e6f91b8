//! A loopback server that answers what the AWS CLI and Pugmark ask of S3 and
//! of `CloudTrail`: just enough of both.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pugmark_integrity::{PublicKey, S3Place};

use crate::bucket::{REGION, Store};

/// What is served.
pub(crate) struct Service {
    pub(crate) store: Store,
    pub(crate) keys: Vec<PublicKey>,
    /// `DescribeTrails`' answer: ARN, bucket, prefix, whether an organization's.
    pub(crate) trails: Vec<(String, String, Option<String>, bool)>,
    /// Keys of one page of a listing.
    pub(crate) page: usize,
}

impl Default for Service {
    fn default() -> Service {
        Service { store: Store::default(), keys: Vec::new(), trails: Vec::new(), page: 100 }
    }
}

/// Serves until the process ends; answers the address.
pub(crate) fn serve(service: Service) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let service = Arc::new(service);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let service = service.clone();
            std::thread::spawn(move || service.connection(&stream));
        }
    });
    address
}

struct Request {
    path: String,
    query: Vec<(String, String)>,
    target: String,
    body: Vec<u8>,
    is_head: bool,
}

impl Service {
    /// Requests of one connection, one after the other.
    fn connection(&self, stream: &TcpStream) {
        // Small answers one after the other would wait for each other.
        stream.set_nodelay(true).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(request) = read_request(&mut reader) {
            let (status, headers, body) = self.answer(&request);
            let mut answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
            for (name, value) in &headers {
                write!(answer, "{name}: {value}\r\n").unwrap();
            }
            answer.push_str("\r\n");
            let mut answer = answer.into_bytes();
            if !request.is_head {
                answer.extend_from_slice(&body);
            }
            let mut stream = stream;
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
    }

    fn answer(&self, request: &Request) -> (&'static str, Vec<(String, String)>, Vec<u8>) {
        let xml = vec![("Content-Type".to_owned(), "application/xml".to_owned())];
        let json = vec![("Content-Type".to_owned(), "application/x-amz-json-1.1".to_owned())];
        match request.target.rsplit('.').next() {
            Some("DescribeTrails") => return ("200 OK", json, self.describe_trails()),
            Some("ListPublicKeys") => return ("200 OK", json, self.list_public_keys(&request.body)),
            Some("DescribeOrganization") => {
                return ("200 OK", json, br#"{"Organization":{"Id":"o-exampleorg11"}}"#.to_vec());
            }
            _ => {}
        }
        let has = |name: &str| request.query.iter().any(|(key, _)| key == name);
        let (bucket, key) = request.path.split_once('/').unwrap_or((&request.path, ""));
        if has("location") {
            let body = "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">eu-west-1</LocationConstraint>";
            return ("200 OK", xml, body.into());
        }
        if key.is_empty() {
            return ("200 OK", xml, self.list(bucket, &request.query).into_bytes());
        }
        let Some(object) = self.store.objects.get(&S3Place { bucket: bucket.into(), key: key.into() }) else {
            return (
                "404 Not Found",
                xml,
                b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>".to_vec(),
            );
        };
        let mut headers: Vec<_> = object
            .metadata
            .iter()
            .map(|(name, value)| (format!("x-amz-meta-{name}"), value.clone()))
            .collect();
        headers.push(("ETag".to_owned(), "\"x\"".to_owned()));
        headers.push(("Last-Modified".to_owned(), "Thu, 15 Jan 2026 10:00:00 GMT".to_owned()));
        ("200 OK", headers, object.bytes.clone())
    }

    fn describe_trails(&self) -> Vec<u8> {
        let trails = self.trails.iter().map(|(arn, bucket, prefix, is_organization)| {
            serde_json::json!({
                "Name": arn.rsplit('/').next(), "TrailARN": arn, "HomeRegion": REGION,
                "S3BucketName": bucket, "S3KeyPrefix": prefix, "IsOrganizationTrail": is_organization,
            })
        });
        serde_json::json!({ "trailList": trails.collect::<Vec<_>>() }).to_string().into_bytes()
    }

    fn list_public_keys(&self, body: &[u8]) -> Vec<u8> {
        let asked: serde_json::Value = serde_json::from_slice(body).unwrap();
        let micros = |name: &str| (asked[name].as_f64().unwrap() * 1e6) as i64;
        let (start, end) = (micros("StartTime"), micros("EndTime"));
        let served = self.keys.iter().filter(|key| {
            key.since.is_none_or(|since| since <= end) && key.until.is_none_or(|until| until >= start)
        });
        let keys = served.map(|key| {
            serde_json::json!({
                "Value": STANDARD.encode(&key.der), "Fingerprint": key.fingerprint,
                "ValidityStartTime": key.since.unwrap_or(0) / 1_000_000,
                "ValidityEndTime": key.until.unwrap_or(4_000_000_000_000_000) / 1_000_000,
            })
        });
        serde_json::json!({ "PublicKeyList": keys.collect::<Vec<_>>() }).to_string().into_bytes()
    }

    /// `ListObjects`, version 1 and 2, with and without folders.
    fn list(&self, bucket: &str, query: &[(String, String)]) -> String {
        let get = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let (prefix, delimiter) = (get("prefix").unwrap_or(""), get("delimiter").unwrap_or(""));
        let marker = get("marker").or(get("continuation-token")).or(get("start-after")).unwrap_or("");
        let page = self.page;
        let mut next = marker.max(prefix).to_owned();
        let mut entries: Vec<(String, bool, usize)> = Vec::new();
        while entries.len() <= page {
            let first = S3Place { bucket: bucket.into(), key: next.as_str().into() };
            let Some((place, object)) = self.store.objects.range(first..).next() else { break };
            if &*place.bucket != bucket || !place.key.starts_with(prefix) {
                break;
            }
            let folder = (!delimiter.is_empty()).then(|| place.key[prefix.len()..].find(delimiter)).flatten();
            let entry = match folder {
                Some(at) => (place.key[..=prefix.len() + at].to_owned(), true, 0),
                None => (place.key.to_string(), false, object.bytes.len()),
            };
            // What follows this key, or all of this folder.
            next = format!("{}{}", entry.0, if entry.1 { '\u{10ffff}' } else { '\0' });
            if entry.0.as_str() > marker {
                entries.push(entry);
            }
        }
        let is_truncated = entries.len() > page;
        entries.truncate(page);
        let mut text = format!(
            "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{bucket}</Name><Prefix>{prefix}</Prefix>\
             <KeyCount>{}</KeyCount><MaxKeys>{page}</MaxKeys><IsTruncated>{is_truncated}</IsTruncated>",
            entries.len()
        );
        if let (true, Some((last, ..))) = (is_truncated, entries.last()) {
            write!(
                text,
                "<NextContinuationToken>{last}</NextContinuationToken><NextMarker>{last}</NextMarker>"
            )
            .unwrap();
        }
        for (key, is_folder, size) in &entries {
            if *is_folder {
                write!(text, "<CommonPrefixes><Prefix>{key}</Prefix></CommonPrefixes>").unwrap();
            } else {
                write!(
                    text,
                    "<Contents><Key>{key}</Key><LastModified>2026-01-15T10:00:00.000Z</LastModified>\
                     <ETag>\"x\"</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
                )
                .unwrap();
            }
        }
        text.push_str("</ListBucketResult>");
        text
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut operation) = (0, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "x-amz-target" => value.trim().clone_into(&mut operation),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pair = |text: &str| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (decode(name), decode(value))
    };
    Some(Request {
        path: decode(path.trim_start_matches('/')).trim_end_matches('/').to_owned(),
        query: query.split('&').filter(|text| !text.is_empty()).map(pair).collect(),
        target: operation,
        body,
        is_head: method == "HEAD",
    })
}

/// Percent signs back to characters.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = (*first == b'%').then(|| std::str::from_utf8(tail.get(..2)?).ok()).flatten();
        if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(if *first == b'+' { b' ' } else { *first });
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}
