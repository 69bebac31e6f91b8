//! The `pugmark` command: who did what, from AWS `CloudTrail` log files.
//!
//! ```text
//! words ─▶ args ─▶ plan ─▶ commands ─▶ printer ─▶ stdout (rows), stderr (talk)
//!          config ──┘
//! ```
//!
//! Only `printer` prints. Exit codes stand in `exit`.

/// Appends formatted text to a `String`, which cannot fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {{
        use std::fmt::Write as _;
        let _written = $out.write_fmt(format_args!($($text)*));
    }};
}

mod args;
mod commands;
mod config;
mod event_names;
mod examples;
mod exit;
mod filter;
mod html;
mod json_path;
mod pattern;
mod plan;
mod printer;
mod provenance;
mod run;
mod suggest;
mod time_expr;
mod view;
mod webhook;
mod who;

use std::process::ExitCode;

use anstream::ColorChoice;
use clap::Parser;

use crate::exit::{Exit, Failure};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let words = args::with_command(std::env::args_os());
    let args = match args::Args::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => return refuse(&error).into(),
    };
    let exit = match commands::run(args) {
        Ok(exit) => exit,
        Err(failure) => printer::failure(&failure, error_color()),
    };
    exit.into()
}

/// Help and version go to stdout; what is wrong goes to stderr.
fn refuse(error: &clap::Error) -> Exit {
    let is_answer = !error.use_stderr();
    match error.print() {
        Ok(()) if is_answer => Exit::Done,
        Ok(()) => Exit::Failed,
        Err(error) => printer::failure(&Failure::from(error), error_color()),
    }
}

/// Colour of an error, which may come before the settings are known.
fn error_color() -> ColorChoice {
    let words: Vec<String> = std::env::args().collect();
    let is_never = words.iter().any(|word| word == "--color=never")
        || words.windows(2).any(|pair| pair[0] == "--color" && pair[1] == "never");
    if is_never { ColorChoice::Never } else { ColorChoice::Auto }
}
