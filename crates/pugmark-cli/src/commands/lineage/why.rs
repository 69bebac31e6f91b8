//! `pugmark why`: what made one event happen, and what else came of that.

use pugmark_event::{EventBatch, Leaf, Tally};
use pugmark_lineage::{Caller, Causes, Fold, Folds, Lineage, Rows, Session, Why};
use pugmark_scan::{Sink, scan};
use serde_json::{Value, json};

use super::tree::{Tree, session_json};
use super::{Question, Start};
use crate::args::lineage::AboutArgs;
use crate::exit::{Exit, Failure};
use crate::printer::{Ended, Format, Printer, Role, cell_text, counted, escape, json_line, time_text};
use crate::run::request;
use crate::view;

/// Finds the event and its causes.
pub(super) fn why(args: &AboutArgs, start: &Start) -> Result<Exit, Failure> {
    let mut question = Question::new(args, start)?;
    let lineage = question.lineage()?;
    let (events, folds, tally) = read(&question, &lineage)?;
    let Some(batch) = events.first() else {
        return Ok(question.unknown(&lineage, "there is no event"));
    };
    let rows = Rows::of(batch);
    let row = rows.iter().next().expect("a batch that was kept has a row");
    let answer = Answer {
        why: lineage.causes().why(row),
        party: lineage.party(row),
        id: row.text(Leaf::EventId).unwrap_or_default().to_owned(),
        folds,
        lineage: &lineage,
    };
    question.run.quiet();
    let printer = question.run.printer;
    let text = match printer.format() {
        Format::Table | Format::Md => answer.page(batch, printer)?,
        Format::Json | Format::Jsonl => json_line(&answer.json()),
        _ => return Err(Failure::new("`why` prints one answer", "give `--output table` or `json`")),
    };
    printer.report(&text)?;
    Ok(question.run.finish(tally, 1, Ended::AtTheEnd))
}

/// Keeps the event that is asked about, and what services did because of whom.
struct Search<'a> {
    id: &'a str,
    lineage: &'a Lineage,
    events: Vec<EventBatch>,
    folds: Folds,
}

impl Sink for Search<'_> {
    fn batch(&mut self, batch: EventBatch) -> std::ops::ControlFlow<()> {
        let rows = Rows::of(&batch);
        for (index, row) in rows.iter().enumerate() {
            self.folds.read(self.lineage.causes(), row);
            if row.text(Leaf::EventId) == Some(self.id) {
                self.events.push(batch.row(index));
            }
        }
        std::ops::ControlFlow::Continue(())
    }
}

fn read(question: &Question<'_>, lineage: &Lineage) -> Result<(Vec<EventBatch>, Vec<Fold>, Tally), Failure> {
    let reading = &question.reading;
    let leaves = Caller::LEAVES.into_iter().chain(Causes::LEAVES).chain([Leaf::EventId, Leaf::Raw]);
    let request = request(reading, view::projection(view::SHORT).union(leaves.collect()));
    let listing = reading.list(&question.run.progress)?;
    let make = || Search { id: question.subject, lineage, events: Vec::new(), folds: Folds::default() };
    let (found, tally) = scan(listing, &request, &question.run.progress, make)?;
    let (mut events, mut folds) = (Vec::new(), Folds::default());
    for search in found {
        events.extend(search.events);
        folds.merge(search.folds);
    }
    // One id, several records: the same one is told about in every run.
    events.sort_by_key(|batch| batch.text(Leaf::Raw).map(|raw| raw.value(0).to_owned()));
    Ok((events, folds.finish(lineage.causes()).folds, tally))
}

/// Of all that a request names, the longest path: `node group …/prod/workers` before `cluster …/prod`.
fn most_telling(targets: Vec<String>) -> Option<String> {
    targets.into_iter().max_by_key(|target| (target.matches('/').count(), std::cmp::Reverse(target.clone())))
}

struct Answer<'a> {
    why: Why<'a>,
    party: Option<Session<'a>>,
    id: String,
    folds: Vec<Fold>,
    lineage: &'a Lineage,
}

