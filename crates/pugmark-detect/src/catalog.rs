//! The events that CloudTrail records, to tell a rule that looks for one that never comes.
//!
//! The list is a snapshot (`data/events.txt`, made by `data/events.py` from the service models that AWS
//! publishes, and from the pages on events that are no API call). It is not complete on the day after a
//! new service, so an unknown name in a *log* is nothing to remark on; an unknown name in a *rule* is.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// One line per source: the source, then its event names; `#` starts a remark.
const BUILTIN: &str = include_str!("../data/events.txt");

/// Whether CloudTrail records an event of this source and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It does.
    Yes,
    /// The source is known, the name is not among its events.
    UnknownName,
    /// No event has this source.
    UnknownSource,
}

/// Event names by event source. Lower and upper case are the same, as they are for Sigma's matches.
#[derive(Debug)]
pub struct Catalog {
    /// By source in lower case: names in lower case to names as CloudTrail writes them.
    sources: BTreeMap<String, BTreeMap<String, &'static str>>,
}

impl Catalog {
    /// The catalog that this build carries, read once.
    pub fn builtin() -> &'static Self {
        static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::parse(BUILTIN));
        &CATALOG
    }

    fn parse(text: &'static str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let sources = lines.filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let source = words.next()?.to_ascii_lowercase();
            Some((source, words.map(|name| (name.to_ascii_lowercase(), name)).collect()))
        });
        Self { sources: sources.collect() }
    }

    /// Whether CloudTrail records `event_name` of `event_source` (such as `eks.amazonaws.com`).
    pub fn knows(&self, event_source: &str, event_name: &str) -> Known {
        match self.sources.get(&event_source.to_ascii_lowercase()) {
            None => Known::UnknownSource,
            Some(names) if names.contains_key(&event_name.to_ascii_lowercase()) => Known::Yes,
            Some(_) => Known::UnknownName,
        }
    }

    /// Whether any source has an event of this name: for rules that name no source.
    pub fn knows_name(&self, event_name: &str) -> bool {
        let event_name = event_name.to_ascii_lowercase();
        self.sources.values().any(|names| names.contains_key(&event_name))
    }

    /// The event sources, sorted.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(String::as_str)
    }

    /// The event names of a source as CloudTrail writes them, sorted; none where the source is unknown.
    /// For patterns such as `UpdateFunctionCode*`, which `knows` cannot answer.
    pub fn names(&self, event_source: &str) -> impl Iterator<Item = &'static str> {
        let names = self.sources.get(&event_source.to_ascii_lowercase());
        names.into_iter().flat_map(|names| names.values().copied())
    }

    /// The name of this source that was most likely meant, if any is near.
    pub fn nearest_name(&self, event_source: &str, event_name: &str) -> Option<&'static str> {
        let names = self.sources.get(&event_source.to_ascii_lowercase())?;
        let wanted = event_name.to_ascii_lowercase();
        // `CreateFunction` stands for `CreateFunction20150331`, which is many edits away.
        let versioned = names.iter().find(|(name, _)| {
            name.strip_prefix(wanted.as_str()).is_some_and(|rest| {
                rest.len() >= 8 && rest.trim_end_matches("v2").bytes().all(|byte| byte.is_ascii_digit())
            })
        });
        if let Some((_, name)) = versioned {
            return Some(name);
        }
        nearest(&wanted, names.iter().map(|(lower, name)| (lower.as_str(), *name)))
    }

    /// The event source that was most likely meant, if any is near.
    pub fn nearest_source(&self, event_source: &str) -> Option<&str> {
        let wanted = event_source.to_ascii_lowercase();
        let whole = format!("{}.amazonaws.com", wanted.trim_end_matches(".amazonaws.com"));
        nearest(&whole, self.sources().map(|source| (source, source)))
    }
}

