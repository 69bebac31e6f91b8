//! Every library is used, explained, and of a known licence and source.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{MetadataCommand, Package};

use crate::workspace::{Problem, Workspace};

/// One line per direct dependency: why, who, and what without it.
const RECORD: &str = "docs/adr/dependencies.md";

/// Licences that ask for nothing but attribution; the same list as deny.toml.
const LICENCES: [&str; 15] = [
    "Apache-2.0",
    "MIT",
    "MIT-0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "0BSD",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
];

/// Direct dependencies that nobody explains, nobody uses, or that are gone.
pub(crate) fn check(workspace: &Workspace) -> Vec<Problem> {
    let mut problems = Vec::new();
    let direct: BTreeSet<&str> =
        workspace.packages.iter().flat_map(names).filter(|name| !is_ours(name)).collect();
    let explained = explained(workspace.text(RECORD).unwrap_or(""));
    for name in direct.iter().filter(|name| !explained.contains(*name)) {
        problems.push(Problem::new(RECORD, format!("no line about `{name}`")));
    }
    for name in explained.iter().filter(|name| !direct.contains(*name)) {
        problems.push(Problem::new(RECORD, format!("`{name}` is no dependency any more")));
    }
    for package in &workspace.packages {
        problems.extend(unused(workspace, package));
    }
    problems
}

/// Licence and source of everything in the lock file that this platform builds.
pub(crate) fn licences(root: &Path) -> Result<Vec<Problem>> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .other_options(vec!["--locked".to_owned()])
        .exec()
        .context("`cargo metadata --locked` failed")?;
    let mut problems = Vec::new();
    for package in &metadata.packages {
        let place = format!("{} {}", package.name, package.version);
        if package.source.as_ref().is_some_and(|source| !source.is_crates_io()) {
            problems.push(Problem::new(&place, "comes from somewhere else than the public registry"));
        }
        // A package may name its licence in a file alone; a person reads that.
        let licence = package.license.as_deref().unwrap_or("");
        if !licence_holds(licence) {
            problems.push(Problem::new(&place, format!("licence `{licence}` is not on the list")));
        }
    }
    Ok(problems)
}

fn names(package: &Package) -> impl Iterator<Item = &str> {
    package.dependencies.iter().map(|dependency| dependency.name.as_str())
}

fn is_ours(name: &str) -> bool {
    name.starts_with("pugmark")
}

/// Names in the first cell of each row: "| `name` | why | …".
fn explained(record: &str) -> BTreeSet<&str> {
    let first_cell =
        |line: &'_ str| line.strip_prefix("| `").and_then(|rest| Some(rest.split_once('`')?.0.len()));
    record.lines().filter_map(|line| first_cell(line).map(|length| &line[3..3 + length])).collect()
}

/// Declared dependencies whose name occurs in no source file of the package.
fn unused(workspace: &Workspace, package: &Package) -> Vec<Problem> {
    let folder = format!("{}/", workspace.folder(package));
    let sources: Vec<&str> = workspace
        .files
        .iter()
        .filter(|file| file.path.starts_with(&folder) && file.is("rs"))
        .map(|file| file.text.as_str())
        .collect();
    let is_named = |name: &str| {
        let name = name.replace('-', "_");
        sources.iter().any(|text| crate::rust_text::has_word(text, &name))
    };
    names(package)
        .filter(|name| !is_named(name))
        .map(|name| Problem::new(package.name.as_str(), format!("declares `{name}` and never names it")))
        .collect()
}

/// SPDX expressions, judged as "one allowed choice in every part".
fn licence_holds(expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], " ").replace('/', " OR ");
    plain.split(" AND ").all(|part| {
        part.split(" OR ").any(|choice| {
            let name = choice.split(" WITH ").next().unwrap_or("").trim();
            LICENCES.contains(&name)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_with_one_allowed_licence_holds() {
        assert!(licence_holds("MIT OR GPL-3.0-only"));
        assert!(licence_holds("Apache-2.0 WITH LLVM-exception"));
        assert!(licence_holds("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(licence_holds("MIT/Apache-2.0"));
    }

    #[test]
    fn every_part_of_a_conjunction_must_hold() {
        assert!(!licence_holds("MIT AND GPL-3.0-only"));
        assert!(!licence_holds("GPL-3.0-only"));
        assert!(!licence_holds(""));
    }

    #[test]
    fn rows_of_the_record_are_read_by_their_first_cell() {
        let names =
            explained("| library | why |\n|---|---|\n| `arrow` | columns |\n| `serde_json` | twin |\ntext\n");
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["arrow", "serde_json"]);
    }
}
