//! `CROSS JOIN UNNEST(x) AS t(r)`, which the engine cannot plan over a column
//! of its neighbour, becomes `(SELECT *, unnest(x) AS r FROM …)`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, Join, JoinOperator, ObjectNamePart, Query, Select, SetExpr,
    Statement, TableAlias, TableFactor, TableWithJoins, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::parser::Parser;

use super::{DIALECT, tokens};
use crate::QueryError;

pub(super) fn rewrite(query: &mut Query) -> Result<(), QueryError> {
    let mut aliases = Vec::new();
    rewrite_body(&mut query.body, &mut aliases)?;
    if !aliases.is_empty() {
        // The visit never stops.
        let _: ControlFlow<()> = query.visit(&mut Qualifiers { aliases });
    }
    Ok(())
}

fn rewrite_body(body: &mut SetExpr, aliases: &mut Vec<String>) -> Result<(), QueryError> {
    match body {
        SetExpr::Select(select) => rewrite_select(select, aliases),
        SetExpr::SetOperation { left, right, .. } => {
            rewrite_body(left, aliases)?;
            rewrite_body(right, aliases)
        }
        _ => Ok(()),
    }
}

fn rewrite_select(select: &mut Select, aliases: &mut Vec<String>) -> Result<(), QueryError> {
    let mut from: Vec<TableWithJoins> = Vec::new();
    for item in std::mem::take(&mut select.from) {
        let mut item = item;
        let joins = std::mem::take(&mut item.joins);
        if let Some(call) = Call::of(&item.relation)? {
            let Some(base) = from.last_mut() else {
                return Err(QueryError::refused_with(
                    "`UNNEST` stands alone",
                    "write FROM events CROSS JOIN UNNEST(resources) AS t(r)",
                ));
            };
            attach(base, &call, Rows::Inner, aliases)?;
        } else {
            from.push(item);
        }
        for join in joins {
            let Some(base) = from.last_mut() else { continue };
            match Call::of(&join.relation)? {
                Some(call) => attach(base, &call, rows(&join)?, aliases)?,
                None => base.joins.push(join),
            }
        }
    }
    select.from = from;
    Ok(())
}

/// Whether rows without items are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    Inner,
    Left,
}

fn rows(join: &Join) -> Result<Rows, QueryError> {
    match join.join_operator {
        JoinOperator::CrossJoin(_) | JoinOperator::Inner(_) | JoinOperator::Join(_) => Ok(Rows::Inner),
        JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => Ok(Rows::Left),
        _ => Err(QueryError::refused("`UNNEST` is joined by CROSS JOIN, JOIN or LEFT JOIN")),
    }
}

/// One `UNNEST(…) AS t(a, b)`.
struct Call {
    array: String,
    table: Option<Ident>,
    columns: Vec<Ident>,
}

impl Call {
    fn of(factor: &TableFactor) -> Result<Option<Call>, QueryError> {
        let (arrays, alias): (Vec<String>, &Option<TableAlias>) = match factor {
            TableFactor::UNNEST { alias, array_exprs, with_ordinality: false, .. } => {
                (array_exprs.iter().map(ToString::to_string).collect(), alias)
            }
            TableFactor::Table { name, alias, args: Some(args), with_ordinality: false, .. }
                if is_unnest(name.0.last()) =>
            {
                let arrays = args.args.iter().filter_map(|arg| match arg {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.to_string()),
                    _ => None,
                });
                (arrays.collect(), alias)
            }
            TableFactor::UNNEST { .. } => return Err(QueryError::refused("`WITH ORDINALITY` is not read")),
            TableFactor::Table { name, args: Some(_), .. } if is_unnest(name.0.last()) => {
                return Err(QueryError::refused("`WITH ORDINALITY` is not read"));
            }
            _ => return Ok(None),
        };
        let [array] = arrays.as_slice() else {
            return Err(QueryError::refused("`UNNEST` takes one array or map at a time"));
        };
        let columns = alias.iter().flat_map(|alias| &alias.columns).map(|column| column.name.clone());
        Ok(Some(Call {
            array: array.clone(),
            table: alias.as_ref().map(|alias| alias.name.clone()),
            columns: columns.collect(),
        }))
    }
}

