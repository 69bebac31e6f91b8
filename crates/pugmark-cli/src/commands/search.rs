//! `pugmark search`: the timeline of the events that match.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use arrow::datatypes::{Schema, SchemaRef};
use jiff::tz::TimeZone;
use pugmark_event::{Column, EventBatch, Leaf, Projection, Tally};
use pugmark_scan::{Duplicates, Order, Request, Sink, scan, sorted};
use pugmark_source::Listing;

use super::Start;
use super::evidence::Watch;
use crate::args::SearchArgs;
use crate::event_names;
use crate::exit::{Exit, Failure};
use crate::filter::Filters;
use crate::plan::Reading;
use crate::printer::{Content, Ended, Format, Rows};
use crate::provenance::attach;
use crate::run::{Run, nothing_found, request};
use crate::view::{self, ViewColumn};

/// Lists, reads, filters, orders, prints.
pub(super) fn search(args: &SearchArgs, start: &Start) -> Result<Exit, Failure> {
    let reading = Reading::new(&args.sources, &args.read.select, &start.settings, &start.now)?;
    let filters = Filters::new(&args.filter, &reading.selection)?;
    let layout = Layout::of(args, start)?;
    let mut request = request(&reading, layout.projection());
    filters.apply(&mut request);
    request.duplicates = if args.with_duplicates { Duplicates::Keep } else { Duplicates::Collapse };
    request.order = if args.reverse { Order::Descending } else { Order::Ascending };
    request.limit = args.limit;
    let watch = Watch::new(&args.witness, &reading, start)?;
    if let Some(watch) = &watch {
        watch.attach(&mut request);
    }

    let mut run = Run::start(&start.printer)?;
    attach(&reading, &run, &mut request);
    let (listing, listed) = run.list(&reading)?;
    let found = if args.unordered {
        unordered(listing, &request, &layout, &mut run)?
    } else {
        ordered(listing, &request, &layout, &mut run)?
    };
    if found.shown == 0 {
        run.quiet();
        start.printer.note(&nothing_found(&listed, &found.tally, reading.selection.range));
        for name in &args.filter.name {
            if let Some(near) = event_names::meant(name) {
                start.printer.note(&format!("no event is called `{name}`; did you mean `{near}`?"));
            }
        }
    }
    if let Some(watch) = watch {
        watch.report(&start.printer);
    }
    let exit = run.finish(found.tally, found.shown, found.ended);
    let is_no = args.require_match && found.shown == 0 && exit == Exit::Done;
    Ok(if is_no { Exit::No } else { exit })
}

/// What a search came to.
struct Found {
    shown: u64,
    tally: Tally,
    ended: Ended,
}

/// How events are laid out.
enum Layout {
    /// Columns for people.
    View(Vec<ViewColumn>, TimeZone),
    /// The record as delivered.
    Records,
    /// All columns of the field table.
    Columns,
}

impl Layout {
    fn of(args: &SearchArgs, start: &Start) -> Result<Layout, Failure> {
        let format = start.printer.format();
        let zone = start.printer.zone().clone();
        if !args.columns.is_empty() {
            let columns =
                args.columns.iter().map(|name| ViewColumn::named(name)).collect::<Result<_, _>>()?;
            return Ok(Layout::View(columns, zone));
        }
        let marked = |columns: &[ViewColumn]| {
            let mark = args.witness.verify.then_some(ViewColumn::Verified);
            Layout::View(columns.iter().copied().chain(mark).collect(), zone.clone())
        };
        Ok(match format {
            Format::Table | Format::Md => marked(view::SHORT),
            Format::Csv | Format::Tsv => marked(view::LONG),
            Format::Json | Format::Jsonl | Format::Raw => Layout::Records,
            Format::Parquet | Format::Arrow => Layout::Columns,
        })
    }

    fn projection(&self) -> Projection {
        match self {
            Layout::View(columns, _) => view::projection(columns),
            Layout::Records => std::iter::once(Leaf::Raw).collect(),
            Layout::Columns => recorded().flat_map(Column::leaves).map(|field| field.leaf).collect(),
        }
    }

