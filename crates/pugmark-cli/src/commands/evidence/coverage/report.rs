//! The map as a page for people, as rows, and as JSON.

use pugmark_event::{Tally, format_time};

use super::super::changes::Change;
use super::map::{Cell, Gap, LATE_MINUTES, Map, Place};
use crate::printer::{
    Heading, Ink, Printer, Role, byte_words, count_words, counted, escape, json_string, time_text,
};

/// Rows of the heat map; those with gaps come first if there are more.
const PLACES_SHOWN: usize = 120;
/// Gaps and changes printed.
const LINES_SHOWN: usize = 40;

/// The page for people.
pub(super) fn text(map: &Map, tally: &Tally, printer: &Printer) -> String {
    let strong = |text: &str| printer.paint().role(Role::Strong, text);
    let mut out = format!("{}\n", strong(&headline(map, tally)));
    if map.is_empty() {
        return out;
    }
    heat(map, printer, &mut out);
    gaps(map, printer, &mut out);
    changes(map, printer, &mut out);
    let notes = notes(map);
    if !notes.is_empty() {
        put!(out, "\n{}\n", strong("deliveries"));
        for note in notes {
            put!(out, "  {}\n", escape(&note));
        }
    }
    out
}

/// The sums in one line.
pub(super) fn headline(map: &Map, tally: &Tally) -> String {
    let sum = map.sum();
    let accounts: std::collections::BTreeSet<&str> =
        map.places.keys().map(|place| place.account.as_str()).collect();
    let unexplained =
        map.gaps.iter().filter(|gap| gap.reason == super::map::Reason::Unexplained).count() as u64;
    let mut parts = vec![
        counted(tally.decoded, "object"),
        counted(sum.events + map.timeless, "event"),
        counted(sum.digests, "digest"),
        counted(accounts.len() as u64, "account"),
        counted(map.places.len() as u64, "account-Region"),
    ];
    if let Some((first, last)) = map.span() {
        parts.push(format!("{} → {} UTC", map.step.label(first), map.step.label(last)));
    }
    parts.push(format!("{}, {} unexplained", counted(map.gaps.len() as u64, "gap"), unexplained));
    parts.join(" · ")
}

/// Heat of a cell, 0 (nothing) to 8, by powers of the greatest count.
pub(super) fn heat_level(cell: &Cell, most: u64) -> usize {
    if cell.is_bare() {
        return 0;
    }
    let log = |count: u64| (count as f64 + 1.0).ln();
    let share = log(cell.events) / log(most.max(1));
    ((share * 8.0).ceil() as usize).clamp(1, 8)
}

/// Events of the fullest cell.
pub(super) fn most(map: &Map) -> u64 {
    map.places.values().flat_map(|slots| slots.values()).map(|cell| cell.events).max().unwrap_or(0)
}

fn heat(map: &Map, printer: &Printer, out: &mut String) {
    let Some((first, last)) = map.span() else { return };
    let mut places: Vec<(&Place, usize)> =
        map.places.keys().map(|place| (place, map.gaps_of(place).len())).collect();
    let left = places.len().saturating_sub(PLACES_SHOWN);
    if left > 0 {
        places.sort_by_key(|(_, gaps)| std::cmp::Reverse(*gaps));
        places.truncate(PLACES_SHOWN);
    }
    let label = places.iter().map(|(place, _)| place.region.len() + 15).max().unwrap_or(15);
    let width = printer.columns().clamp(40, 400).saturating_sub(label + 4).max(10);
    let slots = (last - first + 1) as usize;
    let per = slots.div_ceil(width).max(1);
    let mark = if printer.ink() == Ink::Ascii { 'x' } else { '╳' };
    let unit = if per == 1 { map.step.name().to_owned() } else { format!("{per} {}s", map.step.name()) };
    let most = most(map);
    let title = format!(
        "events by {unit}, UTC, at most {} a {}; `{mark}` is a gap",
        count_words(most),
        map.step.name()
    );
    put!(out, "\n{}\n", printer.paint().role(Role::Strong, &title));
    for (place, _) in places {
        let name = format!("{:<12}  {}", place.account, place.region);
        let cells: String = (0..slots.div_ceil(per))
            .map(|at| mark_of(map, place, (first, at * per, per), (most, printer.ink(), mark)))
            .collect();
        let line = format!("  {:<label$}  {}", escape(&name), cells);
        out.push_str(line.trim_end());
        out.push('\n');
    }
    let (from, to) = (map.step.label(first), map.step.label(last));
    let room = slots.div_ceil(per).saturating_sub(from.len());
    if slots > 1 {
        put!(out, "  {:<label$}  {from} {to:>room$}\n", "");
    } else {
        put!(out, "  {:<label$}  {from}\n", "");
    }
    if left > 0 {
        put!(out, "  and {}; `--output jsonl` lists all\n", counted(left as u64, "account-Region"));
    }
}

