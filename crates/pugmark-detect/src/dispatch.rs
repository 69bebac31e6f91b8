//! Which rules an event may match, by what recurs in it.
//!
//! ```text
//! (eventSource, eventName, errorCode) ─▶ rules that these decide about   ┐
//! userAgent, identity, address…       ─▶ rules that one of these decides ├─▶ candidates
//! nothing                             ─▶ rules that none decides about   ┘
//! ```
//!
//! What a value leaves open is worked out when it is first seen and
//! remembered, so an ordinary event costs a few lookups however many rules
//! there are.

use std::collections::HashMap;

use crate::gates::{GATES, KEYS, Known, NAMES, TELLING, Tree};
use crate::row::Columns;

/// Bytes of a value that is remembered; a longer one is hardly the same twice.
const VALUE_BYTES_MAX: usize = 512;
/// Values remembered per gate; beyond, memory starts anew.
const REMEMBERED_MAX: usize = 1 << 16;

/// Where each rule is tried.
#[derive(Debug, Default)]
pub(crate) struct Dispatch {
    /// By the only names that `eventName` may have, in lower case.
    by_name: HashMap<String, Vec<u32>>,
    /// Decided by the key, but not by exact names.
    by_key: Vec<u32>,
    /// Decided by another gate.
    by_gate: [Vec<u32>; GATES.len()],
    /// Tried on every event.
    always: Vec<u32>,
    trees: Vec<Tree>,
}

impl Dispatch {
    pub(crate) fn of(trees: Vec<Tree>) -> Dispatch {
        let mut dispatch = Dispatch::default();
        for (rule, tree) in trees.iter().enumerate() {
            let rule = rule as u32;
            if let Some(names) = tree.exact(1) {
                for name in names {
                    dispatch.by_name.entry(name).or_default().push(rule);
                }
            } else if tree.is_decided_by(0..NAMES) {
                dispatch.by_key.push(rule);
            } else if let Some(gate) = TELLING.into_iter().find(|gate| tree.is_decided_by(*gate..*gate + 1)) {
                dispatch.by_gate[gate].push(rule);
            } else if tree.is_decided_by(0..KEYS) {
                dispatch.by_key.push(rule);
            } else if let Some(gate) = (KEYS..GATES.len()).find(|gate| tree.is_decided_by(*gate..*gate + 1)) {
                dispatch.by_gate[gate].push(rule);
            } else {
                dispatch.always.push(rule);
            }
        }
        dispatch.trees = trees;
        dispatch
    }

    /// Rules that are tried on every event, whatever it is.
    pub(crate) fn always(&self) -> &[u32] {
        &self.always
    }

    fn open(&self, rules: &[u32], known: &Known<'_>) -> Vec<u32> {
        let is_open = |rule: &&u32| self.trees[**rule as usize].eval(known) != Some(false);
        rules.iter().filter(is_open).copied().collect()
    }

    fn of_key(&self, values: &[Option<&str>; KEYS]) -> Vec<u32> {
        let known = Known::new(0, values);
        let name = values[1].unwrap_or_default().to_lowercase();
        let mut rules = self.open(self.by_name.get(&name).map_or(&[], Vec::as_slice), &known);
        rules.extend(self.open(&self.by_key, &known));
        rules
    }
}

/// What one worker has worked out so far.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    keys: HashMap<[Box<str>; KEYS], Box<[u32]>>,
    gates: [HashMap<Box<str>, Box<[u32]>>; GATES.len()],
    /// The last key and its rules: events of one kind come in runs.
    probe: [Box<str>; KEYS],
}

/// Stands for a member that is not there. A record may hold this very text, so
/// nothing is remembered of values that begin like it.
const ABSENT: &str = "\u{0}absent";

/// Whether what a value rules out may be remembered under it.
fn is_memorable(value: Option<&str>) -> bool {
    value.is_none_or(|value| value.len() <= VALUE_BYTES_MAX && !value.starts_with('\u{0}'))
}

impl Memory {
    /// Puts the rules that `row` may match into `candidates`.
    pub(crate) fn candidates(
        &mut self,
        dispatch: &Dispatch,
        columns: &Columns<'_>,
        row: usize,
        candidates: &mut Vec<u32>,
    ) {
        candidates.clear();
        candidates.extend_from_slice(&dispatch.always);
        let mut values = [None; KEYS];
        for (value, (leaf, _)) in values.iter_mut().zip(GATES) {
            *value = columns.text(leaf, row);
        }
        if values.iter().copied().all(is_memorable) {
            self.of_key(dispatch, &values, candidates);
        } else {
            candidates.extend(dispatch.of_key(&values));
        }
        for (gate, (leaf, _)) in GATES.iter().enumerate().skip(KEYS) {
            let rules = &dispatch.by_gate[gate];
            if rules.is_empty() {
                continue;
            }
            let value = columns.text(*leaf, row);
            let memory = &mut self.gates[gate];
            if is_memorable(value)
                && let Some(rules) = memory.get(value.unwrap_or(ABSENT))
            {
                candidates.extend_from_slice(rules);
                continue;
            }
            let open = dispatch.open(rules, &Known::new(gate, &[value]));
            candidates.extend_from_slice(&open);
            if !is_memorable(value) {
                continue;
            }
            if memory.len() >= REMEMBERED_MAX {
                memory.clear();
            }
            memory.insert(value.unwrap_or(ABSENT).into(), open.into());
        }
    }

    fn of_key(&mut self, dispatch: &Dispatch, values: &[Option<&str>; KEYS], candidates: &mut Vec<u32>) {
        for (known, value) in self.probe.iter_mut().zip(values) {
            let value = value.unwrap_or(ABSENT);
            if **known != *value {
                *known = value.into();
            }
        }
        if let Some(rules) = self.keys.get(&self.probe) {
            candidates.extend_from_slice(rules);
        } else {
            let rules = dispatch.of_key(values);
            candidates.extend_from_slice(&rules);
            if self.keys.len() >= REMEMBERED_MAX {
                self.keys.clear();
            }
            self.keys.insert(self.probe.clone(), rules.into());
        }
    }
}
