//! `--verify`: the bytes that are decoded are the bytes that are hashed, and
//! each row says what the digests know of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{StringViewArray, StringViewBuilder};
use pugmark_event::{EventBatch, Leaf, Object, Projection};
use pugmark_integrity::{Question, Reading as Gathering, Verified, Witness, gather, sha256};
use pugmark_scan::{Annotate, Request, ScanError};
use pugmark_source::{Contents, Location, Progress, list};

use super::keys;
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
    verdicts: Mutex<HashMap<String, Verified>>,
    /// Rows by verdict.
    rows: Mutex<BTreeMap<&'static str, u64>>,
}

impl Watch {
    /// Reads the digests beside the events, if that was asked for.
    pub(crate) fn new(args: &WitnessArgs, reading: &Reading) -> Result<Option<Arc<Watch>>, Failure> {
        if !args.verify {
            return Ok(None);
        }
        if reading.locations.contains(&Location::Stdin) {
            return Err(Failure::new(
                "there are no digests beside stdin",
                "give `--verify` a folder, an archive or a bucket that holds digests too",
            ));
        }
        let keys = keys::read(&args.keys)?;
        let mut selection = reading.selection.clone();
        selection.contents = Contents::Digests;
        // The progress line is about events.
        let progress = Progress::default();
        let listing = list(&reading.locations, &selection, &reading.access, &reading.limits, &progress)?;
        let gathering = Gathering {
            access: &reading.access,
            limits: &reading.limits,
            threads: reading.threads,
            progress: &progress,
        };
        let (evidence, _) = gather(listing, &gathering)?;
        let witness = Witness::new(&evidence, &keys, &Question::default());
        Ok(Some(Arc::new(Watch { witness, verdicts: Mutex::default(), rows: Mutex::default() })))
    }

    /// Has `request` fill the column, whether or not it is shown.
    pub(crate) fn attach(self: &Arc<Watch>, request: &mut Request) {
        request.projection = request.projection.with(Leaf::Verified);
        request.annotators.push(Arc::clone(self) as Arc<dyn Annotate>);
    }

    /// Says how many rows were what.
    pub(crate) fn report(&self, printer: &Printer) {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut parts: Vec<String> = Verified::ALL
            .iter()
            .map(|verdict| verdict.name())
            .chain([NOT_HASHED])
            .filter_map(|name| Some(format!("{} {name}", count_words(*rows.get(name)?))))
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
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts.insert(object.name.clone(), verdict);
    }

    fn annotate(&self, batch: &EventBatch) -> Result<EventBatch, ScanError> {
        let objects = Texts::of(batch, Leaf::SourceObject);
        let mut column = StringViewBuilder::with_capacity(batch.rows());
        let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut last: Option<(&str, &'static str)> = None;
        for row in 0..batch.rows() {
            let name = objects.get(row).unwrap_or_default();
            let verdict = match last {
                Some((known, verdict)) if known == name => verdict,
                _ => self.verdict(name),
            };
            last = Some((name, verdict));
            *counts.entry(verdict).or_default() += 1;
            column.append_value(verdict);
        }
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        for (verdict, count) in counts {
            *rows.entry(verdict).or_default() += count;
        }
        drop(rows);
        let column: StringViewArray = column.finish();
        Ok(batch.with_text(Leaf::Verified, column)?)
    }
}

impl Watch {
    fn verdict(&self, object: &str) -> &'static str {
        let verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts.get(object).map_or(NOT_HASHED, |verdict| verdict.name())
    }
}