/// The character of `per` slots that follow `at`.
fn mark_of(
    map: &Map,
    place: &Place,
    (first, at, per): (i64, usize, usize),
    (most, ink, gap): (u64, Ink, char),
) -> char {
    let levels: &[char] = match ink {
        Ink::Blocks => &[' ', '·', '░', '░', '▒', '▒', '▓', '▓', '█'],
        Ink::Ascii => &[' ', '.', ':', '-', '=', '+', '*', '%', '#'],
    };
    let Some(slots) = map.places.get(place) else { return ' ' };
    let range = first + at as i64..first + (at + per) as i64;
    if map.gap(place, (range.start, range.end - 1)).is_some() {
        return gap;
    }
    let level = slots.range(range).map(|(_, cell)| heat_level(cell, most)).max().unwrap_or(0);
    levels[level]
}

fn gaps(map: &Map, printer: &Printer, out: &mut String) {
    if map.gaps.is_empty() {
        return;
    }
    put!(out, "\n{}\n", printer.paint().role(Role::Strong, "gaps"));
    let headings = vec![
        Heading { is_rigid: true, ..Heading::text("account") },
        Heading { is_rigid: true, ..Heading::text("region") },
        Heading { is_rigid: true, ..Heading::text("without files") },
        Heading::number(format!("{}s", map.step.name())),
        Heading::text("reason"),
    ];
    let mut table = printer.table(headings);
    let mut list: Vec<_> = map.gaps.iter().collect();
    list.sort_by_key(|gap| (gap.reason != super::map::Reason::Unexplained, gap.slots.0, gap.place.clone()));
    for gap in list.iter().take(LINES_SHOWN) {
        table.row(
            vec![
                Some(gap.place.account.clone()),
                Some(gap.place.region.clone()),
                Some(span_words(map, gap.slots)),
                Some(count_words((gap.slots.1 - gap.slots.0 + 1) as u64)),
                Some(gap.marked()),
            ],
            out,
        );
    }
    table.finish(out);
    if list.len() > LINES_SHOWN {
        put!(out, "  and {} more; `--output json` lists all\n", list.len() - LINES_SHOWN);
    }
}

/// `2026-08-01`, or `2026-08-01 to 2026-08-03`.
pub(super) fn span_words(map: &Map, (first, last): (i64, i64)) -> String {
    if first == last {
        map.step.label(first)
    } else {
        format!("{} to {}", map.step.label(first), map.step.label(last))
    }
}

fn changes(map: &Map, printer: &Printer, out: &mut String) {
    if map.changes.is_empty() {
        return;
    }
    put!(out, "\n{}\n", printer.paint().role(Role::Strong, "what trails were told"));
    let headings = vec![
        Heading { is_rigid: true, ..Heading::text("time") },
        Heading { is_rigid: true, ..Heading::text("call") },
        Heading::text("trail"),
        Heading::text("account"),
        Heading::text("who"),
        Heading::text("effect"),
    ];
    let mut table = printer.table(headings);
    for change in map.changes.iter().take(LINES_SHOWN) {
        let effect = effect(map, change, |time| time_text(time, printer.zone()));
        table.row(
            vec![
                Some(time_text(change.time, printer.zone())),
                Some(change.name.clone()),
                Some(change.trail.clone()),
                Some(change.account.clone()),
                Some(change.who.clone()),
                Some(effect),
            ],
            out,
        );
    }
    table.finish(out);
    if map.changes.len() > LINES_SHOWN {
        put!(out, "  and {} more; `--output json` lists all\n", map.changes.len() - LINES_SHOWN);
    }
}