fn is_unnest(name: Option<&ObjectNamePart>) -> bool {
    name.and_then(ObjectNamePart::as_ident).is_some_and(|name| name.value.eq_ignore_ascii_case("unnest"))
}

/// Puts the subquery in the place of the table that `call` takes its array from.
fn attach(
    from: &mut TableWithJoins,
    call: &Call,
    rows: Rows,
    aliases: &mut Vec<String>,
) -> Result<(), QueryError> {
    let joined = from.joins.iter_mut().map(|join| &mut join.relation);
    let mut factors: Vec<&mut TableFactor> = std::iter::once(&mut from.relation).chain(joined).collect();
    let owner = call.array.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let place = factors
        .iter()
        .position(|factor| name_of(factor).is_some_and(|name| name.value.eq_ignore_ascii_case(&owner)));
    let factor = &mut *factors[place.unwrap_or(0)];
    let name = name_of(factor).unwrap_or_else(|| Ident::new("unnested"));
    let text = subquery(call, &factor.to_string(), rows);
    let subquery = parse_query(&text)?;
    *factor = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(subquery),
        alias: Some(TableAlias { explicit: true, name, columns: Vec::new(), at: None }),
        sample: None,
    };
    if !call.columns.is_empty() {
        aliases.extend(call.table.iter().map(|table| table.value.to_ascii_lowercase()));
    }
    Ok(())
}

fn subquery(call: &Call, base: &str, rows: Rows) -> String {
    let kept = match rows {
        Rows::Left => String::new(),
        Rows::Inner => format!(" WHERE cardinality({}) > 0", call.array),
    };
    let items = match call.columns.len() {
        0 | 1 => call.array.clone(),
        _ => format!("unnest_items({})", call.array),
    };
    let items = if rows == Rows::Left { format!("unnest_outer({items})") } else { items };
    match call.columns.as_slice() {
        [] | [_] => {
            let default = call.table.clone().unwrap_or_else(|| Ident::new("unnest"));
            let column = call.columns.first().unwrap_or(&default);
            format!("SELECT *, unnest({items}) AS {column} FROM {base}{kept}")
        }
        columns => {
            let members = columns.iter().enumerate();
            let members: Vec<String> =
                members.map(|(place, column)| format!("unnested_item['c{place}'] AS {column}")).collect();
            let members = members.join(", ");
            format!(
                "SELECT * EXCLUDE (unnested_item), {members} FROM \
                 (SELECT *, unnest({items}) AS unnested_item FROM {base}{kept}) AS unnested"
            )
        }
    }
}

fn parse_query(text: &str) -> Result<Query, QueryError> {
    let tokens = tokens::read(&DIALECT, text)?;
    match Parser::new(&DIALECT).with_tokens_with_locations(tokens).parse_statement()? {
        Statement::Query(query) => Ok(*query),
        _ => Err(QueryError::refused("`UNNEST` does not stand here")),
    }
}

/// The name by which a table's columns are qualified.
fn name_of(factor: &TableFactor) -> Option<Ident> {
    match factor {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(alias.name.clone())
        }
        TableFactor::Table { name, .. } => name.0.last().and_then(ObjectNamePart::as_ident).cloned(),
        _ => None,
    }
}

/// `t.r` becomes `r`: the table `t` is gone.
struct Qualifiers {
    aliases: Vec<String>,
}

impl VisitorMut for Qualifiers {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr
            && self.aliases.contains(&parts[0].value.to_ascii_lowercase())
        {
            parts.remove(0);
            if parts.len() == 1 {
                *expr = Expr::Identifier(parts.remove(0));
            }
        }
        ControlFlow::Continue(())
    }
}
