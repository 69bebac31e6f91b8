//! Commands about who really did it.

use clap::{Args as ClapArgs, Subcommand, ValueHint};

use super::{ReadArgs, SOURCE_HELP, TEMPLATE};
use crate::examples;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum LineageCommand {
    /// Who is behind a key, ARN, event, session, address or name
    #[command(before_help = examples::WHO, help_template = TEMPLATE, disable_help_flag = true)]
    Who(Box<WhoArgs>),
    /// Sessions: who opened them, from where, what they did
    #[command(before_help = examples::SESSIONS, help_template = TEMPLATE, disable_help_flag = true)]
    Sessions(Box<SessionsArgs>),
    /// One session whole
    #[command(before_help = examples::SESSION, help_template = TEMPLATE, disable_help_flag = true, hide = true)]
    Session(Box<WhoArgs>),
    /// Which request made a service act: the causes of one event
    #[command(before_help = examples::WHY, help_template = TEMPLATE, disable_help_flag = true)]
    Why(Box<AboutArgs>),
    /// Life of a resource: who created, changed, entered, deleted it
    #[command(before_help = examples::STORY, help_template = TEMPLATE, disable_help_flag = true)]
    Story(Box<AboutArgs>),
    /// Least IAM policy for what an identity did, and what it was denied
    #[command(before_help = examples::POLICY, help_template = TEMPLATE, disable_help_flag = true)]
    Policy(Box<AboutArgs>),
    /// What to revoke and look at if an identity is compromised; prints, never executes
    #[command(before_help = examples::CONTAIN, help_template = TEMPLATE, disable_help_flag = true)]
    Contain(Box<ContainArgs>),
    /// EKS clusters: who created, changed, entered them, and what they did
    #[command(before_help = examples::EKS, help_template = TEMPLATE, disable_help_flag = true)]
    Eks(Box<EksArgs>),
}

/// `pugmark who`, `pugmark session`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct WhoArgs {
    #[command(flatten)]
    pub(crate) about: AboutArgs,
    /// The timeline of what was done, and what came of it
    #[arg(long)]
    pub(crate) events: bool,
    /// Events of services one by one, not folded below their cause
    #[arg(long, requires = "events")]
    pub(crate) unfold: bool,
}

/// `pugmark sessions`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct SessionsArgs {
    #[arg(help = SOURCE_HELP, value_name = "SOURCE", required_unless_present_any = ["examples", "explain_config"], value_hint = ValueHint::AnyPath)]
    pub(crate) sources: Vec<String>,
    /// Only sessions whose actor, role or name holds this text
    #[arg(long, value_name = "TEXT", help_heading = "Filters")]
    pub(crate) actor: Vec<String>,
    /// Only sessions with something suspicious
    #[arg(long, help_heading = "Filters")]
    pub(crate) suspicious: bool,
    /// The newest sessions first
    #[arg(long, help_heading = "Output")]
    pub(crate) latest: bool,
    /// At most so many sessions
    #[arg(short = 'n', long, value_name = "N", help_heading = "Output")]
    pub(crate) limit: Option<usize>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// `pugmark contain`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ContainArgs {
    #[command(flatten)]
    pub(crate) about: AboutArgs,
    /// Plan as if it were this time: sessions that have ended by then need nothing
    #[arg(long, value_name = "TIME", default_value = "now")]
    pub(crate) at: String,
}

/// `who`, `session`, `why`, `story`, `policy`, `contain`: one subject of a source.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct AboutArgs {
    /// Sources, then what it is about
    #[arg(value_names = ["SOURCE", "SUBJECT"], num_args = 2.., required_unless_present_any = ["examples", "explain_config"], value_hint = ValueHint::AnyPath)]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// `pugmark eks`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct EksArgs {
    #[arg(help = SOURCE_HELP, value_name = "SOURCE", required_unless_present_any = ["examples", "explain_config"], value_hint = ValueHint::AnyPath)]
    pub(crate) sources: Vec<String>,
    /// Only clusters of this name or ARN
    #[arg(long, value_name = "NAME", help_heading = "Filters")]
    pub(crate) cluster: Vec<String>,
    /// Kubernetes audit and authenticator logs of the clusters
    #[arg(long, value_name = "SOURCE", help_heading = "Filters", value_hint = ValueHint::AnyPath)]
    pub(crate) audit: Vec<String>,
    /// The timeline of each cluster
    #[arg(long)]
    pub(crate) events: bool,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}
