//! What depends on the type of a column: a key of a map that is JSON text,
//! and text that is compared with a truth value.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, GetFieldAccess, ScalarUDF, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// Plans the two; holds our `element_at`.
#[derive(Debug)]
pub(crate) struct TextPlanner {
    element_at: Arc<ScalarUDF>,
}

impl TextPlanner {
    pub(crate) fn new(element_at: Arc<ScalarUDF>) -> TextPlanner {
        TextPlanner { element_at }
    }
}

impl ExprPlanner for TextPlanner {
    /// `requestparameters['name']` is `element_at(requestparameters, 'name')`.
    fn plan_field_access(
        &self,
        access: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let key = match &access.field_access {
            GetFieldAccess::NamedStructField { name } => Expr::Literal(name.clone(), None),
            GetFieldAccess::ListIndex { key } => key.as_ref().clone(),
            GetFieldAccess::ListRange { .. } => return Ok(PlannerResult::Original(access)),
        };
        if !is_text(&access.expr, schema) {
            return Ok(PlannerResult::Original(access));
        }
        let call = ScalarFunction::new_udf(Arc::clone(&self.element_at), vec![access.expr, key]);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
    }

    /// `sessioncredentialfromconsole = true` is `… = 'true'`.
    fn plan_binary_op(
        &self,
        mut binary: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        if matches!(binary.op, BinaryOperator::Eq | BinaryOperator::NotEq) {
            if let Some(word) = truth(&binary.right).filter(|_| is_text(&binary.left, schema)) {
                binary.right = word;
            } else if let Some(word) = truth(&binary.left).filter(|_| is_text(&binary.right, schema)) {
                binary.left = word;
            }
        }
        Ok(PlannerResult::Original(binary))
    }
}

fn is_text(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(expr.get_type(schema), Ok(DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8))
}

fn truth(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::Literal(ScalarValue::Boolean(Some(truth)), _) => Some(lit(truth.to_string())),
        _ => None,
    }
}
