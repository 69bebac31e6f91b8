//! Who switched a trail off, where digests only show that it was.

use pugmark_event::format_time;
use pugmark_integrity::{ChainId, Gap, Report};
use pugmark_source::Contents;

use super::super::changes::{self, Change};
use crate::exit::Failure;
use crate::plan::Reading;
use crate::run::Run;

/// A trail is stopped before its last digest is written, and started before its next one.
const SLACK: i64 = 3_600_000_000;

/// Names with each gap the calls of that time that switched its trail. Events are read only if there is a gap.
pub(super) fn explain(report: &mut Report, reading: &Reading, run: &Run<'_>) -> Result<(), Failure> {
    if report.chains.iter().all(|chain| chain.gaps.is_empty()) {
        return Ok(());
    }
    let mut reading = reading.clone();
    reading.selection.contents = Contents::Events;
    let changes = changes::read(&reading, run)?;
    for chain in &mut report.chains {
        let id = chain.id.clone();
        for gap in &mut chain.gaps {
            gap.calls = changes.iter().filter(|change| is_about(change, &id, gap)).map(words).collect();
        }
    }
    Ok(())
}

fn is_about(change: &Change, chain: &ChainId, gap: &Gap) -> bool {
    let switches =
        matches!(change.name.as_str(), "StopLogging" | "StartLogging" | "DeleteTrail" | "CreateTrail")
            || change.effect.contains("digests ");
    switches
        && change.error.is_none()
        && change.account == chain.account
        && change.trail == chain.trail
        && (gap.since - SLACK..=gap.until + SLACK).contains(&change.time)
}

/// `StopLogging by alice at 2026-08-01T02:03:04Z`
fn words(change: &Change) -> String {
    let effect = change.effect.split(", ").find(|word| word.starts_with("digests "));
    let effect = effect.map(|effect| format!(" ({effect})")).unwrap_or_default();
    format!("{}{effect} by {} at {}", change.name, change.who, format_time(change.time))
}
