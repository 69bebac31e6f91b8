//! Matches folded into findings, with a bound: a rule that everybody sets off has one finding for all.

use std::collections::HashMap;
use std::sync::Arc;

use crate::finding::Fold;
use crate::sighting::Sighting;

/// Findings of one rule that are told apart. Nobody reads more, and whoever writes logs chooses the actors.
pub const FINDINGS_MAX: usize = 50_000;
/// Who set off a rule that too many did.
pub(crate) const MANY: &str = "many";

/// Actor and account, or the event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum FoldKey {
    Actor(Box<str>, Box<str>),
    Event(Arc<str>, Arc<str>, u64),
    /// All of them: there are too many to be told apart.
    Many,
}

/// The findings of each rule. Whether those of a rule are one depends on how many there are in the
/// whole input, not on its order.
#[derive(Debug, Default)]
pub(crate) struct Folds {
    by_rule: HashMap<u32, HashMap<FoldKey, Fold>>,
}

impl Folds {
    /// Enters a match.
    pub(crate) fn add(&mut self, rule: u32, key: FoldKey, event: &Arc<Sighting>) {
        let of_rule = self.by_rule.entry(rule).or_default();
        fold(of_rule, key).add(event);
        gather(of_rule, FINDINGS_MAX);
    }

    /// Adds those of another worker.
    pub(crate) fn merge(&mut self, other: Folds) {
        for (rule, theirs) in other.by_rule {
            let of_rule = self.by_rule.entry(rule).or_default();
            for (key, part) in theirs {
                fold(of_rule, key).merge(&part);
            }
            gather(of_rule, FINDINGS_MAX);
        }
    }

    /// All of them, in no order.
    pub(crate) fn into_all(self) -> impl Iterator<Item = (u32, FoldKey, Fold)> {
        self.by_rule
            .into_iter()
            .flat_map(|(rule, folds)| folds.into_iter().map(move |(key, fold)| (rule, key, fold)))
    }
}

/// Where a match belongs: once there were too many, into the one for all.
fn fold(of_rule: &mut HashMap<FoldKey, Fold>, key: FoldKey) -> &mut Fold {
    let key = if of_rule.contains_key(&FoldKey::Many) { FoldKey::Many } else { key };
    of_rule.entry(key).or_default()
}

/// Makes one of too many.
fn gather(of_rule: &mut HashMap<FoldKey, Fold>, max: usize) {
    let has_many = of_rule.contains_key(&FoldKey::Many);
    if of_rule.len() > max || (has_many && of_rule.len() > 1) {
        let all = of_rule.drain().map(|(_, fold)| fold).fold(Fold::default(), |mut all, part| {
            all.merge(&part);
            all
        });
        of_rule.insert(FoldKey::Many, all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> FoldKey {
        FoldKey::Event(Arc::from("e"), Arc::from("o"), number)
    }

    fn folds(numbers: impl Iterator<Item = u64>) -> HashMap<FoldKey, Fold> {
        let mut of_rule = HashMap::new();
        for number in numbers {
            fold(&mut of_rule, key(number));
            gather(&mut of_rule, 3);
        }
        of_rule
    }

    #[test]
    fn too_many_findings_of_a_rule_are_one() {
        assert_eq!(folds(0..3).len(), 3);
        assert_eq!(folds([0, 1, 2, 2, 1, 0].into_iter()).len(), 3, "the same again is no further finding");
        let many = folds(0..4);
        assert!(many.len() == 1 && many.contains_key(&FoldKey::Many));
        assert_eq!(folds(0..9).len(), 1);
    }

    #[test]
    fn workers_that_have_few_may_have_too_many_together() {
        let mut one = folds(0..3);
        for (key, part) in folds(2..5) {
            fold(&mut one, key).merge(&part);
        }
        gather(&mut one, 3);
        assert!(one.len() == 1 && one.contains_key(&FoldKey::Many));
        // And one that had too many already makes it so for all.
        let mut few = folds(0..1);
        for (key, part) in folds(0..9) {
            fold(&mut few, key).merge(&part);
        }
        gather(&mut few, 3);
        assert_eq!(few.len(), 1);
    }
}
