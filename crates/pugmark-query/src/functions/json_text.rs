//! Reads members out of JSON text without building a tree.
//!
//! A value is found by skipping over its neighbours, so the cost is one pass
//! over the text up to the end of the enclosing object. Text that is not JSON
//! gives nothing; a member that stands twice counts as the last one.

use std::borrow::Cow;

/// Nesting that is followed; deeper text counts as no JSON.
const DEPTH_MAX: u32 = 64;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A member of an object.
    Member(String),
    /// An item of an array, from 0.
    Item(usize),
}

/// A compiled `$.a.b[0]["k"]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

impl Path {
    /// Reads a path; `None` if it is none of ours (no wildcards, filters, slices).
    pub(crate) fn parse(text: &str) -> Option<Path> {
        let text = text.trim();
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        let mut steps = Vec::new();
        if rest.len() == text.len() && !rest.is_empty() && !rest.starts_with('[') {
            let (name, after) = bare(rest);
            steps.push(Step::Member(name?.to_owned()));
            rest = after;
        }
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let quoted = after.strip_prefix('"').and_then(|inner| inner.split_once('"'));
                let (name, after) = match quoted {
                    Some((name, after)) => (Some(name), after),
                    None => bare(after),
                };
                steps.push(Step::Member(name?.to_owned()));
                rest = after;
            } else {
                let inner = rest.strip_prefix('[')?;
                let quote = inner.chars().next().filter(|mark| matches!(mark, '"' | '\''));
                if let Some(quote) = quote {
                    let (name, after) = inner[1..].split_once(quote)?;
                    steps.push(Step::Member(name.to_owned()));
                    rest = after.strip_prefix(']')?;
                } else {
                    let (number, after) = inner.split_once(']')?;
                    steps.push(Step::Item(number.trim().parse().ok()?));
                    rest = after;
                }
            }
        }
        Some(Path(steps))
    }

    /// The value at this path of `json`.
    pub(crate) fn find<'a>(&self, json: &'a str) -> Option<&'a str> {
        let mut value = json.trim();
        for step in &self.0 {
            value = match step {
                Step::Member(name) => member(value, name)?,
                Step::Item(index) => item(value, *index)?,
            };
        }
        // A lone scalar is checked here; members were skipped over, which checks them.
        if self.0.is_empty() && end_of_value(value.as_bytes(), 0, 0)? != value.len() {
            return None;
        }
        Some(value)
    }
}

fn bare(text: &str) -> (Option<&str>, &str) {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    ((!name.is_empty() && name != "*").then_some(name), rest)
}

/// The value of the last member called `name` of an object.
pub(crate) fn member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let mut found = None;
    let mut members = Members::new(json)?;
    for (key, value) in members.by_ref() {
        let same = if key.contains('\\') { unescape(key) == name } else { key == name };
        if same {
            found = Some(value);
        }
    }
    if members.0.broken { None } else { found }
}

/// Item `index` of an array, from 0.
pub(crate) fn item(json: &str, index: usize) -> Option<&str> {
    let mut items = Items::new(json)?;
    let found = items.nth(index);
    if items.0.broken { None } else { found }
}

/// Items of an array, or members of an object; `None` for scalars and broken text.
pub(crate) fn size(json: &str) -> Option<usize> {
    if json.trim_start().starts_with('{') {
        let mut members = Members::new(json)?;
        let mut keys: Vec<Cow<'_, str>> = members.by_ref().map(|(key, _)| unescape(key)).collect();
        keys.sort_unstable();
        keys.dedup();
        (!members.0.broken).then_some(keys.len())
    } else {
        let mut items = Items::new(json)?;
        let count = items.by_ref().count();
        (!items.0.broken).then_some(count)
    }
}

/// Keys and values of an object, in order of first standing, the last of equal keys counting.
pub(crate) fn entries(json: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    let mut members = Members::new(json)?;
    let mut entries: Vec<(Cow<'_, str>, &str)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for (key, value) in members.by_ref() {
        let key = unescape(key);
        if let Some(place) = places.get(&key) {
            let entry: &mut (Cow<'_, str>, &str) = &mut entries[*place];
            entry.1 = value;
        } else {
            places.insert(key.clone(), entries.len());
            entries.push((key, value));
        }
    }
    (!members.0.broken).then_some(entries)
}

/// Items of an array.
pub(crate) fn items(json: &str) -> Option<Vec<&str>> {
    let mut items = Items::new(json)?;
    let all: Vec<&str> = items.by_ref().collect();
    (!items.0.broken).then_some(all)
}

/// A value as text: strings without quotes, `null` as nothing, the rest as compact JSON.
pub(crate) fn text_of(value: &str) -> Option<Cow<'_, str>> {
    match value.as_bytes().first()? {
        b'"' => Some(unescape(value.get(1..value.len() - 1)?)),
        b'n' => None,
        _ => Some(compact(value)),
    }
}

