//! What an answer stands on beside the case's inputs: the files and folders
//! that a command names, such as rules and keys, and the program's own rules.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pugmark_detect::own_rules;
use pugmark_integrity::{hex, sha256};

use super::bundle::hash_file;
use crate::exit::Failure;

/// SHA-256, in hexadecimal, by name.
pub(super) type Beside = BTreeMap<String, String>;

/// What the program's own rules are called.
const OWN_RULES: &str = "the program's own rules";
/// Files of one folder that are hashed.
const FILES_MAX: usize = 200_000;

/// The hashes of all that `words` name and that is there.
///
/// A folder's is that of a list: the name of each file and its hash, a line each. A word that is the name of a file by
/// chance is hashed too, which harms nobody: it is told only where an answer differs.
///
/// # Errors
/// If a file cannot be read.
pub(super) fn of(words: &[String]) -> Result<Beside, Failure> {
    let mut beside = Beside::new();
    let value =
        |word: &str| word.split_once('=').filter(|_| word.starts_with('-')).map(|pair| pair.1.to_owned());
    for word in words.iter().skip(1) {
        let name = value(word).unwrap_or_else(|| word.clone());
        let path = Path::new(&name);
        if path.is_file() {
            beside.insert(name.clone(), hash_file(path)?.0);
        } else if path.is_dir() {
            beside.insert(name.clone(), folder(path)?);
        }
    }
    let names_rules = words.iter().any(|word| word == "--rules" || word.starts_with("--rules="));
    if words.first().is_some_and(|name| name == "detect")
        && (!names_rules || words.iter().any(|word| word == "--own"))
    {
        beside.insert(OWN_RULES.to_owned(), own());
    }
    Ok(beside)
}

fn own() -> String {
    let mut list = String::new();
    for file in own_rules() {
        put!(list, "{} {}\n", file.name, hex(&sha256(file.text.as_bytes())));
    }
    hex(&sha256(list.as_bytes()))
}

fn folder(root: &Path) -> Result<String, Failure> {
    let fail = |path: &Path, error: &dyn std::fmt::Display| {
        Failure::bare(format!("cannot read `{}`: {error}", path.display()))
    };
    let mut files: Vec<PathBuf> = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for child in fs::read_dir(&directory).map_err(|error| fail(&directory, &error))? {
            let child = child.map_err(|error| fail(&directory, &error))?;
            let kind = child.file_type().map_err(|error| fail(&child.path(), &error))?;
            // Links are not followed, so that there is an end.
            if kind.is_dir() {
                waiting.push(child.path());
            } else if kind.is_file() {
                files.push(child.path());
            }
        }
        if files.len() > FILES_MAX {
            return Err(fail(root, &format!("it has more than {FILES_MAX} files")));
        }
    }
    files.sort();
    let mut list = String::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file);
        put!(list, "{} {}\n", name.display(), hash_file(&file)?.0);
    }
    Ok(hex(&sha256(list.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_folders_and_own_rules_that_a_command_names_are_hashed() {
        let desk = tempfile::tempdir().expect("a folder");
        let rules = desk.path().join("rules");
        fs::create_dir_all(rules.join("more")).expect("a folder");
        fs::write(rules.join("more/a.yml"), "a").expect("a file");
        let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        let named = words(&format!("detect @ --rules={} --level low", rules.display()));
        let first = of(&named).expect("hashes");
        assert_eq!(first.keys().collect::<Vec<_>>(), [&rules.display().to_string()]);
        fs::write(rules.join("more/a.yml"), "b").expect("a file");
        assert_ne!(of(&named).expect("hashes"), first);
        assert_eq!(of(&words("detect @")).expect("hashes").keys().collect::<Vec<_>>(), [OWN_RULES]);
        assert!(of(&words("search @ --name X")).expect("hashes").is_empty());
    }
}
