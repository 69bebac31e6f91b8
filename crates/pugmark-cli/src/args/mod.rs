//! The command line as typed; `plan.rs` makes objects of it.

pub(crate) mod detect;
pub(crate) mod evidence;
pub(crate) mod lineage;
pub(crate) mod serve;

use clap::{ArgAction, Args as ClapArgs, CommandFactory, Parser, Subcommand, ValueHint};

use crate::examples;

/// Answers who did what in AWS `CloudTrail` log files.
#[derive(Debug, Parser)]
#[command(
    name = "pugmark",
    version,
    about = "Answers who did what in AWS CloudTrail log files",
    before_help = examples::OVERVIEW,
    help_template = TEMPLATE,
    after_help = "`pugmark SOURCE…` alone is `pugmark scan SOURCE…`. `pugmark COMMAND -h` has examples.\nAlso: `session`, `insights`, `case`, `doctor`, `generate`, `schema`, `limits`, `completions SHELL`, `man [DIR]`.",
    after_long_help = examples::long_help(),
    arg_required_else_help = true
)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Say where each setting came from
    #[arg(long, hide_short_help = true)]
    pub(crate) explain_config: bool,
    /// Print examples
    #[arg(long)]
    pub(crate) examples: bool,
}

pub(crate) const TEMPLATE: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Overview: what is there, who was active, what is odd
    #[command(before_help = examples::SCAN, help_template = TEMPLATE, disable_help_flag = true, hide = true)]
    Scan(ScanArgs),
    /// Timeline of the events that match
    #[command(before_help = examples::SEARCH, help_template = TEMPLATE, disable_help_flag = true)]
    Search(Box<SearchArgs>),
    /// SQL over the events; without a query, an interactive shell
    #[command(before_help = examples::SQL, help_template = TEMPLATE, disable_help_flag = true)]
    Sql(Box<SqlArgs>),
    /// One event whole, with all its origins and neighbours
    #[command(before_help = examples::SHOW, help_template = TEMPLATE, disable_help_flag = true)]
    Show(Box<ShowArgs>),
    /// Counts by field, with first and last seen
    #[command(before_help = examples::STATS, help_template = TEMPLATE, disable_help_flag = true)]
    Stats(Box<StatsArgs>),
    /// Who really did it
    #[command(flatten)]
    Lineage(lineage::LineageCommand),
    /// Attacks and the rules that find them
    #[command(flatten)]
    Detect(detect::DetectCommand),
    /// What the answers stand on
    #[command(flatten)]
    Evidence(evidence::EvidenceCommand),
    /// A CloudTrail of your own: takes events, delivers signed log files, answers the AWS CLI
    #[command(before_help = examples::SERVE, help_template = TEMPLATE, disable_help_flag = true)]
    Serve(Box<serve::ServeArgs>),
    /// Make a realistic trail to try things on
    #[command(before_help = examples::GENERATE, help_template = TEMPLATE, disable_help_flag = true, hide = true)]
    Generate(GenerateArgs),
    /// Check that a source can be read, and what is missing
    #[command(before_help = examples::DOCTOR, help_template = TEMPLATE, disable_help_flag = true, hide = true)]
    Doctor(DoctorArgs),
    /// The fields of an event: SQL name, CloudTrail path, type, meaning
    #[command(before_help = examples::SCHEMA, help_template = TEMPLATE, disable_help_flag = true, hide = true)]
    Schema(SchemaArgs),
    /// The bounds on what input can ask for
    #[command(disable_help_flag = true, hide = true)]
    Limits(LimitsArgs),
    /// Completions for a shell
    #[command(before_help = examples::COMPLETIONS, help_template = TEMPLATE, hide = true)]
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: clap_complete::Shell,
    },
    /// Manual pages, to stdout or into a folder
    #[command(hide = true)]
    Man {
        /// Folder to write `pugmark.1`, `pugmark-search.1` … into
        #[arg(value_hint = ValueHint::DirPath)]
        directory: Option<std::path::PathBuf>,
    },
}

