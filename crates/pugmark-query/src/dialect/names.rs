//! Names of tables and columns as Lake and Athena users write them.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, ExcludeSelectItem, Expr, Ident, ObjectName, OrderBy, OrderByKind, Query, Select, SelectItem,
    SetExpr, Statement, TableFactor, Value, VisitMut, VisitorMut,
};

use pugmark_event::{Column, FIELDS};

use super::{EVENTS, TABLES};

/// Puts `events` where an event data store is named without quotes: its id
/// holds `-` and may begin with a digit, its ARN holds `:` and `/`, and
/// `$EDS_ID` is no word. Blanks keep what follows in its column.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = quoted(rest).unwrap_or_else(|| {
            let store = store(rest).filter(|_| !out.ends_with(is_name));
            if let Some(length) = store {
                out.push_str(EVENTS);
                out.extend(std::iter::repeat_n(' ', length - EVENTS.len()));
                rest = &rest[length..];
                return 0;
            }
            first.len_utf8()
        });
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '-')
}

/// Length of the text, quoted name or comment that begins here.
fn quoted(text: &str) -> Option<usize> {
    let end =
        |from: usize, mark: &str| text[from..].find(mark).map_or(text.len(), |at| from + at + mark.len());
    match text.as_bytes() {
        [b'\'', ..] => Some(end(1, "'")),
        [b'"', ..] => Some(end(1, "\"")),
        [b'-', b'-', ..] => Some(end(2, "\n")),
        [b'/', b'*', ..] => Some(end(2, "*/")),
        _ => None,
    }
}

/// Length of the name of an event data store that begins here.
fn store(text: &str) -> Option<usize> {
    let ends = |length: &usize| !text[*length..].starts_with(is_name);
    let variable = text.get(..7).filter(|name| name.eq_ignore_ascii_case("$EDS_ID")).map(str::len);
    variable.or_else(|| uuid(text)).or_else(|| arn(text)).filter(ends)
}

fn uuid(text: &str) -> Option<usize> {
    let id = text.get(..36)?;
    let fits = id.bytes().enumerate().all(|(place, byte)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    fits.then_some(36)
}

fn arn(text: &str) -> Option<usize> {
    let head = text.get(..4).filter(|head| head.eq_ignore_ascii_case("arn:"))?;
    let (stem, id) = text[head.len()..].split_once(":eventdatastore/")?;
    let parts: Vec<&str> = stem.split(':').collect();
    let fits = matches!(parts.as_slice(), [_, "cloudtrail", _, _]) && !stem.contains(char::is_whitespace);
    let uuid = uuid(id).filter(|_| fits)?;
    Some(head.len() + stem.len() + ":eventdatastore/".len() + uuid)
}

/// Gives every name of our table its one spelling.
pub(super) fn resolve(statement: &mut Statement) {
    // Resolving visits everything and never stops.
    let _: ControlFlow<()> = statement.visit(&mut Resolver { known: HashSet::new() });
}

struct Resolver {
    known: HashSet<String>,
}

impl VisitorMut for Resolver {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.known.insert(table.alias.name.value.to_ascii_lowercase());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &mut ObjectName) -> ControlFlow<()> {
        let Some(last) = name.0.last().and_then(|part| part.as_ident()) else {
            return ControlFlow::Continue(());
        };
        let lower = last.value.to_ascii_lowercase();
        if self.known.contains(&lower) && name.0.len() == 1 {
            return ControlFlow::Continue(());
        }
        let ours = if uuid(&last.value).is_some_and(|length| length == last.value.len())
            || arn(&last.value).is_some_and(|length| length == last.value.len())
        {
            Some(EVENTS)
        } else {
            TABLES.into_iter().find(|ours| *ours == lower)
        };
        if let Some(ours) = ours {
            *name = ObjectName::from(vec![Ident::new(ours)]);
        }
        ControlFlow::Continue(())
    }
}

/// `SELECT *` from events leaves out `eventjson`, which is `raw` once more, and
/// computed columns: they cost a reading of the whole input, so they are named.
pub(super) fn tidy_wildcard(select: &mut Select) {
    let [from] = select.from.as_slice() else { return };
    let TableFactor::Table { name, .. } = &from.relation else { return };
    if !from.joins.is_empty() || name.to_string() != EVENTS {
        return;
    }
    let others = select.projection.len() > 1;
    for item in &mut select.projection {
        if let SelectItem::Wildcard(options) = item
            && options.opt_exclude.is_none()
            && !others
        {
            let computed = FIELDS.iter().filter(|field| field.leaf.is_computed()).map(|field| field.name);
            let left_out = computed.chain(["eventjson"]).map(|name| ObjectName::from(vec![Ident::new(name)]));
            options.opt_exclude = Some(ExcludeSelectItem::Multiple(left_out.collect()));
        }
    }
}

/// `SELECT userIdentity.arn` gives a column called `arn`, unless two would be.
pub(super) fn name_members(select: &mut Select) {
    let taken: Vec<String> = select.projection.iter().filter_map(output_name).collect();
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let Some(alias) = member_name(expr) else { continue };
        if taken.iter().filter(|name| **name == alias).count() == 1 {
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', alias) };
        }
    }
}

/// `SELECT DISTINCT x.y … ORDER BY x.y` sorts by the place of `x.y`: the engine
/// does not know it again under its name.
pub(super) fn order_distinct(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_ref() else { return };
    let Some(OrderBy { kind: OrderByKind::Expressions(orders), .. }) = &mut query.order_by else { return };
    if select.distinct.is_none() {
        return;
    }
    let same = |item: &SelectItem, wanted: &str| match item {
        SelectItem::UnnamedExpr(expr) => expr.to_string().eq_ignore_ascii_case(wanted),
        _ => false,
    };
    for order in orders {
        let wanted = order.expr.to_string();
        if let Some(place) = select.projection.iter().position(|item| same(item, &wanted)) {
            order.expr = Expr::value(Value::Number((place + 1).to_string(), false));
        }
    }
}

/// The name that a selected column has, or will have.
fn output_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(name.value.to_ascii_lowercase()),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
            parts.last().map(|name| name.value.to_ascii_lowercase())
        }
        SelectItem::UnnamedExpr(expr) => member_name(expr),
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.to_ascii_lowercase()),
        _ => None,
    }
}

/// The last member of a path; a column of a table has its name already.
fn member_name(expr: &Expr) -> Option<String> {
    let last = match expr {
        Expr::CompoundIdentifier(parts) => parts.last()?,
        Expr::CompoundFieldAccess { access_chain, .. } => match access_chain.last()? {
            AccessExpr::Dot(Expr::Identifier(name)) => name,
            _ => return None,
        },
        _ => return None,
    };
    let name = last.value.to_ascii_lowercase();
    Column::find(&name).is_none().then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_store_keeps_its_column() {
        let text = "SELECT * FROM 0f6d3a1e-1111-4222-8333-444455556666 WHERE a = 'b'";
        let plain = plain(text);
        assert_eq!(plain.len(), text.len());
        assert_eq!(plain.find("WHERE"), text.find("WHERE"));
    }

    #[test]
    fn comments_and_quoted_names_are_left_alone() {
        for text in [
            "-- $EDS_ID",
            "/* 0f6d3a1e-1111-4222-8333-444455556666 */",
            "\"0f6d3a1e-1111-4222-8333-444455556666\"",
            "'$EDS_ID",
            "x0f6d3a1e-1111-4222-8333-444455556666",
            "é 'ü",
        ] {
            assert_eq!(plain(text), text);
        }
    }
}
