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
pub(crate) const PADDING: usize = 64;

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
    /// True if the bytes selected by `mask` equal those of `pattern`.
    fn matches(self, block: &[u8; 32], pattern: &[u8; 32], mask: u32) -> bool;
    /// Where `"` and `\` stand.
    fn string_marks(self, block: &[u8; 32]) -> (u32, u32);
    /// Where quotes, backslashes and brackets stand.
    fn structure(self, block: &[u8; 64]) -> Structure;
    /// Bit *i* of the answer is the parity of bits 0..=*i*.
    fn parity(self, bits: u64) -> u64;
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
    #[inline(always)]
    fn matches(self, block: &[u8; 32], pattern: &[u8; 32], mask: u32) -> bool {
        let length = mask.trailing_ones() as usize;
        block[..length] == pattern[..length]
    }

    #[inline(always)]
    fn string_marks(self, block: &[u8; 32]) -> (u32, u32) {
        (marks(block, |byte| byte == b'"') as u32, marks(block, |byte| byte == b'\\') as u32)
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
    text[at..at + N].try_into().expect("a slice of N bytes")
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
    let mut at = start;
    while at < end {
        let (quotes, backslashes) = lanes.string_marks(block(text, at));
        let before_quote = quotes.wrapping_sub(1) & !quotes;
        if backslashes & before_quote != 0 {
            // The first backslash may lie behind earlier blocks; go on byte by byte from it.
            return escaped_string_end(text, at + backslashes.trailing_zeros() as usize, end);
        }
        if quotes != 0 {
            let close = at + quotes.trailing_zeros() as usize;
            return (close < end).then_some(StringEnd { close, escaped: false });
        }
        at += 32;
    }
    None
}

/// The length that a member's string had the last times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LengthGuess {
    length: u8,
    /// Wrong guesses of late; with many the length is not guessed at all.
    misses: u8,
}

/// Wrong guesses after which a length counts as not predictable.
const MISSES_MAX: u8 = 12;

/// [`string_end`] where the string is likely as long as the one before.
///
/// Finding a closing quote takes a chain of instructions that each wait for
/// the one before, and the next member can only be read from there. A right
/// guess is checked beside that chain, not in it: the processor goes on with
/// the next member while the check is under way. Ids, times, accounts and
/// versions nearly always have the length they had.
#[inline(always)]
pub(crate) fn guessed_string_end<L: Lanes>(
    lanes: L,
    text: &[u8],
    start: usize,
    end: usize,
    guess: &mut LengthGuess,
) -> Option<StringEnd> {
    if guess.misses < MISSES_MAX {
        let length = usize::from(guess.length & 63);
        let (mut quotes, mut backslashes) = lanes.string_marks(block(text, start));
        let mut before = 0;
        if length >= 32 {
            before = quotes | backslashes;
            (quotes, backslashes) = lanes.string_marks(block(text, start + 32));
        }
        // Shifted so that the place of the closing quote is the highest bit: only it may be set.
        let shift = 31 - (length as u32 & 31);
        let is_right = before == 0 && quotes << shift == 1 << 31 && backslashes << shift == 0;
        if is_right && start + length < end {
            guess.misses = guess.misses.saturating_sub(1);
            return Some(StringEnd { close: start + length, escaped: false });
        }
        guess.misses += 2;
    }
    let found = string_end(lanes, text, start, end)?;
    guess.length = (found.close - start).min(63) as u8;
    Some(found)
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
        if closes.count_ones() < depth && depth + opens.count_ones() <= depth_left {
            depth = depth + opens.count_ones() - closes.count_ones();
        } else {
            // The container may end, or be too deep, in this block: bracket by bracket.
            let mut brackets = opens | closes;
            while brackets != 0 {
                let bit = brackets & brackets.wrapping_neg();
                if opens & bit != 0 {
                    depth += 1;
                    if depth > depth_left {
                        return Err(NoEnd::Depth);
                    }
                } else {
                    depth -= 1;
                    if depth == 0 {
                        let after = at + bit.trailing_zeros() as usize + 1;
                        return if after <= end { Ok(after) } else { Err(NoEnd::Text) };
                    }
                }
                brackets &= brackets - 1;
            }
        }
        at += 64;
    }
    Err(NoEnd::Text)
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
    fn a_wrong_guess_changes_nothing() {
        for length in [0_usize, 1, 5, 31, 32, 33, 36, 62, 63, 64, 100] {
            let text = format!("{}\" \"", "x".repeat(length));
            let bytes = padded(text.as_bytes());
            let mut guess = LengthGuess::default();
            for other in [0_usize, 7, 31, 32, 36, 63, length] {
                guess.length = other.min(63) as u8;
                guess.misses = 0;
                let found = guessed_string_end(Portable, &bytes, 0, text.len(), &mut guess);
                assert_eq!(found, string_end(Portable, &bytes, 0, text.len()), "{other} for {length}");
            }
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
            }
            let _ = string;
        }
    }
}