/// The candidate with the fewest edits, at most a third of the word's length; the first in order of ties.
fn nearest<'a, T>(wanted: &str, candidates: impl Iterator<Item = (&'a str, T)>) -> Option<T> {
    let word = wanted.trim_end_matches(".amazonaws.com");
    // No name is longer than this; what a rule says may be.
    if word.len() > 128 {
        return None;
    }
    let edits_max = (word.len() / 3).max(1);
    candidates
        .map(|(lower, candidate)| (edits(word, lower.trim_end_matches(".amazonaws.com")), candidate))
        .filter(|(edits, _)| *edits <= edits_max)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance in bytes.
fn edits(source: &str, target: &str) -> usize {
    let mut row: Vec<usize> = (0..=target.len()).collect();
    for (line, wanted) in source.bytes().enumerate() {
        let mut diagonal = line;
        row[0] = line + 1;
        for (column, found) in target.bytes().enumerate() {
            let replaced = diagonal + usize::from(wanted != found);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[target.len()]
}

#[cfg(test)]
mod tests {
    use super::{BUILTIN, Catalog, Known, edits};

    #[test]
    fn an_event_of_a_service_is_known_under_its_source_only() {
        let catalog = Catalog::builtin();
        assert_eq!(catalog.knows("ec2.amazonaws.com", "RunInstances"), Known::Yes);
        assert_eq!(catalog.knows("eks.amazonaws.com", "RunInstances"), Known::UnknownName);
        assert_eq!(catalog.knows("compute.amazonaws.com", "RunInstances"), Known::UnknownSource);
    }

    #[test]
    fn case_makes_no_difference() {
        assert_eq!(Catalog::builtin().knows("EC2.amazonaws.com", "runinstances"), Known::Yes);
    }

    #[test]
    fn sources_and_names_are_those_of_records_and_not_those_of_the_models() {
        let catalog = Catalog::builtin();
        for (source, name) in [
            ("monitoring.amazonaws.com", "DeleteAlarms"),
            ("signin.amazonaws.com", "ConsoleLogin"),
            ("lambda.amazonaws.com", "UpdateFunctionCode20150331v2"),
            ("lambda.amazonaws.com", "Invoke"),
            ("s3.amazonaws.com", "PutBucketPublicAccessBlock"),
            ("s3.amazonaws.com", "PutAccountPublicAccessBlock"),
            ("kms.amazonaws.com", "RotateKey"),
            ("ec2.amazonaws.com", "SharedSnapshotVolumeCreated"),
            ("eks-auth.amazonaws.com", "AssumeRoleForPodIdentity"),
            ("organizations.amazonaws.com", "CreateAccountResult"),
        ] {
            assert_eq!(catalog.knows(source, name), Known::Yes, "{source} {name}");
        }
        for (source, name) in [
            ("lambda.amazonaws.com", "CreateFunction"),
            ("s3.amazonaws.com", "ListObjectsV2"),
            ("iam.amazonaws.com", "PassRole"),
        ] {
            assert_eq!(catalog.knows(source, name), Known::UnknownName, "{source} {name}");
        }
    }

    #[test]
    fn a_name_without_a_source_is_looked_up_everywhere() {
        assert!(Catalog::builtin().knows_name("ConsoleLogin"));
        assert!(!Catalog::builtin().knows_name("ConsoleLogins"));
    }

    #[test]
    fn a_slip_of_the_pen_gets_the_right_name_as_a_hint() {
        let catalog = Catalog::builtin();
        assert_eq!(catalog.nearest_name("cloudtrail.amazonaws.com", "StopLoging"), Some("StopLogging"));
        assert_eq!(
            catalog.nearest_name("lambda.amazonaws.com", "CreateFunction"),
            Some("CreateFunction20150331")
        );
        assert_eq!(catalog.nearest_name("eks.amazonaws.com", "Zzzzzzzzzzzz"), None);
        assert_eq!(catalog.nearest_source("cloudtrial.amazonaws.com"), Some("cloudtrail.amazonaws.com"));
        assert_eq!(catalog.nearest_source("cloudtrail"), Some("cloudtrail.amazonaws.com"));
    }

    #[test]
    fn a_hint_for_an_endless_name_is_not_sought() {
        assert_eq!(Catalog::builtin().nearest_name("ec2.amazonaws.com", &"Run".repeat(10_000)), None);
    }

    #[test]
    fn names_of_a_source_are_as_records_have_them() {
        let mut names = Catalog::builtin().names("eks-auth.amazonaws.com");
        assert_eq!(names.next(), Some("AssumeRoleForPodIdentity"));
        assert_eq!(Catalog::builtin().names("nothing.amazonaws.com").count(), 0);
    }

    #[test]
    fn the_file_is_sorted_and_names_nothing_twice() {
        let mut last = "";
        for line in BUILTIN.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            let source = words.next().unwrap_or_default();
            assert!(source > last && source.ends_with(".amazonaws.com"), "{last} before {source}");
            let names: Vec<&str> = words.collect();
            assert!(!names.is_empty() && names.is_sorted_by(|one, next| one < next), "{source}");
            last = source;
        }
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("same", "same"), 0);
    }
}
