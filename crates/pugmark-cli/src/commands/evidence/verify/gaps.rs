//! Who switched a trail off, where digests only show that it was.

use pugmark_event::{TimeRange, format_time};
use pugmark_integrity::{ChainId, Report};
use pugmark_source::{Contents, parse_key};

use super::super::changes::{self, Change};
use crate::exit::Failure;
use crate::plan::Reading;
use crate::run::Run;

/// A trail is stopped before its last digest is written, and started before its next one.
const SLACK: i64 = 3_600_000_000;

/// Names with each gap the calls of that time that switched its trail. Events are read only if there is a gap.
///
/// The calls stand in the log files of the trail's owner and home Region, whatever account, Region and time was asked about.
pub(super) fn explain(report: &mut Report, reading: &Reading, run: &Run<'_>) -> Result<(), Failure> {
    let gaps = report.chains.iter().flat_map(|chain| &chain.gaps);
    let Some((since, until)) = gaps
        .map(|gap| (gap.since - SLACK, gap.until + SLACK))
        .reduce(|all, gap| (all.0.min(gap.0), all.1.max(gap.1)))
    else {
        return Ok(());
    };
    let mut reading = reading.clone();
    reading.selection.contents = Contents::Events;
    reading.selection.accounts.clear();
    reading.selection.regions.clear();
    reading.selection.range = TimeRange { since: Some(since), until: Some(until) };
    let changes = changes::read(&reading, run)?;
    for chain in &mut report.chains {
        let is_organization = chain.gaps.iter().any(|gap| parse_key(&gap.before.name).org.is_some());
        for gap in &mut chain.gaps {
            let about = changes.iter().filter(|change| is_about(change, &chain.id, is_organization));
            let then = about.filter(|change| (gap.since - SLACK..=gap.until + SLACK).contains(&change.time));
            gap.calls = then.map(words).collect();
        }
    }
    Ok(())
}

/// True for calls that switch the digests of a chain on or off. An organization's trail belongs to another account than
/// most of its chains.
fn is_about(change: &Change, chain: &ChainId, is_organization: bool) -> bool {
    let switches =
        matches!(change.name.as_str(), "StopLogging" | "StartLogging" | "DeleteTrail" | "CreateTrail")
            || change.effect.contains("digests ");
    switches
        && change.error.is_none()
        && (is_organization || change.account == chain.account)
        && change.trail == chain.trail
        && change.region == chain.home_region
}

/// `StopLogging by alice at 2026-08-01T02:03:04Z`
fn words(change: &Change) -> String {
    let effect = change.effect.split(", ").find(|word| word.starts_with("digests "));
    let effect = effect.map(|effect| format!(" ({effect})")).unwrap_or_default();
    format!("{}{effect} by {} at {}", change.name, change.who, format_time(change.time))
}