/// A scalar value as text; nothing for `null`, objects and arrays.
pub(crate) fn scalar_of(value: &str) -> Option<Cow<'_, str>> {
    match value.as_bytes().first()? {
        b'{' | b'[' => None,
        _ => text_of(value),
    }
}

/// `value` without blanks between its tokens.
pub(crate) fn compact(value: &str) -> Cow<'_, str> {
    let mut inside = false;
    let mut escaped = false;
    let keep = |byte: u8, inside: &mut bool, escaped: &mut bool| {
        if *inside {
            if *escaped {
                *escaped = false;
            } else if byte == b'\\' {
                *escaped = true;
            } else if byte == b'"' {
                *inside = false;
            }
            true
        } else {
            *inside = byte == b'"';
            !byte.is_ascii_whitespace()
        }
    };
    if value.bytes().all(|byte| keep(byte, &mut inside, &mut escaped)) {
        return Cow::Borrowed(value);
    }
    (inside, escaped) = (false, false);
    let kept = value.chars().filter(|letter| match u8::try_from(*letter) {
        Ok(byte) if byte.is_ascii() => keep(byte, &mut inside, &mut escaped),
        _ => {
            escaped = false;
            true
        }
    });
    Cow::Owned(kept.collect())
}

/// Text of a JSON string without its quotes; half characters become U+FFFD.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let mut letters = after.chars();
        match letters.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let (letter, after) = unicode(after);
                out.push(letter);
                rest = after;
                continue;
            }
            Some(letter) => out.push(letter),
            None => {}
        }
        rest = letters.as_str();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character of `uXXXX` (with the second half of a pair), and what follows.
fn unicode(text: &str) -> (char, &str) {
    let unit = |text: &str| u32::from_str_radix(text.get(1..5)?, 16).ok();
    let Some(first) = unit(text) else { return ('\u{fffd}', text.get(1..).unwrap_or_default()) };
    let after = text.get(5..).unwrap_or_default();
    if (0xd800..0xdc00).contains(&first) {
        let second = after.strip_prefix('\\').filter(|low| low.starts_with('u')).and_then(unit);
        if let Some(low) = second.filter(|low| (0xdc00..0xe000).contains(low)) {
            let code = 0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00);
            return (char::from_u32(code).unwrap_or('\u{fffd}'), after.get(6..).unwrap_or_default());
        }
    }
    (char::from_u32(first).unwrap_or('\u{fffd}'), after)
}

/// A walk over the parts of one object or array.
struct Walk<'a> {
    text: &'a str,
    at: usize,
    open: bool,
    broken: bool,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str, mark: u8) -> Option<Walk<'a>> {
        let start = blanks(text.as_bytes(), 0);
        (text.as_bytes().get(start) == Some(&mark)).then_some(Walk {
            text,
            at: start + 1,
            open: true,
            broken: false,
        })
    }

    /// Moves to the next part; `None` at the closing mark or where the text is broken.
    fn part(&mut self, close: u8) -> Option<()> {
        if !self.open {
            return None;
        }
        let bytes = self.text.as_bytes();
        let first = matches!(bytes[self.at - 1], b'{' | b'[');
        self.at = blanks(bytes, self.at);
        match bytes.get(self.at) {
            Some(byte) if *byte == close => {
                self.open = false;
                self.broken = blanks(bytes, self.at + 1) != bytes.len();
                None
            }
            Some(b',') if !first => {
                self.at = blanks(bytes, self.at + 1);
                Some(())
            }
            Some(_) if first => Some(()),
            _ => self.give_up(),
        }
    }

    fn give_up<T>(&mut self) -> Option<T> {
        self.open = false;
        self.broken = true;
        None
    }

    /// The value that begins here.
    fn value(&mut self) -> Option<&'a str> {
        match end_of_value(self.text.as_bytes(), self.at, 1) {
            Some(end) => {
                let value = self.text.get(self.at..end);
                self.at = end;
                value
            }
            None => self.give_up(),
        }
    }
}

struct Members<'a>(Walk<'a>);

