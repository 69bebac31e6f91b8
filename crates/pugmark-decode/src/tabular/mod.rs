//! Records that arrive as rows of columns.
//!
//! ```text
//! CSV row ───┐
//! Parquet row┼─▶ one CloudTrail record as JSON text ─▶ the kernel
//! Lake row ──┘
//! ```
//!
//! Athena and `CloudTrail` Lake results, the console's event history, Security
//! Lake's OCSF and Pugmark's own exports are rendered back into the record
//! they came from, with member names as `CloudTrail` spells them; the kernel
//! then reads them like any other record. This is not a second decoder: it
//! knows no column types beyond what a record's JSON needs.

mod csv;
mod lake;
mod names;
mod ocsf;
mod parquet;
mod presto;
mod render;
mod table;

use std::ops::ControlFlow;

use pugmark_event::DefectKind;

pub(crate) use self::csv::csv;
pub(crate) use self::lake::lake_row;
pub(crate) use self::parquet::parquet;

/// Where rendered records go.
pub(crate) trait Emit {
    /// One record as JSON text; `offset` is where its row starts in the
    /// uncompressed object (for Parquet: the row number).
    fn record(&mut self, offset: u64, json: &[u8]) -> ControlFlow<()>;

    /// One thing that was wrong.
    fn defect(&mut self, kind: DefectKind, offset: u64, detail: String);
}
