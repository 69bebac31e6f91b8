//! Commands about what answers stand on.

mod case;
mod changes;
mod coverage;
mod keys;
mod verify;
mod witness;

use super::{Start, take_form};
use crate::args::evidence::EvidenceCommand;
use crate::examples;
use crate::exit::{Exit, Failure};

pub(super) use witness::Watch;

/// Does what the command line says.
pub(super) fn run(command: EvidenceCommand) -> Result<Exit, Failure> {
    match command {
        EvidenceCommand::Coverage(mut args) => {
            let is_html = take_form(&mut args.read.print.talk, &["html"]).is_some();
            let Some(start) = Start::reading(&args.read, examples::COVERAGE)? else { return Ok(Exit::Done) };
            coverage::coverage(&args, is_html, &start)
        }
        EvidenceCommand::Verify(mut args) => {
            let form = take_form(&mut args.read.print.talk, &["html", "aws"]);
            let Some(start) = Start::reading(&args.read, examples::VERIFY)? else { return Ok(Exit::Done) };
            verify::verify(&args, form, &start)
        }
        EvidenceCommand::Case(args) => case::run(&args),
    }
}
