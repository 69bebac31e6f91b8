//! Structs, maps and lists as Presto prints them: `{type=Root, arn=…}`, `[a, b]`.
//!
//! The print is ambiguous, for values are not quoted. Reading is lenient: a
//! value ends where another member, or the end of the group, can begin.

use serde_json::StreamDeserializer;
use serde_json::value::RawValue;

use super::names::Member;
use super::render::string;

/// Nesting that a table can have; deeper text is kept as a string.
const DEPTH_MAX: usize = 32;
/// The longest name looked for.
const NAME_BYTES_MAX: usize = 128;

/// What a value stands in, which says where it can end.
#[derive(Clone, Copy)]
enum Inside<'m> {
    /// A group whose members are known.
    Group(&'m Member),
    /// A map.
    Map,
    /// A list.
    List,
}

/// Writes `text` as JSON, with the names of `member`'s members as `CloudTrail`
/// spells them. Answers false, and writes nothing, if it is no struct, map or list.
pub(super) fn rewrite(member: Option<&Member>, text: &str, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let rest = nested(text.trim(), member, 0, out);
    if rest != Some("") {
        out.truncate(start);
    }
    rest == Some("")
}

/// Writes the struct, map or list that `text` starts with and answers what follows it.
fn nested<'t>(text: &'t str, member: Option<&Member>, depth: usize, out: &mut Vec<u8>) -> Option<&'t str> {
    if depth > DEPTH_MAX {
        return None;
    }
    if let Some(text) = text.strip_prefix('{') {
        members(text, member, depth, out)
    } else if let Some(text) = text.strip_prefix('[') {
        items(text, member, depth, out)
    } else {
        None
    }
}

/// The rest of a struct or map, after its brace.
fn members<'t>(text: &'t str, member: Option<&Member>, depth: usize, out: &mut Vec<u8>) -> Option<&'t str> {
    let group = member.filter(|member| member.is_group());
    let inside = group.map_or(Inside::Map, Inside::Group);
    let mut rest = text.trim_start();
    out.push(b'{');
    loop {
        if let Some(rest) = rest.strip_prefix('}') {
            out.push(b'}');
            return Some(rest);
        }
        let name = name_at(rest, inside)?;
        let member = group.and_then(|group| group.find(name));
        string(member.map_or(name, |member| member.name), out);
        out.push(b':');
        rest = value(&rest[name.len() + 1..], (member, inside), depth, out);
        rest = after_comma(rest, '}', out)?;
    }
}

/// The rest of a list, after its bracket.
fn items<'t>(text: &'t str, member: Option<&Member>, depth: usize, out: &mut Vec<u8>) -> Option<&'t str> {
    let mut rest = text.trim_start();
    out.push(b'[');
    loop {
        if let Some(rest) = rest.strip_prefix(']') {
            out.push(b']');
            return Some(rest);
        }
        rest = value(rest, (member, Inside::List), depth, out);
        rest = after_comma(rest, ']', out)?;
    }
}

/// Passes the comma after a value; the closing mark is left.
fn after_comma<'t>(rest: &'t str, close: char, out: &mut Vec<u8>) -> Option<&'t str> {
    if rest.starts_with(close) {
        return Some(rest);
    }
    out.push(b',');
    rest.strip_prefix(',').map(str::trim_start)
}

/// Writes the value that `text` starts with and answers what follows it.
fn value<'t>(
    text: &'t str,
    (member, inside): (Option<&Member>, Inside<'_>),
    depth: usize,
    out: &mut Vec<u8>,
) -> &'t str {
    if text.starts_with(['{', '[']) {
        let start = out.len();
        if let Some(rest) = embedded(text, out).filter(|rest| ends_value(rest, inside)) {
            return rest;
        }
        out.truncate(start);
        if let Some(rest) = nested(text, member, depth + 1, out).filter(|rest| ends_value(rest, inside)) {
            return rest;
        }
        out.truncate(start);
    }
    let (scalar, rest) = text.split_at(scalar_bytes(text, inside));
    match scalar {
        "null" => out.extend_from_slice(b"null"),
        scalar => string(scalar, out),
    }
    rest
}

