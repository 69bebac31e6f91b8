//! `--verify`: the bytes that are decoded are the bytes that are hashed, and
//! each row says what the digests know of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{StringViewArray, StringViewBuilder};
use pugmark_event::{EventBatch, Leaf, Object, Projection};
use pugmark_integrity::{Question, Verified, Witness, gather, sha256};
use pugmark_scan::{Annotate, Request, ScanError};
use pugmark_source::{Contents, Location, Progress, list};

use super::{Start, keys};
use crate::args::evidence::WitnessArgs;
use crate::exit::Failure;
use crate::plan::Reading;
use crate::printer::{Printer, count_words};
use crate::who::Texts;

/// What is said of rows whose object was not hashed.
const NOT_HASHED: &str = "not hashed";

/// Fills `verified`, and counts what it filled.
#[derive(Debug)]
pub(crate) struct Watch {
    witness: Witness,
    /// By the object's name.
    objects: Mutex<HashMap<String, Hashed>>,
}

/// What is known of an object that was hashed.
#[derive(Clone, Copy, Debug)]
struct Hashed {
    verdict: Verified,
    /// Of its last reading: a long list is read twice.
    rows: u64,
}

impl Watch {
    /// Reads the digests beside the events, if that was asked for.
    pub(crate) fn new(
        args: &WitnessArgs,
        reading: &Reading,
        start: &Start,
    ) -> Result<Option<Arc<Watch>>, Failure> {
        if !args.verify {
            return Ok(None);
        }
        if reading.locations.contains(&Location::Stdin) {
            return Err(Failure::new(
                "there are no digests beside stdin",
                "give `--verify` a folder, an archive or a bucket that holds digests too",
            ));
        }
        let keys = keys::known(&args.keys, start)?;
        if keys.is_empty() {
            return Err(keys::none_given());
        }
        let mut selection = reading.selection.clone();
        selection.contents = Contents::Digests;
        // The progress line is about events.
        let progress = Progress::default();
        let listing = list(&reading.locations, &selection, &reading.access, &reading.limits, &progress)?;
        let (evidence, _) = gather(listing, &reading.gathering(&progress))?;
        let witness = Witness::new(&evidence, &keys, &Question::default());
        Ok(Some(Arc::new(Watch { witness, objects: Mutex::default() })))
    }

    /// Has `request` fill the column, whether or not it is shown.
    pub(crate) fn attach(self: &Arc<Watch>, request: &mut Request) {
        request.projection = request.projection.with(Leaf::Verified);
        request.annotators.push(Arc::clone(self) as Arc<dyn Annotate>);
    }

    /// Says how many rows were what.
    pub(crate) fn report(&self, printer: &Printer) {
        let mut rows: BTreeMap<&str, u64> = BTreeMap::new();
        for object in self.objects.lock().unwrap_or_else(PoisonError::into_inner).values() {
            *rows.entry(object.verdict.name()).or_default() += object.rows;
        }
        let mut parts: Vec<String> = Verified::ALL
            .iter()
            .map(|verdict| verdict.name())
            .filter_map(|name| {
                let count = rows.get(name).filter(|count| **count > 0)?;
                Some(format!("{} {name}", count_words(*count)))
            })
            .collect();
        if parts.is_empty() {
            parts.push("no row was looked at".to_owned());
        }
        printer.note(&format!("verified rows: {}", parts.join(", ")));
        if self.witness.files() == 0 {
            printer.warning("no digest beside the log files lists any, so nothing is verified");
        }
    }
}

impl Annotate for Watch {
    fn fills(&self) -> Projection {
        std::iter::once(Leaf::Verified).collect()
    }

    fn needs(&self) -> Projection {
        std::iter::once(Leaf::SourceObject).collect()
    }

    fn wants_bytes(&self) -> bool {
        true
    }

    fn object(&self, object: &Object, bytes: &[u8]) {
        let verdict = self.witness.verdict(object, &sha256(bytes));
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.insert(object.name.clone(), Hashed { verdict, rows: 0 });
    }

    fn annotate(&self, batch: &EventBatch) -> Result<EventBatch, ScanError> {
        let objects = Texts::of(batch, Leaf::SourceObject);
        let mut column = StringViewBuilder::with_capacity(batch.rows());
        let mut row = 0;
        while row < batch.rows() {
            // Rows of one object follow each other.
            let name = objects.get(row).unwrap_or_default();
            let end = (row..batch.rows()).find(|row| objects.get(*row).unwrap_or_default() != name);
            let rows = end.unwrap_or(batch.rows()) - row;
            let verdict = self.count(name, rows as u64);
            (0..rows).for_each(|_| column.append_value(verdict));
            row += rows;
        }
        let column: StringViewArray = column.finish();
        Ok(batch.with_text(Leaf::Verified, column)?)
    }
}

impl Watch {
    /// The verdict about an object, which has so many more rows.
    fn count(&self, object: &str, rows: u64) -> &'static str {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.get_mut(object).map_or(NOT_HASHED, |hashed| {
            hashed.rows += rows;
            hashed.verdict.name()
        })
    }
}