/// How output looks; every command that prints rows has these.
#[derive(Clone, Debug, Default, ClapArgs)]
#[expect(clippy::struct_excessive_bools, reason = "one switch of the command line each")]
pub(crate) struct TalkArgs {
    /// table, json, jsonl, csv, tsv, md, parquet, arrow or raw
    #[arg(short, long, value_name = "FORMAT", help_heading = "Output")]
    pub(crate) output: Option<String>,
    /// Write rows to a new file instead of stdout
    #[arg(long, value_name = "FILE", help_heading = "Output", hide_short_help = true, value_hint = ValueHint::FilePath)]
    pub(crate) to: Option<std::path::PathBuf>,
    /// Overwrite the file of --to
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub(crate) force: bool,
    /// Time zone to read and show times in: UTC, local, +02:00, Europe/Berlin
    #[arg(long, value_name = "ZONE", help_heading = "Output")]
    pub(crate) tz: Option<String>,
    /// auto, always or never
    #[arg(long, value_name = "WHEN", help_heading = "Output", hide_short_help = true)]
    pub(crate) color: Option<String>,
    /// Columns as wide as their cells
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub(crate) wide: bool,
    /// ASCII only, for plots and lines
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub(crate) plain: bool,
    /// CSV text that a spreadsheet would run: escape or keep
    /// (by default escaped in files and kept in pipes)
    #[arg(long, value_name = "HOW", help_heading = "Output", hide_short_help = true)]
    pub(crate) csv_formulas: Option<String>,
    /// Summary on stderr: text, json or none
    #[arg(long, value_name = "FORM", help_heading = "Output", hide_short_help = true)]
    pub(crate) summary: Option<String>,
    /// Program for long output on a terminal; empty for none
    #[arg(long, value_name = "COMMAND", help_heading = "Output", hide_short_help = true)]
    pub(crate) pager: Option<String>,
    /// Say why
    #[arg(short, long, help_heading = "Output", hide_short_help = true)]
    pub(crate) verbose: bool,
    /// Say where each setting came from, and do nothing else
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub(crate) explain_config: bool,
    /// Print examples, and do nothing else
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub(crate) examples: bool,
    /// Print help; --help prints all of it
    #[arg(short, long, action = ArgAction::Help, help_heading = "Output")]
    help: Option<bool>,
}

/// `-q`; the `sql` command has `--quiet` only.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct QuietArgs {
    /// No progress and summary; -qq errors only
    #[arg(short, long, action = ArgAction::Count, help_heading = "Output")]
    pub(crate) quiet: u8,
}

/// Which objects and events.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct SelectArgs {
    /// Accounts, 12 digits, separated by commas
    #[arg(long, value_name = "ID", value_delimiter = ',', help_heading = "Filters")]
    pub(crate) account: Vec<String>,
    /// Regions, separated by commas
    #[arg(long, value_name = "REGION", value_delimiter = ',', help_heading = "Filters")]
    pub(crate) region: Vec<String>,
    /// Events from this time on: 2h, 3d, yesterday, 2026-08-01, RFC 3339
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = "Filters")]
    pub(crate) since: Option<String>,
    /// Events before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = "Filters")]
    pub(crate) until: Option<String>,
    /// Events in a range: `last 7d`, 2026-08, A..B, `around 14:05 ±5min`
    #[arg(long, value_name = "RANGE", conflicts_with_all = ["since", "until"], help_heading = "Filters")]
    pub(crate) when: Option<String>,
}

/// How sources are reached.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct AccessArgs {
    /// AWS profile
    #[arg(long, value_name = "NAME", help_heading = "Access", hide_short_help = true)]
    pub(crate) profile: Option<String>,
    /// Region of the bucket, if it cannot be found out
    #[arg(long, value_name = "REGION", help_heading = "Access", hide_short_help = true)]
    pub(crate) aws_region: Option<String>,
    /// Another service that speaks S3
    #[arg(long, value_name = "URL", help_heading = "Access", hide_short_help = true, value_hint = ValueHint::Url)]
    pub(crate) endpoint_url: Option<String>,
    /// Pay for requests to requester-pays buckets
    #[arg(long, help_heading = "Access", hide_short_help = true)]
    pub(crate) request_payer: bool,
    /// Workers; by default one per processor
    #[arg(long, value_name = "N", help_heading = "Access", hide_short_help = true)]
    pub(crate) threads: Option<String>,
}

