//! JSON strings to text (RFC 8259 §7).

/// Something that a string held and that text cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Half of a surrogate pair; U+FFFD stands in its place.
    LoneSurrogate,
    /// A backslash before something that is no escape.
    BadEscape,
}

/// Appends the text of a JSON string's content (without quotes) to `out`.
///
/// # Errors
/// The first flaw. With a lone surrogate the text was appended whole; with a
/// bad escape it is incomplete.
pub(crate) fn unescape(content: &[u8], out: &mut Vec<u8>) -> Result<(), Flaw> {
    let mut rest = content;
    let mut result = Ok(());
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let (&code, after) = rest[at + 1..].split_first().ok_or(Flaw::BadEscape)?;
        rest = after;
        match code {
            b'"' | b'\\' | b'/' => out.push(code),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let (character, after) = unicode(rest)?;
                rest = after;
                let character = character.unwrap_or_else(|| {
                    result = Err(Flaw::LoneSurrogate);
                    char::REPLACEMENT_CHARACTER
                });
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => return Err(Flaw::BadEscape),
        }
    }
    out.extend_from_slice(rest);
    result
}

/// The character of a `\u` escape whose digits start `text`; `None` for half a pair.
fn unicode(text: &[u8]) -> Result<(Option<char>, &[u8]), Flaw> {
    let (high, rest) = four_digits(text)?;
    if !(0xD800..0xDC00).contains(&high) {
        return Ok((char::from_u32(high), rest));
    }
    if let Some(second) = rest.strip_prefix(b"\\u") {
        let (low, after) = four_digits(second)?;
        if (0xDC00..0xE000).contains(&low) {
            return Ok((char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00)), after));
        }
    }
    Ok((None, rest))
}

fn four_digits(text: &[u8]) -> Result<(u32, &[u8]), Flaw> {
    let (digits, rest) = text.split_at_checked(4).ok_or(Flaw::BadEscape)?;
    let mut value = 0;
    for digit in digits {
        value = value << 4 | (*digit as char).to_digit(16).ok_or(Flaw::BadEscape)?;
    }
    Ok((value, rest))
}

/// The longest prefix of `text` of at most `length` bytes that ends between characters.
pub(crate) fn cut(text: &[u8], length: usize) -> usize {
    let mut end = length.min(text.len());
    while end > 0 && end < text.len() && text[end] & 0xC0 == 0x80 {
        end -= 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_the_rfc() {
        let check = |content: &str, expected: &str, result: Result<(), Flaw>| {
            let mut out = Vec::new();
            assert_eq!(unescape(content.as_bytes(), &mut out), result, "{content}");
            if result != Err(Flaw::BadEscape) {
                assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
            }
        };
        check(r#"a\"\\\/\b\f\n\r\tz"#, "a\"\\/\u{8}\u{c}\n\r\tz", Ok(()));
        check(r"\u00e9\u0041", "éA", Ok(()));
        check(r"\ud83d\uDE00", "😀", Ok(()));
        check(r"\ud83d!", "\u{fffd}!", Err(Flaw::LoneSurrogate));
        check(r"\ude00", "\u{fffd}", Err(Flaw::LoneSurrogate));
        check(r"\ud83d\u0041", "\u{fffd}A", Err(Flaw::LoneSurrogate));
        check(r"\x", "", Err(Flaw::BadEscape));
        check(r"\u12", "", Err(Flaw::BadEscape));
        check("\\", "", Err(Flaw::BadEscape));
    }

    #[test]
    fn a_cut_falls_between_characters() {
        assert_eq!(cut("aé".as_bytes(), 2), 1);
        assert_eq!(cut("aé".as_bytes(), 3), 3);
        assert_eq!(cut(b"abc", 9), 3);
    }
}
