//! A verification for people: the answer, a line per chain, the worst first,
//! and what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use pugmark_event::format_time;
use pugmark_integrity::{ChainReport, GapReason, Head, Report, Standing, Tail, Verdict};

use super::Verified;
use super::rows::{Finding, findings};
use crate::printer::{Heading, Printer, Role, count_words, counted, escape};

/// Problems printed; the rest is counted.
const PROBLEMS_SHOWN: usize = 100;
/// Objects of one mild verdict printed.
const MILD_SHOWN: usize = 3;

/// The page.
pub(super) fn text(verified: &Verified<'_>, printer: &Printer) -> String {
    let report = verified.report;
    let (role, answer) = match report.standing() {
        Standing::Proven => (Role::Good, "✓ proven"),
        Standing::Unproven => (Role::Warning, "! not proven"),
        Standing::Negative => (Role::Bad, "✗ does not hold"),
    };
    let paint = printer.paint();
    let mut out = format!("{} · {}\n", paint.role(role, answer), paint.role(Role::Strong, &sums(report)));
    chains(report, printer, &mut out);
    problems(report, printer, &mut out);
    notes(verified, printer, &mut out);
    out
}

/// How many of what.
pub(super) fn sums(report: &Report) -> String {
    let mut parts = vec![
        counted(report.chains.len() as u64, "chain"),
        counted(report.digests().count() as u64, "digest"),
        counted(report.logs.iter().filter(|log| log.object.is_some()).count() as u64, "log file"),
    ];
    let counts = report.counts();
    parts.extend(
        Verdict::WORST_FIRST
            .iter()
            .filter_map(|verdict| Some(format!("{} {}", count_words(*counts.get(verdict)?), verdict.name()))),
    );
    if report.moved() > 0 {
        parts.push(format!("{} moved", count_words(report.moved())));
    }
    parts.join(" · ")
}

/// Chains, the worst first.
pub(super) fn worst_first(report: &Report) -> Vec<&ChainReport> {
    let mut chains: Vec<&ChainReport> = report.chains.iter().collect();
    chains.sort_by(|a, b| b.standing().cmp(&a.standing()).then_with(|| a.id.cmp(&b.id)));
    chains
}

/// A chain in words: what is wrong with it, or `proven`.
pub(super) fn state(chain: &ChainReport) -> String {
    let mut counts: BTreeMap<Verdict, u64> = chain.files.clone();
    for digest in &chain.digests {
        *counts.entry(digest.verdict).or_default() += 1;
    }
    if !chain.missing.is_empty() {
        *counts.entry(Verdict::Missing).or_default() += chain.missing.len() as u64;
    }
    let mut parts: Vec<String> = Verdict::WORST_FIRST
        .iter()
        .filter(|verdict| **verdict != Verdict::Valid)
        .filter_map(|verdict| Some(format!("{} {}", count_words(*counts.get(verdict)?), verdict.name())))
        .collect();
    match chain.tail {
        Tail::Complete => {}
        Tail::Pending { files } => parts.push(format!("{} not listed yet", count_words(files))),
        Tail::Truncated { .. } => parts.push("truncated tail".to_owned()),
    }
    if matches!(chain.head, Head::Cut { .. }) {
        parts.push("begins in the middle".to_owned());
    }
    for (reason, words) in [
        (GapReason::Unexplained, "unexplained"),
        (GapReason::Missing, "for missing digests"),
        (GapReason::NotRead, "in a bucket not read"),
        (GapReason::Restarted, "explained by a restart"),
    ] {
        let count = chain.gaps.iter().filter(|gap| gap.reason == reason).count() as u64;
        if count > 0 {
            parts.push(format!("{} {words}", counted(count, "gap")));
        }
    }
    if !chain.forks.is_empty() {
        parts.push(counted(chain.forks.len() as u64, "fork"));
    }
    let mark = match chain.standing() {
        Standing::Proven => "✓ ",
        Standing::Unproven => "! ",
        Standing::Negative => "✗ ",
    };
    if parts.is_empty() { format!("{mark}proven") } else { format!("{mark}{}", parts.join(", ")) }
}

/// `2026-01-15T00:00:00Z → 2026-01-16T00:00:00Z`
pub(super) fn proven(chain: &ChainReport) -> Option<String> {
    chain.proven.map(|(first, last)| format!("{} → {}", format_time(first), format_time(last)))
}

