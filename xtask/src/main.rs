//! What keeps the workspace true to its own rules, and the one way to run
//! its tests.
//!
//! ```text
//! cargo xtask check    layers, tidy, documents, dependencies, licences
//! cargo xtask test     everything the tests need, then all tests
//! ```
//!
//! It is not part of the product: nothing depends on it.

mod dependencies;
mod documents;
mod layers;
mod rust_text;
mod suite;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::workspace::{Problem, Workspace};

const USAGE: &str = "usage: cargo xtask check | test [TEST NAME…] | moto | awscli";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<()> {
    match words.first().map(String::as_str) {
        Some("check") => check(),
        Some("test") => suite::test(&words[1..]),
        Some("moto") => suite::moto(),
        Some("awscli") => suite::aws_cli(),
        _ => bail!("{USAGE}"),
    }
}

/// Every rule that can be judged without compiling.
fn check() -> Result<()> {
    let workspace = Workspace::load()?;
    let mut problems = rules(&workspace);
    problems.extend(dependencies::licences(&workspace.root)?);
    for problem in &problems {
        say(&format!("{}: {}", problem.place, problem.what));
    }
    match problems.len() {
        0 => {
            say(&format!(
                "checked: {} files in {} packages",
                workspace.files.len(),
                workspace.packages.len()
            ));
            Ok(())
        }
        count => bail!("{count} problems"),
    }
}

fn rules(workspace: &Workspace) -> Vec<Problem> {
    let mut problems = layers::check(workspace);
    problems.extend(tidy::check(workspace));
    problems.extend(documents::check(workspace));
    problems.extend(dependencies::check(workspace));
    problems
}

/// Talk goes to stderr.
#[expect(clippy::print_stderr, reason = "a development tool speaks to the terminal")]
fn say(text: &str) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_none(problems: &[Problem]) {
        let lines: Vec<String> = problems.iter().map(|p| format!("{}: {}", p.place, p.what)).collect();
        assert!(problems.is_empty(), "\n{}\n", lines.join("\n"));
    }

    #[test]
    fn edges_between_crates_go_only_downward() {
        assert_none(&layers::check(&Workspace::load().unwrap()));
    }

    #[test]
    fn source_files_are_tidy() {
        assert_none(&tidy::check(&Workspace::load().unwrap()));
    }

    #[test]
    fn documents_point_at_things_that_exist() {
        assert_none(&documents::check(&Workspace::load().unwrap()));
    }

    #[test]
    fn every_dependency_is_used_and_explained() {
        assert_none(&dependencies::check(&Workspace::load().unwrap()));
    }
}
