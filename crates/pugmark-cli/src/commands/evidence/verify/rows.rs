//! A verification as rows: each digest, each log file, and what is wrong with
//! a chain as a whole.

use pugmark_event::format_time;
use pugmark_integrity::{
    ChainId, ChainReport, DigestReport, GapReason, Head, LogReport, Report, Tail, Verdict, hex,
};

use crate::printer::counted;

/// One thing that was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Finding {
    /// What it is about: `digest`, `log`, `missing digest`, `gap`, `head`, `tail`, `fork`.
    pub(super) kind: &'static str,
    /// The verdict's name, or what is wrong.
    pub(super) verdict: String,
    /// The object, or where it should be.
    pub(super) object: String,
    /// Why.
    pub(super) detail: String,
    /// Where it was delivered, if that is known.
    place: Option<String>,
    chain: Option<ChainId>,
    window: (Option<i64>, Option<i64>),
    sha256: Option<[u8; 32]>,
    stated: Option<[u8; 32]>,
    fingerprint: Option<String>,
    proof: Option<&'static str>,
    digest: Option<String>,
    is_moved: bool,
    files: Option<u64>,
    /// Place in the order, worst first; 0 is worst.
    pub(super) rank: usize,
}

/// Names of columns; true for numbers.
type Columns = [(&'static str, bool); 18];

/// Every finding as a row.
pub(super) fn rows(report: &Report) -> (Columns, Vec<Vec<Option<String>>>) {
    let columns = [
        ("kind", false),
        ("verdict", false),
        ("object", false),
        ("detail", false),
        ("account", false),
        ("region", false),
        ("trail", false),
        ("home_region", false),
        ("since", false),
        ("until", false),
        ("delivered_to", false),
        ("moved", false),
        ("sha256", false),
        ("stated_sha256", false),
        ("fingerprint", false),
        ("proof", false),
        ("digest", false),
        ("files", true),
    ];
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let rows = findings(report)
        .into_iter()
        .map(|finding| {
            let chain = finding.chain.as_ref();
            vec![
                some(finding.kind),
                some(&finding.verdict),
                some(&finding.object),
                some(&finding.detail),
                chain.map(|chain| chain.account.clone()),
                chain.map(|chain| chain.region.clone()),
                chain.map(|chain| chain.trail.clone()),
                chain.map(|chain| chain.home_region.clone()),
                finding.window.0.map(format_time),
                finding.window.1.map(format_time),
                finding.place,
                Some(finding.is_moved.to_string()),
                finding.sha256.map(|hash| hex(&hash)),
                finding.stated.map(|hash| hex(&hash)),
                finding.fingerprint,
                finding.proof.map(str::to_owned),
                finding.digest,
                finding.files.map(|files| files.to_string()),
            ]
        })
        .collect();
    (columns, rows)
}

/// Everything that was found, the worst first, then by name.
pub(super) fn findings(report: &Report) -> Vec<Finding> {
    let mut findings = Vec::new();
    for chain in &report.chains {
        shape(chain, &mut findings);
        findings.extend(chain.digests.iter().map(|digest| of_digest(digest, Some(&chain.id))));
    }
    findings.extend(report.strays.iter().map(|digest| of_digest(digest, None)));
    findings.extend(report.logs.iter().map(|log| of_log(log, report)));
    findings.sort_by(|a, b| (a.rank, &a.object, a.kind).cmp(&(b.rank, &b.object, b.kind)));
    findings
}

fn rank(verdict: Verdict) -> usize {
    Verdict::WORST_FIRST.iter().position(|known| *known == verdict).unwrap_or(0)
}

fn of_digest(digest: &DigestReport, chain: Option<&ChainId>) -> Finding {
    let mut details: Vec<&str> = Vec::new();
    details.extend((!digest.detail.is_empty()).then_some(digest.detail.as_str()));
    details.extend(digest.remarks.iter().map(String::as_str));
    Finding {
        kind: "digest",
        verdict: digest.verdict.name().to_owned(),
        object: digest.object.name.clone(),
        detail: details.join("; "),
        place: digest.moved_from.as_ref().map(ToString::to_string),
        chain: chain.cloned(),
        window: (digest.window.map(|window| window.0), digest.window.map(|window| window.1)),
        sha256: Some(digest.sha256),
        fingerprint: digest.fingerprint.clone(),
        proof: Some(digest.proof.name()),
        is_moved: digest.moved_from.is_some(),
        files: Some(digest.files as u64),
        rank: rank(digest.verdict),
        ..Finding::default()
    }
}

fn of_log(log: &LogReport, report: &Report) -> Finding {
    Finding {
        kind: "log",
        verdict: log.verdict.name().to_owned(),
        object: log.name(),
        detail: log.detail.clone(),
        place: log.place.as_ref().map(ToString::to_string),
        chain: log.chain.and_then(|chain| report.chains.get(chain)).map(|chain| chain.id.clone()),
        sha256: log.sha256,
        stated: log.stated,
        digest: log.digest.as_ref().map(|digest| digest.name.clone()),
        is_moved: log.is_moved,
        rank: rank(log.verdict),
        ..Finding::default()
    }
}

/// What is wrong with a chain rather than with one of its objects.
fn shape(chain: &ChainReport, findings: &mut Vec<Finding>) {
    for missing in &chain.missing {
        findings.push(Finding {
            object: missing.place.to_string(),
            place: Some(missing.place.to_string()),
            stated: Some(missing.sha256),
            digest: Some(missing.named_by.name.clone()),
            detail: format!("`{}` names it", missing.named_by.name),
            rank: rank(Verdict::Missing),
            window: (missing.since, Some(missing.until)),
            ..of_chain(chain, "missing digest", Verdict::Missing.name())
        });
    }
    for gap in &chain.gaps {
        let is_mild = matches!(gap.reason, GapReason::Restarted | GapReason::NotRead);
        findings.push(Finding {
            detail: format!(
                "no digest from {} to {}: {}, {} meanwhile{}",
                format_time(gap.since),
                format_time(gap.until),
                gap_words(gap.reason),
                counted(gap.files, "log file"),
                [&[String::new()], gap.calls.as_slice()].concat().join("; ")
            ),
            digest: Some(gap.before.name.clone()),
            files: Some(gap.files),
            rank: rank(if is_mild { Verdict::NotCovered } else { Verdict::Missing }),
            window: (Some(gap.since), Some(gap.until)),
            ..of_chain(chain, "gap", gap.reason.name())
        });
    }
    for fork in &chain.forks {
        let names: Vec<&str> = fork.objects.iter().map(|object| object.name.as_str()).collect();
        findings.push(Finding {
            detail: format!("each of {} says to follow `{}`", names.join(", "), fork.previous),
            place: Some(fork.previous.to_string()),
            rank: rank(Verdict::Modified),
            ..of_chain(chain, "fork", "fork")
        });
    }
    findings.extend(head(chain));
    findings.extend(tail(chain));
}

/// How a chain begins, if that is to be told.
fn head(chain: &ChainReport) -> Option<Finding> {
    let Head::Cut { previous, files } = &chain.head else {
        return None;
    };
    Some(Finding {
        detail: format!(
            "the chain begins in the middle: `{previous}` is not there; {files} log files are older"
        ),
        place: Some(previous.to_string()),
        files: Some(*files),
        rank: rank(if *files > 0 { Verdict::Missing } else { Verdict::NotCovered }),
        ..of_chain(chain, "head", "cut")
    })
}

/// How a chain ends, if that is to be told.
fn tail(chain: &ChainReport) -> Option<Finding> {
    match chain.tail {
        Tail::Complete => None,
        Tail::Pending { files } => Some(Finding {
            detail: format!("{files} log files came after the newest digest; the next one will list them"),
            files: Some(files),
            rank: rank(Verdict::NotCovered),
            ..of_chain(chain, "tail", "pending")
        }),
        Tail::Truncated { since, until, files } => Some(Finding {
            detail: format!(
                "no digest after {}, though there should be up to {}: {files} log files are not covered",
                format_time(since),
                format_time(until)
            ),
            files: Some(files),
            rank: rank(Verdict::Missing),
            window: (Some(since), Some(until)),
            ..of_chain(chain, "tail", "truncated tail")
        }),
    }
}

fn of_chain(chain: &ChainReport, kind: &'static str, verdict: &str) -> Finding {
    Finding {
        kind,
        verdict: verdict.to_owned(),
        object: chain.id.to_string(),
        chain: Some(chain.id.clone()),
        ..Finding::default()
    }
}

fn gap_words(reason: GapReason) -> &'static str {
    match reason {
        GapReason::Restarted => "logging or validation was off, and the next digest begins anew",
        GapReason::Missing => "digests are missing",
        GapReason::NotRead => "its digests are in a bucket that was not among the sources",
        GapReason::Unexplained => "the digests give no reason",
    }
}