/// How a command prints, and how much it says.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct PrintArgs {
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
    #[command(flatten)]
    pub(crate) quiet: QuietArgs,
}

/// What every command has that reads events: which, from where, and how the answer looks.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct ReadArgs {
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    #[command(flatten)]
    pub(crate) print: PrintArgs,
}

pub(crate) const SOURCE_HELP: &str = "Folders, files, archives, `-` for stdin, s3://bucket/prefix";

/// `pugmark scan`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ScanArgs {
    #[arg(help = SOURCE_HELP, value_name = "SOURCE", required_unless_present_any = ["examples", "explain_config"], value_hint = ValueHint::AnyPath)]
    pub(crate) sources: Vec<String>,
    /// Entries of each list
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) top: usize,
    #[command(flatten)]
    pub(crate) witness: evidence::WitnessArgs,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// Which events `search` and `stats` are about.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct FilterArgs {
    /// Event names, `*` allowed: DeleteTrail,Stop*
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Filters")]
    pub(crate) name: Vec<String>,
    /// Services: iam, s3, sts…
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Filters")]
    pub(crate) service: Vec<String>,
    /// Users, roles, sessions, ARNs: any part of who acted
    #[arg(long, value_name = "TEXT", help_heading = "Filters")]
    pub(crate) actor: Vec<String>,
    /// Access key that signed, or that the event speaks of
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    pub(crate) key: Vec<String>,
    /// Source address or network: 203.0.113.7, 10.0.0.0/8
    #[arg(long, value_name = "CIDR", help_heading = "Filters")]
    pub(crate) ip: Vec<String>,
    /// Failed calls
    #[arg(long, help_heading = "Filters")]
    pub(crate) errors: bool,
    /// Error codes, `*` allowed: `AccessDenied`, `*Unauthorized*`
    #[arg(long, value_name = "CODE", value_delimiter = ',', help_heading = "Filters")]
    pub(crate) error_code: Vec<String>,
    /// Calls that read
    #[arg(long, conflicts_with = "writes", help_heading = "Filters")]
    pub(crate) reads: bool,
    /// Calls that change something
    #[arg(long, help_heading = "Filters")]
    pub(crate) writes: bool,
    /// Text anywhere in the record
    #[arg(long, value_name = "TEXT", help_heading = "Filters")]
    pub(crate) text: Vec<String>,
    /// Value at a path: requestParameters.bucketName=logs-*
    #[arg(long, value_name = "PATH=VALUE", help_heading = "Filters")]
    pub(crate) path: Vec<String>,
    /// SQL condition: "errorcode LIKE '%Denied%' AND NOT readonly"
    #[arg(short = 'w', long = "where", value_name = "SQL", help_heading = "Filters")]
    pub(crate) condition: Option<String>,
}

