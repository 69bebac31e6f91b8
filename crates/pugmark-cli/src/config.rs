//! Settings and where each came from.
//!
//! `~/.config/pugmark/config.toml` < `./pugmark.toml` < `PUGMARK_*` < flags.
//! A file holds no secrets: AWS credentials come from the standard chain.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::exit::Failure;
use crate::suggest::closest;

/// A setting that can stand in a file, the environment or a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Name in files and as a flag.
    pub(crate) name: &'static str,
    /// What it is without being set, for people.
    pub(crate) default: &'static str,
    /// One line for people.
    pub(crate) doc: &'static str,
}

macro_rules! settings {
    ($( $constant:ident $name:literal $default:literal $doc:literal; )*) => {
        impl Setting {
            $( #[doc = $doc] pub(crate) const $constant: Setting =
                Setting { name: $name, default: $default, doc: $doc }; )*

            /// Every setting.
            pub(crate) const ALL: &'static [Setting] = &[ $( Setting::$constant, )* ];
        }
    };
}

settings! {
    OUTPUT "output" "table on a terminal, jsonl in a pipe" "format of rows";
    COLOR "color" "auto" "colour: auto, always or never";
    TZ "tz" "UTC" "time zone that times are read and shown in";
    THREADS "threads" "all processors" "workers";
    PROFILE "profile" "the standard chain" "AWS profile";
    AWS_REGION "aws-region" "the standard chain" "Region of S3";
    ENDPOINT_URL "endpoint-url" "AWS" "another S3 service";
    REQUEST_PAYER "request-payer" "false" "pay for requests to requester-pays buckets";
    CSV_FORMULAS "csv-formulas" "escape in files, keep in pipes" "CSV text that a spreadsheet would run";
    PAGER "pager" "$PAGER or less -FRX" "program for long output; empty for none";
    PLAIN "plain" "false" "ASCII only";
    SUMMARY "summary" "text" "summary on stderr: text, json or none";
    KEY_FILE "key-file" "keys.json beside the settings" "public keys that `verify --fetch-keys` keeps";
    MEMORY "memory" "1GB" "memory of SQL queries";
    TIMEOUT "timeout" "none" "longest time of an SQL query";
}

impl Setting {
    fn variable(self) -> String {
        format!("PUGMARK_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// Nobody set it.
    Default,
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// The command line.
    Flag,
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            From::Default => f.write_str("default"),
            From::File(path) => write!(f, "`{}`", path.display()),
            From::Variable(name) => write!(f, "`{name}`"),
            From::Flag => f.write_str("the command line"),
        }
    }
}

/// All values, the strongest source of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    values: Vec<(Setting, String, From)>,
}

impl Settings {
    /// Reads the files and variables that are there.
    pub(crate) fn load(environment: &dyn Fn(&str) -> Option<String>) -> Result<Settings, Failure> {
        let mut settings = Settings::default();
        for path in files(environment) {
            settings.read_file(&path)?;
        }
        for setting in Setting::ALL {
            if let Some(value) = environment(&setting.variable()) {
                settings.set(*setting, value, From::Variable(setting.variable()));
            }
        }
        Ok(settings)
    }

    /// What the command line says, if it does.
    pub(crate) fn flag(&mut self, setting: Setting, value: Option<String>) {
        if let Some(value) = value {
            self.set(setting, value, From::Flag);
        }
    }

    /// The value of `setting`, if anybody set it.
    pub(crate) fn get(&self, setting: Setting) -> Option<&str> {
        self.find(setting).map(|(value, _)| value)
    }

    /// The value of a switch.
    pub(crate) fn is_on(&self, setting: Setting) -> Result<bool, Failure> {
        match self.get(setting) {
            None | Some("false" | "0" | "no" | "") => Ok(false),
            Some("true" | "1" | "yes") => Ok(true),
            Some(value) => Err(self.wrong(setting, value, "write `true` or `false`")),
        }
    }

    /// That `value` is no value of `setting`, and who said it.
    pub(crate) fn wrong(&self, setting: Setting, value: &str, hint: &str) -> Failure {
        let from = self.find(setting).map_or(From::Default, |(_, from)| from.clone());
        Failure::new(format!("`{value}` is not a value of `{}` (from {from})", setting.name), hint)
    }

    /// Settings of a file in the working directory that decide whom we talk to.
    pub(crate) fn of_working_directory(&self) -> Vec<(&'static str, &str)> {
        self.values
            .iter()
            .filter(|(setting, _, from)| {
                [Setting::PROFILE, Setting::ENDPOINT_URL].contains(setting)
                    && *from == From::File(PathBuf::from(WORKING_FILE))
            })
            .map(|(setting, value, _)| (setting.name, value.as_str()))
            .collect()
    }

