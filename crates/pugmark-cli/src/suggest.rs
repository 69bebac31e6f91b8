//! "Did you mean …?"

/// The candidate nearest to `word`, if one is near enough to be meant.
pub(crate) fn closest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let most = (word.chars().count() / 3).clamp(1, 4);
    candidates
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours between two words.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for row in 1..=from.len() {
        let mut line = vec![row; to.len() + 1];
        for column in 1..=to.len() {
            let is_same = from[row - 1] == to[column - 1];
            let mut best =
                (last[column] + 1).min(line[column - 1] + 1).min(last[column - 1] + usize::from(!is_same));
            let is_swap =
                row > 1 && column > 1 && from[row - 1] == to[column - 2] && from[row - 2] == to[column - 1];
            if is_swap {
                best = best.min(before_last[column - 2] + 1);
            }
            line[column] = best;
        }
        before_last = std::mem::replace(&mut last, line);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_offered_and_a_strange_one_is_not() {
        let events = ["DeleteTrail", "StopLogging", "ConsoleLogin"];
        assert_eq!(closest("DeletTrail", events.into_iter()), Some("DeleteTrail"));
        assert_eq!(closest("stoplogign", events.into_iter()), Some("StopLogging"));
        assert_eq!(closest("RunInstances", events.into_iter()), None);
        assert_eq!(closest("", events.into_iter()), None);
    }

    #[test]
    fn a_swap_counts_once() {
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
