//! `pugmark rules`: lists, checks, tests, explains.

use std::io::Write as _;

use pugmark_detect::{Catalog, Covered, Detection, Gravity, Level, Remark, RuleText, run_tests};
use pugmark_event::{EventBatch, Leaf};
use pugmark_scan::{Sink, scan};
use std::ops::ControlFlow;

use super::super::{Column, print_rows};
use super::files::{self, RuleTexts};
use super::{Start, all_rules, take_form};
use crate::args::PrintArgs;
use crate::args::detect::{RulesArgs, RulesCommand, RulesExplainArgs, RulesTestArgs};
use crate::examples;
use crate::exit::{Exit, Failure};
use crate::plan::Reading;
use crate::printer::{Format, Output, Overwrite, count_words, counted, escape, json_line};
use crate::run::{Run, request};

/// Does what the command line says.
pub(super) fn run(command: RulesCommand) -> Result<Exit, Failure> {
    match command {
        RulesCommand::List(args) => begin(&args.print, |start| list(&args, start)),
        RulesCommand::Lint(args) => begin(&args.print, |start| lint(&args, start)),
        RulesCommand::Test(args) => begin(&args.print, |start| test(&args, start)),
        RulesCommand::Coverage(mut args) => {
            let is_navigator = take_form(&mut args.print.talk, &["navigator"]).is_some();
            begin(&args.print, |start| coverage(&args, is_navigator, start))
        }
        RulesCommand::Explain(args) => {
            let Some(start) = Start::reading(&args.read, examples::RULES)? else { return Ok(Exit::Done) };
            explain(&args, &start)
        }
    }
}

/// Starts a command that reads no events.
fn begin(print: &PrintArgs, work: impl FnOnce(&Start) -> Result<Exit, Failure>) -> Result<Exit, Failure> {
    Start::plain(print, None, examples::RULES)?.map_or(Ok(Exit::Done), |start| work(&start))
}

fn list(args: &RulesArgs, start: &Start) -> Result<Exit, Failure> {
    let (rules, report) = all_rules(&RuleTexts::read(&args.chosen)?);
    let columns = [
        Column::Text("level"),
        Column::Text("title"),
        Column::Text("techniques"),
        Column::Text("id"),
        Column::Text("file"),
        Column::Number("line"),
    ];
    let row = |text: &RuleText| {
        let techniques: Vec<String> = text.techniques().collect();
        let cells = [text.level.name().to_owned(), text.title.clone(), techniques.join(" "), text.id.clone()];
        cells.into_iter().chain([text.file.clone(), text.line.to_string()]).map(Some).collect()
    };
    let mut told: Vec<&RuleText> = rules.texts().map(AsRef::as_ref).filter(|text| !text.is_silent).collect();
    told.sort_by(|a, b| (b.level, &a.title, &a.id).cmp(&(a.level, &b.title, &b.id)));
    let rows: Vec<Vec<Option<String>>> = told.into_iter().map(row).collect();
    print_rows(&start.printer, &columns, &rows)?;
    start.printer.note(&files::words(&report));
    Ok(Exit::Done)
}

fn lint(args: &RulesArgs, start: &Start) -> Result<Exit, Failure> {
    let texts = RuleTexts::read(&args.chosen)?;
    let (_, report) = all_rules(&texts);
    let remarks =
        pugmark_detect::lint(&texts.files(), Catalog::builtin(), &texts.options(Level::Informational));
    let columns = [
        Column::Text("gravity"),
        Column::Text("file"),
        Column::Number("line"),
        Column::Text("rule"),
        Column::Text("remark"),
    ];
    let row = |remark: &Remark| {
        let gravity = match remark.gravity {
            Gravity::Error => "✗ error",
            Gravity::Warning => "! warning",
        };
        let cells = [gravity.to_owned(), remark.file.clone(), remark.line.to_string()];
        cells.into_iter().chain([remark.title.clone(), remark.text.clone()]).map(Some).collect()
    };
    let rows: Vec<Vec<Option<String>>> = remarks.iter().map(row).collect();
    if !rows.is_empty() {
        print_rows(&start.printer, &columns, &rows)?;
    }
    let errors = remarks.iter().filter(|remark| remark.gravity == Gravity::Error).count();
    start.printer.note(&format!(
        "{}; {}, {}",
        files::words(&report),
        counted(errors as u64, "error"),
        counted((remarks.len() - errors) as u64, "warning")
    ));
    Ok(if errors > 0 { Exit::No } else { Exit::Done })
}

fn test(args: &RulesTestArgs, start: &Start) -> Result<Exit, Failure> {
    let texts = RuleTexts::read(&args.chosen)?;
    let report = run_tests(&texts.files(), &texts.options(Level::Informational));
    if let Some(path) = &args.junit {
        let overwrite = if args.print.talk.force { Overwrite::Allow } else { Overwrite::Refuse };
        let mut output = Output::file(path, overwrite)?;
        output.write_all(report.junit().as_bytes())?;
        output.finish()?;
    }
    let failures: Vec<_> = report.failures().collect();
    if !failures.is_empty() {
        let columns = ["file", "rule", "test", "failure"].map(Column::Text);
        let row = |outcome: &&pugmark_detect::TestOutcome| {
            let failure = outcome.failure.clone().unwrap_or_default();
            [outcome.file.clone(), outcome.title.clone(), outcome.name.clone(), failure].map(Some).into()
        };
        let rows: Vec<Vec<Option<String>>> = failures.iter().map(row).collect();
        print_rows(&start.printer, &columns, &rows)?;
    }
    start.printer.note(&format!(
        "{} of {} passed; {} without a test",
        count_words((report.outcomes.len() - failures.len()) as u64),
        counted(report.outcomes.len() as u64, "test"),
        counted(report.untested.len() as u64, "rule")
    ));
    Ok(if failures.is_empty() { Exit::Done } else { Exit::No })
}

