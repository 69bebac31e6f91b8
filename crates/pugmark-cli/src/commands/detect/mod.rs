//! `pugmark detect`, `pugmark watch` and `pugmark rules`: attacks by Sigma
//! rules, at once or as they happen, and the rules themselves.

mod baselines;
mod files;
mod formats;
mod page;
mod report;
mod rules;
mod suppress;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use pugmark_detect::{Detection, Finding, Grouping, Level, LoadReport, RuleSet, Sums};
use pugmark_event::{EventBatch, Leaf};
use pugmark_lineage::Lineage;
use pugmark_scan::{Annotate, Sink, scan};
use pugmark_source::Location;

use super::evidence::Watch;
use super::{Start, insights, take_form};
use crate::args::detect::{DetectArgs, DetectCommand};
use crate::examples;
use crate::exit::{Exit, Failure};
use crate::plan::Reading;
use crate::printer::{Ended, counted};
use crate::provenance::Provenance;
use crate::run::{Run, nothing_found, request};
use baselines::{Baselines, Wanted};
use files::RuleTexts;
use suppress::Suppressions;

/// Does what the command line says.
pub(super) fn run(command: DetectCommand) -> Result<Exit, Failure> {
    match command {
        DetectCommand::Detect(mut args) => {
            let form = take_form(&mut args.read.print.talk, &formats::NAMES);
            let Some(start) = Start::reading(&args.read, examples::DETECT)? else { return Ok(Exit::Done) };
            detect(&args, form, &start)
        }
        DetectCommand::Rules(command) => rules::run(command),
        DetectCommand::Insights(mut args) => {
            let as_records = take_form(&mut args.read.print.talk, &["records"]).is_some();
            let Some(start) = Start::reading(&args.read, examples::INSIGHTS)? else { return Ok(Exit::Done) };
            insights::insights(&args, as_records, &start)
        }
        DetectCommand::Watch(mut args) => {
            // The printer would refuse a file that is there; a watch appends.
            let to = args.print.talk.to.take();
            let Some(start) = Start::plain(&args.print, Some(&args.access), examples::WATCH)? else {
                return Ok(Exit::Done);
            };
            watch::watch(&args, to, &start)
        }
    }
}

/// A finding with what lineage adds to it.
struct Told {
    finding: Finding,
    /// `user/noor → Admin/noor → Deploy/ship`, where there is more than one step.
    chain: Option<String>,
    /// The request because of which a service did it, in words.
    because: Option<String>,
    /// True if an earlier run does not have it; unknown without one.
    is_new: Option<bool>,
}

/// All that a run tells.
struct Answer {
    told: Vec<Told>,
    sums: Sums,
    load: LoadReport,
    /// Findings left out by suppressions.
    suppressed: usize,
    sources: Vec<String>,
}

impl Answer {
    /// Findings of each level, the worst first.
    fn levels(&self) -> impl Iterator<Item = (Level, u64)> {
        Level::ALL.into_iter().rev().map(|level| {
            (level, self.told.iter().filter(|told| told.finding.level() == level).count() as u64)
        })
    }
}

/// Runs the rules and tells what they find.
fn detect(args: &DetectArgs, form: Option<&str>, start: &Start) -> Result<Exit, Failure> {
    let level = level_of(&args.level)?;
    let fail_on = args.fail_on.as_deref().map(level_of).transpose()?;
    let today = start.now.date().to_string();
    let suppressions = suppressions(args.suppress.as_deref(), &today, start)?;
    let known = args.baseline.as_deref().map(earlier_ids).transpose()?;
    let (rules, load) = RuleTexts::read(&args.chosen)?.load(level, &start.printer)?;
    let rules = Arc::new(rules);
    let wanted = Wanted::new(&args.beside)?;

    let reading = Reading::new(&args.sources, &args.read.select, &start.settings, &start.now)?;
    let mut run = Run::start(&start.printer)?;
    let is_read_once = reading.locations.contains(&Location::Stdin);
    if is_read_once && !args.no_lineage {
        start.printer.note("stdin can be read only once, so persons behind roles are not looked for");
    }
    let provenance = (!args.no_lineage && !is_read_once).then(|| Provenance::new(&reading, &run));
    let mut request = request(&reading, Detection::leaves(&rules).union(wanted.leaves()));
    if let Some(provenance) = &provenance {
        for leaf in [Leaf::Actor, Leaf::ActorType, Leaf::Session, Leaf::Cause] {
            request.projection = request.projection.with(leaf);
        }
        request.annotators.push(provenance.columns() as Arc<dyn Annotate>);
    }
    let watch = Watch::new(&args.witness, &reading, start)?;
    if let Some(watch) = &watch {
        watch.attach(&mut request);
    }
    let (listing, listed) = run.list(&reading)?;
    let make = || Worker {
        rules: Detection::new(Arc::clone(&rules), Grouping::Actor),
        beside: Baselines::new(&wanted),
    };
    let (workers, tally) = scan(listing, &request, &run.progress, make)?;
    run.quiet();
    let whole = workers.into_iter().reduce(Worker::merge).unwrap_or_else(make);
    let mut found = whole.rules.finish();
    let beside = whole.beside.findings(&start.printer);
    found.findings.extend(beside.into_iter().filter(|finding| finding.level() >= level));
    Finding::sort(&mut found.findings);
    warn_of_limits(&found.sums, start);
    if tally.rows == 0 {
        start.printer.note(&nothing_found(&listed, &tally, reading.selection.range));
    }
    let lineage = provenance.as_ref().map(Provenance::lineage).transpose()?;
    let all = found.findings.len();
    let kept: Vec<Finding> =
        found.findings.into_iter().filter(|finding| !suppressions.covers(finding, &today)).collect();
    let suppressed = all - kept.len();
    let is_bad = fail_on.is_some_and(|level| kept.iter().any(|finding| finding.level() >= level));
    let told = kept.into_iter().map(|finding| tell(finding, lineage.as_deref(), known.as_ref())).collect();
    let answer = Answer { told, sums: found.sums, load, suppressed, sources: args.sources.clone() };
    let shown = formats::print(&answer, form, args.limit, start)?;
    if let Some(watch) = watch {
        watch.report(&start.printer);
    }
    Ok(match run.finish(tally, shown, Ended::AtTheEnd) {
        Exit::Done if is_bad => Exit::No,
        exit => exit,
    })
}

