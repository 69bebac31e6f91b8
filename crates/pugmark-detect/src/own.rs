//! The rules that come with the product: `rules/` of its sources.

use crate::RuleFile;

const FILES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// Every file of the product's own rules, by name.
pub fn own_rules() -> Vec<RuleFile<'static>> {
    FILES.iter().map(|(name, text)| RuleFile { name, text }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Level, LoadOptions, RuleSet, run_tests};

    #[test]
    fn every_rule_of_our_own_loads_and_none_is_tried_on_every_event() {
        let (rules, report) = RuleSet::load(&own_rules(), &LoadOptions::default());
        assert_eq!(
            (report.broken.as_slice(), &report.skipped),
            (&[][..], &std::collections::BTreeMap::new())
        );
        let costly: Vec<&str> = rules.tried_on_every_event().map(|text| text.title.as_str()).collect();
        assert_eq!(costly, Vec::<&str>::new());
        let is_told = |folder: &str| {
            rules
                .texts()
                .filter(|text| !text.is_silent && text.file.starts_with(&format!("rules/{folder}/")))
                .count()
        };
        assert!(is_told("aws") >= 120 && is_told("eks") >= 25 && is_told("correlations") >= 15);
    }

    #[test]
    fn every_rule_of_our_own_passes_its_tests_and_has_some() {
        let report = run_tests(&own_rules(), &LoadOptions::default());
        let failures: Vec<_> = report.failures().collect();
        assert!(failures.is_empty(), "{failures:#?}");
        assert!(report.outcomes.len() > 900, "{}", report.outcomes.len());
        assert_eq!(report.untested, Vec::<String>::new());
    }

    #[test]
    fn every_rule_of_our_own_says_what_it_is_and_when_it_errs() {
        let (rules, _) = RuleSet::load(&own_rules(), &LoadOptions::default());
        for text in rules.texts().filter(|text| !text.is_silent) {
            assert!(!text.description.is_empty(), "{}: no description", text.file);
            assert!(!text.references.is_empty(), "{}: no reference", text.file);
            assert!(text.techniques().next().is_some(), "{}: no technique", text.file);
            let may_err = !text.falsepositives.is_empty() || text.level == Level::Critical;
            assert!(may_err, "{}: no false positives", text.file);
        }
    }
}