    /// Every setting, its value, and where the value came from.
    pub(crate) fn explain(&self) -> Vec<[String; 4]> {
        Setting::ALL
            .iter()
            .map(|setting| {
                let (value, from) = match self.find(*setting) {
                    Some((value, from)) => (value.to_owned(), from.to_string()),
                    None => (setting.default.to_owned(), From::Default.to_string()),
                };
                [setting.name.to_owned(), value, from, setting.doc.to_owned()]
            })
            .collect()
    }

    fn find(&self, setting: Setting) -> Option<(&str, &From)> {
        self.values
            .iter()
            .find(|(known, _, _)| *known == setting)
            .map(|(_, value, from)| (value.as_str(), from))
    }

    fn set(&mut self, setting: Setting, value: String, from: From) {
        self.values.retain(|(known, _, _)| *known != setting);
        self.values.push((setting, value, from));
    }

    fn read_file(&mut self, path: &Path) -> Result<(), Failure> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Failure::bare(format!("cannot read `{}`: {error}", path.display()))),
        };
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let message = error.message().trim().replace('\n', ", ");
            Failure::bare(format!("`{}` is not valid TOML: {message}", path.display()))
        })?;
        for (name, value) in table {
            let known = Setting::ALL.iter().find(|setting| setting.name == name).ok_or_else(|| {
                let names: Vec<&str> = Setting::ALL.iter().map(|setting| setting.name).collect();
                let hint = match closest(&name, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("settings are {}", names.join(", ")),
                };
                Failure::new(format!("`{}` has an unknown setting `{name}`", path.display()), hint)
            })?;
            let value = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(flag) => flag.to_string(),
                _ => {
                    return Err(Failure::new(
                        format!("`{name}` in `{}` has the wrong type", path.display()),
                        "write a text, a number, `true` or `false`",
                    ));
                }
            };
            self.set(*known, value, From::File(path.to_owned()));
        }
        Ok(())
    }
}

const WORKING_FILE: &str = "pugmark.toml";

/// The files in order of strength.
fn files(environment: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let own = own_folder(environment).map(|folder| folder.join("config.toml"));
    own.into_iter().chain([PathBuf::from(WORKING_FILE)]).collect()
}

/// Where this user's settings are, if there is a home at all.
pub(crate) fn own_folder(environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let home = environment("XDG_CONFIG_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| environment("HOME").map(|home| Path::new(&home).join(".config")));
    home.map(|home| home.join("pugmark"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str, variables: &[(&str, &str)]) -> Result<Settings, Failure> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("pugmark").join("config.toml");
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(&file, text).expect("a file");
        let home = folder.path().display().to_string();
        Settings::load(&|name| {
            if name == "XDG_CONFIG_HOME" {
                return Some(home.clone());
            }
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_stronger_source_wins_and_is_named() {
        let mut settings =
            with_file("tz = 'Asia/Kolkata'\nthreads = 3\nplain = true\n", &[("PUGMARK_THREADS", "5")])
                .expect("settings");
        settings.flag(Setting::OUTPUT, Some("csv".to_owned()));
        settings.flag(Setting::TZ, None);
        assert_eq!(settings.get(Setting::TZ), Some("Asia/Kolkata"));
        assert_eq!(settings.get(Setting::THREADS), Some("5"));
        assert!(settings.is_on(Setting::PLAIN).expect("a switch"));
        let explained = settings.explain();
        let from = |name: &str| {
            explained.iter().find(|row| row[0] == name).map(|row| row[2].clone()).expect("a setting")
        };
        assert!(from("tz").ends_with("config.toml`"), "{}", from("tz"));
        assert_eq!(from("threads"), "`PUGMARK_THREADS`");
        assert_eq!(from("output"), "the command line");
        assert_eq!(from("color"), "default");
    }

    #[test]
    fn a_misspelt_setting_is_refused_with_the_right_one() {
        let Err(Failure::Told { message, hint }) = with_file("treads = 3", &[]) else {
            unreachable!("it is misspelt");
        };
        assert!(message.ends_with("has an unknown setting `treads`"), "{message}");
        assert_eq!(hint.as_deref(), Some("did you mean `threads`?"));
        assert!(with_file("tz = [1]", &[]).is_err());
        assert!(with_file("tz = ", &[]).is_err());
    }

    #[test]
    fn a_switch_is_true_or_false() {
        let settings = with_file("", &[("PUGMARK_PLAIN", "perhaps")]).expect("settings");
        let failure = settings.is_on(Setting::PLAIN).expect_err("neither");
        assert_eq!(failure.to_string(), "`perhaps` is not a value of `plain` (from `PUGMARK_PLAIN`)");
    }
}
