//! Commands about what answers stand on.

mod case;
mod coverage;
mod html;
mod keys;
mod verify;
mod witness;

use super::Start;
use crate::args::TalkArgs;
use crate::args::evidence::EvidenceCommand;
use crate::examples;
use crate::exit::{Exit, Failure};

pub(super) use witness::Watch;

/// Does what the command line says.
pub(super) fn run(command: EvidenceCommand) -> Result<Exit, Failure> {
    match command {
        EvidenceCommand::Coverage(mut args) => {
            let is_html = take_form(&mut args.talk, &["html"]).is_some();
            let quiet = args.quiet.quiet;
            let Some(start) = Start::new(&args.talk, Some(&args.access), quiet, examples::COVERAGE)? else {
                return Ok(Exit::Done);
            };
            coverage::coverage(&args, is_html, &start)
        }
        EvidenceCommand::Verify(mut args) => {
            let form = take_form(&mut args.talk, &["html", "aws"]);
            let quiet = args.quiet.quiet;
            let Some(start) = Start::new(&args.talk, Some(&args.access), quiet, examples::VERIFY)? else {
                return Ok(Exit::Done);
            };
            verify::verify(&args, form, &start)
        }
        EvidenceCommand::Case(args) => case::run(&args),
    }
}

/// The form of `--output` that only these commands have; the printer, which
/// knows forms of rows alone, does not see it.
fn take_form(talk: &mut TalkArgs, forms: &[&'static str]) -> Option<&'static str> {
    let form = talk.output.as_deref().and_then(|name| forms.iter().copied().find(|form| *form == name))?;
    talk.output = None;
    Some(form)
}
