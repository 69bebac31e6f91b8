//! Finding the ends of things in JSON text.
//!
//! Three questions are asked millions of times: does this key stand here, where
//! does this string end, where does this container end. [`Lanes`] answers them
//! on blocks of bytes; [`Avx2`](simd::Avx2) does it with vector instructions
//! where the processor has them, [`Portable`] on every other machine, and both
//! give the same answers.
//!
//! Text handed to this module is followed by [`PADDING`] bytes of zeros, so
//! that a block can be read at any position up to its end.

#[cfg(target_arch = "x86_64")]
pub(crate) mod simd;

/// Zero bytes after the end of the text.
pub(crate) const PADDING: usize = 128;

/// What stands where in 64 bytes: bit *i* speaks of byte *i*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Structure {
    pub(crate) quotes: u64,
    pub(crate) backslashes: u64,
    pub(crate) opens: u64,
    pub(crate) closes: u64,
}

/// Block operations.
pub(crate) trait Lanes: Copy {
    /// Does `work`, compiled with the instructions of these lanes as a function of its own.
    fn compiled<W: Work>(self, work: W) -> W::Done;
    /// True if the bytes selected by `mask` equal those of `pattern`.
    fn matches(self, block: &[u8; 32], pattern: &[u8; 32], mask: u32) -> bool;
    /// Where `"` or `\` stands: the places where a string ends or is more than its bytes.
    fn marks(self, block: &[u8; 32]) -> u32;
    /// Where quotes, backslashes and brackets stand.
    fn structure(self, block: &[u8; 64]) -> Structure;
    /// Bit *i* of the answer is the parity of bits 0..=*i*.
    fn parity(self, bits: u64) -> u64;
}

/// Something to do with block operations.
pub(crate) trait Work {
    /// What comes of it.
    type Done;
    /// Does it; always inlined, so that it is compiled for `lanes`.
    fn on<L: Lanes>(self, lanes: L) -> Self::Done;
}

/// Block operations on 64-bit words, for any machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

/// One bit per byte of `block` that satisfies `test`.
#[inline(always)]
fn marks<const N: usize>(block: &[u8; N], test: impl Fn(u8) -> bool) -> u64 {
    let mut bits = 0;
    for (index, byte) in block.iter().enumerate() {
        bits |= u64::from(test(*byte)) << index;
    }
    bits
}

impl Lanes for Portable {
    #[inline(never)]
    fn compiled<W: Work>(self, work: W) -> W::Done {
        work.on(self)
    }

    #[inline(always)]
    fn matches(self, block: &[u8; 32], pattern: &[u8; 32], mask: u32) -> bool {
        let length = mask.trailing_ones() as usize;
        block[..length] == pattern[..length]
    }

    #[inline(always)]
    fn marks(self, block: &[u8; 32]) -> u32 {
        marks(block, |byte| byte == b'"' || byte == b'\\') as u32
    }

    #[inline(always)]
    fn structure(self, block: &[u8; 64]) -> Structure {
        Structure {
            quotes: marks(block, |byte| byte == b'"'),
            backslashes: marks(block, |byte| byte == b'\\'),
            opens: marks(block, |byte| byte == b'{' || byte == b'['),
            closes: marks(block, |byte| byte == b'}' || byte == b']'),
        }
    }

    #[inline(always)]
    fn parity(self, bits: u64) -> u64 {
        let mut parity = bits;
        for shift in [1, 2, 4, 8, 16, 32] {
            parity ^= parity << shift;
        }
        parity
    }
}

/// The block of `N` bytes at `at`. Padding makes sure that it is there for every `at` up to the end of the text.
#[inline(always)]
pub(crate) fn block<const N: usize>(text: &[u8], at: usize) -> &[u8; N] {
    text[at..].first_chunk().expect("text is followed by padding")
}

/// Where a string ends and whether it holds a backslash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StringEnd {
    /// Position of the closing quote.
    pub(crate) close: usize,
    pub(crate) escaped: bool,
}

/// Finds the end of the string whose first byte (after the quote) is at `start`.
#[inline(always)]
pub(crate) fn string_end<L: Lanes>(lanes: L, text: &[u8], start: usize, end: usize) -> Option<StringEnd> {
    let mark = string_mark(lanes, text, start, end)?;
    if text[mark] == b'"' {
        return Some(StringEnd { close: mark, escaped: false });
    }
    escaped_string_end(text, mark, end)
}

/// The first quote or backslash at or after `start`. Behind `end` there are only zeros.
#[inline(always)]
fn string_mark<L: Lanes>(lanes: L, text: &[u8], start: usize, end: usize) -> Option<usize> {
    let mut at = start;
    while at < end {
        let marks = lanes.marks(block(text, at));
        if marks != 0 {
            return Some(at + marks.trailing_zeros() as usize);
        }
        at += 32;
    }
    None
}

/// Finds the end of such a string if it has no escapes.
#[inline(always)]
pub(crate) fn plain_string_end<L: Lanes>(lanes: L, text: &[u8], start: usize, end: usize) -> Option<usize> {
    string_mark(lanes, text, start, end).filter(|mark| text[*mark] == b'"')
}

