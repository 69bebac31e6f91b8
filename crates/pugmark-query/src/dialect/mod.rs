//! From what people write to what the engine plans.
//!
//! ```text
//! text ─▶ tokens ─▶ statement ─▶ guard ─▶ rewritten statement
//!      names        types                 UNNEST, members, functions
//! ```
//!
//! Statements come from CloudTrail Lake and Athena, both Trino. The parser
//! has no Trino dialect; `DuckDB`'s is the nearest (lambdas, subscripts,
//! double-quoted names), and what remains is mended here.

mod calls;
mod members;
mod names;
mod planner;
mod tokens;
mod unnest;

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Query, Select, Statement, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::dialect::DuckDbDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

pub(crate) use planner::TextPlanner;

use crate::QueryError;
use crate::guard;

/// The two shapes of the one table.
pub(crate) const EVENTS: &str = "events";
pub(crate) const CLOUDTRAIL_LOGS: &str = "cloudtrail_logs";

/// Every table that a statement may read: the events, and what is worked out of them.
pub(crate) const TABLES: [&str; 5] = [EVENTS, CLOUDTRAIL_LOGS, "sessions", "causes", "clusters"];

const DIALECT: DuckDbDialect = DuckDbDialect {};

/// Reads, checks and rewrites one statement.
pub(crate) fn statement(text: &str) -> Result<Statement, QueryError> {
    let mut parser = parser(text)?;
    let mut statements = Vec::new();
    while parser.consume_token(&Token::SemiColon) {}
    while parser.peek_token_ref().token != Token::EOF {
        guard::check_verb(&parser.peek_token_ref().token)?;
        statements.push(parser.parse_statement()?);
        while parser.consume_token(&Token::SemiColon) {}
        if statements.len() > 1 {
            return Err(QueryError::refused("one statement at a time"));
        }
    }
    let Some(mut statement) = statements.pop() else {
        return Err(QueryError::refused_with("there is no statement", "begin with SELECT or WITH"));
    };
    names::resolve(&mut statement);
    calls::unname_arguments(&mut statement);
    guard::check_statement(&statement)?;
    rewrite(&mut statement)?;
    Ok(statement)
}

/// Reads, checks and rewrites a condition such as `eventName = 'DeleteTrail'`.
pub(crate) fn condition(text: &str) -> Result<Expr, QueryError> {
    let mut parser = parser(text)?;
    let mut condition = parser.parse_expr()?;
    let after = parser.peek_token();
    if after.token != Token::EOF {
        return Err(QueryError::Syntax {
            message: format!("the condition ends before `{after}`"),
            line: Some(after.span.start.line),
            column: Some(after.span.start.column),
        });
    }
    calls::unname_arguments(&mut condition);
    guard::check_condition(&condition)?;
    rewrite(&mut condition)?;
    Ok(condition)
}

fn parser(text: &str) -> Result<Parser<'static>, QueryError> {
    guard::check_text(text)?;
    let text = names::plain(text);
    let tokens = tokens::read(&DIALECT, &text)?;
    guard::check_tokens(&tokens)?;
    Ok(Parser::new(&DIALECT).with_tokens_with_locations(tokens::mend_types(tokens)))
}

/// An expression out of text that we composed.
fn compose(text: &str) -> Result<Expr, QueryError> {
    let tokens = tokens::read(&DIALECT, text)?;
    Ok(Parser::new(&DIALECT).with_tokens_with_locations(tokens).parse_expr()?)
}

