//! Commands about who really did it.

mod contain;
mod eks;
mod policy;
mod sessions;
mod story;
mod timeline;
mod tree;
mod who;
mod why;

use std::ops::ControlFlow;
use std::sync::Arc;

use pugmark_event::{EventBatch, Leaf, Tally};
use pugmark_lineage::{Caller, Lineage, Row, Rows, Session};
use pugmark_scan::{Sink, scan};

use super::{Column, Start, print_rows, take_form};
use crate::args::lineage::{AboutArgs, LineageCommand};
use crate::examples;
use crate::exit::{Exit, Failure};
use crate::plan::Reading;
use crate::printer::Ended;
use crate::provenance::Provenance;
use crate::run::{Run, request};
use tree::Form;

/// Does what the command line says.
pub(super) fn run(command: LineageCommand) -> Result<Exit, Failure> {
    match command {
        LineageCommand::Who(mut args) => {
            let form = take_form(&mut args.about.read.print.talk, &Form::NAMES).and_then(Form::named);
            let Some(start) = Start::reading(&args.about.read, examples::WHO)? else { return Ok(Exit::Done) };
            who::who(&args, form, &start)
        }
        LineageCommand::Sessions(args) => {
            let Some(start) = Start::reading(&args.read, examples::SESSIONS)? else { return Ok(Exit::Done) };
            sessions::sessions(&args, &start)
        }
        LineageCommand::Session(mut args) => {
            let form = take_form(&mut args.about.read.print.talk, &Form::NAMES).and_then(Form::named);
            let Some(start) = Start::reading(&args.about.read, examples::SESSION)? else {
                return Ok(Exit::Done);
            };
            who::session(&args, form, &start)
        }
        LineageCommand::Eks(args) => {
            let Some(start) = Start::reading(&args.read, examples::EKS)? else { return Ok(Exit::Done) };
            eks::eks(&args, &start)
        }
        LineageCommand::Story(args) => {
            let Some(start) = Start::reading(&args.read, examples::STORY)? else { return Ok(Exit::Done) };
            story::story(&args, &start)
        }
        LineageCommand::Policy(mut args) => {
            let form = take_form(&mut args.read.print.talk, &policy::FORMS);
            let Some(start) = Start::reading(&args.read, examples::POLICY)? else { return Ok(Exit::Done) };
            policy::policy(&args, form, &start)
        }
        LineageCommand::Contain(mut args) => {
            let form = take_form(&mut args.about.read.print.talk, &contain::FORMS);
            let Some(start) = Start::reading(&args.about.read, examples::CONTAIN)? else {
                return Ok(Exit::Done);
            };
            contain::contain(&args, form, &start)
        }
        LineageCommand::Why(args) => {
            let Some(start) = Start::reading(&args.read, examples::WHY)? else { return Ok(Exit::Done) };
            why::why(&args, &start)
        }
    }
}

/// A question about one subject, and what is known to answer it.
struct Question<'a> {
    subject: &'a str,
    reading: Reading,
    run: Run<'a>,
    provenance: Provenance,
}

/// One worker's part of a second reading.
struct Reader<R> {
    value: R,
    read: Read<R>,
}

/// Takes in an event.
type Read<R> = fn(&mut R, Row<'_>);

impl<R: Send> Sink for Reader<R> {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        Rows::of(&batch).iter().for_each(|row| (self.read)(&mut self.value, row));
        ControlFlow::Continue(())
    }
}

impl<'a> Question<'a> {
    fn new(args: &'a AboutArgs, start: &'a Start) -> Result<Question<'a>, Failure> {
        let Some((subject, sources)) = args.words.split_last().filter(|(_, sources)| !sources.is_empty())
        else {
            return Err(Failure::new(
                "nothing is asked about",
                "write the sources first and the subject last",
            ));
        };
        let reading = Reading::new(sources, &args.read.select, &start.settings, &start.now)?;
        let run = Run::start(&start.printer)?;
        let provenance = Provenance::new(&reading, &run);
        Ok(Question { subject, reading, run, provenance })
    }

    /// Reads the events once more, a reader per worker, and makes one of all readers.
    fn fold<R: Send>(
        &self,
        leaves: impl IntoIterator<Item = Leaf>,
        needle: Option<String>,
        make: impl Fn() -> R + Sync,
        (read, merge): (Read<R>, fn(R, R) -> R),
    ) -> Result<(R, Tally), Failure> {
        let mut request = request(&self.reading, Caller::LEAVES.into_iter().chain(leaves).collect());
        request.needles = needle.into_iter().map(String::into_bytes).collect();
        let listing = self.reading.list(&self.run.progress)?;
        let (readers, tally) =
            scan(listing, &request, &self.run.progress, || Reader { value: make(), read })?;
        let whole = readers.into_iter().map(|reader| reader.value).reduce(merge);
        Ok((whole.unwrap_or_else(make), tally))
    }

    fn lineage(&self) -> Result<Arc<Lineage>, Failure> {
        self.provenance.lineage()
    }

    /// The party that made the event whose id is asked about, if there is such an event.
    fn event<'b>(&self, lineage: &'b Lineage) -> Result<Option<Session<'b>>, Failure> {
        let reading = &self.reading;
        let leaves = Caller::LEAVES.into_iter().chain([Leaf::EventId]);
        let mut request = request(reading, leaves.collect());
        request.needles = vec![self.subject.as_bytes().to_vec()];
        let listing = reading.list(&self.run.progress)?;
        let make = || Named { id: self.subject, lineage, found: None };
        let (found, _tally) = scan(listing, &request, &self.run.progress, make)?;
        Ok(found.into_iter().find_map(|named| named.found))
    }

    /// Says that there is no answer, and what was covered.
    fn unknown(&mut self, lineage: &Lineage, what: &str) -> Exit {
        self.run.quiet();
        self.run.printer.note(&format!("{what} `{}` in {}", self.subject, covered(lineage)));
        self.end(Exit::No)
    }

    /// The exit of the run, or `exit` if nothing went wrong.
    fn end(&mut self, exit: Exit) -> Exit {
        self.run.quiet();
        match self.run.finish(self.provenance.tally(), 0, Ended::AtTheEnd) {
            Exit::Done => exit,
            other => other,
        }
    }
}

/// Looks for the event called `id`.
struct Named<'a, 'b> {
    id: &'a str,
    lineage: &'b Lineage,
    found: Option<Session<'b>>,
}

impl Sink for Named<'_, '_> {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        let rows = Rows::of(&batch);
        let row = rows.iter().find(|row| row.text(Leaf::EventId) == Some(self.id));
        match row {
            Some(row) => {
                self.found = self.lineage.party(row);
                ControlFlow::Break(())
            }
            None => ControlFlow::Continue(()),
        }
    }
}

/// The time that the events span.
fn covered(lineage: &Lineage) -> String {
    match lineage.covered() {
        (Some(first), Some(last)) => {
            format!("events of {} to {}", pugmark_event::format_time(first), pugmark_event::format_time(last))
        }
        _ => "no events".to_owned(),
    }
}
