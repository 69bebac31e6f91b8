//! What a statement may ask for, checked before anything is planned.
//!
//! The planner can be made to abort the process by a short text (a chain of
//! two thousand operators overflows its stack), and it cannot be stopped once
//! it runs. So texts are bounded here: size, tokens, chains, CTEs, lists; and
//! a statement only reads, and reads only our table.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, Query, SetExpr, Statement,
    TableFactor, Value, Visit, Visitor,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::QueryError;
use crate::dialect::TABLES;

/// Bytes of a statement.
pub(crate) const TEXT_BYTES_MAX: usize = 64 << 10;
/// Tokens of a statement.
pub(crate) const TOKENS_MAX: usize = 5_000;
/// Operators in a row, without parentheses between them.
pub(crate) const CHAIN_MAX: usize = 500;
/// Common table expressions, and how often they are used when written out.
pub(crate) const CTES_MAX: usize = 100;
/// Tables and subqueries named in a statement, CTEs written out.
pub(crate) const TABLES_MAX: i64 = 1_000;
/// Set operations such as UNION ALL.
pub(crate) const SETS_MAX: usize = 100;
/// Items of `IN (…)`.
pub(crate) const IN_ITEMS_MAX: usize = 1_000;
/// Most that a function may be asked to repeat, pad or count.
pub(crate) const REPEAT_MAX: u64 = 1_000_000;
/// The same, where what is repeated comes from a column.
pub(crate) const REPEAT_COLUMN_MAX: u64 = 1_000;

/// Functions whose answer is larger than their arguments by a count.
const REPEATING: [&str; 8] =
    ["repeat", "lpad", "rpad", "generate_series", "range", "array_repeat", "array_resize", "space"];

pub(crate) fn check_text(text: &str) -> Result<(), QueryError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(too_long("the statement", text.len(), TEXT_BYTES_MAX, "bytes"));
    }
    Ok(())
}

fn too_long(what: &str, found: usize, most: usize, unit: &str) -> QueryError {
    QueryError::refused_with(format!("{what} has {found} {unit}, the limit is {most}"), "make it shorter")
}

/// Bounds the number of tokens, and the operators in a row.
pub(crate) fn check_tokens(tokens: &[TokenWithSpan]) -> Result<(), QueryError> {
    let (mut count, mut sets) = (0, 0);
    // The chain that is being read, and those around the open parentheses.
    let (mut chain, mut outer) = (0_usize, Vec::new());
    for token in tokens {
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::LParen => outer.push(std::mem::take(&mut chain)),
            Token::RParen => chain = outer.pop().unwrap_or_default(),
            Token::Comma => chain = 0,
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT => {
                    sets += 1;
                    chain = 0;
                }
                Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::JOIN
                | Keyword::COLLATE => {
                    chain += 1;
                }
                Keyword::SELECT | Keyword::FROM | Keyword::WHERE | Keyword::GROUP | Keyword::ORDER => {
                    chain = 0;
                }
                _ => {}
            },
            operator if is_operator(operator) => chain += 1,
            _ => {}
        }
        count += 1;
        if chain > CHAIN_MAX {
            let hint = "use IN (…) instead of many ORs";
            return Err(QueryError::refused_with(format!("more than {CHAIN_MAX} operators in a row"), hint));
        }
    }
    if count > TOKENS_MAX {
        return Err(too_long("the statement", count, TOKENS_MAX, "tokens"));
    }
    if sets > SETS_MAX {
        return Err(too_long("the statement", sets, SETS_MAX, "set operations"));
    }
    Ok(())
}

/// Operators that nest when they stand in a row. Comparisons do not.
fn is_operator(token: &Token) -> bool {
    !matches!(
        token,
        Token::Word(_)
            | Token::Number(..)
            | Token::Char(_)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::Comma
            | Token::Period
            | Token::SemiColon
            | Token::LParen
            | Token::RParen
            | Token::RBracket
            | Token::Eq
            | Token::Neq
            | Token::Lt
            | Token::Gt
            | Token::LtEq
            | Token::GtEq
            | Token::EOF
    )
}

/// Refuses by the first word what is no question, before it is parsed.
pub(crate) fn check_verb(token: &Token) -> Result<(), QueryError> {
    let refused = |verb: &str| {
        QueryError::refused_with(
            format!("`{verb}` is not offered"),
            "statements only read: SELECT, WITH, VALUES or EXPLAIN",
        )
    };
    match token {
        Token::LParen => Ok(()),
        Token::Word(word) => match word.keyword {
            Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::EXPLAIN | Keyword::FROM => Ok(()),
            _ => Err(refused(&word.value)),
        },
        other => Err(refused(&other.to_string())),
    }
}

