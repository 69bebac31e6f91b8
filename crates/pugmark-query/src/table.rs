//! The table: what was listed, pruned by what a statement asks for.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{Array, ArrayRef, Date32Array, StringViewArray};
use datafusion::arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, Result, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::datasource::physical_plan::FileScanConfigBuilder;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use pugmark_event::{Tally, TimeRange, parse_time};
use pugmark_source::{Entry, Listing};

use crate::shape::Shape;
use crate::source::{CloudTrailSource, Shared, shows_place};

/// Where our files are said to be; nothing is fetched through the engine's own stores.
pub(crate) const STORE: &str = "pugmark://";

const DAY_US: i64 = 86_400_000_000;

/// Stored bytes of an event, to guess how many rows there are: compressed and not.
const ROW_BYTES: (u64, u64) = (150, 1_600);

/// One shape of the table over one listing.
pub(crate) struct EventsTable {
    shape: Shape,
    listing: Arc<Listing>,
    /// Every object's key says where it belongs, so its path columns are known before it is opened.
    keyed: bool,
    shared: Arc<Shared>,
}

impl EventsTable {
    pub(crate) fn new(shape: Shape, listing: Arc<Listing>, shared: Arc<Shared>) -> EventsTable {
        let keyed = listing.entries.iter().all(is_keyed);
        EventsTable { shape, listing, keyed, shared }
    }

    /// The entries that may hold rows that pass `filters`.
    fn prune(&self, state: &dyn Session, filters: &[Expr], range: TimeRange) -> Result<Vec<Entry>> {
        let entries = &self.listing.entries;
        let paths = filters.iter().filter(|filter| self.is_of_path(filter)).cloned();
        let wanted = match conjunction(paths) {
            Some(filter) => {
                let batch = self.paths(entries)?;
                let schema = DFSchema::try_from(batch.schema())?;
                let passed = state.create_physical_expr(filter, &schema)?.evaluate(&batch)?;
                let passed = passed.into_array(entries.len())?;
                let passed = datafusion::common::cast::as_boolean_array(&passed)?.clone();
                (0..entries.len()).map(|row| passed.is_valid(row) && passed.value(row)).collect()
            }
            None => vec![true; entries.len()],
        };
        let kept = entries.iter().zip(wanted).filter(|(entry, wanted)| {
            let may_hold = entry.object.day.is_none_or(|day| range.may_hold_day(day));
            !is_keyed(entry) || (*wanted && may_hold)
        });
        Ok(kept.map(|(entry, _)| entry.clone()).collect())
    }

    /// True for filters that read nothing but path columns.
    fn is_of_path(&self, filter: &Expr) -> bool {
        let names: &[&str] = match self.shape {
            Shape::Lake => &["org", "account", "region", "day"],
            Shape::Athena => &["account", "region", "timestamp", "year", "month", "day"],
        };
        let columns = filter.column_refs();
        !columns.is_empty()
            && !filter.is_volatile()
            && columns.iter().all(|column| names.contains(&column.name.as_str()))
    }

    /// The path columns of all entries.
    fn paths(&self, entries: &[Entry]) -> Result<RecordBatch> {
        let texts = |of: fn(&Entry) -> Option<&str>| -> ArrayRef {
            Arc::new(entries.iter().map(of).collect::<StringViewArray>())
        };
        let account = texts(|entry| entry.object.account.as_deref());
        let region = texts(|entry| entry.object.region.as_deref());
        let days: Date32Array = entries.iter().map(|entry| entry.object.day).collect();
        let mut columns = vec![("account", account), ("region", region)];
        match self.shape {
            Shape::Lake => {
                columns.push(("org", texts(|entry| entry.object.org.as_deref())));
                columns.push(("day", Arc::new(days)));
            }
            Shape::Athena => columns.extend(crate::shape::day_columns(&days)),
        }
        Ok(RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, array)| (name, array, true)),
        )?)
    }

    /// Deals `entries` out to partitions of about the same size.
    fn groups(&self, entries: Vec<Entry>, partitions: usize) -> Vec<Listing> {
        let partitions = partitions.clamp(1, entries.len().max(1));
        let mut groups: Vec<(u64, Vec<Entry>)> = vec![(0, Vec::new()); partitions];
        for entry in entries {
            // A small constant, so that many tiny files count too.
            let size = entry.bytes_stored + 4_096;
            if let Some(smallest) = groups.iter_mut().min_by_key(|(sum, _)| *sum) {
                smallest.0 += size;
                smallest.1.push(entry);
            }
        }
        groups.into_iter().map(|(_, entries)| self.listing.part(entries)).collect()
    }
}

