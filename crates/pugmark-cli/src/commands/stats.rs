//! `pugmark stats`: how often each value occurs, when first and when last.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use arrow::array::Array;
use pugmark_event::{EventBatch, Leaf, Projection};
use pugmark_scan::{Sink, scan};

use super::evidence::Watch;
use super::{Column, Start, print_rows};
use crate::args::StatsArgs;
use crate::exit::{Exit, Failure};
use crate::filter::Filters;
use crate::json_path::JsonPath;
use crate::plan::Reading;
use crate::printer::{Ended, Format, sparkline, squeeze, time_text};
use crate::provenance::attach;
use crate::run::{Run, nothing_found, request};
use crate::view::{Outcome, ViewColumn, action, projection};
use crate::who::{Texts, Who};

/// Groups kept; events of further ones are counted together.
const GROUPS_MAX: usize = 1_000_000;
/// Characters of a sparkline.
const SPARK_WIDTH: usize = 16;
const HOUR_US: i64 = 3_600_000_000;

/// Counts the values of the fields named last.
pub(super) fn stats(args: &StatsArgs, start: &Start) -> Result<Exit, Failure> {
    let (sources, fields) = split(&args.words)?;
    let keys: Vec<Key> = fields.iter().map(|name| Key::named(name)).collect::<Result<_, _>>()?;
    let reading = Reading::new(&sources, &args.read.select, &start.settings, &start.now)?;
    let filters = Filters::new(&args.filter, &reading.selection)?;
    let mut projection: Projection = keys.iter().flat_map(Key::leaves).collect();
    projection = projection.with(Leaf::EventTime).union(Outcome::LEAVES.into_iter().collect());
    let mut request = request(&reading, projection);
    filters.apply(&mut request);
    let watch = Watch::new(&args.witness, &reading, start)?;
    if let Some(watch) = &watch {
        watch.attach(&mut request);
    }

    let mut run = Run::start(&start.printer)?;
    attach(&reading, &run, &mut request);
    let (listing, listed) = run.list(&reading)?;
    let (counters, tally) =
        scan(listing, &request, &run.progress, || Counter { keys: &keys, groups: Groups::default() })?;
    run.quiet();
    let mut groups = Groups::default();
    for counter in counters {
        groups.merge(counter.groups);
    }
    if groups.by_value.is_empty() {
        start.printer.note(&nothing_found(&listed, &tally, reading.selection.range));
    }
    if groups.beyond > 0 {
        start.printer.warning(&format!(
            "more than {GROUPS_MAX} groups; {} events of others are not in the list",
            groups.beyond
        ));
    }
    let total = groups.by_value.len();
    let rows = lay_out(groups, args.limit, start);
    let mut columns: Vec<Column<'_>> = fields.iter().map(|name| Column::Text(name)).collect();
    columns.extend(["events", "errors"].map(Column::Number));
    columns.extend(["first", "last"].map(Column::Text));
    if matches!(start.printer.format(), Format::Table | Format::Md) {
        columns.push(Column::Text("activity"));
    }
    let shown = print_rows(&start.printer, &columns, &rows)?;
    if total > rows.len() {
        start.printer.note(&format!("{} of {total} groups; `-n {total}` shows all", rows.len()));
    }
    if let Some(watch) = watch {
        watch.report(&start.printer);
    }
    Ok(run.finish(tally, shown, Ended::AtTheEnd))
}

/// The last word is the fields.
fn split(words: &[String]) -> Result<(Vec<String>, Vec<String>), Failure> {
    match words.split_last() {
        Some((fields, sources)) if !sources.is_empty() => {
            Ok((sources.to_vec(), fields.split(',').map(|field| field.trim().to_owned()).collect()))
        }
        _ => Err(Failure::new("no field is given", "write `pugmark stats SOURCE eventName`")),
    }
}

/// What events are grouped by.
enum Key {
    Who,
    Principal,
    Action,
    Path(JsonPath),
}

impl Key {
    fn named(name: &str) -> Result<Key, Failure> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "who" => Key::Who,
            "principal" => Key::Principal,
            "action" => Key::Action,
            _ => Key::Path(JsonPath::parse(name)?),
        })
    }

    fn leaves(&self) -> Vec<Leaf> {
        match self {
            Key::Who | Key::Principal => Who::LEAVES.to_vec(),
            Key::Action => {
                let columns = projection(&[ViewColumn::Action]);
                pugmark_event::FIELDS
                    .iter()
                    .map(|field| field.leaf)
                    .filter(|leaf| columns.has(*leaf))
                    .collect()
            }
            Key::Path(path) => vec![path.leaf()],
        }
    }

    /// The values of each row of `batch`.
    fn of<'a>(&'a self, batch: &'a EventBatch) -> Box<dyn Fn(usize) -> Vec<String> + 'a> {
        match self {
            Key::Who => {
                let who = Who::of(batch);
                Box::new(move |row| vec![who.name(row)])
            }
            Key::Principal => {
                let who = Who::of(batch);
                Box::new(move |row| vec![who.principal(row).into_owned()])
            }
            Key::Action => {
                let (service, name) =
                    (Texts::of(batch, Leaf::EventSource), Texts::of(batch, Leaf::EventName));
                Box::new(move |row| vec![action(service.get(row), name.get(row))])
            }
            Key::Path(path) => {
                let values = path.of(batch);
                Box::new(move |row| values.get(row))
            }
        }
    }
}

/// One worker's counts.
struct Counter<'a> {
    keys: &'a [Key],
    groups: Groups,
}

