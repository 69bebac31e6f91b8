//! Commands about what answers stand on: what is covered, and what is proven.

use clap::{Args as ClapArgs, Subcommand, ValueHint};

use super::{AccessArgs, QuietArgs, SOURCE_HELP, SelectArgs, TEMPLATE, TalkArgs};
use crate::examples;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum EvidenceCommand {
    /// Days with files, events and gaps, by account and Region
    #[command(before_help = examples::COVERAGE, help_template = TEMPLATE, disable_help_flag = true)]
    Coverage(Box<CoverageArgs>),
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
    pub(crate) select: SelectArgs,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
    #[command(flatten)]
    pub(crate) quiet: QuietArgs,
}
