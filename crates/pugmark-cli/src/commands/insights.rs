//! `pugmark insights`: unusual rates of calls and errors, as CloudTrail
//! Insights tells them.

use std::ops::ControlFlow;

use pugmark_event::{EventBatch, format_time};
use pugmark_insights::{Counts, Detail, Insight, Selector, Settings, State};
use pugmark_scan::{Sink, scan};

use super::{Column, Start, print_rows};
use crate::args::detect::InsightsArgs;
use crate::exit::{Exit, Failure};
use crate::plan::Reading;
use crate::printer::Ended;
use crate::run::{Run, nothing_found, request};

/// Counts, and tells what the week before does not explain.
pub(super) fn insights(args: &InsightsArgs, as_records: bool, start: &Start) -> Result<Exit, Failure> {
    let selectors: &[Selector] = if args.data { &Selector::ALL } else { &Selector::DEFAULT };
    let reading = Reading::new(&args.sources, &args.read.select, &start.settings, &start.now)?;
    let mut run = Run::start(&start.printer)?;
    let request = request(&reading, Counts::leaves());
    let (listing, listed) = run.list(&reading)?;
    let (workers, tally) = scan(listing, &request, &run.progress, || Worker(Counts::new(selectors)))?;
    run.quiet();
    let counts = workers.into_iter().map(|worker| worker.0).reduce(Counts::merge);
    let mut counts = counts.unwrap_or_else(|| Counts::new(selectors));
    let found = counts.insights(&Settings::default());
    if counts.detail() != Detail::Full {
        start
            .printer
            .warning("there is more than memory holds: counts are coarser, and callers may be missing");
    }
    if tally.rows == 0 {
        start.printer.note(&nothing_found(&listed, &tally, reading.selection.range));
    } else if found.is_empty() {
        start.printer.note("no unusual rate; an API needs some days of history before anything is unusual");
    }
    if as_records {
        let text: String = found.iter().flat_map(|insight| [insight.record(), "\n".to_owned()]).collect();
        start.printer.report(&text)?;
    } else {
        print(&found, start)?;
    }
    Ok(run.finish(tally, found.len() as u64, Ended::AtTheEnd))
}

struct Worker(Counts);

impl Sink for Worker {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        self.0.read(&batch);
        ControlFlow::Continue(())
    }
}

/// A row for each start, with what its end adds.
fn print(found: &[Insight], start: &Start) -> Result<u64, Failure> {
    let columns = [
        Column::Text("start"),
        Column::Text("end"),
        Column::Text("account"),
        Column::Text("region"),
        Column::Text("type"),
        Column::Text("api"),
        Column::Text("error"),
        Column::Text("usual"),
        Column::Text("unusual"),
        Column::Text("times"),
        Column::Text("who"),
    ];
    let row = |insight: &Insight| {
        let end =
            found.iter().find(|other| other.state == State::End && other.shared_id == insight.shared_id);
        let whole = end.unwrap_or(insight);
        let who = whole.attributions.iter().filter_map(|attribution| attribution.insight.first());
        vec![
            Some(format_time(insight.time)),
            end.map(|end| format_time(end.time)),
            Some(insight.account.clone()),
            Some(insight.region.clone()),
            Some(insight.kind.as_str().to_owned()),
            Some(format!(
                "{}:{}",
                insight.event_source.trim_end_matches(".amazonaws.com"),
                insight.event_name
            )),
            insight.error_code.clone(),
            Some(format!("{:.4}", whole.baseline_average)),
            Some(format!("{:.2}", whole.insight_average)),
            whole.rate_change().map(|change| format!("{change:.0}")),
            who.map(|valued| valued.value.clone()).next(),
        ]
    };
    let rows: Vec<Vec<Option<String>>> =
        found.iter().filter(|insight| insight.state == State::Start).map(row).collect();
    print_rows(&start.printer, &columns, &rows)
}