/// `pugmark search`
#[derive(Clone, Debug, ClapArgs)]
#[expect(clippy::struct_excessive_bools, reason = "one switch of the command line each")]
pub(crate) struct SearchArgs {
    #[arg(help = SOURCE_HELP, value_name = "SOURCE", required_unless_present_any = ["examples", "explain_config"], value_hint = ValueHint::AnyPath)]
    pub(crate) sources: Vec<String>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// At most so many events
    #[arg(short = 'n', long, value_name = "N", help_heading = "Output")]
    pub(crate) limit: Option<usize>,
    /// Newest first
    #[arg(long, conflicts_with = "unordered", help_heading = "Output")]
    pub(crate) reverse: bool,
    /// Stream events as they are found; --limit then ends the work early
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub(crate) unordered: bool,
    /// Each copy of an event that was delivered twice
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub(crate) with_duplicates: bool,
    /// Columns: time,who,action,target,outcome,from,account,region,id,object or any field
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        help_heading = "Output",
        hide_short_help = true
    )]
    pub(crate) columns: Vec<String>,
    /// Exit 1 if no event matches
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub(crate) require_match: bool,
    #[command(flatten)]
    pub(crate) witness: evidence::WitnessArgs,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// `pugmark sql`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct SqlArgs {
    #[arg(help = SOURCE_HELP, value_name = "SOURCE", required_unless_present_any = ["examples", "explain_config"], value_hint = ValueHint::AnyPath)]
    pub(crate) sources: Vec<String>,
    /// The statement
    #[arg(short, long, value_name = "SQL")]
    pub(crate) query: Option<String>,
    /// A file with the statement; `-` is stdin
    #[arg(short, long, value_name = "FILE", conflicts_with = "query", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<std::path::PathBuf>,
    /// Rows after which the answer ends
    #[arg(long, value_name = "N")]
    pub(crate) max_rows: Option<usize>,
    /// Memory for sorts and joins before they spill: 512MB, 2GB
    #[arg(long, value_name = "BYTES")]
    pub(crate) memory: Option<String>,
    /// Longest time of a statement: 30s, 5min
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<String>,
    /// Each copy of an event that was delivered twice is a row
    #[arg(long)]
    pub(crate) with_duplicates: bool,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    #[command(flatten)]
    pub(crate) witness: evidence::WitnessArgs,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
    /// No progress and summary; twice: errors only
    #[arg(long, action = ArgAction::Count, help_heading = "Output")]
    pub(crate) quiet: u8,
}

/// `pugmark show`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ShowArgs {
    /// Sources, then the event's id
    #[arg(value_names = ["SOURCE", "EVENT_ID"], num_args = 2.., required_unless_present_any = ["examples", "explain_config"], value_hint = ValueHint::AnyPath)]
    pub(crate) words: Vec<String>,
    /// One line per value: its path and the value
    #[arg(long)]
    pub(crate) paths: bool,
    /// Neighbours within this time of the event
    #[arg(long, value_name = "TIME", default_value = "5min")]
    pub(crate) around: String,
    /// Neighbours before and after
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) neighbours: usize,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// `pugmark stats`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct StatsArgs {
    /// Sources, then fields: eventName or userIdentity.arn,errorCode
    #[arg(value_names = ["SOURCE", "FIELD,FIELD"], num_args = 2.., required_unless_present_any = ["examples", "explain_config"], value_hint = ValueHint::AnyPath)]
    pub(crate) words: Vec<String>,
    /// At most so many groups, the largest first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, help_heading = "Output")]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) witness: evidence::WitnessArgs,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// `pugmark generate`
#[derive(Clone, Debug, ClapArgs)]
#[expect(clippy::struct_excessive_bools, reason = "one switch of the command line each")]
pub(crate) struct GenerateArgs {
    /// A folder that does not exist yet or is empty
    #[arg(value_name = "DIR", required_unless_present_any = ["examples", "explain_config"], value_hint = ValueHint::DirPath)]
    pub(crate) directory: Option<std::path::PathBuf>,
    /// How many events
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) events: u64,
    /// The same seed gives the same files
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many days
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub(crate) days: u32,
    /// First day
    #[arg(long, value_name = "DATE")]
    pub(crate) start: Option<String>,
    /// How many accounts
    #[arg(long, value_name = "N")]
    pub(crate) accounts: Option<u32>,
    /// How many Regions
    #[arg(long, value_name = "N")]
    pub(crate) regions: Option<u32>,
    /// Kubernetes audit logs of the clusters too, for `eks --audit`
    #[arg(long)]
    pub(crate) audit_logs: bool,
    /// Keys of an organization trail
    #[arg(long)]
    pub(crate) org: bool,
    /// No attacks among the events
    #[arg(long)]
    pub(crate) no_attacks: bool,
    /// Share of events delivered twice, in percent
    #[arg(long, value_name = "PERCENT")]
    pub(crate) duplicates: Option<f64>,
    /// Write into a folder that is not empty
    #[arg(long)]
    pub(crate) into_existing: bool,
    #[command(flatten)]
    pub(crate) print: PrintArgs,
}

