//! How bad a finding is.

use serde::Serialize;

/// Sigma's levels, from least to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing.
    Informational,
    /// Seldom an incident.
    Low,
    /// Sometimes an incident.
    Medium,
    /// Often an incident: look at it soon.
    High,
    /// Look at it now.
    Critical,
}

impl Level {
    /// All, from least to worst.
    pub const ALL: [Level; 5] =
        [Level::Informational, Level::Low, Level::Medium, Level::High, Level::Critical];

    /// As rules spell it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Informational => "informational",
            Level::Low => "low",
            Level::Medium => "medium",
            Level::High => "high",
            Level::Critical => "critical",
        }
    }

    /// One letter, for where colour alone must not tell.
    pub fn letter(self) -> char {
        match self {
            Level::Informational => 'i',
            Level::Low => 'L',
            Level::Medium => 'M',
            Level::High => 'H',
            Level::Critical => 'C',
        }
    }

    /// The level called `name`, whatever its case; its first letter or `info` will do.
    pub fn named(name: &str) -> Option<Level> {
        let name = name.to_ascii_lowercase();
        if name == "info" {
            return Some(Level::Informational);
        }
        let fits =
            |level: &&Level| level.name() == name || (name.len() == 1 && level.name().starts_with(&name));
        Level::ALL.iter().find(fits).copied()
    }

    /// What a rule says; a rule that says nothing is taken for `low`.
    pub(crate) fn of(level: Option<rsigma_parser::Level>) -> Level {
        match level {
            Some(rsigma_parser::Level::Informational) => Level::Informational,
            Some(rsigma_parser::Level::Low) | None => Level::Low,
            Some(rsigma_parser::Level::Medium) => Level::Medium,
            Some(rsigma_parser::Level::High) => Level::High,
            Some(rsigma_parser::Level::Critical) => Level::Critical,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_found_by_name_or_letter() {
        assert_eq!(Level::named("HIGH"), Some(Level::High));
        assert_eq!(Level::named("c"), Some(Level::Critical));
        assert_eq!(Level::named("info"), Some(Level::Informational));
        assert_eq!(Level::named("hi"), None);
    }
}
