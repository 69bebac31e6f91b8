//! Which techniques of MITRE ATT&CK a set of rules is about.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::{Level, RuleSet, RuleText};

/// What there is for one technique.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Covered {
    /// Such as `T1562.008`.
    pub technique: String,
    /// Titles of rules and correlations, sorted.
    pub rules: Vec<String>,
    /// The worst level among them.
    pub level: Level,
}

impl RuleSet {
    /// Techniques by number, with the rules that report them.
    pub fn coverage(&self) -> Vec<Covered> {
        covered(self.texts().filter(|text| !text.is_silent).map(AsRef::as_ref))
    }

    /// The coverage as a layer that the ATT&CK Navigator opens; the score is the number of rules.
    ///
    /// Source: ATT&CK Navigator, layer file format 4.5.
    pub fn navigator_layer(&self, name: &str) -> Value {
        layer(name, &self.coverage())
    }
}

fn covered<'a>(texts: impl Iterator<Item = &'a RuleText>) -> Vec<Covered> {
    let mut by_technique: BTreeMap<String, Covered> = BTreeMap::new();
    for text in texts {
        for technique in text.techniques() {
            let entry = by_technique.entry(technique.clone()).or_insert_with(|| Covered {
                technique,
                rules: Vec::new(),
                level: text.level,
            });
            entry.rules.push(text.title.clone());
            entry.level = entry.level.max(text.level);
        }
    }
    let mut all: Vec<Covered> = by_technique.into_values().collect();
    for entry in &mut all {
        entry.rules.sort();
        entry.rules.dedup();
    }
    all
}

fn layer(name: &str, coverage: &[Covered]) -> Value {
    let technique = |entry: &Covered| {
        json!({
            "techniqueID": entry.technique,
            "score": entry.rules.len(),
            "comment": entry.rules.join("\n"),
            "enabled": true,
            "metadata": [{"name": "worst level", "value": entry.level.name()}],
        })
    };
    let most = coverage.iter().map(|entry| entry.rules.len()).max().unwrap_or(0).max(1);
    json!({
        "name": name,
        "versions": {"layer": "4.5"},
        "domain": "enterprise-attack",
        "description": "number of rules per technique",
        "sorting": 0,
        "layout": {"layout": "side", "showName": true, "showID": true},
        "techniques": coverage.iter().map(technique).collect::<Vec<_>>(),
        "gradient": {"colors": ["#e8f1fa", "#1f5fa8"], "minValue": 0, "maxValue": most},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LoadOptions, RuleFile};

    const RULES: &str = "title: b\nid: b\nlevel: low\ntags: [attack.t1098.001, attack.persistence, attack.t1136]\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  a: {eventName: X}\n  condition: a\n---\ntitle: a\nid: a\nlevel: high\ntags: [attack.T1136]\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  a: {eventName: Y}\n  condition: a\n";

    #[test]
    fn techniques_come_by_number_with_their_rules_and_the_worst_level() {
        let (rules, _) = RuleSet::load(&[RuleFile { name: "f", text: RULES }], &LoadOptions::default());
        let coverage = rules.coverage();
        let names: Vec<&str> = coverage.iter().map(|entry| entry.technique.as_str()).collect();
        assert_eq!(names, ["T1098.001", "T1136"]);
        assert_eq!(
            (coverage[1].rules.as_slice(), coverage[1].level),
            (&["a".to_owned(), "b".to_owned()][..], Level::High)
        );
    }

    #[test]
    fn a_layer_has_a_score_per_technique() {
        let (rules, _) = RuleSet::load(&[RuleFile { name: "f", text: RULES }], &LoadOptions::default());
        let layer = rules.navigator_layer("ours");
        assert_eq!(layer["versions"]["layer"], "4.5");
        assert_eq!(layer["techniques"][1]["techniqueID"], "T1136");
        assert_eq!(layer["techniques"][1]["score"], 2);
        assert_eq!(layer["gradient"]["maxValue"], 2);
    }
}