/// What a call did, and for how long it lasted if it switched a trail off.
pub(super) fn effect(map: &Map, change: &Change, time: impl Fn(i64) -> String) -> String {
    match (&change.error, map.windows.iter().find(|window| window.since == change.time)) {
        (Some(error), _) => format!("✗ {error}"),
        (None, Some(window)) => match window.until {
            Some(until) => format!("! off until {}", time(until)),
            None => "! off, and not on again".to_owned(),
        },
        (None, None) => change.effect.clone(),
    }
}

/// What is to be said of data events, late files, copies and trails.
pub(super) fn notes(map: &Map) -> Vec<String> {
    let sum = map.sum();
    let mut notes = vec![format!("{} in {}", byte_words(sum.bytes), counted(sum.files, "log file"))];
    notes.push(if sum.data_events > 0 {
        format!("data events: {}, {}", count_words(sum.data_events), share(sum.data_events, sum.events))
    } else {
        "data events: none".to_owned()
    });
    if let Some(change) =
        map.changes.iter().rfind(|change| change.data_events.is_some() && change.error.is_none())
    {
        let on = if change.data_events == Some(true) { "on" } else { "off" };
        notes.push(format!(
            "data events of trail `{}` were switched {on} by {} at {}",
            change.trail,
            change.who,
            format_time(change.time)
        ));
    }
    if sum.late > 0 {
        notes.push(format!(
            "late: {} delivered more than {LATE_MINUTES} minutes after they happened, the last after {}",
            counted(sum.late, "event"),
            minutes(sum.delay_minutes)
        ));
    }
    if sum.copies > 0 {
        notes.push(format!("copies: {} of events that were delivered before", count_words(sum.copies)));
    }
    for (trails, events) in &map.overlaps {
        notes.push(format!("overlap: {} delivered under {}", counted(*events, "event"), quoted(trails)));
    }
    if map.timeless > 0 {
        notes.push(format!("{} without a readable time", counted(map.timeless, "event")));
    }
    notes
}

fn quoted(trails: &[String]) -> String {
    let names: Vec<String> = trails
        .iter()
        .map(|trail| if trail.is_empty() { "no prefix".to_owned() } else { format!("`{trail}`") })
        .collect();
    names.join(" and ")
}

fn share(part: u64, whole: u64) -> String {
    format!("{} % of all", (part as f64 / whole.max(1) as f64 * 100.0).round() as u64)
}

fn minutes(minutes: u64) -> String {
    match minutes {
        0..=119 => format!("{minutes} minutes"),
        120..=2_879 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    }
}

