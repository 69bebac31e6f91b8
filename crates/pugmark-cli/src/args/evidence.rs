//! Commands about what answers stand on: what is covered, and what is proven.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueHint};

use super::{AccessArgs, PrintArgs, ReadArgs, SOURCE_HELP, TEMPLATE};
use crate::examples;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum EvidenceCommand {
    /// Days with files, events and gaps, by account and Region
    #[command(before_help = examples::COVERAGE, help_template = TEMPLATE, disable_help_flag = true,
        after_help = "Also `--output html`: a page that stands alone.")]
    Coverage(Box<CoverageArgs>),
    /// Whether files are as CloudTrail delivered them
    #[command(before_help = examples::VERIFY, help_template = TEMPLATE, disable_help_flag = true,
        after_help = "`--output md` and `html` are evidence reports; `aws` says what the AWS CLI would say.")]
    Verify(Box<VerifyArgs>),
    /// A bundle of inputs' hashes, commands and answers that others can check
    #[command(subcommand, before_help = examples::CASE, help_template = TEMPLATE, hide = true)]
    Case(CaseArgs),
}

/// `pugmark case`
#[derive(Debug, Subcommand)]
pub(crate) enum CaseArgs {
    /// Begin a case: list the inputs with their hashes
    #[command(disable_help_flag = true)]
    New(Box<CaseNewArgs>),
    /// Run a command and keep its answer; `@` stands for the case's sources
    #[command(disable_help_flag = true)]
    Add(Box<CaseAddArgs>),
    /// Run everything again, compare, and write a report
    #[command(disable_help_flag = true)]
    Report(Box<CaseReportArgs>),
}

/// `pugmark case new`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct CaseNewArgs {
    /// The case's folder
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) directory: PathBuf,
    #[arg(long = "source", help = SOURCE_HELP, value_name = "SOURCE", required = true, num_args = 1.., value_hint = ValueHint::AnyPath)]
    pub(crate) sources: Vec<String>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// `pugmark case add`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct CaseAddArgs {
    /// The case's folder
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) directory: PathBuf,
    /// The command, such as `search @ --name StopLogging`
    #[arg(value_name = "COMMAND", last = true, required = true, num_args = 1..)]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) print: PrintArgs,
}

/// `pugmark case report`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct CaseReportArgs {
    /// The case's folder
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) directory: PathBuf,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    #[command(flatten)]
    pub(crate) print: PrintArgs,
}

/// `pugmark coverage`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct CoverageArgs {
    #[arg(help = SOURCE_HELP, value_name = "SOURCE", required_unless_present_any = ["examples", "explain_config"], value_hint = ValueHint::AnyPath)]
    pub(crate) sources: Vec<String>,
    /// By hour instead of by day
    #[arg(long)]
    pub(crate) hourly: bool,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// `pugmark verify`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct VerifyArgs {
    #[arg(help = SOURCE_HELP, value_name = "SOURCE", required_unless_present_any = ["examples", "explain_config"], value_hint = ValueHint::AnyPath)]
    pub(crate) sources: Vec<String>,
    /// Public keys: a file or folder of JSON from the AWS CLI, PEM or DER; by default those fetched before
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) keys: Vec<PathBuf>,
    /// Ask CloudTrail for the keys, and keep them for the next time
    #[arg(long)]
    pub(crate) fetch_keys: bool,
    /// Where to ask for keys, if not AWS
    #[arg(long, value_name = "URL", requires = "fetch_keys", value_hint = ValueHint::Url)]
    pub(crate) keys_endpoint_url: Option<String>,
    /// Trails by name or ARN; by default all
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Filters")]
    pub(crate) trail: Vec<String>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// `--verify` of commands that read events.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct WitnessArgs {
    /// Check what is read against the digests beside it; fills the column `verified`
    #[arg(long, help_heading = "Evidence", hide_short_help = true)]
    pub(crate) verify: bool,
    /// Public keys for --verify: a file or folder; by default those fetched before
    #[arg(long, value_name = "PATH", requires = "verify", help_heading = "Evidence", hide_short_help = true, value_hint = ValueHint::AnyPath)]
    pub(crate) keys: Vec<PathBuf>,
}
