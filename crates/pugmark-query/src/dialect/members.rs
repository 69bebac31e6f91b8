//! Members of structs: `resources[1].arn`, `element_at(x, 1).arn`, and `r.arn`
//! in a lambda.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Ident, LambdaFunction, Subscript, Value, VisitMut, VisitorMut,
};

/// A member that AWS's published schema misspells.
const MISSPELT: (&str, &str) = ("credentiaisissuedto", "credentialsissuedto");

pub(super) fn rewrite(expr: &mut Expr) {
    match expr {
        Expr::CompoundFieldAccess { access_chain, .. } => {
            for access in access_chain {
                if let AccessExpr::Dot(Expr::Identifier(name)) = access {
                    *access = member(name);
                }
            }
        }
        Expr::CompoundIdentifier(parts) => parts.iter_mut().for_each(mend),
        Expr::Identifier(name) => mend(name),
        Expr::Lambda(lambda) => rewrite_body(lambda),
        _ => {}
    }
}

fn mend(name: &mut Ident) {
    if name.value.eq_ignore_ascii_case(MISSPELT.0) {
        MISSPELT.1.clone_into(&mut name.value);
    }
}

fn member(name: &Ident) -> AccessExpr {
    let mut name = name.clone();
    mend(&mut name);
    let text = if name.quote_style.is_some() { name.value } else { name.value.to_ascii_lowercase() };
    AccessExpr::Subscript(Subscript::Index { index: Expr::value(Value::SingleQuotedString(text)) })
}

/// In `r -> r.arn`, `r` is a value and not a table.
fn rewrite_body(lambda: &mut LambdaFunction) {
    let names = lambda.params.iter().map(|param| param.name.value.to_ascii_lowercase()).collect();
    // The visit never stops.
    let _: ControlFlow<()> = lambda.body.visit(&mut Parameters { names });
}

struct Parameters {
    names: Vec<String>,
}

impl VisitorMut for Parameters {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr
            && self.names.contains(&parts[0].value.to_ascii_lowercase())
        {
            let root = Box::new(Expr::Identifier(parts[0].clone()));
            let access_chain = parts[1..].iter().map(member).collect();
            *expr = Expr::CompoundFieldAccess { root, access_chain };
        }
        ControlFlow::Continue(())
    }
}
