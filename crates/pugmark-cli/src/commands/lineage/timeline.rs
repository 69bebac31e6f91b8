//! What some sessions did, and what services did because of it.
//!
//! A request to a service sets off events that nobody typed. For people they
//! are folded into one line below their cause; other formats have every event,
//! with the id of its cause.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringArray};
use arrow::record_batch::RecordBatch;
use pugmark_event::{EventBatch, Leaf, Tally};
use pugmark_scan::{Annotate, sorted};

use super::Question;
use crate::exit::Failure;
use crate::printer::{Content, Format, cell_text, counted};
use crate::run::request;
use crate::view::{self, ViewColumn};
use crate::who::{Texts, short_service};

/// Lines that wait for more of their kind; beyond, the oldest is printed as it is.
const WAITING: usize = 10_000;

/// What machines get besides.
const MORE: [ViewColumn; 6] = [
    ViewColumn::Account,
    ViewColumn::Region,
    ViewColumn::Id,
    ViewColumn::Leaf(Leaf::Actor),
    ViewColumn::Leaf(Leaf::Cause),
    ViewColumn::Leaf(Leaf::Confidence),
];

/// Which events are told.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Short ids of sessions.
    pub(super) sessions: BTreeSet<String>,
    /// Actors whose events without a session count too.
    pub(super) actors: BTreeSet<String>,
    /// Requests whose consequences count too, by event id, with their words.
    pub(super) causes: BTreeMap<String, String>,
}

/// Whether consequences are told one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consequences {
    Fold,
    Tell,
}

/// Prints the events that are wanted, in order; answers how many rows were printed.
pub(super) fn print(
    question: &mut Question<'_>,
    wanted: Wanted,
    consequences: Consequences,
) -> Result<(u64, Tally), Failure> {
    let wanted = Arc::new(wanted);
    let is_page = matches!(question.run.printer.format(), Format::Table | Format::Md);
    let mut columns = [view::SHORT, &[ViewColumn::Leaf(Leaf::Session)]].concat();
    if !is_page {
        columns.extend(MORE);
    }
    let own = [Leaf::Session, Leaf::Actor, Leaf::Cause, Leaf::IssuerUserName, Leaf::IdentityInvokedBy];
    let mut request = request(&question.reading, view::projection(&columns).union(own.into_iter().collect()));
    request.annotators.push(question.provenance.columns() as Arc<dyn Annotate>);
    let choose = Arc::clone(&wanted);
    request.filter = Some(Arc::new(move |batch: &EventBatch| Ok(choose.rows(batch))));
    let (listing, _) = question.run.list(&question.reading)?;
    let (events, tally) = sorted(listing, &request, &question.run.progress)?;
    question.run.quiet();
    let printer = question.run.printer;
    let mut rows = printer.rows(&view::schema(&columns), Content::Columns)?;
    let mut folding = Folding::new(&wanted, columns.len());
    for batch in events {
        if question.run.is_interrupted() {
            break;
        }
        let batch = batch?;
        let shown = view::view(&batch, &columns, printer.zone())?;
        if !is_page || consequences == Consequences::Tell {
            rows.batch(&shown)?;
            continue;
        }
        let causes = Causes::of(&batch);
        for row in 0..batch.rows() {
            let cells = shown.columns().iter();
            let cells =
                cells.map(|column| cell_text(column, row, printer.zone()).map(std::borrow::Cow::into_owned));
            folding.take(cells.collect(), causes.get(row));
        }
        rows.batch(&folding.ready(WAITING, &shown)?)?;
    }
    if !folding.waiting.is_empty() {
        let shape = RecordBatch::new_empty(view::schema(&columns));
        rows.batch(&folding.ready(0, &shape)?)?;
    }
    Ok((rows.finish()?, tally))
}