/// Refuses what does more than read our table, and what the planner cannot bear.
pub(crate) fn check_statement(statement: &Statement) -> Result<(), QueryError> {
    match statement {
        Statement::Query(query) => check(query.as_ref()),
        Statement::Explain { statement, .. } => match statement.as_ref() {
            Statement::Query(query) => check(query.as_ref()),
            _ => Err(QueryError::refused("only a query can be explained")),
        },
        _ => Err(QueryError::refused_with("this is no query", "begin with SELECT or WITH")),
    }
}

/// A condition reads the row it stands on, and nothing else.
pub(crate) fn check_condition(condition: &Expr) -> Result<(), QueryError> {
    let mut checker = Checker { subqueries: false, ..Checker::default() };
    match condition.visit(&mut checker) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn check(query: &Query) -> Result<(), QueryError> {
    let mut checker = Checker { subqueries: true, ..Checker::default() };
    if let ControlFlow::Break(error) = query.visit(&mut checker) {
        return Err(error);
    }
    if query.visit(&mut Cost::default()).is_break() {
        let message = format!("the statement reads more than {TABLES_MAX} tables, CTEs written out");
        return Err(QueryError::refused(message));
    }
    Ok(())
}

#[derive(Default)]
struct Checker {
    subqueries: bool,
    ctes: HashSet<String>,
    /// CTEs so far, also those of one name.
    count: usize,
    repeating: u32,
}

impl Visitor for Checker {
    type Break = QueryError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<QueryError> {
        if !self.subqueries {
            return ControlFlow::Break(QueryError::refused("a condition holds no subquery"));
        }
        if !query.locks.is_empty() || !reads(&query.body) {
            return ControlFlow::Break(QueryError::refused("a query only reads"));
        }
        let Some(with) = &query.with else { return ControlFlow::Continue(()) };
        if with.recursive {
            return ControlFlow::Break(QueryError::refused("`WITH RECURSIVE` is not offered"));
        }
        self.count += with.cte_tables.len();
        if self.count > CTES_MAX {
            return ControlFlow::Break(too_long("the statement", self.count, CTES_MAX, "CTEs"));
        }
        self.ctes.extend(with.cte_tables.iter().map(|table| table.alias.name.value.to_ascii_lowercase()));
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<QueryError> {
        let lower = plain_name(name);
        // An UNNEST is written as a table; it is rewritten before it is planned.
        if self.ctes.contains(&lower) || lower == "unnest" || TABLES.contains(&lower.as_str()) {
            return ControlFlow::Continue(());
        }
        let hint = format!("the tables are `{}`", TABLES.join("`, `"));
        ControlFlow::Break(QueryError::refused_with(format!("there is no table `{lower}`"), hint))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<QueryError> {
        match factor {
            TableFactor::Table { name, args: Some(_), .. }
                if !name.to_string().eq_ignore_ascii_case("unnest") =>
            {
                let message = format!("table functions such as `{name}` are not offered");
                ControlFlow::Break(QueryError::refused(message))
            }
            TableFactor::Table { .. }
            | TableFactor::Derived { .. }
            | TableFactor::NestedJoin { .. }
            | TableFactor::UNNEST { .. } => ControlFlow::Continue(()),
            other => {
                ControlFlow::Break(QueryError::refused(format!("`{other}` does not stand after FROM here")))
            }
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<QueryError> {
        let result = match expr {
            Expr::InList { list, .. } if list.len() > IN_ITEMS_MAX => {
                Err(too_long("`IN`", list.len(), IN_ITEMS_MAX, "items"))
            }
            Expr::Function(function) if is_repeating(function) => {
                self.repeating += 1;
                if self.repeating > 1 {
                    Err(QueryError::refused("functions that repeat do not stand in one another"))
                } else {
                    check_count(function)
                }
            }
            _ => Ok(()),
        };
        match result {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<QueryError> {
        if matches!(expr, Expr::Function(function) if is_repeating(function)) {
            self.repeating -= 1;
        }
        ControlFlow::Continue(())
    }
}

fn reads(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select.into.is_none(),
        SetExpr::SetOperation { left, right, .. } => reads(left) && reads(right),
        SetExpr::Query(_) | SetExpr::Values(_) => true,
        _ => false,
    }
}

fn is_repeating(function: &Function) -> bool {
    let name = function.name.to_string().to_ascii_lowercase();
    REPEATING.contains(&name.as_str())
}

/// Every count of a repeating function is a number that stands in the text.
fn check_count(function: &Function) -> Result<(), QueryError> {
    let FunctionArguments::List(list) = &function.args else { return Ok(()) };
    let name = function.name.to_string().to_ascii_lowercase();
    let mut arguments: Vec<&Expr> = Vec::new();
    for argument in &list.args {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => arguments.push(expr),
            _ => return Err(QueryError::refused(format!("`{name}` takes arguments without names"))),
        }
    }
    let series = matches!(name.as_str(), "generate_series" | "range");
    let text = arguments.first().and_then(|first| literal_length(first)).filter(|_| !series);
    let most = match text {
        Some(length) => REPEAT_MAX / length.max(1),
        None if series => REPEAT_MAX,
        None => REPEAT_COLUMN_MAX,
    };
    let counts = if series { arguments.as_slice() } else { arguments.get(1..2).unwrap_or_default() };
    for count in counts {
        match number(count) {
            Some(count) if count <= most => {}
            Some(count) => {
                return Err(QueryError::refused(format!("`{name}` of {count} is more than {most}")));
            }
            None => {
                return Err(QueryError::refused_with(
                    format!("`{name}` needs a count that stands in the text"),
                    format!("write a number up to {most}"),
                ));
            }
        }
    }
    Ok(())
}

/// The length of a text, at least 1 for numbers.
fn literal_length(expr: &Expr) -> Option<u64> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.len() as u64),
            Value::Number(..) | Value::Null | Value::Boolean(_) => Some(1),
            _ => None,
        },
        _ => None,
    }
}

fn number(expr: &Expr) -> Option<u64> {
    match expr {
        Expr::Value(value) => match &value.value {
            // A number too large to read is too large.
            Value::Number(digits, _) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().unwrap_or(u64::MAX))
            }
            _ => None,
        },
        Expr::UnaryOp { expr, .. } => number(expr),
        _ => None,
    }
}

