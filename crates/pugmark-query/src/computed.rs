//! Tables that are worked out of the whole input, such as `sessions`.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use pugmark_scan::ScanError;

/// A table whose rows are made when a statement first reads it.
pub trait ComputedTable: Send + Sync {
    /// Its name in SQL; one of those that the guard lets pass.
    fn name(&self) -> &'static str;

    /// Its columns.
    fn schema(&self) -> SchemaRef;

    /// Its rows, in an order of their own that does not depend on the order of the input.
    ///
    /// # Errors
    /// If the input cannot be read.
    fn rows(&self) -> Result<RecordBatch, ScanError>;
}

/// A computed table as the engine sees it.
pub(crate) struct Computed(pub(crate) Arc<dyn ComputedTable>);

impl fmt::Debug for Computed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Computed({})", self.0.name())
    }
}

#[async_trait]
impl TableProvider for Computed {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // Planning has a thread of its own, so that reading may block it.
        let rows = self.0.rows().map_err(|error| DataFusionError::External(Box::new(error)))?;
        let table = MemTable::try_new(self.0.schema(), vec![vec![rows]])?;
        table.scan(state, projection, filters, limit).await
    }
}
