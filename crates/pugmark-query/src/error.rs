//! What can go wrong with a question, in words for the person who asked it.

use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;

/// Why a statement was refused or stopped.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The text is not SQL that we read.
    #[error("{message}")]
    Syntax {
        /// What the parser found.
        message: String,
        /// Line of the text, from 1, where known.
        line: Option<u64>,
        /// Column of the line, from 1, where known.
        column: Option<u64>,
    },
    /// The statement asks for something that is not allowed here.
    #[error("{message}")]
    Refused {
        /// What it asked for.
        message: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// A name or a type in the statement does not fit the tables.
    #[error("{message}")]
    Plan {
        /// What does not fit.
        message: String,
    },
    /// The statement failed while it ran.
    #[error("{message}")]
    Run {
        /// What failed.
        message: String,
    },
    /// The statement ran into the memory, time or row limit.
    #[error("{message}")]
    Limit {
        /// Which limit.
        message: String,
    },
}

impl QueryError {
    /// Stable name of the reason.
    pub fn kind(&self) -> &'static str {
        match self {
            QueryError::Syntax { .. } => "syntax",
            QueryError::Refused { .. } => "refused",
            QueryError::Plan { .. } => "plan",
            QueryError::Run { .. } => "run",
            QueryError::Limit { .. } => "limit",
        }
    }

    /// What the person can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            QueryError::Refused { hint, .. } => hint.clone(),
            QueryError::Limit { .. } => {
                Some("bound `eventtime`, select fewer columns, or aggregate".to_owned())
            }
            _ => None,
        }
    }

    /// Line and column in the statement, from 1, where known.
    pub fn place(&self) -> Option<(u64, u64)> {
        match self {
            QueryError::Syntax { line: Some(line), column: Some(column), .. } => Some((*line, *column)),
            _ => None,
        }
    }

    pub(crate) fn refused(message: impl Into<String>) -> QueryError {
        QueryError::Refused { message: message.into(), hint: None }
    }

    pub(crate) fn refused_with(message: impl Into<String>, hint: impl Into<String>) -> QueryError {
        QueryError::Refused { message: message.into(), hint: Some(hint.into()) }
    }

    /// For a statement that could not be planned.
    pub(crate) fn plan(error: &DataFusionError) -> QueryError {
        QueryError::Plan { message: words(error) }
    }

    /// Puts an error of a running statement in words.
    pub fn run(error: &DataFusionError) -> QueryError {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => QueryError::Limit { message: words(error) },
            _ => QueryError::Run { message: words(error) },
        }
    }
}

impl From<ParserError> for QueryError {
    fn from(error: ParserError) -> QueryError {
        let text = match error {
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
            ParserError::RecursionLimitExceeded => "nested too deeply".to_owned(),
        };
        let (message, line, column) = split_place(&text);
        QueryError::Syntax { message, line, column }
    }
}

/// Parts the parser's `… at Line: 1, Column: 8` from the message.
fn split_place(text: &str) -> (String, Option<u64>, Option<u64>) {
    let Some((message, place)) = text.rsplit_once(" at Line: ") else {
        return (text.to_owned(), None, None);
    };
    let (line, column) = place.split_once(", Column: ").unwrap_or((place, ""));
    (message.to_owned(), line.trim().parse().ok(), column.trim().parse().ok())
}

/// The root of a `DataFusionError`, without the engine's prefixes and its call to report bugs.
fn words(error: &DataFusionError) -> String {
    let mut text = error.find_root().to_string();
    for prefix in [
        "Error during planning: ",
        "Schema error: ",
        "Execution error: ",
        "External error: ",
        "This feature is not implemented: ",
        "Resources exhausted: ",
        "Arrow error: ",
        "Internal error: ",
        "Invalid or Unsupported Configuration: ",
    ] {
        if let Some(rest) = text.strip_prefix(prefix) {
            text = rest.to_owned();
        }
    }
    let kept = text.split("\nThis issue was likely caused by a bug").next().unwrap_or(&text);
    let kept = kept.trim_end_matches(['.', ' ', '\n']);
    let mut letters = kept.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => "the engine gave no reason".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_parted_from_the_message() {
        let error = QueryError::from(ParserError::ParserError(
            "Expected: an expression, found: EOF at Line: 2, Column: 8".to_owned(),
        ));
        assert_eq!(error.to_string(), "Expected: an expression, found: EOF");
        assert_eq!(error.place(), Some((2, 8)));
    }

    #[test]
    fn the_engines_prefixes_are_left_out() {
        let error = DataFusionError::Plan("No such column.".to_owned());
        assert_eq!(QueryError::plan(&error).to_string(), "no such column");
    }
}
