//! Tokens, and the Trino types among them that the parser does not read.

use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

use crate::QueryError;

pub(super) fn read(dialect: &dyn Dialect, text: &str) -> Result<Vec<TokenWithSpan>, QueryError> {
    Tokenizer::new(dialect, text).tokenize_with_location().map_err(|error| QueryError::Syntax {
        message: error.message,
        line: Some(error.location.line),
        column: Some(error.location.column),
    })
}

/// `AS ARRAY(VARCHAR)` becomes `AS text_array`, `AS MAP(…)` becomes `AS
/// json_map`: one word each, which [`super::calls`] knows.
pub(super) fn mend_types(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut mended: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut tokens = tokens.into_iter().peekable();
    let mut after_as = false;
    while let Some(token) = tokens.next() {
        if matches!(token.token, Token::Whitespace(_)) {
            mended.push(token);
            continue;
        }
        let keyword = keyword(&token);
        let opens = matches!(tokens.peek().map(|next| &next.token), Some(Token::LParen));
        if after_as && opens && is_nested(&token) {
            let inner = group(&mut tokens);
            let name = type_name(&token, &inner);
            mended.push(TokenWithSpan { token: Token::make_word(&name, None), span: token.span });
        } else {
            mended.push(token);
        }
        after_as = keyword == Some(Keyword::AS);
    }
    mended
}

fn keyword(token: &TokenWithSpan) -> Option<Keyword> {
    match &token.token {
        Token::Word(Word { keyword, quote_style: None, .. }) => Some(*keyword),
        _ => None,
    }
}

fn is_nested(token: &TokenWithSpan) -> bool {
    matches!(&token.token, Token::Word(word) if word.quote_style.is_none()
        && ["array", "map", "row"].iter().any(|name| word.value.eq_ignore_ascii_case(name)))
}

/// The words between the parentheses that open here; they are consumed.
fn group(tokens: &mut impl Iterator<Item = TokenWithSpan>) -> Vec<String> {
    let mut words = Vec::new();
    let mut depth = 0_usize;
    for token in tokens {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            Token::Word(word) => words.push(word.value.to_ascii_lowercase()),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    words
}

fn type_name(token: &TokenWithSpan, inner: &[String]) -> String {
    let is_array = matches!(&token.token, Token::Word(word) if word.value.eq_ignore_ascii_case("array"));
    match inner.first().map(String::as_str) {
        _ if !is_array => "json_map",
        Some("varchar" | "char" | "string") => "text_array",
        Some("bigint" | "integer" | "int" | "smallint" | "tinyint") => "number_array",
        Some("double" | "real" | "decimal") => "double_array",
        Some("boolean") => "flag_array",
        _ => "json_array",
    }
    .to_owned()
}