impl std::fmt::Debug for EventsTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventsTable({:?}, {} objects)", self.shape, self.listing.entries.len())
    }
}

/// Archives hold objects with keys of their own; standard input has none.
fn is_keyed(entry: &Entry) -> bool {
    let object = &entry.object;
    let name = object.name.to_ascii_lowercase();
    let archive = [".zip", ".tar", ".tgz", ".tar.gz", ".tar.zst", ".tar.bz2"];
    object.day.is_some() && object.account.is_some() && !archive.iter().any(|end| name.ends_with(end))
}

#[async_trait]
impl TableProvider for EventsTable {
    fn schema(&self) -> SchemaRef {
        self.shape.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let answer = |filter: &&Expr| {
            if self.keyed && self.is_of_path(filter) {
                TableProviderFilterPushDown::Exact
            } else {
                TableProviderFilterPushDown::Inexact
            }
        };
        Ok(filters.iter().map(answer).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.schema();
        let columns = projection.map_or_else(|| (0..schema.fields().len()).collect(), Clone::clone);
        let range = bounds(filters, self.shape);
        let entries = self.prune(state, filters, range)?;
        let pruned = (self.listing.entries.len() - entries.len()) as u64;
        self.shared.add(Tally { listed: pruned, pruned, ..Tally::default() });
        if entries.is_empty() {
            return Ok(Arc::new(EmptyExec::new(Arc::new(schema.project(&columns)?))));
        }
        let statistics = statistics(&entries, &schema);
        // Where the copy that is the row can be seen, one worker sees them all.
        let placed = shows_place(self.shape, &columns);
        let partitions = if placed { 1 } else { state.config().target_partitions() };
        let groups = self.groups(entries, partitions);
        let files = groups.iter().map(|group| {
            let files = group.entries.iter();
            FileGroup::new(
                files.map(|entry| PartitionedFile::new(&entry.object.name, entry.bytes_stored)).collect(),
            )
        });
        let files = files.collect();
        let mut source = CloudTrailSource::new(self.shape, groups, &columns, Arc::clone(&self.shared));
        if self.shape == Shape::Lake {
            source = source.with_range(range);
        }
        if placed {
            source = source.with_smallest_places();
        }
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(STORE)?, Arc::new(source))
            .with_file_groups(files)
            .with_statistics(statistics)
            .with_limit(limit)
            // A file belongs to its group: the group is read as a whole.
            .with_preserve_order(true)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

fn statistics(entries: &[Entry], schema: &SchemaRef) -> Statistics {
    let mut rows = 0;
    for entry in entries {
        let plain = [".json", ".jsonl", ".ndjson"].iter().any(|end| entry.object.name.ends_with(end));
        rows += entry.bytes_stored / if plain { ROW_BYTES.1 } else { ROW_BYTES.0 } + 1;
    }
    let mut statistics = Statistics::new_unknown(schema);
    statistics.num_rows = Precision::Inexact(rows as usize);
    statistics.total_byte_size = Precision::Inexact((rows * ROW_BYTES.1) as usize);
    statistics
}

/// The event times that `filters` let pass, or more.
fn bounds(filters: &[Expr], shape: Shape) -> TimeRange {
    let mut range = TimeRange::default();
    for filter in filters.iter().flat_map(split_conjunction) {
        let comparisons = match filter {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => vec![(left, *op, right)],
            Expr::Between(between) if !between.negated => vec![
                (&between.expr, Operator::GtEq, &between.low),
                (&between.expr, Operator::LtEq, &between.high),
            ],
            _ => Vec::new(),
        };
        for (left, op, right) in comparisons {
            let sides = [(left, Some(op), right), (right, op.swap(), left)];
            let found = sides.into_iter().find_map(|(column, op, literal)| {
                (is_eventtime(column)).then(|| Some((op?, instant(literal, shape)?))).flatten()
            });
            if let Some((op, (earliest, latest))) = found {
                let since = match op {
                    Operator::Gt => {
                        Some(if earliest == latest { earliest.saturating_add(1) } else { earliest })
                    }
                    Operator::GtEq | Operator::Eq => Some(earliest),
                    _ => None,
                };
                let until = match op {
                    Operator::Lt => Some(if earliest == latest { latest } else { latest.saturating_add(1) }),
                    Operator::LtEq | Operator::Eq => Some(latest.saturating_add(1)),
                    _ => None,
                };
                range.since = range.since.max(since);
                range.until = match (range.until, until) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                };
            }
        }
    }
    range
}

fn is_eventtime(expr: &Expr) -> bool {
    match expr {
        Expr::Column(column) => column.name == "eventtime",
        // A coarser type would round, and a bound on it would cut off too much.
        Expr::Cast(cast) => {
            let fine = matches!(
                cast.field.data_type(),
                DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, _)
            );
            fine && is_eventtime(&cast.expr)
        }
        // `from_iso8601_timestamp(eventtime)` of the Athena table is the same instant.
        Expr::ScalarFunction(call) => {
            call.name() == "from_iso8601_timestamp" && call.args.first().is_some_and(is_eventtime)
        }
        _ => false,
    }
}

