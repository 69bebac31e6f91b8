//! What a rule says of itself.

use rsigma_parser::{CorrelationRule, SigmaRule};
use serde::Serialize;

use crate::Level;

/// The words of a rule or correlation; its logic is compiled.
#[derive(Clone, Debug, Serialize)]
pub struct RuleText {
    /// `id`; a rule without one gets one made of its text. A finding has an `id` of its own beside it.
    #[serde(rename = "rule_id")]
    pub id: String,
    /// `name`, by which correlations may call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `title`.
    pub title: String,
    /// `level`.
    pub level: Level,
    /// `description`.
    pub description: String,
    /// `tags`, such as `attack.t1078`.
    pub tags: Vec<String>,
    /// `falsepositives`.
    pub falsepositives: Vec<String>,
    /// `references`.
    pub references: Vec<String>,
    /// `author`.
    pub author: String,
    /// The file it stands in.
    pub file: String,
    /// Line of that file where its document begins, from 1.
    pub line: usize,
    /// True for a correlation.
    pub is_correlation: bool,
    /// True if matches are of use to correlations only.
    pub is_silent: bool,
}

/// What a rule and a correlation say alike, in members of the same names.
macro_rules! words {
    ($rule:expr, $id:expr, $place:expr, $is_correlation:expr) => {
        RuleText {
            id: $id,
            name: $rule.name.clone(),
            title: $rule.title.clone(),
            level: Level::of($rule.level),
            description: $rule.description.clone().unwrap_or_default(),
            tags: $rule.tags.clone(),
            falsepositives: $rule.falsepositives.clone(),
            references: $rule.references.clone(),
            author: $rule.author.clone().unwrap_or_default(),
            file: $place.0.to_owned(),
            line: $place.1,
            is_correlation: $is_correlation,
            is_silent: false,
        }
    };
}

impl RuleText {
    pub(crate) fn of_rule(rule: &SigmaRule, id: String, place: (&str, usize)) -> RuleText {
        words!(rule, id, place, false)
    }

    pub(crate) fn of_correlation(rule: &CorrelationRule, id: String, place: (&str, usize)) -> RuleText {
        words!(rule, id, place, true)
    }

    /// ATT&CK techniques, such as `T1562.008`, in the order of the tags.
    pub fn techniques(&self) -> impl Iterator<Item = String> {
        self.tags.iter().filter_map(|tag| {
            let technique = tag.strip_prefix("attack.")?;
            let is_technique =
                technique.starts_with(['t', 'T']) && technique[1..].starts_with(|c: char| c.is_ascii_digit());
            is_technique.then(|| technique.to_uppercase())
        })
    }

    /// ATT&CK tactics, such as `defense-evasion`, in the order of the tags.
    pub fn tactics(&self) -> impl Iterator<Item = String> {
        self.tags.iter().filter_map(|tag| {
            let tactic = tag.strip_prefix("attack.")?.replace('_', "-");
            let is_tactic = tactic.len() > 1 && !tactic[1..].starts_with(|c: char| c.is_ascii_digit());
            is_tactic.then_some(tactic)
        })
    }
}
