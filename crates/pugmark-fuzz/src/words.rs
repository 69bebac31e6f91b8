//! What people type, and what is printed to them.

use std::path::Path;
use std::sync::Arc;

use jiff::Zoned;
use pugmark_event::Limits;
use pugmark_query::{Session, SessionOptions, condition};
use pugmark_source::{Access, Location, Progress, Selection, list};

// The command line is a program, so its modules are included, with what they
// build on (`jiff`, `unicode_width`, and `proptest` in their tests).
#[path = "../../pugmark-cli/src/printer/cell.rs"]
mod printed;
#[path = "../../pugmark-cli/src/time_expr.rs"]
#[expect(dead_code, reason = "the command line uses the rest")]
mod time_expr;

/// Longer statements are refused for their length alone.
const STATEMENT_BYTES_MAX: usize = 8 << 10;

/// Nothing that drives a terminal passes, and what was escaped can be told.
///
/// # Panics
/// If not.
pub fn cell(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let escaped = printed::escape(text);
    assert!(!escaped.chars().any(printed::is_forbidden), "{escaped:?}");
    assert_eq!(unescaped(&escaped).as_deref(), Some(text));
    for max in [1, 2, 7, 40] {
        assert!(printed::width(&printed::elide(&escaped, max)) <= max, "{escaped:?} in {max} columns");
    }
}

/// The text that [`printed::escape`] was given.
fn unescaped(text: &str) -> Option<String> {
    let mut pieces = text.split("\\u{");
    let mut out = pieces.next()?.to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_once('}')?;
        out.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
        out.push_str(rest);
    }
    Some(out)
}

/// A time is understood or refused; a range does not end before it begins.
///
/// # Panics
/// If it does.
pub fn time(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let now: Zoned = "2026-08-03T12:00:00+02:00[+02:00]".parse().expect("a time");
    drop(time_expr::instant(text, &now));
    drop(time_expr::zone(text));
    if let Ok(range) = time_expr::range(text, &now) {
        if let (Some(since), Some(until)) = (range.since, range.until) {
            assert!(since <= until, "{range:?}");
        }
        assert!(!time_expr::echo(range).is_empty());
    }
}

/// A statement and a condition are planned or refused, and the process lives.
///
/// # Panics
/// If the engine does.
pub fn sql(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if text.len() > STATEMENT_BYTES_MAX {
        return;
    }
    drop(condition(text));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // The stream is dropped unread: this is about planning.
    drop(runtime.block_on(async { session().sql(text).await.map(drop) }));
}

/// A session over one file; nothing reads it.
fn session() -> Session {
    let (access, limits) = (Access::default(), Limits::default());
    let file = Location::Path(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    let progress = Arc::new(Progress::default());
    let listing = list(&[file], &Selection::default(), &access, &limits, &progress).expect("it is there");
    let mut options = SessionOptions::default();
    options.request.threads = 1;
    Session::new(listing, options, progress).expect("a session")
}
