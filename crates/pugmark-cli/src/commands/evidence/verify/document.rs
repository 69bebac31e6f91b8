//! The evidence report: what was verified, with which keys, and the hash of
//! every input. The same input gives the same bytes: no clock, no host.

use std::collections::BTreeMap;

use pugmark_event::format_time;
use pugmark_integrity::{Standing, hex};

use super::Verified;
use super::page::{proven, state, sums, worst_first, worth_a_line};
use crate::html::{self, Head};
use crate::printer::{escape, json_string};

/// A part of the report: a title, sentences, and a table.
struct Section {
    title: &'static str,
    text: Vec<String>,
    heads: Vec<Head>,
    rows: Vec<Vec<String>>,
}

/// The report in Markdown.
pub(super) fn markdown(verified: &Verified<'_>) -> String {
    let mut out = String::from("# Evidence report\n");
    for section in sections(verified) {
        put!(out, "\n## {}\n\n", section.title);
        for line in &section.text {
            put!(out, "{}\n\n", cell(line));
        }
        if section.rows.is_empty() {
            continue;
        }
        let names: Vec<&str> = section.heads.iter().map(|head| name(*head)).collect();
        put!(out, "| {} |\n| {} |\n", names.join(" | "), vec!["---"; names.len()].join(" | "));
        for row in &section.rows {
            let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
            put!(out, "| {} |\n", cells.join(" | "));
        }
    }
    out
}

/// The report as a page that stands alone.
pub(super) fn html(verified: &Verified<'_>) -> String {
    let mut body = String::new();
    for section in sections(verified) {
        put!(body, "<h2>{}</h2>\n", html::text(section.title));
        for line in &section.text {
            put!(body, "<p>{}</p>\n", html::text(line));
        }
        if !section.rows.is_empty() {
            body.push_str(&html::table(&section.heads, &section.rows));
        }
    }
    html::page("Evidence report", &body)
}

fn name(head: Head) -> &'static str {
    match head {
        Head::Text(name) | Head::Number(name) => name,
    }
}

/// Text that is no Markdown.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in escape(text).chars() {
        if matches!(c, '|' | '*' | '_' | '`' | '[' | ']' | '<' | '>' | '\\' | '#' | '~') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn sections(verified: &Verified<'_>) -> Vec<Section> {
    vec![answer(verified), chains(verified), problems(verified), keys(verified), inputs(verified)]
}

fn answer(verified: &Verified<'_>) -> Section {
    let report = verified.report;
    let answer = match report.standing() {
        Standing::Proven => "Proven: every object is as it was delivered, and the digests cover all of them.",
        Standing::Unproven => {
            "Not proven: nothing contradicts the digests, but not everything is covered by them."
        }
        Standing::Negative => "Does not hold: see the problems.",
    };
    let range = verified.question.range;
    let time = |time: Option<i64>| time.map_or_else(|| "open".to_owned(), format_time);
    let mut list = String::new();
    for (index, source) in verified.sources.iter().enumerate() {
        list.push_str(if index > 0 { ", " } else { "" });
        json_string(source, &mut list);
    }
    let trails = if verified.question.trails.is_empty() {
        "all".to_owned()
    } else {
        verified.question.trails.join(", ")
    };
    let rows = [
        ("sources", list),
        ("trails", trails),
        ("since", time(range.since)),
        ("until", time(range.until)),
        ("objects listed", verified.tally.listed.to_string()),
        ("objects skipped or damaged", (verified.tally.skipped + verified.tally.damaged).to_string()),
        ("made by", format!("pugmark {}", env!("CARGO_PKG_VERSION"))),
    ];
    Section {
        title: "Answer",
        text: vec![answer.to_owned(), sums(report)],
        heads: ["question", "value"].map(Head::Text).to_vec(),
        rows: rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect(),
    }
}

