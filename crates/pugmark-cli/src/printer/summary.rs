//! What a run read, said at its end.
//!
//! Both sums are always printed, so that everybody can see that nothing is
//! missing: `listed = decoded + pruned + routed + skipped` and
//! `records = rows + duplicates + lost`.

use std::collections::BTreeMap;
use std::time::Duration;

use pugmark_event::{Defect, DefectKind, Severity, Tally};

use super::cell::escape;
use super::json;
use super::paint::{Paint, Role};
use super::words::{bytes, count, counted, duration};
use crate::exit::Exit;

/// Defects printed with their place before only counts are given.
const DEFECTS_SHOWN: usize = 5;

/// How the summary is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SummaryForm {
    /// Sentences.
    Text,
    /// One JSON object on one line.
    Json,
    /// Not at all.
    None,
}

/// Why a run ended before its input did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All of the input was read.
    AtTheEnd,
    /// `--limit` was reached; the rest was not looked at.
    AtTheLimit,
    /// Ctrl-C.
    ByCtrlC,
}

/// The end of a run.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    /// The sums.
    pub(crate) tally: Tally,
    /// Rows printed.
    pub(crate) shown: u64,
    /// How long it took.
    pub(crate) elapsed: Duration,
    /// Why it ended.
    pub(crate) ended: Ended,
}

impl Summary {
    /// The exit code that the sums ask for.
    pub(crate) fn exit(&self) -> Exit {
        match self.ended {
            Ended::ByCtrlC => Exit::Interrupted,
            _ if self.tally.is_partial() => Exit::Partial,
            _ => Exit::Done,
        }
    }

    /// Sentences for people.
    pub(crate) fn text(&self, paint: Paint) -> String {
        let tally = &self.tally;
        let mut out = self.headline();
        put!(
            out,
            "objects: {} listed = {} decoded + {} pruned + {} routed + {} skipped\n",
            count(tally.listed),
            count(tally.decoded),
            count(tally.pruned),
            count(tally.routed),
            count(tally.skipped),
        );
        put!(
            out,
            "records: {} seen = {} rows + {} duplicates + {} lost\n",
            count(tally.records),
            count(tally.rows),
            count(tally.duplicates),
            count(tally.lost),
        );
        if tally.bytes_passed > 0 {
            put!(
                out,
                "passed over unparsed: {} without a word that was asked for\n",
                bytes(tally.bytes_passed)
            );
        }
        if let Some(words) = self.ended_words() {
            put!(out, "{}\n", paint.role(Role::Warning, words));
        }
        defects(tally, paint, &mut out);
        out
    }

    fn headline(&self) -> String {
        let mut parts =
            vec![counted(self.shown, "row"), counted(self.tally.decoded, "object"), duration(self.elapsed)];
        let seconds = self.elapsed.as_secs_f64();
        if self.tally.bytes_inflated > 0 && seconds > 0.0 {
            parts.insert(2, bytes(self.tally.bytes_inflated));
            parts.push(format!("{}/s", bytes((self.tally.bytes_inflated as f64 / seconds) as u64)));
        }
        parts.join(" · ") + "\n"
    }

    fn ended_words(&self) -> Option<&'static str> {
        match self.ended {
            Ended::AtTheEnd => None,
            Ended::AtTheLimit => Some("stopped at the limit; objects after it were not read"),
            Ended::ByCtrlC => Some("stopped by Ctrl-C; the result is partial"),
        }
    }

    /// One line for programs, `"v":1`.
    pub(crate) fn json(&self) -> String {
        let tally = &self.tally;
        let mut out = String::from("{\"v\":1");
        let ended = match self.ended {
            Ended::AtTheEnd => "end",
            Ended::AtTheLimit => "limit",
            Ended::ByCtrlC => "interrupted",
        };
        put!(out, ",\"ended\":\"{ended}\",\"elapsed_ms\":{}", self.elapsed.as_millis());
        for (name, number) in [
            ("shown", self.shown),
            ("listed", tally.listed),
            ("decoded", tally.decoded),
            ("pruned", tally.pruned),
            ("routed", tally.routed),
            ("skipped", tally.skipped),
            ("records", tally.records),
            ("rows", tally.rows),
            ("duplicates", tally.duplicates),
            ("lost", tally.lost),
            ("damaged", tally.damaged),
            ("notes", tally.notes),
            ("bytes_stored", tally.bytes_stored),
            ("bytes_inflated", tally.bytes_inflated),
            ("bytes_passed", tally.bytes_passed),
        ] {
            put!(out, ",\"{name}\":{number}");
        }
        out.push_str(",\"defects\":[");
        for (index, defect) in tally.defects.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            put!(out, "{{\"kind\":\"{}\",\"object\":", defect.kind.name());
            json::string(&defect.origin.object.name, &mut out);
            put!(out, ",\"offset\":{},\"detail\":", defect.origin.offset);
            json::string(&defect.detail, &mut out);
            out.push('}');
        }
        out.push_str("]}\n");
        out
    }
}