    fn schema(&self) -> SchemaRef {
        match self {
            Layout::View(columns, _) => view::schema(columns),
            Layout::Records => pugmark_event::schema(),
            Layout::Columns => Arc::new(Schema::new(recorded().map(Column::arrow).collect::<Vec<_>>())),
        }
    }

    fn content(&self) -> Content {
        match self {
            Layout::Records => Content::Events,
            Layout::View(..) | Layout::Columns => Content::Columns,
        }
    }

    fn print(&self, batch: &EventBatch, rows: &mut Rows) -> Result<(), Failure> {
        match self {
            Layout::View(columns, zone) => rows.batch(&view::view(batch, columns, zone)?),
            Layout::Records => rows.batch(batch.record_batch()),
            Layout::Columns => {
                // A filter may have brought computed columns along.
                let schema = batch.record_batch().schema();
                let recorded: Vec<usize> =
                    recorded().filter_map(|column| schema.index_of(column.name()).ok()).collect();
                rows.batch(&batch.record_batch().project(&recorded)?)
            }
        }
    }
}

/// The columns that records have. Computed ones cost a reading of the whole
/// input: they are named by `--columns`, or selected by SQL.
fn recorded() -> impl Iterator<Item = Column> {
    let is_computed = |column: &Column| column.leaves().iter().any(|field| field.leaf.is_computed());
    Column::all().iter().copied().filter(move |column| !is_computed(column))
}

fn ordered(
    listing: Listing,
    request: &Request,
    layout: &Layout,
    run: &mut Run<'_>,
) -> Result<Found, Failure> {
    let (events, tally) = sorted(listing, request, &run.progress)?;
    run.quiet();
    let mut rows = run.printer.rows(&layout.schema(), layout.content())?;
    for batch in events {
        if run.is_interrupted() {
            break;
        }
        layout.print(&batch?, &mut rows)?;
    }
    Ok(Found { shown: rows.finish()?, tally, ended: Ended::AtTheEnd })
}

/// Rows as workers find them. The limit ends the work.
struct Stream<'a> {
    state: &'a Mutex<Streamed>,
    layout: &'a Layout,
    is_full: &'a AtomicBool,
}

struct Streamed {
    rows: Option<Rows>,
    left: Option<usize>,
    failure: Option<Failure>,
}

impl Sink for Stream<'_> {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        if batch.rows() == 0 {
            return ControlFlow::Continue(());
        }
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let state = &mut *state;
        let Some(rows) = state.rows.as_mut().filter(|_| state.failure.is_none()) else {
            return ControlFlow::Break(());
        };
        let kept = state.left.map_or(batch.rows(), |left| left.min(batch.rows()));
        if let Err(failure) = self.layout.print(&batch.head(kept), rows) {
            state.failure = Some(failure);
            return ControlFlow::Break(());
        }
        if let Some(left) = &mut state.left {
            *left -= kept;
            if *left == 0 {
                self.is_full.store(true, Ordering::Relaxed);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

fn unordered(
    listing: Listing,
    request: &Request,
    layout: &Layout,
    run: &mut Run<'_>,
) -> Result<Found, Failure> {
    // Rows and a progress line would overwrite each other.
    run.quiet();
    let rows = run.printer.rows(&layout.schema(), layout.content())?;
    let state = Mutex::new(Streamed { rows: Some(rows), left: request.limit, failure: None });
    let is_full = AtomicBool::new(request.limit == Some(0));
    let make = || Stream { state: &state, layout, is_full: &is_full };
    let (_, tally) = scan(listing, request, &run.progress, make)?;
    let state = state.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(failure) = state.failure {
        return Err(failure);
    }
    let shown = state.rows.map_or(Ok(0), Rows::finish)?;
    let ended = if is_full.load(Ordering::Relaxed) { Ended::AtTheLimit } else { Ended::AtTheEnd };
    Ok(Found { shown, tally, ended })
}
