//! One timeline of the trail and of the clusters' own audit logs.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, StringArray};
use arrow::record_batch::RecordBatch;
use pugmark_event::{Defect, EventBatch, Fill, Filled, Object, Tally};
use pugmark_lineage::audit::{AuditLog, Entry, Fusion};
use pugmark_lineage::{Caller, Lineage, Rows};
use pugmark_scan::{Sink, scan};
use pugmark_source::{Location, Selection, Visitor, list, visit};

use crate::args::lineage::EksArgs;
use crate::exit::Failure;
use crate::plan::Reading;
use crate::printer::{Content, Format, time_text};
use crate::run::{Run, request};

/// Entries of the timeline; more are counted.
const ENTRIES_MAX: usize = 1_000_000;
/// Bytes of one audit log that are read at once.
const LOG_BYTES_MAX: usize = 1 << 30;

/// Prints the timeline; answers how many entries were printed.
pub(super) fn timeline(
    args: &EksArgs,
    reading: &Reading,
    lineage: &Lineage,
    run: &mut Run<'_>,
) -> Result<(u64, Tally), Failure> {
    let log = read_logs(args, reading, run)?;
    let leaves = Caller::LEAVES.into_iter().chain(Fusion::LEAVES);
    let request = request(reading, leaves.collect());
    let (listing, _) = run.list(reading)?;
    let fusion = Mutex::new(Fusion::new(lineage, &log, ENTRIES_MAX));
    let (_, tally) = scan(listing, &request, &run.progress, || Joint(&fusion))?;
    let (entries, left_out) = fusion.into_inner().unwrap_or_else(PoisonError::into_inner).finish();
    run.quiet();
    if left_out > 0 {
        run.printer
            .warning(&format!("{left_out} entries beyond {ENTRIES_MAX} are left out; narrow the time"));
    }
    let range = reading.selection.range;
    let entries = entries.into_iter().filter(|entry| {
        range.contains(entry.time) && (args.cluster.is_empty() || args.cluster.contains(&entry.cluster))
    });
    Ok((print(&entries.collect::<Vec<_>>(), run)?, tally))
}

/// Hands rows to the one joint of all workers, which keeps few of them and takes them in any order.
struct Joint<'a, 'b>(&'a Mutex<Fusion<'b>>);

impl Sink for Joint<'_, '_> {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        let rows = Rows::of(&batch);
        let mut fusion = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rows.iter().for_each(|row| fusion.read(row));
        ControlFlow::Continue(())
    }
}

/// Reads the logs of `--audit`, from wherever log files can be.
fn read_logs(args: &EksArgs, reading: &Reading, run: &Run<'_>) -> Result<AuditLog, Failure> {
    if args.audit.is_empty() {
        return Ok(AuditLog::default());
    }
    let locations =
        args.audit.iter().map(|text| Ok(Location::parse(text)?)).collect::<Result<Vec<_>, Failure>>()?;
    let Reading { access, limits, threads, .. } = reading;
    let listing = list(&locations, &Selection::default(), access, limits, &run.progress)?;
    let (readers, _tally) = visit(listing, access, limits, *threads, &run.progress, |_| Reader::default())?;
    let mut log = AuditLog::default();
    for reader in readers {
        for defect in reader.defects {
            run.printer.warning(&defect);
        }
        log.merge(reader.log);
    }
    for defect in log.defects.iter().take(10) {
        run.printer.warning(&format!("`{}` byte {}: {}", defect.object, defect.offset, defect.reason));
    }
    if log.defect_count > 0 {
        run.printer.warning(&format!("{} lines of audit logs could not be read", log.defect_count));
    }
    if log.left_out > 0 {
        run.printer.warning(&format!("{} audit events are left out; name fewer logs", log.left_out));
    }
    Ok(log)
}

#[derive(Default)]
struct Reader {
    log: AuditLog,
    defects: Vec<String>,
}

impl Visitor for Reader {
    fn object(&mut self, object: &Arc<Object>, fill: &mut dyn Fill) -> ControlFlow<()> {
        let mut bytes = Vec::new();
        while bytes.len() < LOG_BYTES_MAX {
            match fill.fill(&mut bytes, 1 << 20) {
                Ok(Filled::More) => {}
                // What was read before a fault counts; the fault itself comes as a defect.
                Ok(Filled::End) | Err(_) => break,
            }
        }
        self.log.read(&bytes, &object.name, None);
        ControlFlow::Continue(())
    }

    fn defect(&mut self, defect: Defect) {
        self.defects.push(format!("`{}`: {}", defect.origin.object.name, defect.detail));
    }
}

/// A column: its name, and its text of an entry.
type Column = (&'static str, fn(&Entry) -> Option<String>);

const COLUMNS: [Column; 12] = [
    ("source", |entry| Some(entry.source.as_str().to_owned())),
    ("cluster", |entry| some(&entry.cluster)),
    ("actor", |entry| entry.actor.clone()),
    ("who", |entry| some(&entry.who)),
    ("verb", |entry| some(&entry.verb)),
    ("object", |entry| some(&entry.object)),
    ("decision", |entry| some(&entry.decision)),
    ("because", |entry| entry.because.clone()),
    ("session", |entry| entry.session.clone()),
    ("confidence", |entry| entry.confidence.map(|sure| sure.as_str().to_owned())),
    ("from", |entry| entry.address.clone()),
    ("id", |entry| some(&entry.id)),
];

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn print(entries: &[Entry], run: &Run<'_>) -> Result<u64, Failure> {
    let is_page = matches!(run.printer.format(), Format::Table | Format::Md);
    let zone = run.printer.zone();
    let time = |entry: &Entry| {
        entry.time.map(|time| if is_page { time_text(time, zone) } else { pugmark_event::format_time(time) })
    };
    let times: StringArray = entries.iter().map(time).collect();
    let mut columns: Vec<(&str, ArrayRef, bool)> = vec![("time", Arc::new(times), true)];
    for (name, text) in COLUMNS.iter().take(if is_page { 8 } else { COLUMNS.len() }) {
        let texts: StringArray = entries.iter().map(text).collect();
        columns.push((*name, Arc::new(texts), true));
    }
    let batch = RecordBatch::try_from_iter_with_nullable(columns)?;
    let mut rows = run.printer.rows(&batch.schema(), Content::Columns)?;
    rows.batch(&batch)?;
    rows.finish()
}