impl Answer<'_> {
    /// The request that set it off, which is the event itself where a person made it.
    fn request_id(&self) -> Option<&str> {
        match &self.why {
            Why::Caused(cause) => Some(cause.request().event_id()),
            Why::Own => Some(&self.id),
            Why::Ambiguous { .. } | Why::NoCause { .. } => None,
        }
    }

    /// What services did because of the same request.
    fn consequences(&self) -> impl Iterator<Item = &Fold> {
        let id = self.request_id();
        self.folds.iter().filter(move |fold| Some(fold.request_id.as_str()) == id)
    }

    fn page(&self, batch: &EventBatch, printer: &Printer) -> Result<String, Failure> {
        let paint = printer.paint();
        let head = |word: &str| paint.role(Role::Strong, &format!("{word:<9}"));
        let shown = view::view(batch, view::SHORT, printer.zone())?;
        let cells: Vec<String> = shown
            .columns()
            .iter()
            .filter_map(|column| cell_text(column, 0, printer.zone()).map(|text| escape(&text).into_owned()))
            .collect();
        let mut out = format!("{}{}\n", head("event"), cells.join("  "));
        match &self.why {
            Why::Own => put!(out, "{}own will: no service acted here\n", head("because")),
            Why::NoCause { service, after } => {
                put!(out, "{}no request explains what `{}` did\n", head("because"), escape(service));
                if let Some(request) = after {
                    put!(out, "{}{}\n", head("after"), self.request_words(request, printer));
                }
            }
            Why::Ambiguous { service, candidates } => {
                put!(
                    out,
                    "{}one of {} requests to `{}`:\n",
                    head("because"),
                    candidates.len(),
                    escape(service)
                );
                for request in candidates.iter().take(10) {
                    put!(out, "         {}\n", self.request_words(request, printer));
                }
            }
            Why::Caused(cause) => {
                let sure = paint.role(Role::Literal, cause.confidence().as_str());
                put!(out, "{}{}  {sure}\n", head("because"), self.request_words(&cause.request(), printer));
                for evidence in cause.evidence() {
                    put!(out, "         · {}\n", escape(&evidence.to_string()));
                }
                for request in cause.via() {
                    put!(out, "{}{}\n", head("through"), self.request_words(&request, printer));
                }
            }
        }
        let root = match &self.why {
            Why::Caused(cause) => self.lineage.party_of(&cause.request().caller()),
            _ => self.party,
        };
        if let Some(root) = root {
            put!(out, "\n{}\n{}", paint.role(Role::Strong, "who"), Tree::of_chain(root).text(printer));
        }
        let folds: Vec<&Fold> = self.consequences().collect();
        if !folds.is_empty() {
            let effects: u64 = folds.iter().map(|fold| fold.effects).sum();
            put!(
                out,
                "\n{}{} of services\n",
                paint.role(Role::Strong, "came of it  "),
                counted(effects, "event")
            );
            for fold in folds {
                let names: Vec<String> =
                    fold.names.iter().map(|(name, count)| format!("{} {count}", escape(name))).collect();
                let hand = if fold.role.is_empty() { &fold.service } else { &fold.role };
                put!(out, "  +{} by {}: {}\n", fold.effects, escape(hand), names.join(", "));
            }
        }
        Ok(out)
    }

    fn request_words(&self, request: &pugmark_lineage::Request<'_>, printer: &Printer) -> String {
        let party = self.lineage.party_of(&request.caller());
        let mut words = format!("{} ", escape(request.name()));
        if let Some(target) = most_telling(request.targets()) {
            put!(words, "{} ", escape(&target));
        }
        put!(words, "at {}", time_text(request.time(), printer.zone()));
        if let Some(party) = party {
            put!(words, " by {}", escape(party.actor().text()));
        }
        put!(words, "  {}", escape(request.event_id()));
        words
    }

    fn json(&self) -> Value {
        let request = |request: &pugmark_lineage::Request<'_>| {
            let party = self.lineage.party_of(&request.caller());
            json!({
                "id": request.event_id(), "time": pugmark_event::format_time(request.time()),
                "source": request.source(), "name": request.name(), "account": request.account(),
                "region": request.region(), "targets": request.targets(),
                "actor": party.map(|party| party.actor().text()),
                "chain": party.map(|party| {
                    party.chain().into_iter().enumerate()
                        .map(|(depth, session)| session_json(session, depth)).collect::<Vec<_>>()
                }),
            })
        };
        let why = match &self.why {
            Why::Own => json!({"kind": "own will"}),
            Why::NoCause { service, after } => json!({
                "kind": "no cause", "service": service, "after": after.as_ref().map(request),
            }),
            Why::Ambiguous { service, candidates } => json!({
                "kind": "ambiguous", "service": service,
                "candidates": candidates.iter().map(request).collect::<Vec<_>>(),
            }),
            Why::Caused(cause) => json!({
                "kind": "caused", "confidence": cause.confidence().as_str(), "request": request(&cause.request()),
                "via": cause.via().iter().map(request).collect::<Vec<_>>(),
                "evidence": cause.evidence().iter().map(ToString::to_string).collect::<Vec<_>>(),
            }),
        };
        let consequences: Vec<Value> = self
            .consequences()
            .map(|fold| json!({"role": fold.role, "service": fold.service, "events": fold.effects, "names": fold.names}))
            .collect();
        json!({"v": 1, "event": self.id, "because": why, "consequences": consequences})
    }
}
