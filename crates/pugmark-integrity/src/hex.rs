//! Hexadecimal text as digests hold it: lower case, two digits a byte.

/// The bytes that `text` spells in lower case.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    pairs(text, |digit| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    })
}

/// The bytes that `text` spells in either case.
pub(crate) fn decode_any_case(text: &str) -> Option<Vec<u8>> {
    pairs(text, |digit| (digit as char).to_digit(16).map(|value| value as u8))
}

/// A SHA-256 as digests spell it.
pub fn decode_hash(text: &str) -> Option<[u8; 32]> {
    if text.len() == 64 { decode(text)?.try_into().ok() } else { None }
}

fn pairs(text: &str, value: impl Fn(u8) -> Option<u8>) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(value(*high)? << 4 | value(*low)?)).collect()
}

/// `bytes` in lower case.
pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(DIGITS[(byte >> 4) as usize] as char);
        text.push(DIGITS[(byte & 15) as usize] as char);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_went() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&bytes)), Some(bytes.clone()));
        assert_eq!(decode_any_case(&encode(&bytes).to_uppercase()), Some(bytes));
    }

    #[test]
    fn what_is_not_lower_case_hexadecimal_is_none() {
        for text in ["a", "AB", "0g", "é0", " 1"] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode_hash(&"a".repeat(63)), None);
        assert_eq!(decode_hash(&"a".repeat(66)), None);
    }
}
