//! `pugmark generate`: a realistic trail to try things on.

use pugmark_event::parse_day;
use pugmark_sim::{Options, Planted};

use super::Start;
use crate::args::GenerateArgs;
use crate::exit::{Exit, Failure};
use crate::printer::count_words;

/// Writes a trail and its truth.
pub(super) fn generate(args: &GenerateArgs, start: &Start) -> Result<Exit, Failure> {
    let Some(directory) = &args.directory else {
        return Err(Failure::bare("no folder is given"));
    };
    let name = directory.display();
    let is_used = std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
    if is_used && !args.into_existing {
        return Err(Failure::new(
            format!("`{name}` is not empty"),
            "name a new folder, or give `--into-existing`",
        ));
    }
    let options = options(args)?;
    let said = std::cell::Cell::new(0);
    let progress = |events: u64| {
        if events >= said.get() + 1_000_000 {
            said.set(events);
            start.printer.note(&format!("{} of {} events", count_words(events), count_words(options.events)));
        }
    };
    let truth =
        pugmark_sim::generate(directory, &options, &progress).map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidInput => Failure::bare(format!("cannot generate that: {error}")),
            _ => Failure::bare(format!("cannot write below `{name}`: {error}")),
        })?;
    start.printer.note(&format!(
        "{} events in `{name}`, {} attacks; what is hidden there stands in `{name}/truth.json`",
        count_words(options.events),
        count_words(truth.attacks.len() as u64),
    ));
    start.printer.note(&format!("try: pugmark {name}/AWSLogs"));
    Ok(Exit::Done)
}

fn options(args: &GenerateArgs) -> Result<Options, Failure> {
    let mut options = Options {
        seed: args.seed,
        events: args.events,
        days: args.days,
        org: args.org,
        attacks: !args.no_attacks,
        planted: if args.audit_logs { Planted::LineageAndAuditLogs } else { Planted::Lineage },
        ..Options::default()
    };
    if let Some(text) = &args.start {
        options.start_day = parse_day(text.as_bytes())
            .ok_or_else(|| Failure::new(format!("`{text}` is not a day"), "write `2026-08-01`"))?;
    }
    if let Some(accounts) = args.accounts {
        options.accounts = accounts;
    }
    if let Some(regions) = args.regions {
        options.regions = regions;
    }
    if let Some(percent) = args.duplicates {
        options.duplicates_percent = percent;
    }
    Ok(options)
}