/// The length of a string that no guess can have.
pub(crate) const GUESS_MAX: usize = 64;

/// True if the string that begins with `text` has exactly `guess` bytes and no escapes.
///
/// Finding a closing quote takes a chain of instructions that each wait for
/// the one before, and the next member can only be read from there. A right
/// guess is checked beside that chain, not in it: the processor goes on with
/// the next member while the check is under way. Ids, times, accounts and
/// versions nearly always have the length they had; where lengths never
/// repeat, the processor learns that, too.
#[inline(always)]
pub(crate) fn is_string_of<L: Lanes>(lanes: L, text: &[u8; GUESS_MAX], guess: usize) -> bool {
    let halves: &[[u8; 32]] = text.as_chunks().0;
    // Shifted so that the place of the closing quote is the highest bit: only it may be set.
    let is_first_mark = if guess < 32 {
        lanes.marks(&halves[0]) << (31 - guess) == 1 << 31
    } else {
        lanes.marks(&halves[0]) == 0 && lanes.marks(&halves[1]) << (63 - guess) == 1 << 31
    };
    is_first_mark && text[guess] == b'"'
}

/// Goes on from a backslash.
#[cold]
fn escaped_string_end(text: &[u8], backslash: usize, end: usize) -> Option<StringEnd> {
    let mut at = backslash;
    while at < end {
        match text[at] {
            b'\\' => at += 2,
            b'"' => return Some(StringEnd { close: at, escaped: true }),
            _ => at += memchr::memchr2(b'"', b'\\', &text[at..end])?,
        }
    }
    None
}

/// Why a container has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoEnd {
    /// The text ends first.
    Text,
    /// It is nested deeper than allowed.
    Depth,
}

/// Position after the bracket that closes the container opened at `open`.
///
/// `depth` levels are open around it; brackets inside strings do not count and
/// the two kinds of brackets are not told apart.
#[inline(always)]
pub(crate) fn container_end<L: Lanes>(
    lanes: L,
    text: &[u8],
    open: usize,
    end: usize,
    depth_left: u32,
) -> Result<usize, NoEnd> {
    let mut at = open;
    let mut depth: u32 = 0;
    let mut in_string: u64 = 0;
    let mut escape_next: u64 = 0;
    while at < end {
        let marks = lanes.structure(block(text, at));
        let escaped = if marks.backslashes | escape_next == 0 {
            0
        } else {
            escaped_bytes(marks.backslashes, &mut escape_next)
        };
        let quotes = marks.quotes & !escaped;
        let inside = lanes.parity(quotes) ^ in_string;
        in_string = ((inside as i64) >> 63) as u64;
        let (opens, closes) = (marks.opens & !inside, marks.closes & !inside);
        let (up, down) = (opens.count_ones(), closes.count_ones());
        if depth + up > depth_left && is_too_deep(opens, closes, depth, depth_left) {
            return Err(NoEnd::Depth);
        }
        if down >= depth
            && let Some(place) = last_close(opens, closes, depth)
        {
            let after = at + place + 1;
            return if after <= end { Ok(after) } else { Err(NoEnd::Text) };
        }
        depth = depth + up - down;
        at += 64;
    }
    Err(NoEnd::Text)
}

/// The place of the bracket that brings `depth` to zero, if it is in this block.
#[inline(always)]
fn last_close(opens: u64, mut closes: u64, depth: u32) -> Option<usize> {
    let mut down = 0;
    while closes != 0 {
        let before = (closes & closes.wrapping_neg()) - 1;
        down += 1;
        if depth + (opens & before).count_ones() == down {
            return Some(before.count_ones() as usize);
        }
        closes &= closes - 1;
    }
    None
}

/// True if `depth` exceeds its bound in this block before the container ends.
#[cold]
fn is_too_deep(opens: u64, closes: u64, mut depth: u32, depth_left: u32) -> bool {
    let mut brackets = opens | closes;
    while brackets != 0 {
        let bit = brackets & brackets.wrapping_neg();
        if opens & bit != 0 {
            depth += 1;
        } else {
            depth -= 1;
        }
        if depth == 0 || depth > depth_left {
            return depth != 0;
        }
        brackets &= brackets - 1;
    }
    false
}

/// The bytes that a backslash escapes. `carry` is 1 if the block's first byte
/// is escaped by the block before, and is updated for the block after.
///
/// Method: Langdale and Lemire, "Parsing Gigabytes of JSON per Second" (2019), §3.1.1,
/// in the form that subtracts instead of adding twice.
#[inline(always)]
fn escaped_bytes(backslashes: u64, carry: &mut u64) -> u64 {
    const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;
    let starts = backslashes & !*carry;
    let maybe_escaped = starts << 1;
    let even_series = (maybe_escaped | ODD).wrapping_sub(starts);
    let codes = even_series ^ ODD;
    let escaped = codes ^ (backslashes | *carry);
    *carry = (codes & backslashes) >> 63;
    escaped
}

