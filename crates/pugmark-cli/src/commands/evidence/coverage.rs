//! `pugmark coverage`: where there are files, and where there are none.

use pugmark_event::format_time;
use pugmark_scan::{Sink, scan};

use super::super::{Column, print_rows};
use super::Start;
use crate::args::evidence::CoverageArgs;
use crate::exit::{Exit, Failure};
use crate::plan::Reading;
use crate::printer::Ended;
use crate::run::{Run, request};

struct Nothing;

impl Sink for Nothing {
    fn batch(&mut self, _batch: pugmark_event::EventBatch) -> std::ops::ControlFlow<()> {
        std::ops::ControlFlow::Continue(())
    }
}

/// Lists and counts.
pub(super) fn coverage(args: &CoverageArgs, start: &Start) -> Result<Exit, Failure> {
    let reading = Reading::new(&args.sources, &args.select, &start.settings, &start.now)?;
    let request = request(&reading, pugmark_event::Projection::default());
    let mut run = Run::start(&start.printer)?;
    let (listing, listed) = run.list(&reading)?;
    let (_, tally) = scan(listing, &request, &run.progress, || Nothing)?;
    run.quiet();
    let rows: Vec<Vec<Option<String>>> = listed
        .coverage
        .iter()
        .flat_map(|covered| covered.days.iter().map(move |day| (covered, *day)))
        .map(|(covered, day)| {
            let day = format_time(i64::from(day) * 86_400_000_000)[..10].to_owned();
            vec![Some(covered.account.clone()), Some(covered.region.clone()), Some(day)]
        })
        .collect();
    let shown = print_rows(&start.printer, &["account", "region", "day"].map(Column::Text), &rows)?;
    Ok(run.finish(tally, shown, Ended::AtTheEnd))
}
