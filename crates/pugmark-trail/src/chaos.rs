//! Faults on purpose, for those who test what reads a trail.
//!
//! Which object has which fault follows from a seed and its key, so that a
//! run can be repeated and a redelivery has the same fault. The status of
//! every trail says that faults are made; an object in a store that keeps user
//! metadata names its own.

use pugmark_integrity::sha256;

/// How often each fault happens, in a thousand log files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chaos {
    /// Two runs with one seed have the same faults.
    pub seed: u64,
    /// Delivered late, by up to ten cadences.
    pub late: u16,
    /// Delivered twice, under two keys.
    pub duplicated: u16,
    /// Events in another order.
    pub shuffled: u16,
    /// Not delivered, though the digest lists it.
    pub missing: u16,
    /// One byte is another than the digest says.
    pub tampered: u16,
}

/// One fault of one log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// By this many cadences.
    Late(u8),
    /// Twice.
    Duplicated,
    /// In another order.
    Shuffled,
    /// Not at all.
    Missing,
    /// Not the same bytes.
    Tampered,
}

impl Fault {
    /// The word in an object's metadata, under `pugmark-chaos`.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Late(_) => "late",
            Fault::Duplicated => "duplicated",
            Fault::Shuffled => "shuffled",
            Fault::Missing => "missing",
            Fault::Tampered => "tampered",
        }
    }
}

impl Chaos {
    /// The fault of a log file, if it has one.
    pub fn fault(&self, key: &str) -> Option<Fault> {
        let hash = sha256(format!("{}\n{key}", self.seed).as_bytes());
        let lot = u16::from_le_bytes([hash[0], hash[1]]) % 1_000;
        let faults = [
            (self.late, Fault::Late(hash[2] % 10 + 1)),
            (self.duplicated, Fault::Duplicated),
            (self.shuffled, Fault::Shuffled),
            (self.missing, Fault::Missing),
            (self.tampered, Fault::Tampered),
        ];
        let mut upto = 0;
        faults.into_iter().find_map(|(share, fault)| {
            upto += share;
            (lot < upto).then_some(fault)
        })
    }
}

/// One byte of a string in `body` is another, and it is still JSON.
pub(crate) fn tamper(body: &mut [u8]) {
    let letter = body.iter().rposition(u8::is_ascii_digit);
    if let Some(byte) = letter.and_then(|at| body.get_mut(at)) {
        *byte = if *byte == b'9' { b'8' } else { *byte + 1 };
    }
}

/// A key of its own for the second delivery of an object.
pub(crate) fn second_key(key: &str) -> String {
    let stem = key.strip_suffix(".json.gz").unwrap_or(key);
    let (front, unique) = stem.split_at(stem.len().saturating_sub(16));
    format!("{front}{}.json.gz", unique.chars().rev().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_as_often_as_asked_and_the_same_each_time() {
        let chaos = Chaos { seed: 7, late: 100, tampered: 200, ..Chaos::default() };
        let faults = || (0..2_000).map(|at| chaos.fault(&format!("key {at}"))).collect::<Vec<_>>();
        let count = |name| faults().into_iter().flatten().filter(|fault| fault.name() == name).count();
        assert!((140..260).contains(&count("late")) && (320..480).contains(&count("tampered")));
        assert_eq!(count("missing"), 0);
        assert_eq!(faults(), faults());
    }

    #[test]
    fn without_shares_there_is_no_fault() {
        assert!((0..100).all(|at| Chaos::default().fault(&at.to_string()).is_none()));
    }

    #[test]
    fn a_second_key_is_another_of_the_same_form() {
        let second = second_key("a/b_20260115T1005Z_abcdefghijklmnop.json.gz");
        assert_eq!(second, "a/b_20260115T1005Z_ponmlkjihgfedcba.json.gz");
    }
}
