//! What a watcher knows, in a form that outlives its process.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Detail, Selector, Settings, Watcher};

/// What a [`Watcher`] knows: counts per series, minute and caller, and what it told.
///
/// Texts are named by their place in `texts`. A memory that was damaged is refused by
/// [`Watcher::recall`], never followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    pub(crate) detail: Detail,
    pub(crate) texts: Vec<String>,
    pub(crate) callers: Vec<Caller>,
    pub(crate) series: Vec<Line>,
    pub(crate) spans: Vec<Heard>,
    pub(crate) told: BTreeMap<String, i64>,
    pub(crate) open: BTreeMap<String, String>,
    pub(crate) asked: Option<u32>,
}

/// ARN, user agent and error code of a caller.
pub(crate) type Caller = [Option<u32>; 3];

/// One series and its cells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) selector: Selector,
    /// Account, Region, source and name.
    pub(crate) api: [u32; 4],
    pub(crate) error: Option<u32>,
    /// Minute, caller and count of each cell.
    pub(crate) cells: Vec<(u32, u32, u32)>,
}

/// Account, Region, and the first and last minute of its events.
pub(crate) type Heard = (u32, u32, u32, u32);

impl Watcher {
    /// What it knows now.
    pub fn memory(&mut self) -> Memory {
        let mut memory = self.counts.memory();
        memory.told.clone_from(&self.told);
        memory.open.clone_from(&self.open);
        memory.asked = self.asked;
        memory
    }

    /// A watcher that knows what `memory` says, and goes on from there. `None` if the memory is damaged.
    pub fn recall(selectors: &[Selector], settings: Settings, memory: Memory) -> Option<Watcher> {
        let mut watcher = Watcher::new(selectors, settings);
        watcher.counts.recall(&memory)?;
        Some(Watcher { told: memory.told, open: memory.open, asked: memory.asked, ..watcher })
    }

    /// How much it knows: cells of counts.
    pub fn cells(&self) -> usize {
        self.counts.cells()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Call;

    const START: u32 = 29_000_000;

    /// An event of one of some APIs by one of some callers.
    fn count(watcher: &mut Watcher, (minute, api, who): (u32, u8, u8)) {
        let (event_name, arn) = (format!("Api{}", api % 3), format!("arn:aws:iam::111122223333:user/u{who}"));
        watcher.count(&Call {
            time: Some(i64::from(START + minute) * 60_000_000),
            account: "111122223333",
            region: "eu-west-1",
            event_source: "s3.amazonaws.com",
            event_name: &event_name,
            event_type: Some("AwsApiCall"),
            event_category: Some("Management"),
            management_event: Some(true),
            read_only: Some(false),
            error_code: (api > 3).then_some("AccessDenied"),
            error_message: None,
            identity_arn: Some(&arn),
            invoked_by: None,
            user_agent: (who > 2).then_some("aws-cli/2"),
        });
    }

    fn asked(watcher: &mut Watcher, minute: u32) -> Vec<serde_json::Value> {
        let found = watcher.minute(i64::from(START + minute) * 60_000_000);
        found.iter().map(|insight| serde_json::from_str(&insight.record()).expect("JSON")).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// A watcher that is put down and taken up again tells what it would have told.
        #[test]
        fn a_restart_changes_nothing(
            events in prop::collection::vec((0_u32..15_000, 0_u8..6, 0_u8..5), 1..300),
            burst in (11_000_u32..14_000, 50_u32..400),
            stop in 10_000_u32..16_000,
        ) {
            let new = || Watcher::new(&Selector::ALL, Settings::default());
            let mut events = events;
            events.extend((0..burst.1).map(|_| (burst.0, 1, 1)));
            events.sort_unstable();
            let (before, after): (Vec<_>, Vec<_>) = events.into_iter().partition(|(minute, ..)| *minute < stop);
            let mut steady = new();
            for event in before {
                count(&mut steady, event);
            }
            let told = asked(&mut steady, stop);
            let text = serde_json::to_vec(&steady.memory()).expect("JSON");
            let memory: Memory = serde_json::from_slice(&text).expect("the same");
            let mut woken = Watcher::recall(&Selector::ALL, Settings::default(), memory).expect("whole");
            prop_assert_eq!(woken.cells(), steady.cells());
            for watcher in [&mut steady, &mut woken] {
                for event in &after {
                    count(watcher, *event);
                }
            }
            let later: Vec<_> = (stop..stop + 200).step_by(7).chain([17_000]).collect();
            for minute in later {
                let (one, other) = (asked(&mut steady, minute), asked(&mut woken, minute));
                prop_assert_eq!(&one, &other);
                prop_assert!(one.iter().all(|record| !told.contains(record)));
            }
        }
    }

    #[test]
    fn a_damaged_memory_is_refused() {
        let mut watcher = Watcher::new(&Selector::ALL, Settings::default());
        count(&mut watcher, (1, 1, 1));
        let memory = watcher.memory();
        let recall = |memory| Watcher::recall(&Selector::ALL, Settings::default(), memory).is_some();
        assert!(recall(memory.clone()));
        let spoil: [fn(&mut Memory); 4] = [
            |memory| memory.texts.clear(),
            |memory| memory.callers.clear(),
            |memory| memory.series[0].api[3] = 99,
            |memory| memory.spans[0].0 = 99,
        ];
        for (number, spoil) in spoil.into_iter().enumerate() {
            let mut memory = memory.clone();
            spoil(&mut memory);
            assert!(!recall(memory), "{number}");
        }
    }
}