impl Sink for Counter<'_> {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        let values: Vec<_> = self.keys.iter().map(|key| key.of(&batch)).collect();
        let times = batch.times(Leaf::EventTime);
        let outcome = Outcome::of(&batch);
        for row in 0..batch.rows() {
            let time = times.as_ref().filter(|times| !times.is_null(row)).map(|times| times.value(row));
            let is_error = outcome.error(row).is_some();
            for value in combinations(values.iter().map(|values| values(row))) {
                self.groups.count(value, time, is_error);
            }
        }
        ControlFlow::Continue(())
    }
}

/// One value per field; a field with several values gives several groups, one
/// without any gives a null.
fn combinations(fields: impl Iterator<Item = Vec<String>>) -> Vec<Vec<Option<String>>> {
    let mut found: Vec<Vec<Option<String>>> = vec![Vec::new()];
    for mut values in fields {
        values.sort_unstable();
        values.dedup();
        if values.is_empty() {
            for prefix in &mut found {
                prefix.push(None);
            }
            continue;
        }
        found = found
            .iter()
            .flat_map(|prefix| {
                values.iter().map(|value| {
                    let mut longer = prefix.clone();
                    longer.push(Some(value.clone()));
                    longer
                })
            })
            .collect();
    }
    found
}

/// Counts by value.
#[derive(Default)]
struct Groups {
    by_value: HashMap<Vec<Option<String>>, Group>,
    beyond: u64,
}

/// The events of one value.
#[derive(Clone, Debug, Default)]
struct Group {
    events: u64,
    errors: u64,
    first: Option<i64>,
    last: Option<i64>,
    hours: BTreeMap<i64, u64>,
}

impl Groups {
    fn count(&mut self, value: Vec<Option<String>>, time: Option<i64>, is_error: bool) {
        if self.by_value.len() >= GROUPS_MAX && !self.by_value.contains_key(&value) {
            self.beyond += 1;
            return;
        }
        let group = self.by_value.entry(value).or_default();
        group.events += 1;
        group.errors += u64::from(is_error);
        if let Some(time) = time {
            group.first = Some(group.first.map_or(time, |first| first.min(time)));
            group.last = group.last.max(Some(time));
            *group.hours.entry(time.div_euclid(HOUR_US)).or_default() += 1;
        }
    }

    fn merge(&mut self, other: Groups) {
        self.beyond += other.beyond;
        for (value, group) in other.by_value {
            let sum = self.by_value.entry(value).or_default();
            sum.events += group.events;
            sum.errors += group.errors;
            sum.first = match (sum.first, group.first) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            sum.last = sum.last.max(group.last);
            for (hour, count) in group.hours {
                *sum.hours.entry(hour).or_default() += count;
            }
        }
    }
}

/// The largest groups as rows; equal ones in order of their value.
fn lay_out(groups: Groups, limit: usize, start: &Start) -> Vec<Vec<Option<String>>> {
    let hours = groups.by_value.values().flat_map(|group| group.hours.keys().copied());
    let span = (hours.clone().min(), hours.max());
    let mut list: Vec<_> = groups.by_value.into_iter().collect();
    list.sort_by(|(a_value, a), (b_value, b)| b.events.cmp(&a.events).then_with(|| a_value.cmp(b_value)));
    list.truncate(limit);
    let time = |time: Option<i64>| time.map(|time| time_text(time, start.printer.zone()));
    list.into_iter()
        .map(|(value, group)| {
            let mut row = value;
            row.extend([
                Some(group.events.to_string()),
                Some(group.errors.to_string()),
                time(group.first),
                time(group.last),
            ]);
            if let (Some(first), Some(last)) = span {
                row.push(Some(sparkline(&activity(&group.hours, first, last), start.printer.ink())));
            }
            row
        })
        .collect()
}

fn activity(hours: &BTreeMap<i64, u64>, first: i64, last: i64) -> Vec<u64> {
    // One slot per character, so that a span of years costs no more than a day.
    let span = (last - first + 1).max(1);
    let width = span.min(SPARK_WIDTH as i64);
    let mut slots = vec![0; width as usize];
    for (hour, count) in hours {
        slots[((hour - first) * width / span) as usize] += count;
    }
    squeeze(&slots, SPARK_WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_values_give_several_groups() {
        let text = |text: &str| text.to_owned();
        let found =
            combinations([vec![text("a"), text("b"), text("a")], vec![], vec![text("c")]].into_iter());
        assert_eq!(
            found,
            [vec![Some(text("a")), None, Some(text("c"))], vec![Some(text("b")), None, Some(text("c"))]]
        );
    }

    #[test]
    fn merging_is_the_same_in_any_order() {
        let one = |time: i64, is_error: bool| {
            let mut groups = Groups::default();
            groups.count(vec![Some("x".to_owned())], Some(time), is_error);
            groups
        };
        let mut forth = one(HOUR_US, true);
        forth.merge(one(5 * HOUR_US, false));
        let mut back = one(5 * HOUR_US, false);
        back.merge(one(HOUR_US, true));
        let shown = |groups: Groups| format!("{:?}", groups.by_value);
        assert_eq!(shown(forth), shown(back));
    }

    #[test]
    fn activity_spans_all_hours_in_few_slots() {
        let hours = BTreeMap::from([(0, 3), (1_000_000, 4)]);
        let slots = activity(&hours, 0, 1_000_000);
        assert_eq!((slots.len(), slots[0], slots[SPARK_WIDTH - 1]), (SPARK_WIDTH, 3, 4));
    }
}
