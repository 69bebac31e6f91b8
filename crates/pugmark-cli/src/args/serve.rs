//! `pugmark serve`: be the trail.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueHint};

use super::{AccessArgs, PrintArgs, SOURCE_HELP};

/// `pugmark serve`
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ServeArgs {
    /// Address and port; port 0 is any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8840")]
    pub(crate) listen: SocketAddr,
    /// Folder of all state: trails, journal, keys, event data stores
    /// (by default `serve` beside the settings)
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
    /// A folder that is a bucket; others are folders of DIR/buckets, or S3's with --s3
    #[arg(long, value_name = "NAME=DIR")]
    pub(crate) bucket: Vec<String>,
    /// Deliver to buckets of S3, or of the service of --endpoint-url
    #[arg(long)]
    pub(crate) s3: bool,
    /// Account of the server, 12 digits
    #[arg(long, value_name = "ID", default_value = "111122223333")]
    pub(crate) account: String,
    /// Region of callers who name none
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    pub(crate) region: String,
    /// Time between log files of a trail
    #[arg(long, value_name = "TIME", default_value = "5min")]
    pub(crate) cadence: String,
    /// Time between digests
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub(crate) digest_cadence: String,
    #[arg(long, help = format!("Also look events up here: {SOURCE_HELP}"), value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    pub(crate) lookup: Vec<String>,
    #[arg(long, help = format!("Take in the events that appear here: {SOURCE_HELP}"), value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    pub(crate) tail: Vec<String>,
    /// Time between two looks at what is tailed
    #[arg(long, value_name = "TIME", default_value = "10s", hide_short_help = true)]
    pub(crate) tail_every: String,
    /// Send the notifications of an SNS topic, by name or ARN, to an address, or to an SQS queue (its URL, or sqs:URL)
    #[arg(long, value_name = "TOPIC=URL", hide_short_help = true)]
    pub(crate) topic: Vec<String>,
    /// File of access keys; made with one key of an administrator if it is not there
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) keys: Option<PathBuf>,
    /// Let anybody on this machine do everything, with any key or none
    #[arg(long)]
    pub(crate) anonymous: bool,
    /// Faults in so many of a thousand log files, for those who test readers:
    /// seed=7,late=5,duplicated=5,shuffled=5,missing=5,tampered=5
    #[arg(long, value_name = "FAULTS", hide_short_help = true)]
    pub(crate) chaos: Option<String>,
    /// Another name that clients may call the server by
    #[arg(long, value_name = "HOST:PORT", hide_short_help = true)]
    pub(crate) host: Vec<String>,
    /// Requests of one key in a second
    #[arg(long, value_name = "N", default_value_t = 1_000, hide_short_help = true)]
    pub(crate) requests_per_second: u32,
    /// LookupEvents of one Region in a second
    #[arg(long, value_name = "N", default_value_t = 2, hide_short_help = true)]
    pub(crate) lookups_per_second: u32,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    #[command(flatten)]
    pub(crate) print: PrintArgs,
}
