//! One run of a set of rules: workers read batches, their results are merged,
//! correlations go over all matches in the order of time.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use pugmark_event::{EventBatch, Leaf, Projection};
use rsigma_eval::result::{DetectionBody, ResultBody, RuleHeader};
use rsigma_eval::{
    EvaluationResult, Event, EventRef, EventValue, RuleExplanation as Explanation, evaluate_rule,
    explain_rule,
};
use rsigma_parser::{ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType};
use serde_json::{Value, json};

use crate::dispatch::Memory;
use crate::finding::{Finding, Fold, Source};
use crate::folds::{FoldKey, Folds, MANY};
use crate::row::{Columns, Row};
use crate::sighting::{self, Sighter, Sighting};
use crate::{GROUPS_MAX, RuleSet, RuleText};

/// Matches kept for correlations; those beyond are counted and told.
pub const CORRELATED_MAX: usize = 2_000_000;

/// What belongs into one finding of a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grouping {
    /// All matches of one actor in one account.
    #[default]
    Actor,
    /// Each event for itself.
    Event,
}

/// One worker's part of a run, and after [`Detection::merge`] the whole.
#[derive(Debug)]
pub struct Detection {
    pub(crate) rules: Arc<RuleSet>,
    grouping: Grouping,
    memory: Memory,
    candidates: Vec<u32>,
    sighter: Sighter,
    folds: Folds,
    pub(crate) correlated: Vec<Match>,
    sums: Sums,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Events.
    pub events: u64,
    /// Events that some rule matched.
    pub events_matched: u64,
    /// Matches: an event may match several rules.
    pub matches: u64,
    /// How often a rule was tried on an event.
    pub tries: u64,
    /// Matches that correlations did not see, because there were too many.
    pub left_out: u64,
    /// True if correlations had too many groups at a time, and forgot the stalest.
    pub is_crowded: bool,
}

/// A match that correlations look at.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub(crate) rule: u32,
    pub(crate) event: Arc<Sighting>,
    pub(crate) fields: Box<[(u16, Arc<str>)]>,
}

/// What a run found.
#[derive(Debug)]
pub struct Findings {
    /// The worst first.
    pub findings: Vec<Finding>,
    /// What was looked at.
    pub sums: Sums,
}

impl RuleSet {
    /// Ids of the rules that match each event of a batch, silent ones too.
    pub fn matching(&self, batch: &EventBatch) -> Vec<Vec<&str>> {
        let columns = Columns::of(batch, &self.paths);
        let (mut memory, mut candidates) = (Memory::default(), Vec::new());
        let of_row = |row| {
            memory.candidates(&self.dispatch, &columns, row, &mut candidates);
            let event = Row::new(&columns, row);
            let fits = |rule: &&u32| evaluate_rule(&self.rules[**rule as usize], &event).is_some();
            let mut rules: Vec<u32> = candidates.iter().filter(fits).copied().collect();
            rules.sort_unstable();
            rules.into_iter().map(|rule| self.texts[rule as usize].id.as_str()).collect()
        };
        (0..batch.rows()).map(of_row).collect()
    }

    /// Why a rule does or does not match an event of a batch, condition by
    /// condition, as JSON; `None` if no rule has this id.
    pub fn explain(&self, id: &str, batch: &EventBatch, row: usize) -> Option<Explanation> {
        let rule = self.texts.iter().position(|text| text.id == id)?;
        let columns = Columns::of(batch, &self.paths);
        Some(explain_rule(&self.rules[rule], &Row::new(&columns, row)))
    }
}

impl Detection {
    /// A run of `rules`.
    pub fn new(rules: Arc<RuleSet>, grouping: Grouping) -> Detection {
        Detection {
            rules,
            grouping,
            memory: Memory::default(),
            candidates: Vec::new(),
            sighter: Sighter::default(),
            folds: Folds::default(),
            correlated: Vec::new(),
            sums: Sums::default(),
        }
    }

    /// The leaves that rules and findings need. Actor, session and cause are
    /// used where the batches have them, too.
    pub fn leaves(rules: &RuleSet) -> Projection {
        rules.paths.leaves().union(sighting::leaves()).with(Leaf::Raw)
    }

    /// Tries the rules on the events of a batch; each event must come once.
    pub fn read(&mut self, batch: &EventBatch) {
        let rules = Arc::clone(&self.rules);
        let columns = Columns::of(batch, &rules.paths);
        for index in 0..batch.rows() {
            self.sums.events += 1;
            self.memory.candidates(&rules.dispatch, &columns, index, &mut self.candidates);
            if self.candidates.is_empty() {
                continue;
            }
            let row = Row::new(&columns, index);
            let mut event: Option<Arc<Sighting>> = None;
            // Taken out only while it is walked through: the next event fills it again.
            let candidates = std::mem::take(&mut self.candidates);
            for candidate in candidates.iter().copied() {
                self.sums.tries += 1;
                let rule = &rules.rules[candidate as usize];
                if evaluate_rule(rule, &row).is_none() {
                    continue;
                }
                let event = event.get_or_insert_with(|| self.sighter.sight(&columns, index));
                self.sums.matches += 1;
                take(&rules, self.grouping, candidate, event, &row, (&mut self.folds, &mut self.correlated));
            }
            self.candidates = candidates;
            self.sums.events_matched += u64::from(event.is_some());
        }
        if self.correlated.len() > 2 * CORRELATED_MAX {
            self.trim();
        }
    }

