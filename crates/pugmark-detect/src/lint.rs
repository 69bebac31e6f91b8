//! What is wrong or missing in rules, found without any event: names that
//! `CloudTrail` never writes, conditions that contradict themselves, words that
//! a reader of a finding will miss.
//!
//! It does not say what a rule finds; tests do ([`crate::run_tests`]).

use std::collections::BTreeSet;

use rsigma_parser::{Detection, DetectionItem, Modifier, SigmaRule, SigmaValue, parse_sigma_yaml};
use serde::Serialize;

use crate::gates::{GATES, Tree};
use crate::load::{documents, is_for_cloudtrail};
use crate::{Broken, Catalog, Known, LoadOptions, RuleFile, RuleSet, RuleText};

/// How bad a remark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Gravity {
    /// The rule does not do what it says.
    Error,
    /// It works, but costs more or says less than it should.
    Warning,
}

/// One thing to change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Remark {
    /// The file.
    pub file: String,
    /// Line where the document begins, from 1.
    pub line: usize,
    /// How bad it is.
    pub gravity: Gravity,
    /// Title of the rule; empty if it could not be read.
    pub title: String,
    /// What is wrong, in a sentence.
    pub text: String,
}

/// Looks at every rule for `CloudTrail` in `files`; remarks come by file and line.
pub fn lint(files: &[RuleFile<'_>], catalog: &Catalog, options: &LoadOptions) -> Vec<Remark> {
    let (rules, report) = RuleSet::load(files, options);
    let mut remarks: Vec<Remark> = report.broken.into_iter().map(broken).collect();
    rules.texts().for_each(|text| words(text, &mut remarks));
    for text in rules.tried_on_every_event() {
        let reason = "it is tried on every event, since no recurring member decides about it".to_owned();
        remarks.push(remark(text, Gravity::Warning, reason));
    }
    for text in rules.texts().filter(|text| !text.is_correlation) {
        let Some(file) = files.iter().find(|file| file.name == text.file) else { continue };
        let document = documents(file.text).into_iter().find(|(line, _)| *line == text.line);
        let Some(Ok(parsed)) = document.map(|(_, document)| parse_sigma_yaml(document)) else { continue };
        let is_this = |rule: &&SigmaRule| rule.title == text.title && is_for_cloudtrail(&rule.logsource);
        for rule in parsed.rules.iter().filter(is_this) {
            let logic = logic(rule, catalog);
            remarks.extend(logic.into_iter().map(|reason| remark(text, Gravity::Error, reason)));
        }
    }
    remarks.sort();
    remarks.dedup();
    remarks
}

fn broken(broken: Broken) -> Remark {
    let Broken { file, line, reason } = broken;
    Remark { file, line, gravity: Gravity::Error, title: String::new(), text: reason }
}

fn remark(text: &RuleText, gravity: Gravity, reason: String) -> Remark {
    Remark { file: text.file.clone(), line: text.line, gravity, title: text.title.clone(), text: reason }
}

/// What a reader of a finding will miss. Rules that only feed correlations are not read.
fn words(text: &RuleText, remarks: &mut Vec<Remark>) {
    if text.is_silent {
        return;
    }
    let missing = [
        (text.id.starts_with("text-"), "it has no `id`, so its findings change their ids with its text"),
        (text.description.is_empty(), "it has no `description`"),
        (text.references.is_empty(), "it has no `references`"),
        (text.techniques().next().is_none(), "it names no ATT&CK technique among its `tags`"),
        (text.falsepositives.is_empty(), "it has no `falsepositives`"),
    ];
    for (_, reason) in missing.into_iter().filter(|(is_missing, _)| *is_missing) {
        remarks.push(remark(text, Gravity::Warning, reason.to_owned()));
    }
}

/// What cannot be as the condition wants it.
fn logic(rule: &SigmaRule, catalog: &Catalog) -> BTreeSet<String> {
    let tree = Tree::of(rule);
    let mut reasons = BTreeSet::new();
    for (gate, (_, member)) in GATES.iter().enumerate() {
        if tree.exact(gate).is_some_and(|values| values.is_empty()) {
            reasons.insert(format!("it can never match: no value of `{member}` satisfies all of it"));
        }
    }
    let sources = tree.exact(0).unwrap_or_default();
    for detection in rule.detection.named.values() {
        names(detection, &sources, catalog, &mut reasons);
    }
    reasons
}

/// Checks the sources and names of each map of conditions.
fn names(detection: &Detection, outer: &BTreeSet<String>, catalog: &Catalog, reasons: &mut BTreeSet<String>) {
    match detection {
        Detection::AllOf(items) => map(items, outer, catalog, reasons),
        Detection::AnyOf(parts) | Detection::And(parts) => {
            for part in parts {
                names(part, outer, catalog, reasons);
            }
        }
        Detection::Conditional { named, .. } => {
            for part in named.values() {
                names(part, outer, catalog, reasons);
            }
        }
        Detection::Keywords(_) | Detection::ArrayMatch { .. } => {}
    }
}

fn map(items: &[DetectionItem], outer: &BTreeSet<String>, catalog: &Catalog, reasons: &mut BTreeSet<String>) {
    let texts = |member: &str| -> Vec<String> {
        let fits = |item: &&DetectionItem| item.field.name.as_deref() == Some(member);
        items.iter().filter(fits).flat_map(asked).collect()
    };
    let named = texts("eventSource");
    let mut sources: Vec<&str> =
        named.iter().map(String::as_str).filter(|source| !source.contains('*')).collect();
    for source in &sources {
        if catalog.names(source).next().is_none() {
            let hint =
                catalog.nearest_source(source).map_or(String::new(), |near| format!("; is it `{near}`?"));
            reasons.insert(format!("no event has the source `{source}`{hint}"));
        }
    }
    let is_open = named.len() > sources.len();
    if named.is_empty() {
        sources.extend(outer.iter().map(String::as_str));
    }
    let sources: Vec<&str> =
        sources.into_iter().filter(|source| catalog.names(source).next().is_some()).collect();
    // A pattern of sources, or one that nobody knows, leaves names open.
    if is_open || (sources.is_empty() && !named.is_empty()) {
        return;
    }
    for name in texts("eventName") {
        if !is_known(&name, &sources, catalog) {
            let of =
                if sources.is_empty() { String::new() } else { format!(" of `{}`", sources.join("`, `")) };
            let near = sources.iter().find_map(|source| catalog.nearest_name(source, &name));
            let hint = near.map_or(String::new(), |near| format!("; is it `{near}`?"));
            reasons.insert(format!("`{name}` is no event{of}{hint}"));
        }
    }
}

/// The texts that an item asks for, patterns with `*`; none if it asks in another way.
fn asked(item: &DetectionItem) -> Vec<String> {
    let (mut before, mut after) = ("", "");
    for modifier in &item.field.modifiers {
        match modifier {
            Modifier::Contains => (before, after) = ("*", "*"),
            Modifier::StartsWith => after = "*",
            Modifier::EndsWith => before = "*",
            Modifier::Cased | Modifier::All => {}
            _ => return Vec::new(),
        }
    }
    let text = |value: &SigmaValue| match value {
        SigmaValue::String(text) if !text.original.contains(['?', '\\']) => {
            Some(format!("{before}{}{after}", text.original))
        }
        _ => None,
    };
    item.values.iter().filter_map(text).collect()
}

fn is_known(name: &str, sources: &[&str], catalog: &Catalog) -> bool {
    if !name.contains('*') {
        return match sources {
            [] => catalog.knows_name(name),
            sources => sources.iter().any(|source| catalog.knows(source, name) == Known::Yes),
        };
    }
    let parts: Vec<String> = name.to_ascii_lowercase().split('*').map(str::to_owned).collect();
    let fits = |known: &str| is_like(&known.to_ascii_lowercase(), &parts);
    match sources {
        [] => catalog.sources().any(|source| catalog.names(source).any(fits)),
        sources => sources.iter().any(|source| catalog.names(source).any(fits)),
    }
}

/// Whether a text is its parts in order, with anything between them.
fn is_like(text: &str, parts: &[String]) -> bool {
    let [first, middle @ .., last] = parts else { return parts.iter().any(|part| part == text) };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for part in middle {
        let Some(at) = rest.find(part.as_str()) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(detection: &str) -> Vec<String> {
        let text =
            format!("title: t\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n{detection}");
        let remarks =
            lint(&[RuleFile { name: "f.yml", text: &text }], Catalog::builtin(), &LoadOptions::default());
        remarks
            .into_iter()
            .filter(|remark| remark.gravity == Gravity::Error)
            .map(|remark| remark.text)
            .collect()
    }

    #[test]
    fn an_event_that_never_comes_is_an_error_with_the_likely_one() {
        let found =
            errors("  a: {eventSource: cloudtrail.amazonaws.com, eventName: StopLoging}\n  condition: a\n");
        assert_eq!(found, ["`StopLoging` is no event of `cloudtrail.amazonaws.com`; is it `StopLogging`?"]);
    }

    #[test]
    fn a_name_is_looked_up_in_the_source_of_another_part() {
        let parts =
            "  a: {eventSource: eks.amazonaws.com}\n  b: {eventName: RunInstances}\n  condition: a and b\n";
        assert_eq!(errors(parts).len(), 1);
        let either = "  a: {eventSource: [eks.amazonaws.com, ec2.amazonaws.com], eventName: RunInstances}\n  condition: a\n";
        assert_eq!(errors(either), Vec::<String>::new());
    }

    #[test]
    fn a_source_that_nobody_has_is_an_error() {
        let found =
            errors("  a: {eventSource: cloudtrial.amazonaws.com, eventName: StopLogging}\n  condition: a\n");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("no event has the source `cloudtrial.amazonaws.com`"));
    }

    #[test]
    fn a_pattern_of_names_must_fit_one() {
        let with = |name: &str| {
            errors(&format!(
                "  a: {{eventSource: lambda.amazonaws.com, eventName: '{name}'}}\n  condition: a\n"
            ))
        };
        assert_eq!(with("UpdateFunctionCode*"), Vec::<String>::new());
        assert_eq!(with("*Function*"), Vec::<String>::new());
        assert_eq!(with("UpdateFunktion*").len(), 1);
    }

    #[test]
    fn a_contradiction_is_an_error() {
        let found =
            errors("  a: {eventName: StopLogging}\n  b: {eventName: DeleteTrail}\n  condition: a and b\n");
        assert_eq!(found, ["it can never match: no value of `eventName` satisfies all of it"]);
    }

    #[test]
    fn what_a_reader_will_miss_is_a_warning() {
        let text = "title: t\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  a: {eventName: StopLogging}\n  condition: a\n";
        let remarks = lint(&[RuleFile { name: "f.yml", text }], Catalog::builtin(), &LoadOptions::default());
        assert_eq!(remarks.len(), 5);
        assert!(remarks.iter().all(|remark| remark.gravity == Gravity::Warning && remark.line == 1));
    }

    #[test]
    fn rules_of_our_own_have_no_errors() {
        let remarks = lint(&crate::own_rules(), Catalog::builtin(), &LoadOptions::default());
        let errors: Vec<&Remark> = remarks.iter().filter(|remark| remark.gravity == Gravity::Error).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}
