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

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &str, account: &str, trail: &str) -> Change {
        Change {
            time: 0,
            name: name.to_owned(),
            trail: trail.to_owned(),
            account: account.to_owned(),
            region: "eu-west-1".to_owned(),
            who: "mia".to_owned(),
            effect: String::new(),
            data_events: None,
            selects_nothing: None,
            error: None,
            id: String::new(),
        }
    }

    #[test]
    fn the_trail_of_an_organization_is_switched_in_another_account_than_its_chains() {
        let chain = ChainId {
            account: "444455556666".to_owned(),
            region: "us-east-1".to_owned(),
            trail: "org".to_owned(),
            home_region: "eu-west-1".to_owned(),
            is_backfill: false,
        };
        let owners = change("StopLogging", "111122223333", "org");
        assert!(is_about(&owners, &chain, true));
        assert!(!is_about(&owners, &chain, false), "another account's trail of that name is another trail");
        assert!(is_about(&change("StopLogging", "444455556666", "org"), &chain, false));
        for other in [
            change("StopLogging", "111122223333", "main"),
            change("DescribeTrails", "111122223333", "org"),
            Change { error: Some("AccessDenied".to_owned()), ..change("StopLogging", "111122223333", "org") },
            Change { region: "us-east-1".to_owned(), ..change("StopLogging", "111122223333", "org") },
        ] {
            assert!(!is_about(&other, &chain, true), "{other:?}");
        }
        let validation =
            Change { effect: "digests off".to_owned(), ..change("UpdateTrail", "111122223333", "org") };
        assert!(is_about(&validation, &chain, true));
        assert_eq!(words(&validation), "UpdateTrail (digests off) by mia at 1970-01-01T00:00:00Z");
    }
}
