//! Writes one record as JSON text, member by member.

use pugmark_event::Kind;
use serde_json::Value;
use serde_json::value::RawValue;

use super::names::{Member, Place};
use super::presto;

/// A record being written.
///
/// Members must come in the order of [`Member::order`]; then each group is
/// opened at its first member, closed after its last, and never opened empty.
pub(super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    open: Place,
}

impl<'o> Writer<'o> {
    /// Starts a record in `out`, which is emptied.
    pub(super) fn new(out: &'o mut Vec<u8>) -> Writer<'o> {
        out.clear();
        out.push(b'{');
        Writer { out, open: Vec::new() }
    }

    /// Writes the way to `place` and its name; its value must follow.
    pub(super) fn member(&mut self, place: &[&'static Member]) -> &mut Vec<u8> {
        let groups = &place[..place.len().saturating_sub(1)];
        let shared =
            self.open.iter().zip(groups).take_while(|(open, group)| std::ptr::eq(**open, **group)).count();
        self.close_to(shared);
        for group in &groups[shared..] {
            self.name(group.name);
            self.out.extend_from_slice(if group.is_list { b"[{" } else { b"{" });
            self.open.push(group);
        }
        if let Some(member) = place.last() {
            self.name(member.name);
        }
        self.out
    }

    /// Writes the name of a member of the record that the field table does not have.
    pub(super) fn extra(&mut self, name: &str) -> &mut Vec<u8> {
        self.close_to(0);
        self.name(name);
        self.out
    }

    /// Ends the record.
    pub(super) fn finish(mut self) {
        self.close_to(0);
        self.out.push(b'}');
    }

    fn name(&mut self, name: &str) {
        if !self.out.ends_with(b"{") {
            self.out.push(b',');
        }
        string(name, self.out);
        self.out.push(b':');
    }

    fn close_to(&mut self, depth: usize) {
        while self.open.len() > depth {
            let group = self.open.pop();
            self.out.extend_from_slice(if group.is_some_and(|group| group.is_list) { b"}]" } else { b"}" });
        }
    }
}

/// Writes a JSON string.
pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[plain..at]);
        plain = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        }
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
    out.push(b'"');
}

/// Writes what a column holds as text as the value of `member`.
pub(super) fn text(member: &Member, text: &str, out: &mut Vec<u8>) {
    match member.kind {
        None => group(member, text, out),
        Some(Kind::Json) => json(text, out),
        Some(Kind::Flag) if text.eq_ignore_ascii_case("true") => out.extend_from_slice(b"true"),
        Some(Kind::Flag) if text.eq_ignore_ascii_case("false") => out.extend_from_slice(b"false"),
        Some(_) => string(text, out),
    }
}

/// Writes JSON text as it is, a map as Presto prints it as an object, and
/// anything else as a string.
fn json(text: &str, out: &mut Vec<u8>) {
    if is_json(text) {
        out.extend_from_slice(text.as_bytes());
    } else if !presto::rewrite(None, text, out) {
        string(text, out);
    }
}

/// Writes a group, or a list of groups, that was delivered as JSON or as Presto's text.
fn group(member: &Member, text: &str, out: &mut Vec<u8>) {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        respelled(Some(member), &value, out);
    } else if !presto::rewrite(Some(member), text, out) {
        string(text, out);
    }
}

/// Writes `value` with the names of members as `CloudTrail` spells them.
fn respelled(member: Option<&Member>, value: &Value, out: &mut Vec<u8>) {
    match (member.filter(|member| member.is_group()), value) {
        (Some(group), Value::Object(members)) => {
            out.push(b'{');
            for (index, (name, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                let member = respelling(group, name, value);
                string(member.map_or(name, |member| member.name), out);
                out.push(b':');
                respelled(member, value, out);
            }
            out.push(b'}');
        }
        (Some(group), Value::Array(items)) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                respelled(Some(group), item, out);
            }
            out.push(b']');
        }
        _ => out.extend_from_slice(value.to_string().as_bytes()),
    }
}

/// The console's event history names a resource `resourceType`, `resourceName`.
fn respelling<'m>(group: &'m Member, name: &str, value: &Value) -> Option<&'m Member> {
    group.find(name).or_else(|| {
        if !group.is_list {
            return None;
        }
        match name.to_ascii_lowercase().as_str() {
            "resourcetype" => group.find("type"),
            "resourcename" if value.as_str().is_some_and(is_arn) => group.find("ARN"),
            _ => None,
        }
    })
}

/// True for the name of a resource that is an ARN.
pub(super) fn is_arn(text: &str) -> bool {
    text.starts_with("arn:")
}

/// True if `text` is one JSON value.
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;

    fn written(columns: &[(&str, &str)]) -> String {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        for (path, value) in columns {
            let place = names::place(path).expect("a known path");
            text(place.last().expect("not the record"), value, writer.member(&place));
        }
        writer.extra("n\"").extend_from_slice(b"1");
        writer.finish();
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn groups_open_and_close_around_their_members() {
        let columns = [
            ("userIdentity.type", "Root"),
            ("userIdentity.sessionContext.sessionIssuer.arn", "a"),
            ("userIdentity.sessionContext.sourceIdentity", "s"),
            ("eventName", "x\ty\u{1}"),
            ("readOnly", "TRUE"),
            ("resources.type", "T"),
            ("resources.ARN", "A"),
        ];
        assert_eq!(
            written(&columns),
            r#"{"userIdentity":{"type":"Root","sessionContext":{"sessionIssuer":{"arn":"a"},"sourceIdentity":"s"}},"eventName":"x\ty\u0001","readOnly":true,"resources":[{"type":"T","ARN":"A"}],"n\"":1}"#
        );
    }

    #[test]
    fn json_text_is_embedded_and_other_text_is_a_string() {
        assert_eq!(
            written(&[("requestParameters", r#"{"a": [1.50]}"#), ("responseElements", "not json")]),
            r#"{"requestParameters":{"a": [1.50]},"responseElements":"not json","n\"":1}"#
        );
    }

    #[test]
    fn a_group_in_json_gets_its_names_back() {
        assert_eq!(
            written(&[
                (
                    "userIdentity",
                    r#"{"principalid":"p","sessioncontext":{"ec2roledelivery":"2.0"},"zz":null}"#
                ),
                ("resources", r#"[{"resourceType":"T","resourceName":"arn:a"},{"resourceName":"n"}]"#),
            ]),
            r#"{"userIdentity":{"principalId":"p","sessionContext":{"ec2RoleDelivery":"2.0"},"zz":null},"resources":[{"type":"T","ARN":"arn:a"},{"resourceName":"n"}],"n\"":1}"#
        );
    }
}