fn chains(verified: &Verified<'_>) -> Section {
    let rows = worst_first(verified.report)
        .into_iter()
        .map(|chain| {
            let kind = if chain.id.is_backfill { "backfill" } else { "hourly" };
            vec![
                chain.id.account.clone(),
                chain.id.region.clone(),
                chain.id.trail.clone(),
                chain.id.home_region.clone(),
                kind.to_owned(),
                chain.digests.len().to_string(),
                chain.files.values().sum::<u64>().to_string(),
                state(chain),
                proven(chain).unwrap_or_default(),
            ]
        })
        .collect();
    let text = |names: [&'static str; 5]| names.map(Head::Text).to_vec();
    let mut heads = text(["account", "region", "trail", "home region", "chain"]);
    heads.extend([
        Head::Number("digests"),
        Head::Number("log files"),
        Head::Text("state"),
        Head::Text("proven"),
    ]);
    Section { title: "Chains", text: Vec::new(), heads, rows }
}

fn problems(verified: &Verified<'_>) -> Section {
    let (listed, left) = worth_a_line(verified.report);
    let rows: Vec<Vec<String>> = listed
        .into_iter()
        .map(|finding| vec![finding.kind.to_owned(), finding.verdict, finding.object, finding.detail])
        .collect();
    let mut text: Vec<String> = left
        .iter()
        .map(|(verdict, count)| {
            format!("And {count} more with the verdict {verdict}; they stand among the inputs.")
        })
        .collect();
    if rows.is_empty() {
        text.push("None.".to_owned());
    }
    Section {
        title: "Problems",
        text,
        heads: ["what", "verdict", "object", "detail"].map(Head::Text).to_vec(),
        rows,
    }
}

fn keys(verified: &Verified<'_>) -> Section {
    let mut digests: BTreeMap<&str, u64> = BTreeMap::new();
    for fingerprint in verified.report.digests().filter_map(|digest| digest.fingerprint.as_deref()) {
        *digests.entry(fingerprint).or_default() += 1;
    }
    let mut rows = Vec::new();
    for (fingerprint, count) in digests {
        let known = verified.keys.get(fingerprint);
        if known.is_empty() {
            let row = [fingerprint, "", "", "", "! not among the keys"].map(str::to_owned);
            rows.push(row.into_iter().chain([count.to_string()]).collect());
        }
        for key in known {
            rows.push(vec![
                fingerprint.to_owned(),
                key.region.clone().unwrap_or_default(),
                key.since.map(format_time).unwrap_or_default(),
                key.until.map(format_time).unwrap_or_default(),
                key.origin.clone(),
                count.to_string(),
            ]);
        }
    }
    let mut heads = ["fingerprint", "region", "valid from", "valid until", "from"].map(Head::Text).to_vec();
    heads.push(Head::Number("digests"));
    Section { title: "Public keys", text: Vec::new(), heads, rows }
}

fn inputs(verified: &Verified<'_>) -> Section {
    let digests = verified.report.digests().map(|digest| {
        vec![
            digest.object.name.clone(),
            "digest".to_owned(),
            digest.verdict.name().to_owned(),
            hex(&digest.sha256),
        ]
    });
    let logs = verified.report.logs.iter().filter_map(|log| {
        let object = log.object.as_ref()?;
        let hash = log.sha256.map(|hash| hex(&hash)).unwrap_or_default();
        Some(vec![object.name.clone(), "log".to_owned(), log.verdict.name().to_owned(), hash])
    });
    let mut rows: Vec<Vec<String>> = digests.chain(logs).collect();
    rows.sort();
    Section {
        title: "Inputs",
        text: vec!["SHA-256 of the uncompressed bytes of every object that was judged.".to_owned()],
        heads: ["object", "kind", "verdict", "SHA-256"].map(Head::Text).to_vec(),
        rows,
    }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn nothing_from_a_name_becomes_markdown() {
        assert_eq!(cell("a|b`c`<i>"), "a\\|b\\`c\\`\\<i\\>");
    }
}
