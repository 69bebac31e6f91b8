//! A condition such as `eventName = 'DeleteTrail' AND NOT readOnly`, compiled
//! for the scan.

use std::sync::Arc;

use datafusion::common::{DFSchema, DataFusionError};
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::ExprWithAlias;
use pugmark_event::Projection;

use crate::needed::{leaves, needles};
use crate::shape::Shape;
use crate::source::row_filter;
use crate::{QueryError, dialect, session};

/// A condition over the columns of `events`.
pub struct Condition {
    /// Which rows it lets pass.
    pub filter: pugmark_scan::Filter,
    /// The leaves it reads.
    pub projection: Projection,
    /// Literals that stand in every record it lets pass.
    pub needles: Vec<Vec<u8>>,
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Condition")
            .field("projection", &self.projection)
            .field("needles", &self.needles)
            .finish_non_exhaustive()
    }
}

/// Compiles `text`, in the language of the `WHERE` of [`Session::sql`](crate::Session::sql).
///
/// # Errors
/// If it is no condition, or names what events do not have.
pub fn condition(text: &str) -> Result<Condition, QueryError> {
    let text = text.to_owned();
    let compile = move || compile(&text);
    let thread = std::thread::Builder::new().stack_size(session::PLANNING_STACK_BYTES);
    let started = thread.spawn(compile).map_err(|error| QueryError::Run {
        message: format!("cannot start a thread to compile the condition: {error}"),
    })?;
    started.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn compile(text: &str) -> Result<Condition, QueryError> {
    let expr = dialect::condition(text)?;
    let shape = Shape::Lake;
    let fits = |error: DataFusionError| QueryError::plan(&error);
    let context: SessionContext = session::context(64 << 20, 1).map_err(fits)?;
    let schema = DFSchema::try_from_qualified_schema(dialect::EVENTS, &shape.schema()).map_err(fits)?;
    let state = context.state();
    let expr = state
        .create_logical_expr_from_sql_expr(ExprWithAlias { expr, alias: None }, &schema)
        .map_err(fits)?;
    // `current_timestamp` and its like become constants here, once for the whole search.
    let now = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(Arc::clone(state.config_options()))
        .with_current_time()
        .build();
    let simplifier = ExprSimplifier::new(now);
    let expr = simplifier.coerce(expr, &schema).and_then(|expr| simplifier.simplify(expr)).map_err(fits)?;
    let physical = state.create_physical_expr(expr.clone(), &schema).map_err(fits)?;
    let found = physical.data_type(schema.as_arrow()).map_err(fits)?;
    if found != datafusion::arrow::datatypes::DataType::Boolean {
        let found = expr.get_type(&schema).unwrap_or(found);
        return Err(QueryError::Plan {
            message: format!("a condition is true or false, this one is {found}"),
        });
    }
    let mut columns: Vec<usize> =
        collect_columns(&physical).into_iter().map(|column| column.index()).collect();
    columns.sort_unstable();
    let read = Arc::new(shape.schema().project(&columns).map_err(|error| fits(error.into()))?);
    let filter = reassign_expr_columns(Arc::clone(&physical), &read).map_err(fits)?;
    Ok(Condition {
        filter: row_filter(shape, filter, read),
        projection: leaves(&physical, shape),
        needles: needles(&physical),
    })
}
