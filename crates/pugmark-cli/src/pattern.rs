//! Text patterns: `*` stands for anything; a pattern without capitals does
//! not care about case.

/// A pattern for a whole text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// The parts between the stars.
    parts: Vec<String>,
    cares_about_case: bool,
}

impl Pattern {
    /// A pattern in which `*` stands for anything.
    pub(crate) fn new(text: &str) -> Pattern {
        let cares_about_case = text.chars().any(char::is_uppercase);
        let parts = text.split('*').map(str::to_owned).collect();
        Pattern { parts, cares_about_case }
    }

    /// A pattern for a part of a text.
    pub(crate) fn part(text: &str) -> Pattern {
        Pattern::new(&format!("*{text}*"))
    }

    /// True if all of `text` fits.
    pub(crate) fn matches(&self, text: &str) -> bool {
        if self.cares_about_case {
            return fits(&self.parts, text);
        }
        fits(&self.parts, &text.to_lowercase())
    }

    /// A literal that stands in every text that fits, byte for byte.
    pub(crate) fn needle(&self) -> Option<Vec<u8>> {
        let longest = self.parts.iter().max_by_key(|part| part.len())?;
        let is_exact = self.cares_about_case || !longest.chars().any(char::is_alphabetic);
        (is_exact && longest.len() >= 3).then(|| longest.clone().into_bytes())
    }

    /// The text itself, if it has no star.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }
}

fn fits(parts: &[String], text: &str) -> bool {
    let (Some((first, rest)), Some(mut text)) = (parts.split_first(), text.strip_prefix(parts[0].as_str()))
    else {
        return false;
    };
    let Some((last, middle)) = rest.split_last() else {
        return text.is_empty() && !first.is_empty() || first.is_empty() && text.is_empty();
    };
    for part in middle {
        match text.find(part.as_str()) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, expected) in [
            ("DeleteTrail", "DeleteTrail", true),
            ("DeleteTrail", "DeleteTrails", false),
            ("Delete*", "DeleteTrail", true),
            ("*Trail", "DeleteTrail", true),
            ("*let*ra*", "DeleteTrail", true),
            ("D*T*l", "DeleteTrail", true),
            ("a*a", "a", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("deletetrail", "DeleteTrail", true),
            ("Deletetrail", "DeleteTrail", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} on {text}");
        }
        assert!(Pattern::part("lice").matches("arn:aws:iam::1:user/Alice"));
    }

    #[test]
    fn a_needle_stands_in_every_match() {
        assert_eq!(Pattern::new("Delete*").needle(), Some(b"Delete".to_vec()));
        assert_eq!(Pattern::new("delete*").needle(), None);
        assert_eq!(Pattern::new("123456789012").needle(), Some(b"123456789012".to_vec()));
        assert_eq!(Pattern::new("A*").needle(), None);
    }
}