fn plain_name(name: &ObjectName) -> String {
    name.to_string().trim_matches(['"', '\'']).to_ascii_lowercase()
}

/// Adds up the tables that a query reads, with its CTEs written out: the
/// planner copies a CTE to each place that names it, so forty of them that
/// each join the one before with itself are 2⁴⁰ tables.
#[derive(Clone, Default)]
struct Cost {
    ctes: HashMap<String, i64>,
    total: i64,
}

impl Visitor for Cost {
    /// There are too many.
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            let mut cost = Cost { ctes: self.ctes.clone(), total: 0 };
            table.query.visit(&mut cost)?;
            self.ctes.insert(table.alias.name.value.to_ascii_lowercase(), cost.total.max(1));
            // The visit goes on into the CTE; what it adds there counts only where the CTE is named.
            self.total -= cost.total;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        if self.total > TABLES_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        self.total += self.ctes.get(&plain_name(name)).copied().unwrap_or(1);
        ControlFlow::Continue(())
    }
}

/// The limits of a statement, for people: name, value, unit and meaning.
pub fn limits() -> Vec<(&'static str, u64, &'static str, &'static str)> {
    vec![
        ("sql_bytes_max", TEXT_BYTES_MAX as u64, "bytes", "one SQL statement"),
        ("sql_tokens_max", TOKENS_MAX as u64, "tokens", "one SQL statement"),
        ("sql_chain_max", CHAIN_MAX as u64, "operators", "in a row without parentheses"),
        ("sql_ctes_max", CTES_MAX as u64, "CTEs", "one SQL statement"),
        ("sql_tables_max", TABLES_MAX as u64, "tables", "read by one SQL statement, CTEs written out"),
        ("sql_sets_max", SETS_MAX as u64, "operations", "UNION, EXCEPT and INTERSECT of one statement"),
        ("sql_in_items_max", IN_ITEMS_MAX as u64, "items", "one IN list"),
        ("sql_repeat_max", REPEAT_MAX, "characters", "made by repeat, lpad, rpad or a series"),
    ]
}

#[cfg(test)]
mod tests {
    use crate::dialect::{condition, statement};

    use super::*;

    fn verdict(text: &str) -> String {
        match statement(text) {
            Ok(_) => "ok".to_owned(),
            Err(error) => error.kind().to_owned(),
        }
    }