/// Tells what the correlations could not see.
fn warn_of_limits(sums: &Sums, start: &Start) {
    if sums.left_out > 0 {
        start.printer.warning(&format!(
            "correlations did not see {}, because there were too many: narrow the time or the accounts",
            counted(sums.left_out, "match")
        ));
    }
    if sums.is_crowded {
        start
            .printer
            .warning("correlations had too many groups at a time and forgot the stalest: narrow the time");
    }
}

/// What is left out, if a file says so; those that have ended are told.
fn suppressions(path: Option<&Path>, today: &str, start: &Start) -> Result<Suppressions, Failure> {
    let suppressions = match path {
        Some(path) => Suppressions::read(path)?,
        None => Suppressions::default(),
    };
    for ended in suppressions.ended(today) {
        start.printer.warning(&ended);
    }
    Ok(suppressions)
}

/// One worker of the scan.
struct Worker {
    rules: Detection,
    beside: Baselines,
}

impl Worker {
    fn merge(self, other: Worker) -> Worker {
        Worker { rules: self.rules.merge(other.rules), beside: self.beside.merge(other.beside) }
    }
}

impl Sink for Worker {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        self.rules.read(&batch);
        self.beside.read(&batch);
        ControlFlow::Continue(())
    }
}

fn level_of(name: &str) -> Result<Level, Failure> {
    Level::named(name).ok_or_else(|| {
        Failure::new(
            format!("`{name}` is no level"),
            "levels are `informational`, `low`, `medium`, `high` and `critical`",
        )
    })
}

/// Ids of the findings of an earlier run.
fn earlier_ids(path: &Path) -> Result<BTreeSet<String>, Failure> {
    let fail = |why: String| {
        Failure::new(
            format!("cannot use `{}` as a baseline: {why}", path.display()),
            "make one with `pugmark detect SOURCE --output jsonl --to FILE`",
        )
    };
    let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    let id = |(number, line): (usize, &str)| {
        let value: serde_json::Value = serde_json::from_str(line).map_err(|error| fail(error.to_string()))?;
        let id = value["id"].as_str().ok_or_else(|| fail(format!("line {} has no `id`", number + 1)))?;
        Ok(id.to_owned())
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(id).collect()
}

/// Adds what lineage knows.
fn tell(finding: Finding, lineage: Option<&Lineage>, known: Option<&BTreeSet<String>>) -> Told {
    let session = finding.sessions.texts.first().and_then(|id| lineage?.find(id)?.parties.into_iter().next());
    let chain = session.map(|session| {
        let steps: Vec<String> = session.chain().iter().map(|step| step.name()).collect();
        steps.join(" → ")
    });
    let cause = finding.events.iter().find_map(|event| event.cause.as_deref());
    let because = cause.and_then(|id| lineage?.causes().request(id)).map(|request| {
        let time = pugmark_event::format_time(request.time());
        let who = lineage
            .and_then(|lineage| lineage.party_of(&request.caller()))
            .map_or_else(String::new, |party| format!(" by {}", party.actor().text()));
        format!("{}{who} at {time}", request.name())
    });
    let is_new = known.map(|known| !known.contains(&finding.id));
    Told { finding, chain: chain.filter(|chain| chain.contains('→')), because, is_new }
}

/// Counts of findings by some text, the most frequent first.
fn frequent<'a>(texts: impl Iterator<Item = (&'a str, u64)>) -> Vec<(&'a str, u64)> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (text, count) in texts {
        *counts.entry(text).or_default() += count;
    }
    let mut list: Vec<(&str, u64)> = counts.into_iter().collect();
    list.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    list
}

/// The set that a command about rules looks at.
fn all_rules(texts: &RuleTexts) -> (RuleSet, LoadReport) {
    RuleSet::load(&texts.files(), &texts.options(Level::Informational))
}
