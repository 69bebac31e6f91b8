//! Arguments of the commands about rules and findings.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueHint};

use super::evidence::WitnessArgs;
use super::{AccessArgs, PrintArgs, ReadArgs, SOURCE_HELP, TEMPLATE};
use crate::examples;

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum DetectCommand {
    /// Find attacks: Sigma rules, correlations, things done for the first time
    #[command(before_help = examples::DETECT, help_template = TEMPLATE, disable_help_flag = true)]
    Detect(Box<DetectArgs>),
    /// Find attacks as log files arrive, and tell each finding once
    #[command(before_help = examples::WATCH, help_template = TEMPLATE, disable_help_flag = true)]
    Watch(Box<WatchArgs>),
    /// Rules: list, check, test, explain them; what they cover
    #[command(before_help = examples::RULES, help_template = TEMPLATE, disable_help_flag = true, subcommand_required = true)]
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Unusual rates of calls and errors, as CloudTrail Insights tells them
    #[command(before_help = examples::INSIGHTS, help_template = TEMPLATE, disable_help_flag = true, hide = true)]
    Insights(Box<InsightsArgs>),
}

/// Which rules run.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct ChosenRules {
    /// Sigma rules instead of our own: files, or folders such as a checkout of a collection
    #[arg(long, value_name = "PATH", num_args = 1.., help_heading = "Rules", value_hint = ValueHint::AnyPath)]
    pub(crate) rules: Vec<PathBuf>,
    /// Our own rules beside those of --rules
    #[arg(long, requires = "rules", help_heading = "Rules", hide_short_help = true)]
    pub(crate) own: bool,
    /// Values of placeholders, a TOML file: `name = ["value", …]`
    #[arg(long, value_name = "FILE", help_heading = "Rules", hide_short_help = true, value_hint = ValueHint::FilePath)]
    pub(crate) placeholders: Option<PathBuf>,
    /// Deprecated and unsupported rules too
    #[arg(long, help_heading = "Rules", hide_short_help = true)]
    pub(crate) deprecated: bool,
}

/// `pugmark detect`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct DetectArgs {
    #[arg(help = SOURCE_HELP, value_name = "SOURCE", required_unless_present_any = ["examples", "explain_config"], value_hint = ValueHint::AnyPath)]
    pub(crate) sources: Vec<String>,
    #[command(flatten)]
    pub(crate) chosen: ChosenRules,
    #[command(flatten)]
    pub(crate) beside: BaselineArgs,
    /// Findings of this level and worse: informational, low, medium, high, critical
    #[arg(long, value_name = "LEVEL", default_value = "low", help_heading = "Findings")]
    pub(crate) level: String,
    /// Exit with 1 if there is a finding of this level or worse
    #[arg(long, value_name = "LEVEL", help_heading = "Findings")]
    pub(crate) fail_on: Option<String>,
    /// Findings to leave out, a TOML file with owner, reason and expiry
    #[arg(long, value_name = "FILE", help_heading = "Findings", value_hint = ValueHint::FilePath)]
    pub(crate) suppress: Option<PathBuf>,
    /// Findings of an earlier run (JSON Lines): show what is new
    #[arg(long, value_name = "FILE", help_heading = "Findings", value_hint = ValueHint::FilePath)]
    pub(crate) baseline: Option<PathBuf>,
    /// One reading, without persons behind roles and causes of what services did
    #[arg(long, help_heading = "Findings", hide_short_help = true)]
    pub(crate) no_lineage: bool,
    #[command(flatten)]
    pub(crate) witness: WitnessArgs,
    /// At most so many findings; the worst are shown
    #[arg(short = 'n', long, value_name = "N", help_heading = "Output")]
    pub(crate) limit: Option<usize>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// What is looked for beside rules.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct BaselineArgs {
    /// Things that a person or an account did for the first time, too
    #[arg(long, help_heading = "Beside rules", hide_short_help = true)]
    pub(crate) first_seen: bool,
    /// Part of the time that is learned before anything is new, in percent
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = 50,
        requires = "first_seen",
        help_heading = "Beside rules",
        hide_short_help = true
    )]
    pub(crate) learned: u8,
    /// Sessions and persons on two networks at a time, too
    #[arg(long, help_heading = "Beside rules", hide_short_help = true)]
    pub(crate) travel: bool,
    /// Databases of places in `MaxMind`'s format: impossible travel, new countries and networks
    #[arg(long, value_name = "FILE", num_args = 1.., help_heading = "Beside rules", hide_short_help = true, value_hint = ValueHint::FilePath)]
    pub(crate) geoip: Vec<PathBuf>,
}