/// Names of columns; true for numbers.
type Columns = [(&'static str, bool); 12];

/// A row per cell and per slot of a gap.
pub(super) fn rows(map: &Map) -> (Columns, Vec<Vec<Option<String>>>) {
    let columns = [
        ("account", false),
        ("region", false),
        (map.step.name(), false),
        ("files", true),
        ("bytes_stored", true),
        ("digests", true),
        ("events", true),
        ("data_events", true),
        ("copies", true),
        ("late", true),
        ("delay_minutes", true),
        ("gap", false),
    ];
    let mut rows = Vec::new();
    for (place, slots) in &map.places {
        let mut cells: std::collections::BTreeMap<i64, Cell> = slots.clone();
        for gap in map.gaps_of(place) {
            for slot in (gap.slots.0..=gap.slots.1).take(100_000) {
                cells.entry(slot).or_default();
            }
        }
        for (slot, cell) in cells {
            let gap = map.gap(place, (slot, slot)).map(Gap::words);
            let mut row =
                vec![Some(place.account.clone()), Some(place.region.clone()), Some(map.step.label(slot))];
            row.extend(numbers(&cell).map(|number| Some(number.to_string())));
            row.push(gap);
            rows.push(row);
        }
    }
    (columns, rows)
}

fn numbers(cell: &Cell) -> [u64; 8] {
    [
        cell.files,
        cell.bytes,
        cell.digests,
        cell.events,
        cell.data_events,
        cell.copies,
        cell.late,
        cell.delay_minutes,
    ]
}

/// Everything for programs, `"v":1`.
pub(super) fn json(map: &Map) -> String {
    let mut out = format!("{{\"v\":1,\"step\":\"{}\"", map.step.name());
    let (columns, cells) = rows(map);
    list("cells", &columns, &cells, &mut out);
    let text = |text: &str| Some(text.to_owned());
    let gaps: Vec<_> = map
        .gaps
        .iter()
        .map(|gap| {
            vec![
                text(&gap.place.account),
                text(&gap.place.region),
                Some(map.step.label(gap.slots.0)),
                Some(map.step.label(gap.slots.1)),
                Some((gap.slots.1 - gap.slots.0 + 1).to_string()),
                Some(gap.words()),
            ]
        })
        .collect();
    let names = ["account", "region", "first", "last", "slots", "reason"].map(|name| (name, name == "slots"));
    list("gaps", &names, &gaps, &mut out);
    let names = ["time", "call", "trail", "account", "region", "who", "effect", "error", "id"];
    list("changes", &names.map(|name| (name, false)), &change_rows(map), &mut out);
    let off: Vec<_> = map
        .windows
        .iter()
        .map(|window| {
            vec![
                text(&window.account),
                text(&window.trail),
                Some(format_time(window.since)),
                window.until.map(format_time),
                text(&window.name),
                text(&window.who),
            ]
        })
        .collect();
    let names = ["account", "trail", "since", "until", "call", "who"];
    list("off", &names.map(|name| (name, false)), &off, &mut out);
    out.push_str(",\"overlaps\":[");
    for (index, (trails, events)) in map.overlaps.iter().enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        out.push_str("{\"trails\":[");
        for (index, trail) in trails.iter().enumerate() {
            out.push_str(if index > 0 { "," } else { "" });
            json_string(trail, &mut out);
        }
        put!(out, "],\"events\":{events}}}");
    }
    put!(out, "],\"timeless\":{}}}\n", map.timeless);
    out
}

fn change_rows(map: &Map) -> Vec<Vec<Option<String>>> {
    let text = |text: &str| Some(text.to_owned());
    map.changes
        .iter()
        .map(|change| {
            vec![
                Some(format_time(change.time)),
                text(&change.name),
                text(&change.trail),
                text(&change.account),
                text(&change.region),
                text(&change.who),
                text(&change.effect),
                change.error.clone(),
                text(&change.id),
            ]
        })
        .collect()
}

/// A member that is a list of objects.
fn list(name: &str, columns: &[(&'static str, bool)], rows: &[Vec<Option<String>>], out: &mut String) {
    put!(out, ",\"{name}\":[");
    for (index, row) in rows.iter().enumerate() {
        out.push_str(if index > 0 { ",\n" } else { "\n" });
        object(columns.iter().copied().zip(row), out);
    }
    out.push(']');
}

/// One JSON object; absent values are null.
fn object<'a>(members: impl Iterator<Item = ((&'static str, bool), &'a Option<String>)>, out: &mut String) {
    for (index, ((name, is_number), value)) in members.enumerate() {
        put!(out, "{}\"{name}\":", if index > 0 { "," } else { "{" });
        match value {
            Some(number) if is_number => out.push_str(number),
            Some(text) => json_string(text, out),
            None => out.push_str("null"),
        }
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_events_are_hotter_and_one_is_not_nothing() {
        let level = |events| heat_level(&Cell { events, files: 1, ..Cell::default() }, 1_000);
        assert_eq!((level(0), level(1_000)), (1, 8));
        assert!(level(1) >= 1 && level(1) < level(100));
        assert_eq!(heat_level(&Cell { digests: 3, ..Cell::default() }, 1_000), 0);
    }
}