    /// Adds another worker's part, of the same rules.
    #[must_use]
    pub fn merge(mut self, other: Detection) -> Detection {
        self.folds.merge(other.folds);
        self.correlated.extend(other.correlated);
        let (sums, more) = (&mut self.sums, other.sums);
        sums.events += more.events;
        sums.events_matched += more.events_matched;
        sums.matches += more.matches;
        sums.tries += more.tries;
        sums.left_out += more.left_out;
        if self.correlated.len() > 2 * CORRELATED_MAX {
            self.trim();
        }
        self
    }

    /// Sorts the matches for correlations and keeps the earliest of too many:
    /// the same ones however the input was cut.
    fn trim(&mut self) {
        self.correlated.sort_by(|a, b| (&a.event, a.rule).cmp(&(&b.event, b.rule)));
        self.sums.left_out += self.correlated.len().saturating_sub(CORRELATED_MAX) as u64;
        self.correlated.truncate(CORRELATED_MAX);
    }

    /// Concludes.
    pub fn finish(mut self) -> Findings {
        let rules = Arc::clone(&self.rules);
        let mut findings: Vec<Finding> = Vec::new();
        for (rule, key, fold) in std::mem::take(&mut self.folds).into_all() {
            let text = &rules.texts[rule as usize];
            findings.push(match &key {
                FoldKey::Actor(actor, _) => fold.finding(Source::Rule, text, actor),
                FoldKey::Many => fold.finding(Source::Rule, text, MANY),
                // The event alone tells such a finding from others; who did it is among its words.
                FoldKey::Event(id, _, _) => {
                    let finding = fold.finding(Source::Rule, text, id);
                    let actor = finding.events.first().map(|event| event.caller.actor.to_string());
                    Finding { actor: actor.unwrap_or_default(), ..finding }
                }
            });
        }
        self.trim();
        findings.extend(correlate(&rules, &self.correlated, &mut self.sums));
        Finding::sort(&mut findings);
        Findings { findings, sums: self.sums }
    }
}

/// Enters one match.
fn take(
    rules: &RuleSet,
    grouping: Grouping,
    rule: u32,
    event: &Arc<Sighting>,
    row: &Row<'_>,
    (folds, correlated): (&mut Folds, &mut Vec<Match>),
) {
    if let Some(asked) = &rules.asked[rule as usize] {
        let value = |field: &u16| {
            let value = row.get_field(&rules.fields[*field as usize])?;
            Some((*field, Arc::from(value.as_str()?.as_ref())))
        };
        let fields = asked.iter().filter_map(value).collect();
        correlated.push(Match { rule, event: Arc::clone(event), fields });
    }
    if rules.texts[rule as usize].is_silent {
        return;
    }
    let key = match grouping {
        Grouping::Actor => FoldKey::Actor(event.caller.actor.clone(), event.call.account.clone()),
        Grouping::Event => FoldKey::Event(event.id.clone(), event.object.clone(), event.offset),
    };
    folds.add(rule, key, event);
}

/// A match, as the engine of correlations sees it: the fields they ask for.
struct Fields<'a> {
    names: &'a [String],
    values: &'a [(u16, Arc<str>)],
    /// Its place among the matches.
    place: usize,
}

impl Event for Fields<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        let find = |(field, _): &&(u16, Arc<str>)| self.names[*field as usize] == path;
        self.values.iter().find(find).map(|(_, value)| EventValue::Str(Cow::Borrowed(value)))
    }

    fn any_string_value(&self, _pred: &dyn Fn(&str) -> bool) -> bool {
        false
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        Vec::new()
    }

    fn to_json(&self) -> Value {
        json!({ "id": self.place.to_string() })
    }
}

/// A burst: firings of one correlation for one group, none longer after the last than its time span.
struct Burst {
    text: Arc<RuleText>,
    group: Vec<(String, String)>,
    /// Places of matches.
    places: BTreeSet<usize>,
    last: i64,
    timespan: i64,
    /// Events that were counted, of which only the last few are at hand.
    counted: u64,
}

impl Burst {
    fn finding(self, matches: &[Match]) -> Finding {
        let mut fold = Fold::default();
        let mut actors: BTreeMap<&str, u64> = BTreeMap::new();
        let mut known = BTreeSet::new();
        for place in &self.places {
            let event = &matches[*place].event;
            if known.insert(event) {
                fold.add(event);
                *actors.entry(&event.caller.actor).or_default() += 1;
            }
        }
        let actor =
            actors.into_iter().max_by(|a, b| (a.1, b.0).cmp(&(b.1, a.0))).map_or("", |(actor, _)| actor);
        let finding = fold.finding(Source::Correlation, &self.text, actor);
        Finding { details: self.group, count: finding.count.max(self.counted), ..finding }
    }
}

