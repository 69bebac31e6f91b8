//! Small plots of counts, in block characters or plain ASCII.

/// What bars are drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Eighths of a block.
    Blocks,
    /// For terminals and readers without them (`--plain`).
    Ascii,
}

impl Ink {
    fn levels(self) -> &'static [char] {
        match self {
            Ink::Blocks => &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
            Ink::Ascii => &['.', ':', '-', '=', '+', '*', '#'],
        }
    }

    fn full(self) -> char {
        match self {
            Ink::Blocks => '█',
            Ink::Ascii => '#',
        }
    }
}

/// One character per count; a count of zero is a blank, so that silence shows.
pub(crate) fn sparkline(counts: &[u64], ink: Ink) -> String {
    let most = counts.iter().copied().max().unwrap_or(0);
    let levels = ink.levels();
    counts
        .iter()
        .map(|count| match count {
            0 => ' ',
            _ => {
                levels[((count * levels.len() as u64).div_ceil(most.max(1)) as usize).clamp(1, levels.len())
                    - 1]
            }
        })
        .collect()
}

/// `counts` added up into at most `width` neighbours of equal span.
pub(crate) fn squeeze(counts: &[u64], width: usize) -> Vec<u64> {
    let width = width.max(1);
    let per = counts.len().div_ceil(width).max(1);
    counts.chunks(per).map(|chunk| chunk.iter().sum()).collect()
}

/// A bar of at most `width` columns.
pub(crate) fn bar(count: u64, most: u64, width: usize, ink: Ink) -> String {
    let filled = if most == 0 { 0 } else { (count as f64 / most as f64 * width as f64).round() as usize };
    let filled = if count > 0 { filled.clamp(1, width) } else { 0 };
    std::iter::repeat_n(ink.full(), filled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_count_is_a_full_block_and_zero_a_blank() {
        assert_eq!(sparkline(&[0, 1, 4, 8], Ink::Blocks), " ▁▄█");
        assert_eq!(sparkline(&[0, 1, 7], Ink::Ascii), " .#");
        assert_eq!(sparkline(&[], Ink::Blocks), "");
    }

    #[test]
    fn squeezing_keeps_the_sum() {
        let counts: Vec<u64> = (0..100).collect();
        let few = squeeze(&counts, 7);
        assert!(few.len() <= 7);
        assert_eq!(few.iter().sum::<u64>(), counts.iter().sum::<u64>());
    }

    #[test]
    fn a_bar_shows_that_there_is_something() {
        assert_eq!(bar(1, 1_000, 10, Ink::Ascii), "#");
        assert_eq!(bar(1_000, 1_000, 4, Ink::Blocks), "████");
        assert_eq!(bar(0, 1_000, 4, Ink::Blocks), "");
    }
}
