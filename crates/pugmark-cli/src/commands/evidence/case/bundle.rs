//! The files of a case, and how its commands are run.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pugmark_event::format_time;
use pugmark_integrity::{hex, sha256_of};
use pugmark_source::Selection;
use serde_json::{Value, json};

use super::beside::Beside;
use super::inputs::Input;
use crate::args::SelectArgs;
use crate::exit::Failure;
use crate::printer::{Output, Overwrite, json_string};

/// The program that wrote a case.
pub(super) const VERSION: &str = concat!("pugmark ", env!("CARGO_PKG_VERSION"));
/// The word that stands for the case's sources.
const SOURCES: &str = "@";
/// No file of a case that is read whole is longer, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Commands whose answers a case may hold: those that only read.
const COMMANDS: [&str; 17] = [
    "scan", "search", "sql", "show", "stats", "who", "sessions", "session", "why", "story", "policy",
    "contain", "eks", "detect", "insights", "coverage", "verify",
];
/// Options that would make a command write, or ask somebody else.
const REFUSED: [&str; 5] = ["--to", "--force", "--pager", "--fetch-keys", "--keys-endpoint-url"];

/// What a case is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    /// The program that listed the inputs.
    pub(super) version: String,
    /// The sources as typed.
    pub(super) sources: Vec<String>,
    /// Which objects of them.
    pub(super) select: Select,
    /// Every object that was opened.
    pub(super) inputs: Vec<Input>,
}

/// The filters of `case new`, with times resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Select {
    accounts: Vec<String>,
    regions: Vec<String>,
    since: Option<String>,
    until: Option<String>,
}

impl Select {
    pub(super) fn of(selection: &Selection) -> Select {
        Select {
            accounts: selection.accounts.clone(),
            regions: selection.regions.clone(),
            since: selection.range.since.map(format_time),
            until: selection.range.until.map(format_time),
        }
    }

    /// The same as arguments.
    pub(super) fn arguments(&self) -> SelectArgs {
        SelectArgs {
            account: self.accounts.clone(),
            region: self.regions.clone(),
            since: self.since.clone(),
            until: self.until.clone(),
            when: None,
        }
    }
}

impl Case {
    /// The text of `case.json`: one input a line, so that two cases can be compared.
    pub(super) fn text(&self) -> String {
        let Select { accounts, regions, since, until } = &self.select;
        let select = json!({"accounts": accounts, "regions": regions, "since": since, "until": until});
        let mut out = String::from("{\"v\":1,\n\"version\":");
        json_string(&self.version, &mut out);
        put!(out, ",\n\"sources\":{},\n\"select\":{select},\n\"inputs\":[", json!(self.sources));
        for (index, input) in self.inputs.iter().enumerate() {
            put!(out, "{}{}", if index > 0 { ",\n" } else { "\n" }, input.json());
        }
        out.push_str("\n]}\n");
        out
    }

    /// The case in `directory`.
    pub(super) fn read(directory: &Path) -> Result<Case, Failure> {
        let path = case_path(directory);
        if !path.exists() {
            return Err(Failure::new(
                format!("there is no case in `{}`", directory.display()),
                format!("`pugmark case new {} --source SOURCE` begins one", directory.display()),
            ));
        }
        let value = read_json(&path)?;
        Case::of(&value).ok_or_else(|| Failure::bare(format!("`{}` is not a case", path.display())))
    }

