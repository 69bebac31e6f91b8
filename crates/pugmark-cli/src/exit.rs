//! How a run ends: the exit code, and the one kind of error that ends it.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// The exit code of a run; the same table stands in `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// All that was asked for is there.
    Done,
    /// The answer is no: nothing was found and something had to be.
    No,
    /// The command line or the environment is at fault.
    Failed,
    /// Done, but part of the input was skipped or damaged (it is listed).
    Partial,
    /// Stopped by Ctrl-C; what was printed is part of the answer.
    Interrupted,
    /// `verify --output aws`: the AWS CLI would not have run. Not in [`Exit::ALL`].
    NotRun,
}

impl Exit {
    /// Every exit with its meaning, for help and manual.
    pub(crate) const ALL: [Exit; 5] = [Exit::Done, Exit::No, Exit::Failed, Exit::Partial, Exit::Interrupted];

    /// The number given to the shell.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::No => 1,
            Exit::Failed => 2,
            Exit::Partial => 3,
            Exit::Interrupted => 130,
            Exit::NotRun => 255,
        }
    }

    /// One line for people.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::No => {
                "the answer is no (no such event, `--require-match` without a match, evidence that does not hold)"
            }
            Exit::Failed => "usage or environment error",
            Exit::Partial => "done, but part of the input was skipped or damaged (listed)",
            Exit::Interrupted => "stopped by Ctrl-C, with a partial result",
            Exit::NotRun => "the AWS CLI would not have run (`verify --output aws`)",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Why a run cannot go on.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something to tell the person.
    Told {
        /// One sentence.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Nobody reads our output any more (`| head`); not an error.
    PipeClosed,
}

impl Failure {
    /// A failure with advice.
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure::Told { message: message.into(), hint: Some(hint.into()) }
    }

    /// A failure that needs no advice.
    pub(crate) fn bare(message: impl Into<String>) -> Failure {
        Failure::Told { message: message.into(), hint: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Told { message, .. } => f.write_str(message),
            Failure::PipeClosed => f.write_str("output was closed"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Failure::PipeClosed
        } else {
            Failure::bare(format!("cannot write the output: {error}"))
        }
    }
}

impl From<crate::time_expr::TimeError> for Failure {
    fn from(error: crate::time_expr::TimeError) -> Failure {
        Failure::new(error.message, error.hint)
    }
}

impl From<arrow::error::ArrowError> for Failure {
    fn from(error: arrow::error::ArrowError) -> Failure {
        match error {
            arrow::error::ArrowError::IoError(_, error) => error.into(),
            other => Failure::bare(format!("cannot lay out the rows: {other}")),
        }
    }
}

impl From<parquet::errors::ParquetError> for Failure {
    fn from(error: parquet::errors::ParquetError) -> Failure {
        match error {
            parquet::errors::ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(error) => (*error).into(),
                Err(inner) => Failure::bare(format!("cannot write Parquet: {inner}")),
            },
            other => Failure::bare(format!("cannot write Parquet: {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_manual() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 130]);
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        let error = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(matches!(Failure::from(error), Failure::PipeClosed));
    }
}
