//! `pugmark scan`, and `pugmark SOURCE` alone: what is there, who was active,
//! what is odd at first look, and what to run next.

mod odd;
mod overview;
mod report;

use pugmark_scan::scan as scan_events;

use super::Start;
use super::evidence::Watch;
use crate::args::{FilterArgs, ScanArgs};
use crate::exit::{Exit, Failure};
use crate::filter::Filters;
use crate::plan::Reading;
use crate::printer::{Ended, Format};
use crate::run::{Run, nothing_found, request};
use overview::{Collector, Overview};

/// One pass over everything.
pub(super) fn scan(args: &ScanArgs, start: &Start) -> Result<Exit, Failure> {
    let reading = Reading::new(&args.sources, &args.read.select, &start.settings, &start.now)?;
    let format = start.printer.format();
    if !matches!(format, Format::Table | Format::Json | Format::Jsonl | Format::Md) {
        return Err(Failure::new(
            "an overview is no list of rows",
            "give `--output table` or `json`; `pugmark stats` and `search` write all formats",
        ));
    }
    let mut request = request(&reading, Collector::projection());
    Filters::new(&FilterArgs::default(), &reading.selection)?.apply(&mut request);
    let watch = Watch::new(&args.witness, &reading, start)?;
    if let Some(watch) = &watch {
        watch.attach(&mut request);
    }
    let mut run = Run::start(&start.printer)?;
    let (listing, listed) = run.list(&reading)?;
    let (collectors, tally) = scan_events(listing, &request, &run.progress, Collector::default)?;
    run.quiet();
    let mut overview = Overview::default();
    for collector in collectors {
        overview.merge(collector.overview);
    }
    if overview.events == 0 {
        start.printer.note(&nothing_found(&listed, &tally, reading.selection.range));
    }
    let page = report::Page {
        overview: &overview,
        tally: &tally,
        coverage: &listed.coverage,
        top: args.top,
        printer: &start.printer,
    };
    let sources = args.sources.join(" ");
    let text = if matches!(format, Format::Json | Format::Jsonl) { page.json() } else { page.text(&sources) };
    start.printer.report(&text)?;
    if let Some(watch) = watch {
        watch.report(&start.printer);
    }
    Ok(run.finish(tally, overview.events, Ended::AtTheEnd))
}
