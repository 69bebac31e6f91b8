//! What some sessions did, and what services did because of it.
//!
//! A request to a service sets off events that nobody typed. For people they
//! are folded into one line below their cause; other formats have every event,
//! with the id of its cause.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
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

/// The columns of a timeline; machines get more.
const COLUMNS: &[ViewColumn] = &[
    ViewColumn::Time,
    ViewColumn::Who,
    ViewColumn::Action,
    ViewColumn::Target,
    ViewColumn::Outcome,
    ViewColumn::From,
    ViewColumn::Leaf(Leaf::Session),
];
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
    let columns = if is_page { COLUMNS.to_vec() } else { COLUMNS.iter().chain(&MORE).copied().collect() };
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
    let mut folding = Folding { wanted: &wanted, waiting: VecDeque::new(), width: columns.len() };
    for batch in events {
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

/// One line in the making.
struct Line {
    cells: Vec<Option<String>>,
    /// Cause and role of a consequence, and how many events it stands for.
    fold: Option<((String, String), u64)>,
}

struct Folding<'a> {
    wanted: &'a Wanted,
    waiting: VecDeque<Line>,
    width: usize,
}

impl Folding<'_> {
    fn take(&mut self, cells: Vec<Option<String>>, consequence: Option<(&str, &str)>) {
        let Some((cause, role)) = consequence else {
            self.waiting.push_back(Line { cells, fold: None });
            return;
        };
        let is_same = |line: &&mut Line| {
            line.fold
                .as_ref()
                .is_some_and(|((its_cause, its_role), _)| its_cause == cause && its_role == role)
        };
        if let Some(Line { fold: Some((_, count)), .. }) = self.waiting.iter_mut().rev().find(is_same) {
            *count += 1;
        } else {
            let fold = Some(((cause.to_owned(), role.to_owned()), 1));
            self.waiting.push_back(Line { cells, fold });
        }
    }

    /// All lines but the last `kept`.
    fn ready(&mut self, kept: usize, shape: &RecordBatch) -> Result<RecordBatch, Failure> {
        let count = self.waiting.len().saturating_sub(kept);
        let lines: Vec<Vec<Option<String>>> =
            self.waiting.drain(..count).map(|line| line.words(self.wanted, self.width)).collect();
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