/// Rules by technique.
fn coverage(args: &RulesArgs, is_navigator: bool, start: &Start) -> Result<Exit, Failure> {
    let (rules, report) = all_rules(&RuleTexts::read(&args.chosen)?);
    if is_navigator {
        start.printer.report(&json_line(&rules.navigator_layer("Pugmark rules")))?;
        return Ok(Exit::Done);
    }
    let columns =
        [Column::Text("technique"), Column::Text("worst"), Column::Number("rules"), Column::Text("titles")];
    let row = |covered: Covered| {
        let (count, titles) = (covered.rules.len().to_string(), covered.rules.join(", "));
        [covered.technique, covered.level.name().to_owned(), count, titles].map(Some).into()
    };
    let rows: Vec<Vec<Option<String>>> = rules.coverage().into_iter().map(row).collect();
    print_rows(&start.printer, &columns, &rows)?;
    start.printer.note(&format!("{}, {}", counted(rows.len() as u64, "technique"), files::words(&report)));
    Ok(Exit::Done)
}

/// Why a rule does or does not match an event.
fn explain(args: &RulesExplainArgs, start: &Start) -> Result<Exit, Failure> {
    let (rules, _) = all_rules(&RuleTexts::read(&args.chosen)?);
    let is_meant = |text: &&std::sync::Arc<RuleText>| {
        text.id == args.rule || text.title.to_lowercase().contains(&args.rule.to_lowercase())
    };
    let meant: Vec<_> = rules.texts().filter(|text| !text.is_correlation).filter(is_meant).collect();
    let [rule] = meant.as_slice() else {
        let titles: Vec<&str> = meant.iter().take(8).map(|text| text.title.as_str()).collect();
        return Err(match titles.as_slice() {
            [] => {
                Failure::new(format!("no rule is called `{}`", args.rule), "`pugmark rules list` names all")
            }
            titles => Failure::new(format!("several rules are meant: {}", titles.join(", ")), "give the id"),
        });
    };
    let Some((id, sources)) = args.words.split_last().filter(|(_, sources)| !sources.is_empty()) else {
        return Err(Failure::new("no event is named", "write `pugmark rules explain RULE SOURCE EVENT_ID`"));
    };
    let reading = Reading::new(sources, &args.read.select, &start.settings, &start.now)?;
    let mut run = Run::start(&start.printer)?;
    let mut request = request(&reading, Detection::leaves(&rules).with(Leaf::EventId));
    request.needles = vec![id.as_bytes().to_vec()];
    let (listing, _) = run.list(&reading)?;
    let (found, tally) = scan(listing, &request, &run.progress, || Named { id, found: None })?;
    let Some((batch, row)) = found.into_iter().find_map(|named| named.found) else {
        return Err(Failure::new(format!("there is no event `{id}`"), "check the id and the sources"));
    };
    let explanation = rules.explain(&rule.id, &batch, row);
    let explanation = serde_json::to_value(&explanation).map_err(|error| Failure::bare(error.to_string()))?;
    run.quiet();
    let mut out = String::new();
    if start.printer.format() == Format::Table {
        let verdict = if explanation["matched"] == true { "matches" } else { "does not match" };
        put!(out, "`{}` {verdict} `{id}`\n", escape(&rule.title));
        tree(&explanation["conditions"], 1, &mut out);
    } else {
        out = json_line(&explanation);
    }
    start.printer.report(&out)?;
    let is_match = explanation["matched"] == true;
    Ok(match run.finish(tally, 1, crate::printer::Ended::AtTheEnd) {
        Exit::Done if !is_match => Exit::No,
        exit => exit,
    })
}

/// Parts of an explanation that say something of the verdict, indented by depth.
fn tree(value: &serde_json::Value, depth: usize, out: &mut String) {
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|item| tree(item, depth, out)),
        serde_json::Value::Object(members) => {
            let mut deeper = depth;
            if let Some(matched) = members.get("matched").and_then(serde_json::Value::as_bool) {
                let mark = if matched { "✓" } else { "✗" };
                let words: Vec<String> = members
                    .iter()
                    .filter(|(name, _)| *name != "matched")
                    .filter_map(|(name, value)| match value {
                        serde_json::Value::String(text) if name == "type" => Some(text.clone()),
                        serde_json::Value::String(text) => Some(format!("{name} `{}`", escape(text))),
                        serde_json::Value::Number(number) => Some(format!("{name} {number}")),
                        _ => None,
                    })
                    .collect();
                put!(out, "{}{mark} {}\n", "  ".repeat(depth), words.join(", "));
                deeper += 1;
            }
            members.values().for_each(|value| tree(value, deeper, out));
        }
        _ => {}
    }
}

/// Looks for one event by its id.
struct Named<'a> {
    id: &'a str,
    found: Option<(EventBatch, usize)>,
}

impl Sink for Named<'_> {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        let ids = crate::who::Texts::of(&batch, Leaf::EventId);
        match (0..batch.rows()).find(|row| ids.get(*row) == Some(self.id)) {
            Some(row) => {
                drop(ids);
                self.found = Some((batch, row));
                ControlFlow::Break(())
            }
            None => ControlFlow::Continue(()),
        }
    }
}
