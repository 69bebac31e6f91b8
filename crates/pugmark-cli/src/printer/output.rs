//! Where rows go: stdout, a pager, or a new file.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::exit::Failure;

/// The one stream of rows of a run.
#[derive(Debug)]
pub(crate) enum Output {
    /// Standard output.
    Stdout(BufWriter<io::Stdout>),
    /// A pager, and the pipe into it.
    Pager(Pager),
    /// A file that was not there before.
    File(BufWriter<File>),
}

/// A running pager; it is waited for when dropped.
#[derive(Debug)]
pub(crate) struct Pager {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Output {
    /// Standard output.
    pub(crate) fn stdout() -> Output {
        Output::Stdout(BufWriter::with_capacity(64 << 10, io::stdout()))
    }

    /// The pager of `command` (words, no shell), or stdout if it does not start.
    pub(crate) fn pager(command: &str) -> Output {
        let mut words = command.split_whitespace();
        let Some(program) = words.next().filter(|program| *program != "cat") else {
            return Output::stdout();
        };
        match Command::new(program).args(words).stdin(Stdio::piped()).spawn() {
            Ok(mut child) => {
                let pipe = child.stdin.take();
                Output::Pager(Pager { child, pipe })
            }
            Err(_) => Output::stdout(),
        }
    }

    /// A file for its owner only; what exists is overwritten only with `force`.
    pub(crate) fn file(path: &Path, force: Overwrite) -> Result<Output, Failure> {
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        match force {
            Overwrite::Refuse => options.create_new(true),
            Overwrite::Allow => options.create(true).truncate(true),
        };
        let name = path.display();
        let file = options.open(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Failure::new(format!("`{name}` is there already"), "give `--force` to overwrite it")
            }
            _ => Failure::bare(format!("cannot write `{name}`: {error}")),
        })?;
        Ok(Output::File(BufWriter::with_capacity(64 << 10, file)))
    }

    /// Writes out what is held, and waits for the pager to be left.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush()
    }
}

/// Whether a file that exists may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overwrite {
    /// `--force`
    Allow,
    /// The default.
    Refuse,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Stdout(stream) => stream.write(bytes),
            Output::File(stream) => stream.write(bytes),
            Output::Pager(pager) => match &mut pager.pipe {
                Some(pipe) => pipe.write(bytes),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            },
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::Stdout(stream) => stream.flush(),
            Output::File(stream) => stream.flush(),
            Output::Pager(_) => Ok(()),
        }
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _status = self.child.wait();
    }
}

/// True if stdout is a regular file (`> events.csv`).
pub(crate) fn stdout_is_file() -> bool {
    io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .and_then(|descriptor| File::from(descriptor).metadata())
        .is_ok_and(|metadata| metadata.is_file())
}

/// Columns and lines of the terminal that stdout is, if it is one.
pub(crate) fn terminal_size() -> Option<(usize, usize)> {
    if !io::stdout().is_terminal() {
        return None;
    }
    // A terminal that does not tell its size is taken for the smallest usual one.
    let size = terminal_size::terminal_size_of(io::stdout());
    Some(size.map_or((80, 24), |(width, height)| (usize::from(width.0), usize::from(height.0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.csv");
        let mut first = Output::file(&path, Overwrite::Refuse).expect("a new file");
        first.write_all(b"kept").expect("space");
        first.finish().expect("space");
        let refusal = Output::file(&path, Overwrite::Refuse).expect_err("it is there");
        assert!(refusal.to_string().ends_with("is there already"), "{refusal}");
        assert_eq!(std::fs::read(&path).expect("a file"), b"kept");
        let _second = Output::file(&path, Overwrite::Allow).expect("forced");
    }

    #[test]
    fn a_pager_that_does_not_start_is_done_without() {
        assert!(matches!(Output::pager("/nonexistent/pager -x"), Output::Stdout(_)));
        assert!(matches!(Output::pager("cat"), Output::Stdout(_)));
    }
}