fn chains(report: &Report, printer: &Printer, out: &mut String) {
    if report.chains.is_empty() {
        return;
    }
    put!(out, "\n{}\n", printer.paint().role(Role::Strong, "chains"));
    let headings = vec![
        Heading { is_rigid: true, ..Heading::text("account") },
        Heading { is_rigid: true, ..Heading::text("region") },
        Heading::text("trail"),
        Heading::number("digests"),
        Heading::number("logs"),
        Heading::text("state"),
        Heading::text("proven"),
    ];
    let mut table = printer.table(headings);
    for chain in worst_first(report) {
        let trail = if chain.id.is_backfill {
            format!("{} (backfill)", chain.id.trail)
        } else {
            chain.id.trail.clone()
        };
        table.row(
            vec![
                Some(chain.id.account.clone()),
                Some(chain.id.region.clone()),
                Some(trail),
                Some(count_words(chain.digests.len() as u64)),
                Some(count_words(chain.files.values().sum())),
                Some(state(chain)),
                proven(chain),
            ],
            out,
        );
    }
    table.finish(out);
}

/// Findings that are worth a line, with how many of each mild verdict were left out.
pub(super) fn worth_a_line(report: &Report) -> (Vec<Finding>, BTreeMap<String, u64>) {
    let mut left: BTreeMap<String, u64> = BTreeMap::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mild = Verdict::WORST_FIRST.iter().position(|verdict| verdict.standing() != Standing::Negative);
    let listed = findings(report)
        .into_iter()
        .filter(|finding| finding.verdict != Verdict::Valid.name())
        .filter(|finding| {
            if mild.is_some_and(|mild| finding.rank < mild) {
                return true;
            }
            let count = seen.entry(finding.verdict.clone()).or_default();
            *count += 1;
            if *count > MILD_SHOWN {
                *left.entry(finding.verdict.clone()).or_default() += 1;
            }
            *count <= MILD_SHOWN
        })
        .collect();
    (listed, left)
}

fn problems(report: &Report, printer: &Printer, out: &mut String) {
    let (listed, left) = worth_a_line(report);
    if listed.is_empty() {
        return;
    }
    put!(out, "\n{}\n", printer.paint().role(Role::Strong, "problems"));
    for finding in listed.iter().take(PROBLEMS_SHOWN) {
        let role = if finding.rank < 9 { Role::Bad } else { Role::Warning };
        // The object's name is what a person copies: it is never cut.
        put!(
            out,
            "  {}  {}  {}\n",
            printer.paint().role(role, &format!("{:<14}", finding.verdict)),
            finding.kind,
            printer.paint().role(Role::Literal, &escape(&finding.object))
        );
        if !finding.detail.is_empty() {
            put!(out, "                  {}\n", escape(&finding.detail));
        }
    }
    if listed.len() > PROBLEMS_SHOWN {
        put!(out, "  and {} more; `--output jsonl` lists all\n", listed.len() - PROBLEMS_SHOWN);
    }
    for (verdict, count) in left {
        put!(out, "  and {} more {verdict}\n", count_words(count));
    }
}

fn notes(verified: &Verified<'_>, printer: &Printer, out: &mut String) {
    let report = verified.report;
    let used: BTreeSet<&str> = report.digests().filter_map(|digest| digest.fingerprint.as_deref()).collect();
    if !used.is_empty() {
        put!(out, "\n{}\n", printer.paint().role(Role::Strong, "keys"));
    }
    for fingerprint in used {
        let origins: BTreeSet<&str> =
            verified.keys.get(fingerprint).iter().map(|key| key.origin.as_str()).collect();
        let origins: Vec<&str> = origins.into_iter().collect();
        let from = if origins.is_empty() { "! not among the keys".to_owned() } else { origins.join(", ") };
        put!(out, "  {}  {}\n", escape(fingerprint), escape(&from));
    }
    if report.moved() > 0 {
        put!(
            out,
            "\n{} stand elsewhere than where they were delivered; what they hold is judged apart from that\n",
            counted(report.moved(), "object")
        );
    }
    if report.others > 0 {
        put!(
            out,
            "\nand {} that no digest lists and whose name is no log file's\n",
            counted(report.others, "object")
        );
    }
}