impl Wanted {
    fn rows(&self, batch: &EventBatch) -> BooleanArray {
        let (session, actor) = (Texts::of(batch, Leaf::Session), Texts::of(batch, Leaf::Actor));
        let cause = Texts::of(batch, Leaf::Cause);
        let is_in = |set: &BTreeSet<String>, text: Option<&str>| text.is_some_and(|text| set.contains(text));
        (0..batch.rows())
            .map(|row| {
                let is_own = match session.get(row) {
                    Some(id) => self.sessions.contains(id),
                    None => is_in(&self.actors, actor.get(row)),
                };
                Some(is_own || cause.get(row).is_some_and(|cause| self.causes.contains_key(cause)))
            })
            .collect()
    }
}

/// What made services act, and who they acted as.
struct Causes {
    cause: Texts,
    role: Texts,
    service: Texts,
}

impl Causes {
    fn of(batch: &EventBatch) -> Causes {
        let texts = |leaf| Texts::of(batch, leaf);
        Causes {
            cause: texts(Leaf::Cause),
            role: texts(Leaf::IssuerUserName),
            service: texts(Leaf::IdentityInvokedBy),
        }
    }

    /// Cause and name of the one who acted, if it is a consequence.
    fn get(&self, row: usize) -> Option<(&str, &str)> {
        let cause = self.cause.get(row)?;
        let who = self.role.get(row).filter(|role| role.starts_with("AWSServiceRoleFor"));
        Some((cause, who.or_else(|| self.service.get(row).map(short_service)).unwrap_or("a service")))
    }
}

/// Cause and role of consequences that are one line.
type Fold = (String, String);

/// One line in the making.
struct Line {
    cells: Vec<Option<String>>,
    /// What it is a consequence of, and how many events it stands for.
    fold: Option<(Fold, u64)>,
}

struct Folding<'a> {
    wanted: &'a Wanted,
    waiting: VecDeque<Line>,
    /// Lines that have left `waiting`.
    gone: usize,
    /// Where lines of consequences wait, counted from the first line of all.
    places: HashMap<Fold, usize>,
    width: usize,
}

impl<'a> Folding<'a> {
    fn new(wanted: &'a Wanted, width: usize) -> Folding<'a> {
        Folding { wanted, waiting: VecDeque::new(), gone: 0, places: HashMap::new(), width }
    }

    fn take(&mut self, cells: Vec<Option<String>>, consequence: Option<(&str, &str)>) {
        let Some((cause, role)) = consequence else {
            self.waiting.push_back(Line { cells, fold: None });
            return;
        };
        let fold = (cause.to_owned(), role.to_owned());
        let waiting = self.places.get(&fold).and_then(|place| self.waiting.get_mut(place - self.gone));
        if let Some(Line { fold: Some((_, count)), .. }) = waiting {
            *count += 1;
        } else {
            self.places.insert(fold.clone(), self.gone + self.waiting.len());
            self.waiting.push_back(Line { cells, fold: Some((fold, 1)) });
        }
    }

    /// All lines but the last `kept`.
    fn ready(&mut self, kept: usize, shape: &RecordBatch) -> Result<RecordBatch, Failure> {
        let count = self.waiting.len().saturating_sub(kept);
        self.gone += count;
        let mut lines: Vec<Vec<Option<String>>> = Vec::with_capacity(count);
        for line in self.waiting.drain(..count) {
            if let Some((fold, _)) = &line.fold {
                self.places.remove(fold);
            }
            lines.push(line.words(self.wanted, self.width));
        }
        let columns = (0..self.width).map(|column| {
            let cells = lines.iter().map(|line| line.get(column).and_then(Option::as_deref));
            Arc::new(cells.collect::<StringArray>()) as ArrayRef
        });
        Ok(RecordBatch::try_new(shape.schema(), columns.collect())?)
    }
}

impl Line {
    fn words(self, wanted: &Wanted, width: usize) -> Vec<Option<String>> {
        let Some(((cause, role), count)) = self.fold else { return self.cells };
        let because = wanted.causes.get(&cause).map_or_else(|| format!("event {cause}"), Clone::clone);
        let mut cells = self.cells;
        cells.resize(width, None);
        if count > 1 {
            cells[1] = Some(format!("+{} by {role}", counted(count, "event")));
            cells[2] = None;
            cells[3] = Some(format!("because of {because}"));
        } else {
            cells[1] = Some(format!("+ {role}"));
        }
        cells
    }
}