/// The instant of a literal, as the earliest and latest that it may mean.
fn instant(expr: &Expr, shape: Shape) -> Option<(i64, i64)> {
    let Expr::Literal(value, _) = expr else { return None };
    let exact = |time: i64| Some((time, time));
    match value {
        ScalarValue::TimestampMicrosecond(Some(time), _) => exact(*time),
        ScalarValue::TimestampMillisecond(Some(time), _) => exact(time.checked_mul(1_000)?),
        ScalarValue::TimestampSecond(Some(time), _) => exact(time.checked_mul(1_000_000)?),
        ScalarValue::TimestampNanosecond(Some(time), _) => {
            Some((time.div_euclid(1_000), time.div_euclid(1_000) + 1))
        }
        ScalarValue::Date32(Some(day)) => exact(i64::from(*day) * DAY_US),
        // Text is compared as text with the Athena table's text: the day is sure, the hour is not
        // (a blank sorts before `T`).
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) if shape == Shape::Athena => {
            let day = parse_time(text.get(..10)?.as_bytes())?;
            Some((day, day + DAY_US))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, lit};

    use super::*;

    fn time(text: &str) -> i64 {
        parse_time(text.as_bytes()).expect("a time")
    }

    fn micros(text: &str) -> Expr {
        lit(ScalarValue::TimestampMicrosecond(Some(time(text)), Some("UTC".into())))
    }

    #[test]
    fn bounds_are_taken_from_either_side_of_a_comparison() {
        let filter =
            col("eventtime").gt_eq(micros("2026-01-15")).and(micros("2026-01-16").gt(col("eventtime")));
        let range = bounds(&[filter], Shape::Lake);
        assert_eq!((range.since, range.until), (Some(time("2026-01-15")), Some(time("2026-01-16"))));
    }

    #[test]
    fn a_bound_under_or_bounds_nothing() {
        let filter = col("eventtime").gt_eq(micros("2026-01-15")).or(col("eventname").eq(lit("A")));
        assert!(bounds(&[filter], Shape::Lake).is_open());
    }

    #[test]
    fn text_bounds_keep_the_whole_day() {
        let filter = col("eventtime").gt(lit("2026-01-15T10:00:00Z"));
        let range = bounds(&[filter], Shape::Athena);
        assert_eq!(range.since, Some(time("2026-01-15")));
    }
}