    fn of(value: &Value) -> Option<Case> {
        let select = &value["select"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some(Case {
            version: text(&value["version"])?,
            sources: texts(&value["sources"])?,
            select: Select {
                accounts: texts(&select["accounts"])?,
                regions: texts(&select["regions"])?,
                since: text(&select["since"]),
                until: text(&select["until"]),
            },
            inputs: value["inputs"].as_array()?.iter().map(Input::of).collect::<Option<_>>()?,
        })
    }

    /// The whole command line of `words`.
    pub(super) fn command(&self, words: &[String]) -> Vec<String> {
        let mut command = Vec::new();
        for word in words {
            if word == SOURCES {
                command.extend(self.sources.iter().cloned());
            } else {
                command.push(word.clone());
            }
        }
        if !has_option(words, "--output", "-o") {
            command.extend(["--output", "jsonl"].map(str::to_owned));
        }
        // Talk is not part of the answer.
        command.extend(["--quiet", "--summary", "none", "--color", "never"].map(str::to_owned));
        command
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

fn has_option(words: &[String], long: &str, short: &str) -> bool {
    words.iter().any(|word| word == long || word.starts_with(&format!("{long}=")) || word == short)
}

/// One command and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The words, with `@` for the sources.
    pub(super) words: Vec<String>,
    /// The exit code.
    pub(super) exit: i32,
    /// Of the answer.
    pub(super) sha256: String,
    /// Of the answer.
    pub(super) bytes: u64,
    /// The program that gave it.
    pub(super) version: String,
    /// Files that the words name, such as rules and keys.
    pub(super) beside: Beside,
}

impl Step {
    /// Where it stands.
    pub(super) fn path(directory: &Path, number: u32) -> PathBuf {
        directory.join("commands").join(format!("{number:03}.json"))
    }

    /// The text of its file.
    pub(super) fn text(&self) -> String {
        let value = json!({
            "v": 1,
            "version": self.version,
            "words": self.words,
            "exit": self.exit,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "beside": self.beside,
        });
        format!("{value}\n")
    }

    fn of(value: &Value) -> Option<Step> {
        Some(Step {
            words: texts(&value["words"])?,
            exit: i32::try_from(value["exit"].as_i64()?).ok()?,
            sha256: value["sha256"].as_str()?.to_owned(),
            bytes: value["bytes"].as_u64()?,
            version: value["version"].as_str()?.to_owned(),
            beside: serde_json::from_value(value["beside"].clone()).ok()?,
        })
    }
}

/// The file of an answer.
pub(super) struct Answer;

impl Answer {
    pub(super) fn path(directory: &Path, number: u32) -> PathBuf {
        directory.join("commands").join(format!("{number:03}.jsonl"))
    }
}

/// The words of a command that a case may hold.
pub(super) fn checked(words: &[String]) -> Result<Vec<String>, Failure> {
    let name = words.first().map_or("", String::as_str);
    if !COMMANDS.contains(&name) {
        return Err(Failure::new(
            format!("a case holds no answers of `{name}`"),
            format!("begin with one of {}", COMMANDS.join(", ")),
        ));
    }
    let refused = words
        .iter()
        .find(|word| REFUSED.iter().any(|option| word == option || word.starts_with(&format!("{option}="))));
    match refused {
        Some(word) => {
            Err(Failure::new(format!("`{word}` has no place in a case"), "the case keeps the answer itself"))
        }
        None => Ok(words.to_vec()),
    }
}

/// Times among the words that depend on the clock.
pub(super) fn moving_times(words: &[String]) -> Vec<&str> {
    let is_time = |word: &str| ["--since", "--until", "--when"].contains(&word);
    let of_pair = words.windows(2).filter(|pair| is_time(&pair[0])).map(|pair| pair[1].as_str());
    let of_one = words.iter().filter_map(|word| word.split_once('=').filter(|(name, _)| is_time(name)));
    let is_date = |text: &str| {
        let start = text.as_bytes().get(..5).unwrap_or_default();
        start.len() == 5 && start[..4].iter().all(u8::is_ascii_digit) && start[4] == b'-'
    };
    of_pair.chain(of_one.map(|(_, time)| time)).filter(|time| !is_date(time)).collect()
}

/// Where a case says what it is about.
pub(super) fn case_path(directory: &Path) -> PathBuf {
    directory.join("case.json")
}

/// Makes the folders of a case, for their owner only.
pub(super) fn create_folder(directory: &Path) -> Result<(), Failure> {
    let folder = directory.join("commands");
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|error| Failure::bare(format!("cannot make `{}`: {error}", folder.display())))
}

/// Writes a file for its owner only.
pub(super) fn write(path: &Path, text: &str, overwrite: Overwrite) -> Result<(), Failure> {
    let mut output = Output::file(path, overwrite)?;
    output.write_all(text.as_bytes())?;
    Ok(output.finish()?)
}

/// The commands of a case, by number.
pub(super) fn steps(directory: &Path) -> Result<Vec<(u32, Step)>, Failure> {
    let mut steps = Vec::new();
    for number in 1..next_number(directory)? {
        let path = Step::path(directory, number);
        if path.exists() {
            let step = Step::of(&read_json(&path)?)
                .ok_or_else(|| Failure::bare(format!("`{}` is not a command of a case", path.display())))?;
            steps.push((number, step));
        }
    }
    Ok(steps)
}

/// One more than the last number that is taken.
pub(super) fn next_number(directory: &Path) -> Result<u32, Failure> {
    let folder = directory.join("commands");
    let fail = |error: io::Error| Failure::bare(format!("cannot read `{}`: {error}", folder.display()));
    let mut last = 0;
    for child in fs::read_dir(&folder).map_err(fail)? {
        let name = child.map_err(fail)?.file_name();
        let number = name.to_str().and_then(|name| name.split_once('.')?.0.parse().ok());
        last = last.max(number.unwrap_or(0));
    }
    Ok(last + 1)
}

/// Runs this program with `words`; its answer goes to the new file `path`.
pub(super) fn answer_into(words: &[String], path: &Path) -> Result<i32, Failure> {
    let fail = |error: io::Error| Failure::bare(format!("cannot write `{}`: {error}", path.display()));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(fail)?;
    let status = program(words)?
        .stdout(file)
        .status()
        .map_err(|error| Failure::bare(format!("cannot run pugmark: {error}")))?;
    Ok(status.code().unwrap_or(-1))
}

/// This program, about to be run with `words`.
pub(super) fn program(words: &[String]) -> Result<Command, Failure> {
    let path = std::env::current_exe()
        .map_err(|error| Failure::bare(format!("cannot find this program: {error}")))?;
    let mut command = Command::new(path);
    command.args(words).stdin(Stdio::null()).env("PUGMARK_NO_PROGRESS", "1");
    Ok(command)
}

/// SHA-256 and length of a file.
pub(super) fn hash_file(path: &Path) -> Result<(String, u64), Failure> {
    let fail = |error: io::Error| Failure::bare(format!("cannot read `{}`: {error}", path.display()));
    let mut file = File::open(path).map_err(fail)?;
    let (hash, bytes) = sha256_of(&mut file).map_err(fail)?;
    Ok((hex(&hash), bytes))
}

fn read_json(path: &Path) -> Result<Value, Failure> {
    let fail =
        |error: &dyn std::fmt::Display| Failure::bare(format!("cannot read `{}`: {error}", path.display()));
    if fs::metadata(path).map_err(|error| fail(&error))?.len() > FILE_BYTES_MAX {
        return Err(fail(&"it is too long"));
    }
    let bytes = fs::read(path).map_err(|error| fail(&error))?;
    serde_json::from_slice(&bytes).map_err(|error| fail(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_case_is_read_back() {
        let case = Case {
            version: VERSION.to_owned(),
            sources: words("logs s3://b/p"),
            select: Select { since: Some("2026-08-01T00:00:00Z".to_owned()), ..Select::default() },
            inputs: vec![Input {
                name: "logs/\"x\"".to_owned(),
                bytes_stored: 3,
                sha256_stored: None,
                bytes: 9,
                sha256: Some("ab".to_owned()),
            }],
        };
        let value = serde_json::from_str(&case.text()).expect("JSON");
        assert_eq!(Case::of(&value), Some(case));
    }

    #[test]
    fn the_sources_stand_for_an_at_sign() {
        let case = Case {
            version: String::new(),
            sources: words("a b"),
            select: Select::default(),
            inputs: Vec::new(),
        };
        let command = case.command(&words("search @ --name X"));
        assert_eq!(
            command.join(" "),
            "search a b --name X --output jsonl --quiet --summary none --color never"
        );
        assert!(!case.command(&words("sql @ -o csv")).contains(&"jsonl".to_owned()));
    }

    #[test]
    fn what_writes_or_moves_is_told() {
        assert!(checked(&words("generate x")).is_err());
        assert!(checked(&words("search @ --to=x")).is_err());
        assert!(checked(&words("search @ --name X")).is_ok());
        assert_eq!(moving_times(&words("search @ --since 2h --until=today --when 2026-08")), ["2h", "today"]);
    }
}
