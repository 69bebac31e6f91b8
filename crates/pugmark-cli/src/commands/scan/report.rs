//! The overview as a page for people, and as JSON.

use std::collections::BTreeMap;

use pugmark_event::{Tally, format_time};
use pugmark_source::Coverage;

use super::super::show;
use super::odd::{Reason, Sighting};
use super::overview::{Counts, Overview};
use crate::printer::{
    Heading, Printer, Role, bar, byte_words, count_words, counted, escape, json_string, sparkline, squeeze,
    time_text,
};

/// Odd things printed for each reason; the rest is counted.
const ODD_SHOWN: usize = 4;
/// Columns of a bar.
const BAR_WIDTH: usize = 12;
const DAY_US: i64 = 86_400_000_000;

/// All that the page is made of.
pub(super) struct Page<'a> {
    pub(super) overview: &'a Overview,
    pub(super) tally: &'a Tally,
    pub(super) coverage: &'a [Coverage],
    pub(super) top: usize,
    pub(super) printer: &'a Printer,
}

impl Page<'_> {
    /// The page for people.
    pub(super) fn text(&self, sources: &str) -> String {
        let mut out = self.head();
        if self.overview.events == 0 {
            return out;
        }
        self.activity(&mut out);
        self.lists(&mut out);
        self.odd(&mut out);
        self.days(&mut out);
        self.next(sources, &mut out);
        out
    }

    fn head(&self) -> String {
        let (overview, tally) = (self.overview, self.tally);
        let mut parts = vec![
            counted(tally.decoded, "object"),
            counted(overview.events, "event"),
            counted(tally.duplicates, "duplicate"),
        ];
        if let Some((first, last)) = overview.span {
            let zone = self.printer.zone();
            parts.push(format!("{} → {}", time_text(first, zone), time_text(last, zone)));
        }
        for (counts, noun) in [
            (&overview.accounts, "account"),
            (&overview.regions, "region"),
            (&overview.principals, "principal"),
        ] {
            parts.push(counted(counts.distinct() as u64, noun));
        }
        parts.push(byte_words(tally.bytes_inflated));
        let mut out = format!("{}\n", self.strong(&parts.join(" · ")));
        let lost = tally.skipped + tally.lost + tally.damaged;
        if lost > 0 {
            let words = format!(
                "! not all could be read: {} objects skipped, {} damaged, {} records lost",
                count_words(tally.skipped),
                count_words(tally.damaged),
                count_words(tally.lost)
            );
            put!(out, "{}\n", self.printer.paint().role(Role::Warning, &words));
        }
        out
    }

    /// Events per hour, or per few hours where the span is long.
    fn activity(&self, out: &mut String) {
        let hours = &self.overview.hours;
        let (Some((first, _)), Some((last, _))) = (hours.first_key_value(), hours.last_key_value()) else {
            return;
        };
        let width = self.printer.columns().clamp(20, 100) - 4;
        let span = last - first + 1;
        let per_slot = (span as usize).div_ceil(width).max(1) as i64;
        let mut slots = vec![0; (span as usize).div_ceil(per_slot as usize)];
        for (hour, count) in hours {
            slots[((hour - first) / per_slot) as usize] += count;
        }
        let slots = squeeze(&slots, width);
        let most = slots.iter().max().copied().unwrap_or(0);
        let unit = if per_slot == 1 { "hour".to_owned() } else { format!("{per_slot} hours") };
        put!(out, "\n{}\n", self.strong(&format!("events per {unit}, at most {}", count_words(most))));
        put!(out, "  {}\n", sparkline(&slots, self.printer.ink()).trim_end());
    }

    fn lists(&self, out: &mut String) {
        let overview = self.overview;
        for (title, counts) in [
            ("principals", &overview.principals),
            ("services", &overview.services),
            ("events", &overview.names),
            ("errors", &overview.error_codes),
            ("accounts", &overview.accounts),
            ("regions", &overview.regions),
        ] {
            self.list(title, counts, out);
        }
    }

    fn list(&self, title: &str, counts: &Counts, out: &mut String) {
        let top = counts.top(self.top);
        let Some((_, most)) = top.first().copied() else {
            return;
        };
        let more = counts.distinct().saturating_sub(top.len());
        let more = if more > 0 { format!(" ({} more)", count_words(more as u64)) } else { String::new() };
        put!(out, "\n{}{more}\n", self.strong(title));
        let digits = count_words(most).len().max(6);
        for (text, count) in top {
            let line = format!(
                "  {:>digits$}  {:<BAR_WIDTH$}  {}",
                count_words(count),
                bar(count, most, BAR_WIDTH, self.printer.ink()),
                escape(text)
            );
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }

    fn odd(&self, out: &mut String) {
        let odd = self.overview.odd.list();
        if odd.is_empty() {
            return;
        }
        put!(out, "\n{}\n", self.strong("worth a look"));
        let headings = vec![
            Heading { is_rigid: true, ..Heading::text("") },
            Heading::number("events"),
            Heading::text("what"),
            Heading::text("who"),
            Heading { is_rigid: true, ..Heading::text("first") },
        ];
        let mut table = self.printer.table(headings);
        let mut shown: BTreeMap<Reason, usize> = BTreeMap::new();
        for (reason, name, who, sighting) in &odd {
            let of_reason = shown.entry(*reason).or_default();
            if *of_reason == ODD_SHOWN {
                continue;
            }
            *of_reason += 1;
            let failed = if sighting.errors == sighting.events && *reason != Reason::DeniedBurst {
                " ✗"
            } else {
                ""
            };
            let first = sighting.first.map(|time| time_text(time, self.printer.zone()));
            table.row(
                vec![
                    Some(format!("! {}", reason.words())),
                    Some(count_words(sighting.events)),
                    Some(format!("{name}{failed}")),
                    Some(who.clone()),
                    first,
                ],
                out,
            );
        }
        table.finish(out);
        let left = odd.len() - shown.values().sum::<usize>();
        if left > 0 {
            put!(out, "  and {left} more; `--output json` lists all\n");
        }
    }

    /// Days with files, and the gaps between them.
    fn days(&self, out: &mut String) {
        if self.coverage.is_empty() {
            return;
        }
        put!(out, "\n{}\n", self.strong("days with files"));
        let headings = vec![
            Heading::text("account"),
            Heading::text("region"),
            Heading::text("days"),
            Heading::text("gaps"),
        ];
        let mut table = self.printer.table(headings);
        let mut list: Vec<&Coverage> = self.coverage.iter().collect();
        list.sort_by_key(|coverage| std::cmp::Reverse(gaps(coverage).len()));
        for covered in list.iter().take(self.top.max(8)) {
            let (Some(first), Some(end)) = (covered.days.first(), covered.days.last()) else { continue };
            let span =
                format!("{} of {}, {} to {}", covered.days.len(), end - first + 1, day(*first), day(*end));
            let gaps = gaps(covered);
            let words = gap_words(&gaps);
            table.row(
                vec![
                    Some(covered.account.clone()),
                    Some(covered.region.clone()),
                    Some(span),
                    (!gaps.is_empty()).then_some(words),
                ],
                out,
            );
        }
        table.finish(out);
        if list.len() > self.top.max(8) {
            put!(out, "  and {} more\n", list.len() - self.top.max(8));
        }
    }

    /// Commands that lead on from what was found.
    fn next(&self, sources: &str, out: &mut String) {
        let sources = escape(sources);
        let odd = self.overview.odd.list();
        let mut lines = Vec::new();
        if let Some((_, _, _, Sighting { id, .. })) =
            odd.iter().find(|(_, _, _, sighting)| !sighting.id.is_empty())
        {
            lines.extend(show::command(&sources, id));
        }
        let mut names: Vec<&str> = odd
            .iter()
            .filter(|(reason, ..)| *reason == Reason::Tampering)
            .map(|(_, name, ..)| name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        if !names.is_empty() {
            // These are names of our own list, not the log's words.
            lines.push(format!("pugmark search {sources} --name {}", names.join(",")));
        }
        if self.overview.errors > 0 {
            lines.push(format!("pugmark stats {sources} who,errorCode --errors"));
        }
        lines.push(format!("pugmark search {sources} --writes --reverse -n 50"));
        put!(out, "\n{}\n", self.strong("next"));
        for line in lines {
            put!(out, "  {}\n", self.printer.paint().role(Role::Literal, &line));
        }
    }

    fn strong(&self, text: &str) -> String {
        self.printer.paint().role(Role::Strong, text)
    }

    /// The overview for programs, `"v":1`.
    pub(super) fn json(&self) -> String {
        let overview = self.overview;
        let mut out = format!(
            "{{\"v\":1,\"events\":{},\"errors\":{},\"timeless\":{},\"duplicates\":{}",
            overview.events, overview.errors, overview.timeless, self.tally.duplicates
        );
        if let Some((first, last)) = overview.span {
            put!(out, ",\"first\":\"{}\",\"last\":\"{}\"", format_time(first), format_time(last));
        }
        for (name, counts) in [
            ("accounts", &overview.accounts),
            ("regions", &overview.regions),
            ("principals", &overview.principals),
            ("services", &overview.services),
            ("names", &overview.names),
            ("error_codes", &overview.error_codes),
        ] {
            put!(out, ",\"{name}\":{{\"distinct\":{},\"top\":{{", counts.distinct());
            for (index, (text, count)) in counts.top(self.top).into_iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                json_string(text, &mut out);
                put!(out, ":{count}");
            }
            out.push_str("}}");
        }
        out.push_str(",\"hours\":{");
        for (index, (hour, count)) in overview.hours.iter().enumerate() {
            out.push_str(if index > 0 { "," } else { "" });
            put!(out, "\"{}\":{count}", format_time(hour * super::overview::HOUR_US));
        }
        out.push_str("},\"odd\":[");
        for (index, (reason, name, who, sighting)) in overview.odd.list().iter().enumerate() {
            out.push_str(if index > 0 { "," } else { "" });
            odd_json(*reason, name, (who, sighting), &mut out);
        }
        out.push_str("],\"coverage\":[");
        for (index, coverage) in self.coverage.iter().enumerate() {
            out.push_str(if index > 0 { "," } else { "" });
            coverage_json(coverage, &mut out);
        }
        out.push_str("]}\n");
        out
    }
}