/// A value that is JSON, as Lake prints inside maps.
fn embedded<'t>(text: &'t str, out: &mut Vec<u8>) -> Option<&'t str> {
    let mut values: StreamDeserializer<_, &RawValue> = serde_json::Deserializer::from_str(text).into_iter();
    let value = values.next()?.ok()?;
    out.extend_from_slice(value.get().as_bytes());
    text.get(values.byte_offset()..)
}

/// Length of the scalar that `text` starts with.
fn scalar_bytes(text: &str, inside: Inside<'_>) -> usize {
    text.match_indices([',', '}', ']'])
        .map(|(at, _)| at)
        .find(|at| ends_value(&text[*at..], inside))
        .unwrap_or(text.len())
}

/// True if a value can end where `rest` begins.
fn ends_value(rest: &str, inside: Inside<'_>) -> bool {
    let closes = |mark| {
        rest.strip_prefix(mark).is_some_and(|rest: &str| rest.is_empty() || rest.starts_with([',', '}', ']']))
    };
    match inside {
        Inside::List => closes(']') || rest.starts_with(", "),
        Inside::Group(_) | Inside::Map => {
            closes('}') || rest.strip_prefix(", ").is_some_and(|rest| name_at(rest, inside).is_some())
        }
    }
}

/// The name that `text` starts with, before an equals sign.
fn name_at<'t>(text: &'t str, inside: Inside<'_>) -> Option<&'t str> {
    let end = text.bytes().take(NAME_BYTES_MAX).position(|byte| byte == b'=')?;
    let name = &text[..end];
    let is_name = match inside {
        Inside::Group(group) => {
            group.find(name).is_some()
                || !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        }
        Inside::Map | Inside::List => !name.is_empty() && !name.contains([' ', ',', '{', '}', '[', ']', '"']),
    };
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;

    fn rewritten(path: &str, text: &str) -> Option<String> {
        let place = names::place(path).expect("a known path");
        let mut out = b"x".to_vec();
        let done = rewrite(place.last().copied(), text, &mut out);
        assert!(done || out == b"x");
        done.then(|| String::from_utf8(out.split_off(1)).expect("UTF-8"))
    }

    #[test]
    fn a_struct_gets_its_names_back() {
        let text = "{type=AssumedRole, principalid=AROA:me, sessioncontext={attributes={mfaauthenticated=false, creationdate=2026-01-15T10:00:00Z}, sessionissuer=null}, username=null}";
        assert_eq!(
            rewritten("userIdentity", text).as_deref(),
            Some(
                r#"{"type":"AssumedRole","principalId":"AROA:me","sessionContext":{"attributes":{"mfaAuthenticated":"false","creationDate":"2026-01-15T10:00:00Z"},"sessionIssuer":null},"userName":null}"#
            )
        );
    }

    #[test]
    fn commas_braces_and_quotes_in_values_stay_there() {
        assert_eq!(
            rewritten("userIdentity", r#"{username=Smith, John {x} "y", arn=a=b, invokedby=c]}"#).as_deref(),
            Some(r#"{"userName":"Smith, John {x} \"y\"","arn":"a=b","invokedBy":"c]"}"#)
        );
    }

    #[test]
    fn lists_of_structs_and_empty_groups() {
        assert_eq!(
            rewritten("resources", "[{arn=a, accountid=1, type=null}, {arn=b}]").as_deref(),
            Some(r#"[{"ARN":"a","accountId":"1","type":null},{"ARN":"b"}]"#)
        );
        assert_eq!(rewritten("resources", "[]").as_deref(), Some("[]"));
        assert_eq!(rewritten("userIdentity", "{}").as_deref(), Some("{}"));
    }

    #[test]
    fn a_map_keeps_its_keys_and_json_inside() {
        assert_eq!(
            rewritten("requestParameters", r#"{name=prod, tags=[{"k":"a, b"}], n=5, Policy={"a":{}}}"#)
                .as_deref(),
            Some(r#"{"name":"prod","tags":[{"k":"a, b"}],"n":"5","Policy":{"a":{}}}"#)
        );
    }

    #[test]
    fn what_is_no_struct_is_refused() {
        for text in ["", "x", "{", "[", "{a", "{=}", "{a=b", "[a", "{a=b} c", &"[".repeat(100_000)] {
            assert_eq!(rewritten("userIdentity", text), None, "{text:.20}");
        }
    }
}
