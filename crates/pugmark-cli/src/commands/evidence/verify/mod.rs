//! `pugmark verify`: are these the bytes that `CloudTrail` delivered?
//!
//! Digests and log files are read once, wherever they lie; the verdicts are
//! the integrity library's. This module asks and prints.

mod document;
mod gaps;
mod page;
mod rows;

use std::collections::BTreeSet;

use pugmark_event::Tally;
use pugmark_integrity::aws::{AwsRun, validate_logs};
use pugmark_integrity::{
    DigestName, Evidence, PublicKeys, Question, Report, Standing, Verdict, gather, judge,
};
use pugmark_source::Contents;

use super::super::{Column, print_rows};
use super::{Start, keys};
use crate::args::evidence::VerifyArgs;
use crate::exit::{Exit, Failure};
use crate::plan::Reading;
use crate::printer::{Ended, Format, escape, print_talk};
use crate::run::Run;

/// Everything that a page about a verification is made of.
pub(super) struct Verified<'a> {
    pub(super) report: &'a Report,
    pub(super) keys: &'a PublicKeys,
    pub(super) question: &'a Question,
    pub(super) sources: &'a [String],
    pub(super) tally: &'a Tally,
}

/// Reads, judges, prints.
pub(super) fn verify(args: &VerifyArgs, form: Option<&str>, start: &Start) -> Result<Exit, Failure> {
    let mut reading = Reading::new(&args.sources, &args.read.select, &start.settings, &start.now)?;
    reading.selection.contents = Contents::Evidence;
    let aws = if form == Some("aws") { Some(aws_run(args, &reading, start)?) } else { None };
    let mut keys = keys::known(&args.keys, start)?;
    if keys.is_empty() && !args.fetch_keys {
        return Err(keys::none_given());
    }
    let question = Question { range: reading.selection.range, trails: args.trail.clone() };
    let mut run = Run::start(&start.printer)?;
    let (listing, _) = run.list(&reading)?;
    let (evidence, tally) = gather(listing, &reading.gathering(&run.progress))?;
    if args.fetch_keys {
        keys.extend(keys::fetch(&evidence, &reading, args.keys_endpoint_url.as_deref(), start)?);
    }
    run.quiet();
    if let Some(aws) = aws {
        let aws = aws.described(&evidence);
        if aws.organization.is_some() && aws.account.is_none() {
            return Err(Failure::new(
                "`--output aws` of an organization's trail is about one account",
                "give `--account ID`",
            ));
        }
        return print_aws(&evidence, &keys, &aws, start);
    }
    let mut report = judge(&evidence, &keys, &question);
    gaps::explain(&mut report, &reading, &run)?;
    let verified =
        Verified { report: &report, keys: &keys, question: &question, sources: &args.sources, tally: &tally };
    let shown = print(&verified, form, start)?;
    if report.chains.is_empty() && report.strays.is_empty() {
        start.printer.warning(&no_chain(&evidence, &args.trail));
    }
    for bucket in &report.other_buckets {
        start.printer.note(&format!("proven digests name bucket `{bucket}`, which was not read; name it as a source to verify what it holds"));
    }
    let unreadable = report.counts().contains_key(&Verdict::Unreadable);
    Ok(match (run.finish(tally.clone(), shown, Ended::AtTheEnd), report.standing()) {
        (Exit::Interrupted, _) => Exit::Interrupted,
        (_, Standing::Negative) => Exit::No,
        (Exit::Done, _) if unreadable => Exit::Partial,
        (exit, _) => exit,
    })
}

/// Why there is no chain to tell of.
fn no_chain(evidence: &Evidence, asked: &[String]) -> String {
    let names = evidence.digests.iter().filter_map(|file| DigestName::parse(&file.object.name));
    let trails: BTreeSet<String> = names.map(|name| name.chain.trail).collect();
    if asked.is_empty() || trails.is_empty() {
        return "there is no digest under the sources, so nothing is proven".to_owned();
    }
    let trails: Vec<String> = trails.iter().map(|trail| format!("`{trail}`")).collect();
    format!("no digest is of a trail `{}`; there are digests of {}", asked.join("`, `"), trails.join(", "))
}

fn print(verified: &Verified<'_>, form: Option<&str>, start: &Start) -> Result<u64, Failure> {
    let printer = &start.printer;
    let text = match (form, printer.format()) {
        (Some("html"), _) => document::html(verified),
        (_, Format::Md) => document::markdown(verified),
        (_, Format::Table) => page::text(verified, printer),
        _ => {
            let (columns, rows) = rows::rows(verified.report);
            let columns = columns.map(
                |(name, is_number)| {
                    if is_number { Column::Number(name) } else { Column::Text(name) }
                },
            );
            return print_rows(printer, &columns, &rows);
        }
    };
    printer.report(&text)?;
    Ok(verified.report.counts().values().sum())
}

/// The arguments that the AWS CLI would have been given.
fn aws_run(args: &VerifyArgs, reading: &Reading, start: &Start) -> Result<AwsRun, Failure> {
    let [trail_arn] = args.trail.as_slice() else {
        return Err(Failure::new(
            "`--output aws` is about one trail",
            "give `--trail arn:aws:cloudtrail:REGION:ACCOUNT:trail/NAME`",
        ));
    };
    let range = reading.selection.range;
    let Some(since) = range.since else {
        return Err(Failure::new("`--output aws` has a start", "give `--since` or `--when`"));
    };
    let only = |list: &[String]| match list {
        [one] => Some(one.clone()),
        _ => None,
    };
    Ok(AwsRun {
        trail_arn: trail_arn.clone(),
        start: since,
        end: range.until.unwrap_or_else(|| start.now.timestamp().as_microsecond()),
        region: only(&reading.selection.regions).unwrap_or_default(),
        account: only(&reading.selection.accounts),
        verbose: args.read.print.talk.verbose,
        ..AwsRun::default()
    })
}

fn print_aws(evidence: &Evidence, keys: &PublicKeys, run: &AwsRun, start: &Start) -> Result<Exit, Failure> {
    let output = validate_logs(evidence, keys, run);
    print_talk(&harmless(&output.stderr));
    start.printer.report(&harmless(&output.stdout))?;
    Ok(match output.exit {
        0 => Exit::Done,
        1 => Exit::No,
        _ => Exit::NotRun,
    })
}

/// The same text; but names inside digests are data, and data moves no cursor.
fn harmless(text: &str) -> String {
    let line = |line: &str| line.split('\t').map(escape).collect::<Vec<_>>().join("\t");
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn the_words_of_the_aws_cli_keep_their_tabs_and_lines_only() {
        assert_eq!(
            harmless("Log file\ts3://b/k\u{1b}[2J\tvalid\n\n"),
            "Log file\ts3://b/k\\u{1b}[2J\tvalid\n\n"
        );
    }
}