/// Those that cost something first; then, of all that is left, counts by kind.
fn defects(tally: &Tally, paint: Paint, out: &mut String) {
    let mut order: Vec<&Defect> = tally.defects.iter().collect();
    order.sort_by(|a, b| {
        let rank = |defect: &Defect| defect.kind.severity();
        rank(b)
            .cmp(&rank(a))
            .then_with(|| a.origin.object.name.cmp(&b.origin.object.name))
            .then(a.origin.offset.cmp(&b.origin.offset))
    });
    for defect in order.iter().take(DEFECTS_SHOWN) {
        let (mark, role) = match defect.kind.severity() {
            Severity::Note => ("note", Role::Dim),
            Severity::LostRecord => ("lost", Role::Warning),
            Severity::LostObject => ("damaged", Role::Bad),
        };
        put!(out, "{}: {}\n", paint.role(role, mark), escape(&defect.to_string()));
    }
    let mut rest: BTreeMap<DefectKind, u64> = BTreeMap::new();
    for defect in order.iter().skip(DEFECTS_SHOWN) {
        *rest.entry(defect.kind).or_default() += 1;
    }
    let unkept = (tally.notes + tally.lost + tally.damaged).saturating_sub(tally.defects.len() as u64);
    if rest.is_empty() && unkept == 0 {
        return;
    }
    let mut parts: Vec<String> =
        rest.iter().map(|(kind, number)| format!("{} {}", count(*number), kind.name())).collect();
    if unkept > 0 {
        parts.push(format!("{} not kept", count(unkept)));
    }
    let total = rest.values().sum::<u64>() + unkept;
    put!(out, "and {} more: {}\n", count(total), parts.join(", "));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pugmark_event::{Object, Origin};

    use super::*;

    fn summary() -> Summary {
        let mut tally = Tally {
            listed: 10,
            decoded: 6,
            pruned: 2,
            routed: 1,
            skipped: 1,
            records: 1_234,
            rows: 1_200,
            duplicates: 34,
            bytes_inflated: 2_000_000,
            ..Tally::default()
        };
        for (kind, offset) in [
            (DefectKind::BadTime, 7),
            (DefectKind::Malformed, 3),
            (DefectKind::Truncated, 9),
            (DefectKind::Malformed, 1),
            (DefectKind::Malformed, 2),
            (DefectKind::Malformed, 4),
            (DefectKind::BadTime, 8),
        ] {
            let object = Arc::new(Object::named("a\x1b[2J.json"));
            tally.defect(Defect::new(kind, Origin { object, offset }, "near `\u{7}`"), 100);
        }
        Summary { tally, shown: 1_000, elapsed: Duration::from_secs(2), ended: Ended::AtTheEnd }
    }

    #[test]
    fn the_sums_are_said_and_defects_are_listed_then_counted() {
        assert!(summary().tally.balances());
        assert_eq!(summary().exit(), Exit::Partial);
        insta::assert_snapshot!(summary().text(Paint::off()), @r"
        1,000 rows · 6 objects · 2.0 MB · 2.00 s · 1.0 MB/s
        objects: 10 listed = 6 decoded + 2 pruned + 1 routed + 1 skipped
        records: 1,238 seen = 1,200 rows + 34 duplicates + 4 lost
        damaged: truncated at `a\u{1b}[2J.json` byte 9: near `\u{7}`
        lost: malformed at `a\u{1b}[2J.json` byte 1: near `\u{7}`
        lost: malformed at `a\u{1b}[2J.json` byte 2: near `\u{7}`
        lost: malformed at `a\u{1b}[2J.json` byte 3: near `\u{7}`
        lost: malformed at `a\u{1b}[2J.json` byte 4: near `\u{7}`
        and 2 more: 2 bad-time
        ");
    }

    #[test]
    fn an_interrupted_run_says_so_before_all_else() {
        let summary = Summary { ended: Ended::ByCtrlC, ..summary() };
        assert_eq!(summary.exit(), Exit::Interrupted);
        assert!(summary.text(Paint::off()).contains("the result is partial"));
    }

    #[test]
    fn the_summary_for_programs_is_one_json_line() {
        let line = summary().json();
        assert_eq!(line.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["v"], 1);
        assert_eq!(value["records"], 1_238);
        assert_eq!(value["defects"][2]["kind"], "truncated");
    }
}
