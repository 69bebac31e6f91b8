//! What a planned expression needs of an event: leaves, and literals that
//! every row it lets pass must hold.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr, split_conjunction};
use pugmark_event::{FIELDS, Kind, Leaf, Projection};

use crate::shape::Shape;

/// The leaves that `expr` reads: `useridentity.arn` is one, not all of `useridentity`.
pub(crate) fn leaves(expr: &Arc<dyn PhysicalExpr>, shape: Shape) -> Projection {
    if let Some(path) = path(expr) {
        let column = path.split('.').next().unwrap_or_default();
        let inner = format!("{path}.");
        let found: Projection = FIELDS
            .iter()
            .filter(|field| field.name == path || field.name.starts_with(&inner))
            .map(|field| field.leaf)
            .collect();
        // A column of the shape's own making, or a member of one.
        let own = shape.leaves(column);
        let is_event_leaf = found != Projection::NONE && own.union(found) == own;
        return if is_event_leaf { found } else { own };
    }
    expr.children().into_iter().map(|child| leaves(child, shape)).fold(Projection::NONE, Projection::union)
}

/// The path of a column or of a member of one.
fn path(expr: &Arc<dyn PhysicalExpr>) -> Option<String> {
    if let Some(column) = expr.downcast_ref::<Column>() {
        return Some(column.name().to_owned());
    }
    let call = expr.downcast_ref::<ScalarFunctionExpr>().filter(|call| call.fun().name() == "get_field")?;
    let (base, members) = call.args().split_first()?;
    let mut path = path(base)?;
    for member in members {
        path.push('.');
        path.push_str(&text(member)?);
    }
    Some(path)
}

fn text(expr: &Arc<dyn PhysicalExpr>) -> Option<String> {
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        return text(cast.expr());
    }
    match expr.downcast_ref::<Literal>()?.value() {
        ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text) => text.clone(),
        _ => None,
    }
}

/// Literals that stand in the text of every record that passes `filter`.
pub(crate) fn needles(filter: &Arc<dyn PhysicalExpr>) -> Vec<Vec<u8>> {
    let mut needles: Vec<Vec<u8>> = split_conjunction(filter).into_iter().filter_map(needle).collect();
    needles.sort();
    needles.dedup();
    needles
}

/// `eventname = 'X'` and the like, also on members and on values out of JSON text.
fn needle(expr: &Arc<dyn PhysicalExpr>) -> Option<Vec<u8>> {
    let equal = expr.downcast_ref::<BinaryExpr>().filter(|binary| *binary.op() == Operator::Eq)?;
    let sides = [(equal.left(), equal.right()), (equal.right(), equal.left())];
    let (value, literal) = sides.into_iter().find_map(|(value, literal)| Some((value, text(literal)?)))?;
    (is_recorded(value) && is_plain(&literal)).then(|| literal.into_bytes())
}

/// True for values that stand in the record as text, and not in its key or place.
fn is_recorded(expr: &Arc<dyn PhysicalExpr>) -> bool {
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        return is_recorded(cast.expr());
    }
    if let Some(path) = path(expr) {
        let leaf = Leaf::find(&path).filter(|leaf| !leaf.field().member.is_empty());
        return leaf.is_some_and(|leaf| leaf.field().kind == Kind::Text);
    }
    let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>() else { return false };
    let reads = matches!(call.fun().name(), "element_at" | "json_extract_scalar");
    let Some(path) = call.args().first().filter(|_| reads).and_then(path) else { return false };
    Leaf::find(&path).is_some_and(|leaf| leaf.field().kind == Kind::Json)
}

/// Letters that are written one way only, but for `\u` escapes, which the decoder knows of.
fn is_plain(literal: &str) -> bool {
    literal.len() >= 3
        && literal.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-' | b'@' | b'*')
        })
}
