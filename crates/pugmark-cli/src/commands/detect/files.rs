//! Rule files from disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pugmark_detect::{FILE_BYTES_MAX, Level, LoadOptions, LoadReport, RuleFile, RuleSet, own_rules};

use crate::args::detect::ChosenRules;
use crate::exit::Failure;
use crate::printer::{Printer, counted};

/// Files of one checkout that are looked at.
const FILES_MAX: usize = 200_000;
/// Folders within folders.
const DEPTH_MAX: usize = 64;
/// Broken rules that are named one by one.
const NAMED_MAX: usize = 5;

/// Rules as they were found, before anything is made of them.
pub(super) struct RuleTexts {
    read: Vec<(String, String)>,
    own: bool,
    placeholders: BTreeMap<String, Vec<String>>,
    deprecated: bool,
}

impl RuleTexts {
    /// Reads what was chosen; our own rules if nothing was.
    pub(super) fn read(chosen: &ChosenRules) -> Result<RuleTexts, Failure> {
        let mut paths = Vec::new();
        for path in &chosen.rules {
            if !path.exists() {
                return Err(Failure::new(
                    format!("there are no rules at `{}`", path.display()),
                    "name a file or a folder with Sigma rules; without `--rules` our own run",
                ));
            }
            find(path, 0, &mut paths)?;
        }
        let mut read = Vec::with_capacity(paths.len());
        for path in paths {
            read.push((path.display().to_string(), text(&path)?));
        }
        let own = chosen.rules.is_empty() || chosen.own;
        let placeholders = match &chosen.placeholders {
            Some(path) => toml::from_str(&text(path)?).map_err(|error| {
                Failure::new(
                    format!("cannot read `{}`: {}", path.display(), error.message()),
                    "it is a TOML file of lists: `name = [\"value\", \"other\"]`",
                )
            })?,
            None => BTreeMap::new(),
        };
        Ok(RuleTexts { read, own, placeholders, deprecated: chosen.deprecated })
    }

    /// Every file, by name.
    pub(super) fn files(&self) -> Vec<RuleFile<'_>> {
        let own = if self.own { own_rules() } else { Vec::new() };
        own.into_iter().chain(self.read.iter().map(|(name, text)| RuleFile { name, text })).collect()
    }

    /// How they are loaded; rules below `level` only where correlations need them.
    pub(super) fn options(&self, level: Level) -> LoadOptions {
        LoadOptions { placeholders: self.placeholders.clone(), level, deprecated: self.deprecated }
    }

    /// Makes a set of them, and tells what became of each.
    pub(super) fn load(&self, level: Level, printer: &Printer) -> Result<(RuleSet, LoadReport), Failure> {
        let (rules, report) = RuleSet::load(&self.files(), &self.options(level));
        printer.note(&words(&report));
        for broken in report.broken.iter().take(NAMED_MAX) {
            printer.warning(&format!("{}:{}: {}", broken.file, broken.line, broken.reason));
        }
        if report.broken.len() > NAMED_MAX {
            printer.note(&format!("`pugmark rules lint` names all {} that cannot run", report.broken.len()));
        }
        if report.loaded == 0 {
            return Err(Failure::new("no rule is left to run", "check `--rules` and `--level`"));
        }
        Ok((rules, report))
    }
}

/// `480 rules, 12 not for CloudTrail, 3 broken`
pub(super) fn words(report: &LoadReport) -> String {
    let mut parts = vec![counted(report.loaded as u64, "rule")];
    if report.filters > 0 {
        parts.push(counted(report.filters as u64, "filter"));
    }
    parts.extend(report.skipped.iter().map(|(reason, count)| format!("{count} {reason}")));
    if !report.broken.is_empty() {
        parts.push(format!("{} broken", report.broken.len()));
    }
    parts.join(", ")
}

/// The files of a folder that may hold rules, by name; links are not followed.
fn find(path: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let fail = |error: std::io::Error| Failure::bare(format!("cannot read `{}`: {error}", path.display()));
    if !path.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    let children = fs::read_dir(path).map_err(fail)?.collect::<Result<Vec<_>, _>>().map_err(fail)?;
    let mut children: Vec<PathBuf> = children.iter().map(fs::DirEntry::path).collect();
    children.sort();
    for child in children {
        let name = child.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let kind = fs::symlink_metadata(&child).map_err(fail)?.file_type();
        if name.starts_with('.') || kind.is_symlink() || depth > DEPTH_MAX || found.len() > FILES_MAX {
            continue;
        }
        let is_rule = [".yml", ".yaml"].iter().any(|end| name.to_lowercase().ends_with(end));
        if kind.is_dir() || (kind.is_file() && is_rule) {
            find(&child, depth + 1, found)?;
        }
    }
    Ok(())
}

/// The text of a file. One that is too long is cut where the loader refuses it anyway.
fn text(path: &Path) -> Result<String, Failure> {
    use std::io::Read as _;
    let fail = |error: std::io::Error| Failure::bare(format!("cannot read `{}`: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(fail)?;
    file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(fail)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