/// Sends sorted matches through the correlations.
fn correlate(rules: &RuleSet, matches: &[Match], sums: &mut Sums) -> Vec<Finding> {
    if rules.correlations.is_empty() || matches.is_empty() {
        return Vec::new();
    }
    let mut engine = rules.correlation_engine();
    let correlations: HashMap<&str, &(Arc<RuleText>, CorrelationRule)> =
        rules.correlations.iter().map(|loaded| (loaded.0.id.as_str(), loaded)).collect();
    let mut open: HashMap<(String, Vec<(String, String)>), Burst> = HashMap::new();
    let mut findings = Vec::new();
    for (place, found) in matches.iter().enumerate() {
        let event = Fields { names: &rules.fields, values: &found.fields, place };
        let seconds = found.event.time.div_euclid(1_000_000);
        sums.is_crowded |= engine.state_count() >= GROUPS_MAX;
        let fired =
            engine.process_with_detections(&event, vec![header(&rules.texts[found.rule as usize])], seconds);
        for result in &fired {
            let (Some(body), Some(id)) = (result.as_correlation(), result.header.rule_id.as_deref()) else {
                continue;
            };
            let Some((text, rule)) = correlations.get(id).filter(|(text, _)| !text.is_silent) else {
                continue;
            };
            let places = || body.event_refs.iter().flatten().rev().filter_map(place_of);
            if !holds(rule, body.aggregated_value, || {
                places().any(|at| has_number(rules, rule, &matches[at]))
            }) {
                continue;
            }
            let key = (id.to_owned(), body.group_key.clone());
            let timespan = body.timespan_secs as i64 * 1_000_000;
            if let Some(burst) = open.get(&key)
                && found.event.time - burst.last > burst.timespan
                && let Some(over) = open.remove(&key)
            {
                findings.push(over.finding(matches));
            }
            let burst = open.entry(key).or_insert_with(|| Burst {
                text: Arc::clone(text),
                group: body.group_key.clone(),
                places: BTreeSet::new(),
                last: found.event.time,
                timespan,
                counted: 0,
            });
            burst.last = found.event.time;
            if body.correlation_type == CorrelationType::EventCount {
                burst.counted =
                    if burst.counted == 0 { body.aggregated_value as u64 } else { burst.counted + 1 };
            }
            for known in places() {
                // Those before it were at hand at the last firing.
                if !burst.places.insert(known) {
                    break;
                }
            }
            // A correlation of correlations has no events but the one that set it off.
            burst.places.insert(place);
        }
    }
    findings.extend(open.into_values().map(|burst| burst.finding(matches)));
    findings
}

/// The place of a match that the engine of correlations refers to.
fn place_of(event: &EventRef) -> Option<usize> {
    event.id.as_ref()?.parse().ok()
}

/// What the evaluator leaves open: it fires percentiles whatever they are, and takes the sum and the average of
/// no number for zero.
fn holds(rule: &CorrelationRule, value: f64, has_number: impl FnOnce() -> bool) -> bool {
    let CorrelationCondition::Threshold { predicates, .. } = &rule.condition else { return true };
    match rule.correlation_type {
        CorrelationType::ValuePercentile => predicates.iter().all(|(operator, bound)| {
            let order = value.total_cmp(&(*bound as f64));
            match operator {
                ConditionOperator::Lt => order.is_lt(),
                ConditionOperator::Lte => order.is_le(),
                ConditionOperator::Gt => order.is_gt(),
                ConditionOperator::Gte => order.is_ge(),
                ConditionOperator::Eq => order.is_eq(),
                ConditionOperator::Neq => order.is_ne(),
            }
        }),
        CorrelationType::ValueSum | CorrelationType::ValueAvg => value != 0.0 || has_number(),
        _ => true,
    }
}

/// True if a match has a number where a correlation looks for one.
fn has_number(rules: &RuleSet, rule: &CorrelationRule, found: &Match) -> bool {
    let CorrelationCondition::Threshold { field: Some(fields), .. } = &rule.condition else { return false };
    let is_asked = |field: u16| fields.contains(&rules.fields[usize::from(field)]);
    found.fields.iter().any(|(field, text)| is_asked(*field) && text.trim().parse::<f64>().is_ok())
}

/// That a rule matched, as the engine of correlations is told.
fn header(text: &RuleText) -> EvaluationResult {
    EvaluationResult {
        header: RuleHeader {
            rule_title: String::new(),
            rule_id: Some(text.id.clone()),
            level: None,
            tags: Vec::new(),
            custom_attributes: Arc::default(),
            enrichments: None,
        },
        body: ResultBody::Detection(DetectionBody {
            matched_selections: Vec::new(),
            matched_fields: Vec::new(),
            event: None,
        }),
    }
}