fn rewrite(tree: &mut impl VisitMut) -> Result<(), QueryError> {
    let mut rewriter = Rewriter;
    match tree.visit(&mut rewriter) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = QueryError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<QueryError> {
        names::order_distinct(query);
        flow(unnest::rewrite(query))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<QueryError> {
        names::tidy_wildcard(select);
        names::name_members(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<QueryError> {
        members::rewrite(expr);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<QueryError> {
        flow(calls::rewrite(expr))
    }
}

fn flow(result: Result<(), QueryError>) -> ControlFlow<QueryError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> String {
        statement(text).map_or_else(|error| format!("error: {error}"), |statement| statement.to_string())
    }

    #[test]
    fn an_event_data_store_is_the_events_table() {
        for from in [
            "0f6d3a1e-1111-4222-8333-444455556666",
            "\"0f6d3a1e-1111-4222-8333-444455556666\"",
            "$EDS_ID",
            "arn:aws:cloudtrail:eu-west-1:111122223333:eventdatastore/0f6d3a1e-1111-4222-8333-444455556666",
            "EVENTS",
        ] {
            let found = rewritten(&format!("SELECT 1 FROM {from}"));
            assert_eq!(found.to_lowercase(), "select 1 from events", "{from}");
        }
    }

    #[test]
    fn a_uuid_in_a_text_stays_as_it_is() {
        let text = "SELECT 1 FROM events WHERE eventid = '0f6d3a1e-1111-4222-8333-444455556666'";
        assert_eq!(rewritten(text), text);
    }

    #[test]
    fn unnest_becomes_a_subquery() {
        let expected = "SELECT r.arn AS \"arn\" FROM (SELECT *, unnest(resources) AS r FROM events \
                        WHERE cardinality(resources) > 0) AS events";
        assert_eq!(rewritten("SELECT t.r.arn FROM events CROSS JOIN UNNEST(resources) AS t(r)"), expected);
        assert_eq!(rewritten("SELECT r.arn FROM events, UNNEST(resources) AS t(r)"), expected);
    }

    #[test]
    fn a_member_of_an_item_becomes_a_subscript() {
        assert_eq!(
            rewritten("SELECT resources[1].ARN FROM events"),
            "SELECT resources[1]['arn'] AS \"arn\" FROM events"
        );
        assert_eq!(
            rewritten("SELECT element_at(resources, 1).accountId FROM events"),
            "SELECT element_at(resources, 1)['accountid'] AS \"accountid\" FROM events"
        );
        assert_eq!(
            rewritten("SELECT any_match(resources, r -> r.arn = 'x') FROM events"),
            "SELECT any_match(resources, r -> r['arn'] = 'x') FROM events"
        );
    }

    #[test]
    fn a_selected_member_is_called_by_its_last_name() {
        assert_eq!(
            rewritten("SELECT userIdentity.arn, count(*) FROM events GROUP BY 1"),
            "SELECT userIdentity.arn AS \"arn\", count(*) FROM events GROUP BY 1"
        );
        for text in [
            "SELECT a.eventid, b.eventid FROM events AS a, events AS b",
            "SELECT userIdentity.type, x.type FROM events AS x",
            "SELECT userIdentity.arn, 1 AS arn FROM events",
        ] {
            assert_eq!(rewritten(text), text);
        }
    }

    #[test]
    fn functions_that_are_others_in_disguise() {
        for (text, expected) in [
            ("count_if(readonly)", "count(CASE WHEN readonly THEN 1 END)"),
            ("if(a, b, c)", "CASE WHEN a THEN b ELSE c END"),
            ("try(CAST(a AS INT))", "TRY_CAST(a AS INT)"),
            ("max_by(a, b)", "last_value(a ORDER BY b) FILTER (WHERE b IS NOT NULL)"),
            ("concat(a, 'b')", "(a || 'b')"),
            ("all_match(x, r -> r = 1)", "NOT any_match(x, r -> NOT coalesce(r = 1, false))"),
        ] {
            assert_eq!(rewritten(&format!("SELECT {text}")), format!("SELECT {expected}"));
        }
    }

    #[test]
    fn a_condition_is_one_expression_and_nothing_more() {
        assert!(condition("eventName = 'A' AND readOnly").is_ok());
        for text in ["a = 1; SELECT 1", "a = 1) OR (1 = 1", "a = 1 GROUP BY 1", ""] {
            assert!(condition(text).is_err(), "{text}");
        }
    }
}
