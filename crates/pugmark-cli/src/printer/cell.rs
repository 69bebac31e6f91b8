//! Text from logs, made safe to print.
//!
//! Every byte of a log, an object's name or an error message may have been
//! chosen by an attacker. What could move the cursor, forge a row, set a title
//! or turn the reading direction is shown as `\u{1b}` instead. The escape can
//! be undone, so a literal `\u{` in the input is escaped too.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// `text` with everything that is not plainly printable made visible.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if is_safe(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for (at, c) in text.char_indices() {
        if is_forbidden(c) || (c == '\\' && text[at..].starts_with("\\u{")) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// True for characters that must not reach a terminal or a line of text.
pub(crate) fn is_forbidden(c: char) -> bool {
    matches!(c,
        // C0 with tab and newline, DEL, C1.
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        // Bidirectional controls and marks, line and paragraph separators.
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
        // Invisible: soft hyphen, zero-width space, byte-order mark, tags, annotations.
        | '\u{ad}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}'
        // No characters at all.
        | '\u{fdd0}'..='\u{fdef}')
        || u32::from(c) & 0xfffe == 0xfffe
}

fn is_safe(text: &str) -> bool {
    let plain = text.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'\\');
    plain || !text.contains("\\u{") && !text.chars().any(is_forbidden)
}

/// Columns that `text` takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(|c| c.width().unwrap_or(0)).sum() }
}

/// `text` cut to `max` columns. An ARN, a path or an id loses its middle,
/// where it says least; prose (three blanks or more) loses its end.
pub(crate) fn elide(text: &str, max: usize) -> Cow<'_, str> {
    if width(text) <= max {
        return Cow::Borrowed(text);
    }
    let room = max.saturating_sub(1);
    if text.matches(' ').nth(2).is_some() {
        return Cow::Owned(format!("{}…", prefix(text, room)));
    }
    if let Some(short) = elide_arn(text, max) {
        return Cow::Owned(short);
    }
    let tail = suffix(text, room.div_ceil(2));
    let head = prefix(text, room - width(tail).min(room));
    Cow::Owned(format!("{head}…{tail}"))
}

/// `arn:…:role/Admin`, if that fits.
fn elide_arn(text: &str, max: usize) -> Option<String> {
    let (_, resource) = text.strip_prefix("arn:")?.rsplit_once(':')?;
    let short = format!("arn:…:{resource}");
    (width(&short) <= max).then_some(short)
}

fn prefix(text: &str, max: usize) -> &str {
    let mut taken = 0;
    for (at, c) in text.char_indices() {
        taken += c.width().unwrap_or(0);
        if taken > max {
            return &text[..at];
        }
    }
    text
}

fn suffix(text: &str, max: usize) -> &str {
    let mut taken = 0;
    for (at, c) in text.char_indices().rev() {
        taken += c.width().unwrap_or(0);
        if taken > max {
            return &text[at + c.len_utf8()..];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unescape(text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("\\u{") {
            out.push_str(&rest[..at]);
            let end = rest[at..].find('}').expect("every escape is closed") + at;
            let code = u32::from_str_radix(&rest[at + 3..end], 16).expect("hexadecimal");
            out.push(char::from_u32(code).expect("a character"));
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        out
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        assert!(matches!(escape("arn:aws:iam::1:role/Admin"), Cow::Borrowed(_)));
        assert_eq!(escape("Zoë – 東京 ✓ C:\\users"), "Zoë – 東京 ✓ C:\\users");
    }

    #[test]
    fn what_drives_a_terminal_becomes_visible() {
        assert_eq!(escape("\x1b[2J\x1b]0;pwn\x07"), "\\u{1b}[2J\\u{1b}]0;pwn\\u{7}");
        assert_eq!(escape("a\nb\tc\rd\x7f\u{9b}e"), "a\\u{a}b\\u{9}c\\u{d}d\\u{7f}\\u{9b}e");
        assert_eq!(escape("user\u{202e}nimda\u{200f}"), "user\\u{202e}nimda\\u{200f}");
        assert_eq!(escape("\\u{1b}"), "\\u{5c}u{1b}");
    }

    #[test]
    fn an_arn_keeps_its_resource() {
        let arn = "arn:aws:sts::123456789012:assumed-role/Admin/alice";
        assert_eq!(elide(arn, 40), "arn:…:assumed-role/Admin/alice");
        assert_eq!(elide(arn, 20), "arn:aws:s…dmin/alice");
        assert_eq!(elide("short", 20), "short");
        assert_eq!(elide("a sentence of words", 10), "a sentenc…");
        assert_eq!(elide("AWSServiceRoleForX/s [service-linked]", 24), "AWSServiceR…vice-linked]");
        assert_eq!(width(&elide("東京東京東京東京", 7)), 7);
    }

    fn hostile() -> impl Strategy<Value = String> {
        let pieces = prop_oneof![
            any::<char>().prop_map(|c| c.to_string()),
            (0_u8..0x20).prop_map(|byte| char::from(byte).to_string()),
            (0x7f_u8..0xa0).prop_map(|byte| char::from(byte).to_string()),
            Just("\\u{".to_owned()),
            Just("\u{202e}".to_owned()),
            Just("\x1b]8;;http://x\x1b\\".to_owned()),
        ];
        proptest::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]
        #[test]
        fn no_forbidden_character_gets_out(text in hostile()) {
            prop_assert!(!escape(&text).chars().any(is_forbidden));
        }

        #[test]
        fn the_escape_can_be_undone(text in hostile()) {
            prop_assert_eq!(unescape(&escape(&text)), text);
        }

        #[test]
        fn an_elided_text_fits(text in hostile(), max in 1_usize..30) {
            let text = escape(&text);
            prop_assert!(width(&elide(&text, max)) <= max);
        }
    }
}