impl<'a> Members<'a> {
    fn new(text: &'a str) -> Option<Members<'a>> {
        Walk::new(text, b'{').map(Members)
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        self.0.part(b'}')?;
        let bytes = self.0.text.as_bytes();
        if bytes.get(self.0.at) != Some(&b'"') {
            return self.0.give_up();
        }
        let key = self.0.value()?;
        self.0.at = blanks(bytes, self.0.at);
        if bytes.get(self.0.at) != Some(&b':') {
            return self.0.give_up();
        }
        self.0.at = blanks(bytes, self.0.at + 1);
        let value = self.0.value()?;
        Some((&key[1..key.len() - 1], value))
    }
}

struct Items<'a>(Walk<'a>);

impl<'a> Items<'a> {
    fn new(text: &'a str) -> Option<Items<'a>> {
        Walk::new(text, b'[').map(Items)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.0.part(b']')?;
        self.0.value()
    }
}

fn blanks(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Where the value that begins at `start` ends; `None` if it is no JSON value.
///
/// Marks inside objects are matched and strings are walked; the grammar of
/// what stands between them was checked when the record was decoded.
fn end_of_value(bytes: &[u8], start: usize, depth: u32) -> Option<usize> {
    match *bytes.get(start)? {
        b'"' => end_of_string(bytes, start),
        b'{' | b'[' => {
            let mut open = Vec::with_capacity(8);
            let mut at = start;
            loop {
                match *bytes.get(at)? {
                    b'"' => at = end_of_string(bytes, at)? - 1,
                    mark @ (b'{' | b'[') => {
                        open.push(mark + 2);
                        if open.len() as u32 + depth > DEPTH_MAX {
                            return None;
                        }
                    }
                    mark @ (b'}' | b']') => {
                        if open.pop()? != mark {
                            return None;
                        }
                        if open.is_empty() {
                            return Some(at + 1);
                        }
                    }
                    _ => {}
                }
                at += 1;
            }
        }
        b't' => word(bytes, start, b"true"),
        b'f' => word(bytes, start, b"false"),
        b'n' => word(bytes, start, b"null"),
        b'-' | b'0'..=b'9' => {
            let rest = &bytes[start..];
            let length = rest
                .iter()
                .take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
                .count();
            Some(start + length)
        }
        _ => None,
    }
}

fn end_of_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match *bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn word(bytes: &[u8], start: usize, word: &[u8]) -> Option<usize> {
    bytes[start..].starts_with(word).then_some(start + word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'a>(json: &'a str, path: &str) -> Option<&'a str> {
        Path::parse(path).expect("a path").find(json)
    }

    #[test]
    fn a_path_is_followed_through_objects_and_arrays() {
        let json = r#"{"a":{"b":[1,{"c d":"x"}]},"k":null}"#;
        assert_eq!(find(json, "$.a.b[0]"), Some("1"));
        assert_eq!(find(json, r#"$.a.b[1]["c d"]"#), Some(r#""x""#));
        assert_eq!(find(json, r#"$["k"]"#), Some("null"));
        assert_eq!(find(json, "$.a.b[2]"), None);
        assert_eq!(find(json, "$.a.z"), None);
        assert_eq!(find(json, "$"), Some(json));
    }

    #[test]
    fn the_last_of_equal_members_counts() {
        assert_eq!(member(r#"{"a":1,"b":2,"a":3}"#, "a"), Some("3"));
        assert_eq!(entries(r#"{"a":1,"b":2,"a":3}"#).map(|entries| entries.len()), Some(2));
        assert_eq!(size(r#"{"a":1,"b":2,"\u0061":3}"#), Some(2));
    }

    #[test]
    fn broken_text_gives_nothing() {
        for json in ["", "{", "{\"a\":1", "{\"a\" 1}", "[1 2]", "{,}", "{\"a\":1}x", "{\"a\":[}", "nul"] {
            assert_eq!(member(json, "a"), None, "{json}");
            assert_eq!(size(json), None, "{json}");
        }
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(70), "]".repeat(70));
        assert_eq!(member(&deep, "a"), None);
    }

    #[test]
    fn text_of_a_value_has_no_quotes_and_no_blanks() {
        assert_eq!(text_of(r#""a\"\u00e9\ud83d\ude00\ud800""#).as_deref(), Some("a\"é😀\u{fffd}"));
        assert_eq!(text_of("null"), None);
        assert_eq!(text_of(r#"{ "a b" : [ 1, "\" x" ] }"#).as_deref(), Some(r#"{"a b":[1,"\" x"]}"#));
        assert_eq!(scalar_of("[1]"), None);
        assert_eq!(scalar_of("true").as_deref(), Some("true"));
    }

    #[test]
    fn a_path_with_a_wildcard_is_none_of_ours() {
        for path in ["$.*", "$[*]", "$..a", "$[", "$.a["] {
            assert_eq!(Path::parse(path), None, "{path}");
        }
    }
}