    #[test]
    fn only_questions_are_read() {
        for text in [
            "COPY events TO '/tmp/x.csv'",
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/tmp/x.csv'",
            "SET datafusion.execution.batch_size = 1",
            "PREPARE p AS SELECT 1",
            "EXPLAIN COPY events TO '/tmp/x.csv'",
            "SELECT * FROM '/tmp/x.csv'",
            "SELECT 1; SELECT 2",
            "INSERT INTO events VALUES (1)",
            "WITH x AS (INSERT INTO events VALUES (1)) SELECT 1",
            "DROP TABLE events",
            "SHOW TABLES",
            "SELECT * INTO t FROM events",
            "SELECT * FROM information_schema.tables",
            "SELECT * FROM generate_series(1, 1000000000000)",
            "SELECT * FROM range(10)",
            "WITH RECURSIVE r AS (SELECT 1 n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r",
            "",
            ";",
        ] {
            assert!(matches!(verdict(text).as_str(), "refused" | "syntax"), "{text}: {}", verdict(text));
        }
        for text in ["SELECT 1;", "WITH x AS (SELECT 1) SELECT * FROM x", "VALUES (1)", "EXPLAIN SELECT 1"] {
            assert_eq!(verdict(text), "ok", "{text}");
        }
    }

    #[test]
    fn each_limit_holds_at_its_edge() {
        let chain = |length: usize| format!("SELECT 1{}", "+1".repeat(length));
        assert_eq!(verdict(&chain(CHAIN_MAX)), "ok");
        assert_eq!(verdict(&chain(CHAIN_MAX + 1)), "refused");

        let list = |length: usize| format!("SELECT 1 IN (1{})", ", 1".repeat(length - 1));
        assert_eq!(verdict(&list(IN_ITEMS_MAX)), "ok");
        assert_eq!(verdict(&list(IN_ITEMS_MAX + 1)), "refused");

        let columns = |count: usize| format!("SELECT 1{}", ", 1".repeat(count - 1));
        assert_eq!(verdict(&columns(TOKENS_MAX / 2)), "ok");
        assert_eq!(verdict(&columns(TOKENS_MAX / 2 + 1)), "refused");

        let ctes = |count: usize| {
            let tables: Vec<String> = (0..count).map(|place| format!("t{place} AS (SELECT 1)")).collect();
            format!("WITH {} SELECT * FROM t0", tables.join(", "))
        };
        assert_eq!(verdict(&ctes(CTES_MAX)), "ok");
        assert_eq!(verdict(&ctes(CTES_MAX + 1)), "refused");

        let size = |bytes: usize| format!("SELECT '{}'", "a".repeat(bytes - 9));
        assert_eq!(verdict(&size(TEXT_BYTES_MAX)), "ok");
        assert_eq!(verdict(&size(TEXT_BYTES_MAX + 1)), "refused");
    }

    #[test]
    fn what_is_repeated_is_bounded() {
        for text in [
            "repeat('a', 1500000000)",
            "repeat('ab', 500001)",
            "repeat(eventname, 1001)",
            "repeat('a', length(eventname))",
            "repeat(repeat('a', 1000), 1000)",
            "lpad('a', 99999999999999999999999)",
            "rpad(eventname, 100000)",
            "generate_series(1, 1000001)",
            "range(1, 10 * 1000000)",
            "repeat(string => 'a', n => 1000000000)",
        ] {
            assert_eq!(verdict(&format!("SELECT {text} FROM events")), "refused", "{text}");
        }
        for text in ["repeat('ab', 500000)", "lpad(eventname, 40)", "generate_series(1, 10)"] {
            assert_eq!(verdict(&format!("SELECT {text} FROM events")), "ok", "{text}");
        }
    }

    #[test]
    fn tables_that_multiply_are_refused() {
        let doubled = |n: usize| format!("t{} AS (SELECT a.n FROM t{n} a, t{n} b)", n + 1);
        let tables: Vec<String> = (0..39).map(doubled).collect();
        let text = format!("WITH t0 AS (SELECT 1 AS n), {}", tables.join(", "));
        let text = format!("{text} SELECT * FROM t39");
        assert_eq!(verdict(&text), "refused");
        assert_eq!(verdict(&format!("SELECT * FROM ({text}) x")), "refused");
    }

    #[test]
    fn parentheses_in_parentheses_end_in_an_error() {
        let text = format!("SELECT {}1{}", "(".repeat(60), ")".repeat(60));
        assert_eq!(verdict(&text), "syntax");
    }

    #[test]
    fn a_condition_holds_no_subquery() {
        let error = condition("eventid IN (SELECT eventid FROM events)").map(|_| ());
        assert_eq!(error.map_err(|error| error.kind()), Err("refused"));
    }
}