fn odd_json(reason: Reason, name: &str, (who, sighting): (&str, &Sighting), out: &mut String) {
    out.push_str("{\"reason\":");
    json_string(reason.words(), out);
    for (member, text) in [("name", name), ("who", who), ("id", &sighting.id)] {
        put!(out, ",\"{member}\":");
        json_string(text, out);
    }
    put!(out, ",\"events\":{},\"errors\":{}", sighting.events, sighting.errors);
    if let Some(first) = sighting.first {
        put!(out, ",\"first\":\"{}\"", format_time(first));
    }
    out.push('}');
}

fn coverage_json(coverage: &Coverage, out: &mut String) {
    out.push_str("{\"account\":");
    json_string(&coverage.account, out);
    out.push_str(",\"region\":");
    json_string(&coverage.region, out);
    put!(out, ",\"days\":{}", coverage.days.len());
    if let (Some(first), Some(last)) = (coverage.days.first(), coverage.days.last()) {
        put!(out, ",\"first\":\"{}\",\"last\":\"{}\"", day(*first), day(*last));
    }
    out.push_str(",\"gaps\":[");
    for (index, (first, last)) in gaps(coverage).into_iter().enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        put!(out, "[\"{}\",\"{}\"]", day(first), day(last));
    }
    out.push_str("]}");
}

