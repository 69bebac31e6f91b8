//! Commands about what answers stand on.

mod coverage;

use super::Start;
use crate::args::evidence::EvidenceCommand;
use crate::examples;
use crate::exit::{Exit, Failure};

/// Does what the command line says.
pub(super) fn run(command: EvidenceCommand) -> Result<Exit, Failure> {
    match command {
        EvidenceCommand::Coverage(args) => {
            let quiet = args.quiet.quiet;
            let Some(start) = Start::new(&args.talk, Some(&args.access), quiet, examples::COVERAGE)? else {
                return Ok(Exit::Done);
            };
            coverage::coverage(&args, &start)
        }
    }
}