/// First position at or after `at` that is not JSON white space.
#[inline(always)]
pub(crate) fn skip_space(text: &[u8], mut at: usize) -> usize {
    while matches!(text[at], b' ' | b'\t' | b'\n' | b'\r') {
        at += 1;
    }
    at
}

/// End of the number or literal that starts at `at`.
#[inline(always)]
pub(crate) fn scalar_end(text: &[u8], mut at: usize) -> usize {
    while !matches!(
        text[at],
        b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'{' | b'[' | b':' | 0
    ) {
        at += 1;
    }
    at
}

/// True for a JSON number, `true`, `false` or `null` (RFC 8259 §3, §6).
pub(crate) fn is_scalar(text: &[u8]) -> bool {
    matches!(text, b"true" | b"false" | b"null") || is_number(text)
}

fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    let mut rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    if let Some((b'e' | b'E', exponent)) = rest.split_first() {
        let exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let length = digits(exponent);
        return length > 0 && length == exponent.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn padded(text: &[u8]) -> Vec<u8> {
        let mut padded = text.to_vec();
        padded.extend_from_slice(&[0; PADDING]);
        padded
    }

    #[test]
    fn a_string_ends_at_its_unescaped_quote() {
        let check = |text: &str, close: usize, escaped: bool| {
            let bytes = padded(text.as_bytes());
            let found = string_end(Portable, &bytes, 0, text.len());
            assert_eq!(found, Some(StringEnd { close, escaped }), "{text}");
        };
        check(r#"abc" "#, 3, false);
        check(r#"a\"b" "#, 4, true);
        check(r#"a\\" "#, 3, true);
        check(r#"abc" \" "#, 3, false);
        let long = format!("{}\\\"{}\"", "x".repeat(70), "y".repeat(70));
        check(&long, long.len() - 1, true);
        assert_eq!(string_end(Portable, &padded(b"abc"), 0, 3), None);
        assert_eq!(string_end(Portable, &padded(br"abc\"), 0, 4), None);
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        let check = |text: &str, expected: Result<usize, NoEnd>| {
            let found = container_end(Portable, &padded(text.as_bytes()), 0, text.len(), 4);
            assert_eq!(found, expected, "{text}");
        };
        check("{}", Ok(2));
        check(r#"{"a":"}\"}","b":[1,{"c":2}]} }"#, Ok(28));
        check(r#"{"a":"\\"}"#, Ok(10));
        check("[[[[]]]]", Ok(8));
        check("[[[[[]]]]]", Err(NoEnd::Depth));
        check(r#"{"a":"#, Err(NoEnd::Text));
        check(&format!("{{\"a\":\"{}\"}}", r"\\\\".repeat(40)), Ok(168));
    }

    #[test]
    fn numbers_are_those_of_the_rfc() {
        for text in ["0", "-0", "12", "1.5", "1e9", "1E+10", "-2.5e-3", "true", "null"] {
            assert!(is_scalar(text.as_bytes()), "{text}");
        }
        for text in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "nul", "NaN", "0x1", "1 "] {
            assert!(!is_scalar(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn only_the_right_guess_holds() {
        for length in [0_usize, 1, 5, 31, 32, 33, 36, 62, 63, 64, 100] {
            let bytes = padded(format!("{}\" \"", "x".repeat(length)).as_bytes());
            for guess in 0..GUESS_MAX {
                assert_eq!(is_string_of(Portable, block(&bytes, 0), guess), guess == length, "{length}");
            }
        }
    }

    #[test]
    fn a_string_with_escapes_is_not_plain() {
        for text in [r#"a\"bc" "#, r#"a\\" "#, r"abc\", "abc", ""] {
            let bytes = padded(text.as_bytes());
            assert_eq!(plain_string_end(Portable, &bytes, 0, text.len()), None, "{text}");
            assert!((0..GUESS_MAX).all(|guess| !is_string_of(Portable, block(&bytes, 0), guess)), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn vector_and_portable_lanes_agree(bytes in proptest::collection::vec(
            proptest::sample::select(b"\"\\{}[]:,ab \n\xc3\x00".to_vec()), 0..400)) {
            let text = padded(&bytes);
            let string = string_end(Portable, &text, 0, bytes.len());
            #[cfg(target_arch = "x86_64")]
            if let Some(lanes) = simd::Avx2::detect() {
                if bytes.first().is_some_and(|byte| matches!(byte, b'{' | b'[')) {
                    let portable = container_end(Portable, &text, 0, bytes.len(), 8);
                    proptest::prop_assert_eq!(container_end(lanes, &text, 0, bytes.len(), 8), portable);
                }
                proptest::prop_assert_eq!(string_end(lanes, &text, 0, bytes.len()), string);
                for guess in 0..GUESS_MAX {
                    let portable = is_string_of(Portable, block(&text, 0), guess);
                    proptest::prop_assert_eq!(is_string_of(lanes, block(&text, 0), guess), portable);
                }
            }
            let _ = string;
        }
    }
}