/// First and last day of each stretch without a file.
fn gaps(coverage: &Coverage) -> Vec<(i32, i32)> {
    let days: Vec<i32> = coverage.days.iter().copied().collect();
    days.windows(2).filter(|pair| pair[1] > pair[0] + 1).map(|pair| (pair[0] + 1, pair[1] - 1)).collect()
}

fn gap_words(gaps: &[(i32, i32)]) -> String {
    let mut words: Vec<String> = gaps
        .iter()
        .take(4)
        .map(
            |(first, last)| {
                if first == last { day(*first) } else { format!("{} to {}", day(*first), day(*last)) }
            },
        )
        .collect();
    if gaps.len() > 4 {
        words.push(format!("{} more", gaps.len() - 4));
    }
    words.join(", ")
}

fn day(day: i32) -> String {
    format_time(i64::from(day) * DAY_US)[..10].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_the_days_between() {
        let coverage = |days: &[i32]| Coverage {
            account: String::new(),
            region: String::new(),
            days: days.iter().copied().collect(),
        };
        assert_eq!(gaps(&coverage(&[1, 2, 4, 8])), [(3, 3), (5, 7)]);
        assert_eq!(gaps(&coverage(&[5])), []);
        assert_eq!(gap_words(&[(20_000, 20_000), (20_002, 20_004)]), "2024-10-04, 2024-10-06 to 2024-10-08");
    }
}
