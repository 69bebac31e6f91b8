//! Calls that are others in disguise: `count_if(x)` is a count of a CASE.
//!
//! Rewriting goes through text: the arguments are printed, put in place, and
//! read again, which keeps each rule one line long.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgOperator,
    FunctionArguments, LambdaFunction, VisitMut, VisitorMut,
};

use super::compose;
use crate::QueryError;

pub(super) fn rewrite(expr: &mut Expr) -> Result<(), QueryError> {
    let rewritten = match expr {
        Expr::Function(function) => rewrite_call(function)?,
        Expr::Cast { expr: value, data_type, .. } => cast(value, data_type),
        _ => None,
    };
    if let Some(text) = rewritten {
        *expr = compose(&text)?;
    }
    Ok(())
}

/// In `count_if(a = 'b')` the parser reads an argument called `a`; it is a comparison.
pub(super) fn unname_arguments(tree: &mut impl VisitMut) {
    // The visit never stops.
    let _: ControlFlow<()> = tree.visit(&mut Unnaming);
}

struct Unnaming;

impl VisitorMut for Unnaming {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = expr else {
            return ControlFlow::Continue(());
        };
        for argument in &mut list.args {
            let (left, right) = match argument {
                FunctionArg::Named {
                    name,
                    arg: FunctionArgExpr::Expr(value),
                    operator: FunctionArgOperator::Equals,
                } => (Expr::Identifier(name.clone()), value.clone()),
                FunctionArg::ExprNamed {
                    name,
                    arg: FunctionArgExpr::Expr(value),
                    operator: FunctionArgOperator::Equals,
                } => (name.clone(), value.clone()),
                _ => continue,
            };
            let comparison =
                Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::Eq, right: Box::new(right) };
            *argument = FunctionArg::Unnamed(FunctionArgExpr::Expr(comparison));
        }
        ControlFlow::Continue(())
    }
}

/// Casts to types that JSON text stands for.
fn cast(value: &Expr, data_type: &DataType) -> Option<String> {
    let name = match data_type {
        DataType::JSON => "json_map".to_owned(),
        DataType::Custom(name, _) => name.to_string(),
        _ => return None,
    };
    Some(match name.as_str() {
        "json_map" => value.to_string(),
        "json_array" => format!("json_to_json_array({value})"),
        "text_array" => format!("json_to_text_array({value})"),
        "number_array" => format!("CAST(json_to_text_array({value}) AS BIGINT[])"),
        "double_array" => format!("CAST(json_to_text_array({value}) AS DOUBLE[])"),
        "flag_array" => format!("CAST(json_to_text_array({value}) AS BOOLEAN[])"),
        _ => return None,
    })
}

fn rewrite_call(function: &Function) -> Result<Option<String>, QueryError> {
    let name = function.name.to_string().to_ascii_lowercase();
    let Some(arguments) = arguments(function) else { return Ok(None) };
    let texts: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let over = function.over.as_ref().map_or(String::new(), |over| format!(" OVER {over}"));
    let filter = function.filter.as_ref().map(|filter| format!("({filter}) AND "));
    let plain = filter.as_ref().map_or(String::new(), |_| {
        format!(" FILTER (WHERE {})", function.filter.as_ref().map_or(String::new(), ToString::to_string))
    });
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    Ok(Some(match (name.as_str(), texts.as_slice()) {
        ("count_if", [x]) => format!("count(CASE WHEN {x} THEN 1 END){plain}{over}"),
        ("arbitrary", [x]) => format!("any_value({x}){plain}{over}"),
        ("max_by" | "min_by", [x, y]) => {
            let pick = if name == "max_by" { "last_value" } else { "first_value" };
            let filter = filter.unwrap_or_default();
            format!("{pick}({x} ORDER BY {y}) FILTER (WHERE {filter}{y} IS NOT NULL){over}")
        }
        ("approx_percentile", [x, p]) => {
            format!("approx_percentile_cont({p}) WITHIN GROUP (ORDER BY {x}){plain}{over}")
        }
        ("if", [condition, then]) => format!("CASE WHEN {condition} THEN {then} END"),
        ("if", [condition, then, other]) => format!("CASE WHEN {condition} THEN {then} ELSE {other} END"),
        ("try", [_]) => tried(arguments[0]),
        ("at_timezone" | "with_timezone", [time, zone]) => format!("({time}) AT TIME ZONE {zone}"),
        ("regexp_extract", [text, pattern]) => extract(text, pattern, "0"),
        ("regexp_extract", [text, pattern, group]) => extract(text, pattern, group),
        ("regexp_replace", [text, pattern]) => format!("regexp_replace({text}, {pattern}, '', 'g')"),
        ("regexp_replace", [text, pattern, by]) => format!("regexp_replace({text}, {pattern}, {by}, 'g')"),
        ("concat", [_, _, ..]) => format!("({})", texts.join(" || ")),
        ("contains", [array, value]) => format!("array_has({array}, {value})"),
        ("filter", [array, lambda]) => format!("array_filter({array}, {lambda})"),
        ("transform", [array, lambda]) => format!("array_transform({array}, {lambda})"),
        ("none_match", [array, lambda]) => format!("NOT any_match({array}, {lambda})"),
        ("all_match", [array, _]) => {
            let Expr::Lambda(LambdaFunction { params, body, .. }) = arguments[1] else { return Ok(None) };
            format!("NOT any_match({array}, {params} -> NOT coalesce({body}, false))")
        }
        ("histogram" | "map_agg" | "multimap_agg" | "reduce" | "reduce_agg", _) => {
            return Err(QueryError::refused_with(
                format!("`{name}` is not offered"),
                "GROUP BY the value and count(*) instead",
            ));
        }
        _ => return Ok(None),
    }))
}

fn arguments(function: &Function) -> Option<Vec<&Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return None;
    }
    let arguments = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    arguments.collect()
}

/// The whole match is group 0, which is the first item of what the engine gives.
fn extract(text: &str, pattern: &str, group: &str) -> String {
    format!("element_at(regexp_match({text}, '(' || {pattern} || ')'), ({group}) + 1)")
}

/// `try(x)`: casts in `x` give null instead of failing.
fn tried(expr: &Expr) -> String {
    let mut expr = expr.clone();
    // The visit never stops.
    let _: ControlFlow<()> = expr.visit(&mut Casts);
    expr.to_string()
}

struct Casts;

impl VisitorMut for Casts {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Cast { kind, .. } = expr
            && *kind == CastKind::Cast
        {
            *kind = CastKind::TryCast;
        }
        ControlFlow::Continue(())
    }
}