/// `pugmark doctor`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct DoctorArgs {
    #[arg(help = SOURCE_HELP, value_name = "SOURCE", required_unless_present_any = ["examples", "explain_config"], value_hint = ValueHint::AnyPath)]
    pub(crate) sources: Vec<String>,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    #[command(flatten)]
    pub(crate) print: PrintArgs,
}

/// `pugmark schema`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct SchemaArgs {
    /// Only fields whose name or meaning holds this text
    #[arg(value_name = "TEXT")]
    pub(crate) text: Option<String>,
    #[command(flatten)]
    pub(crate) print: PrintArgs,
}

/// `pugmark limits`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct LimitsArgs {
    #[command(flatten)]
    pub(crate) print: PrintArgs,
}

/// The command line with its command first.
///
/// `pugmark logs/` is `pugmark scan logs/`, and options may stand before the
/// command: `pugmark --tz local search logs/`.
pub(crate) fn with_command(words: impl Iterator<Item = std::ffi::OsString>) -> Vec<std::ffi::OsString> {
    let mut words: Vec<_> = words.collect();
    let command = Args::command();
    let mut at = 1;
    while let Some(word) = words.get(at) {
        let text = word.to_string_lossy();
        let is_option = text.len() > 1 && text.starts_with('-') && text != "--";
        if !is_option {
            break;
        }
        at += if takes_value(&command, &text) { 2 } else { 1 };
    }
    match words.get(at) {
        Some(word) if word == "help" || command.find_subcommand(word).is_some() => {
            let name = words.remove(at);
            words.insert(1, name);
        }
        Some(_) => words.insert(1, "scan".into()),
        None => {}
    }
    words
}

/// True if the value of this option is the next word.
fn takes_value(command: &clap::Command, text: &str) -> bool {
    if text.contains('=') || !text.starts_with("--") && text.len() > 2 {
        return false;
    }
    command.get_subcommands().flat_map(clap::Command::get_arguments).any(|argument| {
        let is_it = text.strip_prefix("--").map_or_else(
            || {
                text.strip_prefix('-')
                    .is_some_and(|short| short.chars().next() == argument.get_short() && short != "q")
            },
            |long| argument.get_long() == Some(long),
        );
        is_it && argument.get_action().takes_values()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arranged(line: &str) -> String {
        let words = line.split(' ').map(std::ffi::OsString::from);
        with_command(words).iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_source_alone_is_scanned() {
        assert_eq!(arranged("pugmark logs/"), "pugmark scan logs/");
        assert_eq!(arranged("pugmark -q s3://b/p"), "pugmark scan -q s3://b/p");
        assert_eq!(arranged("pugmark --tz local logs/"), "pugmark scan --tz local logs/");
        assert_eq!(arranged("pugmark -"), "pugmark scan -");
        assert_eq!(arranged("pugmark ./search"), "pugmark scan ./search");
    }

    #[test]
    fn a_command_may_follow_its_options() {
        assert_eq!(arranged("pugmark search logs/"), "pugmark search logs/");
        assert_eq!(arranged("pugmark --tz local search logs/"), "pugmark search --tz local logs/");
        assert_eq!(arranged("pugmark --tz=local -q search x"), "pugmark search --tz=local -q x");
        assert_eq!(arranged("pugmark help search"), "pugmark help search");
        assert_eq!(arranged("pugmark -h"), "pugmark -h");
        assert_eq!(arranged("pugmark --explain-config"), "pugmark --explain-config");
    }

    #[test]
    fn short_help_fits_a_screen() {
        let mut command = Args::command();
        command.build();
        let mut commands = vec![command.clone()];
        commands.extend(command.get_subcommands().cloned());
        for mut command in commands {
            let help = command.render_help().to_string();
            let lines = help.lines().count();
            assert!(lines <= 40, "{} has {lines} lines:\n{help}", command.get_name());
        }
    }

    #[test]
    fn help_begins_with_five_examples() {
        let help = Args::command().render_help().to_string();
        let examples = help.split("Usage:").next().expect("a head");
        assert_eq!(
            examples.lines().filter(|line| line.trim_start().starts_with("pugmark ")).count(),
            5,
            "{help}"
        );
    }
}
