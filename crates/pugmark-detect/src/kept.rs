//! Matches that outlive a run: what a watch keeps between two of its rounds,
//! so that events which come later are correlated with those that came before.
//!
//! It is no store: where the matches lie between rounds is the caller's matter.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::detection::Match;
use crate::{Detection, RuleSet, Sighting};

/// A match that correlations look at, by names that hold over runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptMatch {
    /// Id of the rule.
    pub rule: String,
    /// The event.
    pub event: Arc<Sighting>,
    /// What correlations ask of it, by field.
    pub fields: BTreeMap<String, String>,
}

impl RuleSet {
    /// How long before an event another may lie that correlations set beside
    /// it: the longest of their time spans, in microseconds.
    ///
    /// Source: Sigma correlation specification 2.1, `timespan`.
    pub fn timespan_longest(&self) -> i64 {
        let spans = self.correlations.iter().map(|(_, correlation)| correlation.timespan.seconds);
        let longest = spans.max().unwrap_or_default();
        i64::try_from(longest).unwrap_or(i64::MAX).saturating_mul(1_000_000)
    }
}

impl Detection {
    /// Takes up matches of earlier rounds. Those that this round has seen
    /// again, and those of rules that are no longer there, are passed over.
    pub fn recall(&mut self, kept: &[KeptMatch]) {
        let rules = Arc::clone(&self.rules);
        let number = |id: &str| rules.texts.iter().position(|text| text.id == id);
        let mut numbers: BTreeMap<&str, Option<usize>> = BTreeMap::new();
        let known: HashSet<(u32, (&str, &str, u64))> =
            self.correlated.iter().map(|found| (found.rule, found.event.key())).collect();
        let mut recalled = Vec::new();
        for kept in kept {
            let found = *numbers.entry(&kept.rule).or_insert_with(|| number(&kept.rule));
            let Some(rule) = found.filter(|rule| rules.asked[*rule].is_some()) else { continue };
            let rule = rule as u32;
            if known.contains(&(rule, kept.event.key())) {
                continue;
            }
            let field = |(index, name): (usize, &String)| {
                Some((index as u16, Arc::from(kept.fields.get(name)?.as_str())))
            };
            let fields = rules.fields.iter().enumerate().filter_map(field).collect();
            recalled.push(Match { rule, event: Arc::clone(&kept.event), fields });
        }
        drop(known);
        self.correlated.extend(recalled);
    }

    /// The matches for correlations whose events are of `since` (microseconds
    /// since 1970) or later, in the order of time.
    pub fn kept(&self, since: i64) -> Vec<KeptMatch> {
        let rules = &self.rules;
        let mut matches: Vec<&Match> =
            self.correlated.iter().filter(|found| found.event.time >= since).collect();
        matches.sort_by(|a, b| (&a.event, a.rule).cmp(&(&b.event, b.rule)));
        let keep = |found: &Match| KeptMatch {
            rule: rules.texts[found.rule as usize].id.clone(),
            event: Arc::clone(&found.event),
            fields: found
                .fields
                .iter()
                .map(|(field, value)| (rules.fields[*field as usize].clone(), value.to_string()))
                .collect(),
        };
        matches.into_iter().map(keep).collect()
    }

    /// Time of the latest event that correlations look at, not after `now`:
    /// a record may claim any time.
    pub fn latest(&self, now: i64) -> Option<i64> {
        self.correlated.iter().map(|found| found.event.time.min(now)).max()
    }
}
