//! `pugmark coverage`: for which accounts, Regions and days there are log
//! files, events and digests; where there are none; and who switched what.
//!
//! A trail delivers to a folder per account, Region and day. A day without a
//! file between days with files is a gap, and so are the days after the last
//! file while others go on: explained if somebody had stopped the trail, or if
//! digests came without log files, else not.

mod collect;
mod html;
mod map;
mod report;

use pugmark_event::{Object, ObjectKind};
use pugmark_scan::{Duplicates, scan};
use pugmark_source::{Contents, Listing};

use super::super::{Column, print_rows};
use super::Start;
use crate::args::FilterArgs;
use crate::args::evidence::CoverageArgs;
use crate::exit::{Exit, Failure};
use crate::filter::Filters;
use crate::plan::Reading;
use crate::printer::{Ended, Format};
use crate::run::{Run, nothing_found, request};
use collect::{Collector, Folders};
use map::{Delivered, Map, Step};

/// One pass over everything.
pub(super) fn coverage(args: &CoverageArgs, is_html: bool, start: &Start) -> Result<Exit, Failure> {
    let mut reading = Reading::new(&args.sources, &args.read.select, &start.settings, &start.now)?;
    let step = if args.hourly { Step::Hour } else { Step::Day };
    let mut request = request(&reading, Collector::projection());
    Filters::new(&FilterArgs::default(), &reading.selection)?.apply(&mut request);
    // Copies show which trails overlap.
    request.duplicates = Duplicates::Keep;
    reading.selection.contents = Contents::Evidence;
    let mut run = Run::start(&start.printer)?;
    let (mut listing, listed) = run.list(&reading)?;
    let delivered = take_digests(&mut listing);
    let folders = Folders::default();
    let (collectors, mut tally) = scan(listing, &request, &run.progress, || Collector::new(&folders))?;
    run.quiet();
    let mut map = Map::new(step, reading.selection.range);
    for (object, bytes) in &delivered {
        map.object(object, *bytes);
    }
    let copies = map.events(collectors, folders.list());
    tally.rows = tally.rows.saturating_sub(copies);
    tally.duplicates += copies;
    map.close();
    let shown = map.cells();
    if map.is_empty() {
        start.printer.note(&nothing_found(&listed, &tally, reading.selection.range));
    }
    if is_html {
        start.printer.report(&html::page(&map, &tally))?;
    } else if start.printer.format() == Format::Table {
        start.printer.report(&report::text(&map, &tally, &start.printer))?;
    } else if start.printer.format() == Format::Json {
        start.printer.report(&report::json(&map))?;
    } else {
        let (columns, rows) = report::rows(&map);
        let columns: Vec<Column<'_>> = columns
            .iter()
            .map(|(name, is_number)| if *is_number { Column::Number(name) } else { Column::Text(name) })
            .collect();
        print_rows(&start.printer, &columns, &rows)?;
    }
    Ok(run.finish(tally, shown, Ended::AtTheEnd))
}

/// What was delivered, by key; digests are counted, and not opened.
fn take_digests(listing: &mut Listing) -> Delivered {
    let delivered = listing
        .entries
        .iter()
        .filter(|entry| is_delivered(&entry.object))
        .map(|entry| (std::sync::Arc::clone(&entry.object), entry.bytes_stored))
        .collect();
    listing.narrow(Contents::Events);
    delivered
}

/// True for log files and digests; the files of metadata beside digests are neither.
fn is_delivered(object: &Object) -> bool {
    match object.kind {
        ObjectKind::Log => true,
        ObjectKind::Digest => !object.name.ends_with(".metadata.json"),
        _ => false,
    }
}
