//! Just enough of Rust's grammar to measure a source file: where code is,
//! as opposed to comments and literals, and where functions begin and end.
//!
//! It is not a parser; it never fails, and a file that does not compile gives
//! some answer.

/// A function and its lines, counted from 0, both ends included.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) first: usize,
    pub(crate) last: usize,
}

/// The text with comments, strings and characters blanked out; same lines.
pub(crate) fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        if end == at {
            code.push(if bytes[at].is_ascii() { char::from(bytes[at]) } else { ' ' });
            at += 1;
        } else {
            code.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

/// Lines before the `#[cfg(test)] mod tests` that closes a file.
pub(crate) fn lines_before_tests(code: &str) -> usize {
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let opens_tests = |at: &usize| {
        lines[*at] == "#[cfg(test)]" && lines.get(at + 1).is_some_and(|next| next.starts_with("mod tests"))
    };
    (0..lines.len()).find(opens_tests).unwrap_or(lines.len())
}

/// Every function with a body; `code` comes from [`code_only`].
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let bytes = code.as_bytes();
    let mut functions = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if at > 0 && is_word(bytes[at - 1]) {
            continue;
        }
        let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let body = body_start(bytes, at).and_then(|open| Some((open, block_end(bytes, open)?)));
        if let (false, Some((_, close))) = (name.is_empty(), body) {
            let line = |end: usize| code[..end].matches('\n').count();
            functions.push(Function { name, first: line(at), last: line(close) });
        }
    }
    functions
}

/// Whether `word` stands in `line` as a whole word.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = at == 0 || !is_word(line.as_bytes()[at - 1]);
        let after = line.as_bytes().get(at + word.len()).is_none_or(|byte| !is_word(*byte));
        before && after
    })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// End of the comment or literal that starts at `at`; `at` itself if none.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return find(bytes, at + 2, b"*/");
    }
    if bytes[at] == b'"' {
        return string_end(bytes, at + 1, b'"');
    }
    if bytes[at] == b'\'' {
        return char_end(bytes, at);
    }
    if at > 0 && is_word(bytes[at - 1]) {
        return at;
    }
    let raw = usize::from(bytes[at] == b'b' || bytes[at] == b'c');
    let rest = &bytes[at + raw..];
    if rest.first() != Some(&b'r') {
        return at;
    }
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return at;
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    find(bytes, at + raw + 2 + hashes, &close)
}

fn find(bytes: &[u8], from: usize, needle: &[u8]) -> usize {
    let rest = bytes.get(from..).unwrap_or(&[]);
    let found = rest.windows(needle.len()).position(|window| window == needle);
    found.map_or(bytes.len(), |at| from + at + needle.len())
}

fn string_end(bytes: &[u8], from: usize, close: u8) -> usize {
    let mut at = from;
    while at < bytes.len() && bytes[at] != close {
        at += 1 + usize::from(bytes[at] == b'\\');
    }
    (at + 1).min(bytes.len())
}

/// A character literal's end; a lifetime is no literal.
fn char_end(bytes: &[u8], at: usize) -> usize {
    if bytes.get(at + 1) == Some(&b'\\') {
        return string_end(bytes, at + 1, b'\'');
    }
    let close = (at + 2..at + 6).find(|close| bytes.get(*close) == Some(&b'\''));
    match close {
        Some(close) if close == at + 2 || !bytes[at + 1].is_ascii() => close + 1,
        _ => at,
    }
}

/// The `{` that opens the body of the function at `at`; none for a declaration.
fn body_start(bytes: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (offset, byte) in bytes[at..].iter().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at + offset),
            b';' if depth == 0 => return None,
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    None
}

fn block_end(bytes: &[u8], open: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (offset, byte) in bytes[open..].iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(open + offset);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_lines_kept() {
        let code = code_only("let a = \"} // {\"; // }\nlet b = '{'; /* {\n*/ let c = r#\"\"}\"#;");
        assert!(!code.contains(['{', '}']), "{code}");
        assert_eq!(code.lines().count(), 3);
        assert!(code.contains("let c"));
    }

    #[test]
    fn a_lifetime_is_not_a_character() {
        let code = code_only("fn f<'a>(x: &'a str) -> &'a str { x }");
        assert!(code.contains("str { x }"), "{code}");
    }

    #[test]
    fn an_escaped_quote_does_not_end_a_literal() {
        let code = code_only(r#"let a = '\''; let b = "\""; let c = 1;"#);
        assert!(code.contains("let c = 1;"), "{code}");
    }

    #[test]
    fn a_function_is_measured_from_its_name_to_its_brace() {
        let code = code_only(
            "trait T { fn none(&self); }\nfn one(a: [u8; 2]) -> bool {\n    if a[0] > 1 { return true; }\n    false\n}\n",
        );
        assert_eq!(functions(&code), [Function { name: "one".into(), first: 1, last: 4 }]);
    }

    #[test]
    fn tests_at_the_end_do_not_count() {
        assert_eq!(lines_before_tests("fn a() {}\n\n#[cfg(test)]\nmod tests {\n}\n"), 2);
        assert_eq!(lines_before_tests("fn a() {}\n"), 1);
    }
}