/// `pugmark insights`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct InsightsArgs {
    #[arg(help = SOURCE_HELP, value_name = "SOURCE", required_unless_present_any = ["examples", "explain_config"], value_hint = ValueHint::AnyPath)]
    pub(crate) sources: Vec<String>,
    /// Data events too
    #[arg(long)]
    pub(crate) data: bool,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// `pugmark watch`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct WatchArgs {
    #[arg(help = "Folders, files, archives, s3://bucket/prefix", value_name = "SOURCE", required_unless_present_any = ["examples", "explain_config"], value_hint = ValueHint::AnyPath)]
    pub(crate) sources: Vec<String>,
    /// Read the objects under the sources that messages of this Amazon SQS queue name, and list nothing
    #[arg(long, value_name = "URL", help_heading = "Watch", value_hint = ValueHint::Url)]
    pub(crate) sqs: Option<String>,
    /// Look for new objects so often
    #[arg(long, value_name = "TIME", default_value = "30s", help_heading = "Watch")]
    pub(crate) every: String,
    /// Correlate events that arrive so much later than others
    #[arg(
        long,
        value_name = "TIME",
        default_value = "20min",
        help_heading = "Watch",
        hide_short_help = true
    )]
    pub(crate) lateness: String,
    /// Folder that remembers what was read and told (beside the settings)
    #[arg(long, value_name = "DIR", help_heading = "Watch", value_hint = ValueHint::DirPath)]
    pub(crate) state: Option<PathBuf>,
    /// Look once and end, for cron
    #[arg(long, help_heading = "Watch")]
    pub(crate) once: bool,
    /// Post each finding here, as JSON; signed if `PUGMARK_WEBHOOK_KEY` is set
    #[arg(long, value_name = "URL", help_heading = "Sinks", value_hint = ValueHint::Url)]
    pub(crate) webhook: Option<String>,
    /// Text to post instead, with `{{title}}` and other fields
    #[arg(long, value_name = "FILE", requires = "webhook", help_heading = "Sinks", hide_short_help = true, value_hint = ValueHint::FilePath)]
    pub(crate) template: Option<PathBuf>,
    /// Tell Slack, through an incoming webhook
    #[arg(long, value_name = "URL", help_heading = "Sinks", value_hint = ValueHint::Url)]
    pub(crate) slack: Option<String>,
    /// Tell Microsoft Teams, through a workflow's webhook
    #[arg(long, value_name = "URL", help_heading = "Sinks", value_hint = ValueHint::Url)]
    pub(crate) teams: Option<String>,
    /// After this time a finding that no sink took goes to `dead-letters.jsonl`
    #[arg(long, value_name = "TIME", default_value = "1d", help_heading = "Sinks", hide_short_help = true)]
    pub(crate) give_up: String,
    #[command(flatten)]
    pub(crate) chosen: ChosenRules,
    /// Findings of this level and worse
    #[arg(long, value_name = "LEVEL", default_value = "low", help_heading = "Findings")]
    pub(crate) level: String,
    /// Findings to leave out, a TOML file with owner, reason and expiry
    #[arg(long, value_name = "FILE", help_heading = "Findings", hide_short_help = true, value_hint = ValueHint::FilePath)]
    pub(crate) suppress: Option<PathBuf>,
    /// Events from this time on: 2h, 3d, yesterday, 2026-08-01, RFC 3339
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = "Filters")]
    pub(crate) since: Option<String>,
    /// Accounts, 12 digits, separated by commas
    #[arg(long, value_name = "ID", value_delimiter = ',', help_heading = "Filters", hide_short_help = true)]
    pub(crate) account: Vec<String>,
    /// Regions, separated by commas
    #[arg(
        long,
        value_name = "REGION",
        value_delimiter = ',',
        help_heading = "Filters",
        hide_short_help = true
    )]
    pub(crate) region: Vec<String>,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    #[command(flatten)]
    pub(crate) print: PrintArgs,
}

/// `pugmark rules`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Rules by file, level and technique
    #[command(disable_help_flag = true)]
    List(Box<RulesArgs>),
    /// What is wrong with rules: broken, unknown events, missing words
    #[command(disable_help_flag = true)]
    Lint(Box<RulesArgs>),
    /// Run the tests that rules carry
    #[command(disable_help_flag = true)]
    Test(Box<RulesTestArgs>),
    /// Why a rule does or does not match an event
    #[command(disable_help_flag = true)]
    Explain(Box<RulesExplainArgs>),
    /// ATT&CK techniques that rules are about; `--output navigator` for the Navigator
    #[command(disable_help_flag = true)]
    Coverage(Box<RulesArgs>),
}

/// `pugmark rules list`, `lint`, `coverage`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct RulesArgs {
    #[command(flatten)]
    pub(crate) chosen: ChosenRules,
    #[command(flatten)]
    pub(crate) print: PrintArgs,
}

/// `pugmark rules test`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct RulesTestArgs {
    #[command(flatten)]
    pub(crate) chosen: ChosenRules,
    /// Write the outcome for continuous integration too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) junit: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) print: PrintArgs,
}

/// `pugmark rules explain`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct RulesExplainArgs {
    /// Id of the rule, or part of its title
    #[arg(value_name = "RULE")]
    pub(crate) rule: String,
    /// Where the event is, and last its id
    #[arg(value_names = ["SOURCE", "EVENT_ID"], num_args = 2.., required = true, value_hint = ValueHint::AnyPath)]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) chosen: ChosenRules,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}
