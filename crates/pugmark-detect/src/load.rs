//! Files of rules become a set that is ready to run; whatever does not is
//! named, with file, line and reason.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use rsigma_eval::correlation::compile_correlation;
use rsigma_eval::{
    CompiledRule, CorrelationConfig, CorrelationEngine, CorrelationEventMode, Engine, compile_rule,
};
use rsigma_parser::{
    ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType, Detection, FilterRule,
    FilterRuleTarget, LogSource, Modifier, SigmaCollection, SigmaRule, SigmaString, SigmaValue, Status,
    parse_sigma_yaml,
};
use xxhash_rust::xxh3::xxh3_128;

use crate::dispatch::Dispatch;
use crate::gates::Tree;
use crate::row::Paths;
use crate::{Level, RuleText};

/// Bytes of one file of rules.
pub const FILE_BYTES_MAX: usize = 4 << 20;
/// Values in one rule.
pub const VALUES_MAX: usize = 20_000;
/// Opening brackets, or columns of indentation, of one line: nobody nests rules so deep.
const NESTING_MAX: usize = 256;
/// Events kept of one group of a correlation, and shown.
pub(crate) const GROUP_EVENTS_MAX: usize = 200;
/// Events counted in one group's window; a threshold beyond is refused.
pub const WINDOW_EVENTS_MAX: usize = 10_000;
/// Groups that correlations keep at a time.
pub const GROUPS_MAX: usize = 200_000;

/// One file.
#[derive(Clone, Copy, Debug)]
pub struct RuleFile<'a> {
    /// Its name, for people.
    pub name: &'a str,
    /// What it says.
    pub text: &'a str,
}

/// What is loaded.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Values of placeholders, by name without `%`.
    pub placeholders: BTreeMap<String, Vec<String>>,
    /// Rules below this level are left out, unless a correlation needs them.
    pub level: Level,
    /// Load rules of status `deprecated` and `unsupported` too.
    pub deprecated: bool,
}

impl Default for LoadOptions {
    fn default() -> LoadOptions {
        LoadOptions { placeholders: BTreeMap::new(), level: Level::Informational, deprecated: false }
    }
}

/// What became of every rule: the sum of all numbers is the number of documents.
#[derive(Clone, Debug, Default)]
pub struct LoadReport {
    /// Rules and correlations that run.
    pub loaded: usize,
    /// Filters that were applied.
    pub filters: usize,
    /// Left out on purpose, by reason.
    pub skipped: BTreeMap<&'static str, usize>,
    /// What cannot run.
    pub broken: Vec<Broken>,
}

/// A document that is no rule that can run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Broken {
    /// The file.
    pub file: String,
    /// Line where the document begins, or where the trouble is.
    pub line: usize,
    /// Why.
    pub reason: String,
}

/// Rules, ready to run.
#[derive(Debug)]
pub struct RuleSet {
    pub(crate) texts: Vec<Arc<RuleText>>,
    pub(crate) rules: Vec<CompiledRule>,
    /// For each rule that correlations refer to, the fields they ask of its matches, by number in `fields`.
    pub(crate) asked: Vec<Option<Vec<u16>>>,
    pub(crate) fields: Vec<String>,
    pub(crate) correlations: Vec<(Arc<RuleText>, CorrelationRule)>,
    /// The rules that correlations refer to.
    bases: Vec<SigmaRule>,
    pub(crate) dispatch: Dispatch,
    pub(crate) paths: Paths,
}

/// A document that parsed.
struct Loaded<T> {
    rule: T,
    text: RuleText,
}

#[derive(Default)]
struct Loader {
    rules: Vec<Loaded<SigmaRule>>,
    correlations: Vec<Loaded<CorrelationRule>>,
    filters: Vec<(FilterRule, String, usize)>,
    ids: HashMap<String, String>,
    /// Names and ids of rules that were left out.
    absent: HashMap<String, &'static str>,
    report: LoadReport,
}

impl RuleSet {
    /// Reads files. Nothing here fails: what cannot run is in the report.
    ///
    /// Source: Sigma specification 2.1, rules, correlations and filters.
    pub fn load(files: &[RuleFile<'_>], options: &LoadOptions) -> (RuleSet, LoadReport) {
        let mut loader = Loader::default();
        for file in files {
            loader.file(file, options);
        }
        loader.finish(options)
    }

    /// The words of every rule, then of every correlation.
    pub fn texts(&self) -> impl Iterator<Item = &Arc<RuleText>> {
        self.texts.iter().chain(self.correlations.iter().map(|(text, _)| text))
    }

    /// Titles of rules that are tried on every event: the costly ones.
    pub fn tried_on_every_event(&self) -> impl Iterator<Item = &Arc<RuleText>> {
        self.dispatch.always().iter().map(|rule| &self.texts[*rule as usize])
    }

    /// An engine for correlations, which knows the rules by id and name.
    pub(crate) fn correlation_engine(&self) -> CorrelationEngine {
        let mut engine = CorrelationEngine::new(CorrelationConfig {
            max_state_entries: GROUPS_MAX,
            max_group_entries: Some(WINDOW_EVENTS_MAX),
            correlation_event_mode: CorrelationEventMode::Refs,
            max_correlation_events: GROUP_EVENTS_MAX,
            ..CorrelationConfig::default()
        });
        for rule in &self.bases {
            engine.add_rule(rule).expect("it compiled when it was loaded");
        }
        for (_, correlation) in &self.correlations {
            engine.add_correlation(correlation).expect("it compiled when it was loaded");
        }
        engine
    }
}

impl Loader {
    fn file(&mut self, file: &RuleFile<'_>, options: &LoadOptions) {
        if let Some((line, reason)) = refusal(file.text) {
            self.broken(file.name, line, reason);
            return;
        }
        for (line, text) in documents(file.text) {
            match parse_sigma_yaml(text) {
                Ok(collection) => self.collection(collection, (file.name, line), text, options),
                Err(error) => self.broken(file.name, line, error.to_string()),
            }
        }
    }

    fn broken(&mut self, file: &str, line: usize, reason: impl Into<String>) {
        let reason = in_one_line(&reason.into());
        self.report.broken.push(Broken { file: file.to_owned(), line, reason });
    }

    fn collection(&mut self, all: SigmaCollection, place: (&str, usize), text: &str, options: &LoadOptions) {
        for error in all.errors {
            let inner = error.rsplit_once("at line ").and_then(|(_, rest)| {
                rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok()
            });
            self.broken(place.0, place.1 + inner.map_or(0, |line| line.saturating_sub(1)), error);
        }
        for rule in all.rules {
            self.rule(rule, place, text, options);
        }
        for mut correlation in all.correlations {
            ask_for_all(&mut correlation);
            let id = id_of(correlation.id.as_deref(), text);
            let text = RuleText::of_correlation(&correlation, id, place);
            if let Err(error) = compile_correlation(&correlation) {
                self.broken(place.0, place.1, error.to_string());
            } else if self.is_new(&text) {
                let rule = CorrelationRule { id: Some(text.id.clone()), ..correlation };
                self.correlations.push(Loaded { rule, text });
            }
        }
        for filter in all.filters {
            self.filters.push((filter, place.0.to_owned(), place.1));
        }
    }

    fn rule(&mut self, mut rule: SigmaRule, place: (&str, usize), text: &str, options: &LoadOptions) {
        let id = id_of(rule.id.as_deref(), text);
        let left_out = match rule.status {
            _ if !is_for_cloudtrail(&rule.logsource) => Some("not for CloudTrail"),
            Some(Status::Deprecated | Status::Unsupported) if !options.deprecated => Some("deprecated"),
            _ => None,
        };
        if let Some(reason) = left_out {
            *self.report.skipped.entry(reason).or_default() += 1;
            self.absent.extend([Some(id), rule.name].into_iter().flatten().map(|name| (name, reason)));
            return;
        }
        let mut values = 0;
        for detection in rule.detection.named.values_mut() {
            if let Err(reason) = expand(detection, &options.placeholders, &mut values) {
                self.broken(place.0, place.1, reason);
                return;
            }
        }
        if values > VALUES_MAX {
            self.broken(place.0, place.1, format!("more than {VALUES_MAX} values in one rule"));
            return;
        }
        let text = RuleText::of_rule(&rule, id, place);
        if self.is_new(&text) {
            rule.id = Some(text.id.clone());
            // Tests and other attributes are not for the evaluator.
            rule.custom_attributes.clear();
            self.rules.push(Loaded { rule, text });
        }
    }

    fn is_new(&mut self, text: &RuleText) -> bool {
        if let Some(other) = self.ids.get(&text.id) {
            let reason = format!("its id `{}` is that of a rule in `{other}`", text.id);
            self.broken(&text.file, text.line, reason);
            return false;
        }
        self.ids.insert(text.id.clone(), text.file.clone());
        true
    }

    fn finish(mut self, options: &LoadOptions) -> (RuleSet, LoadReport) {
        let correlations = self.resolved();
        let (asked_by_name, fields) = asked(&correlations);
        let names = |text: &RuleText| [Some(text.id.clone()), text.name.clone()].into_iter().flatten();
        let (mut texts, mut compiled, mut trees, mut asked) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut bases, mut paths) = (Vec::new(), Paths::default());
        for Loaded { rule, mut text } in std::mem::take(&mut self.rules) {
            let uses: Vec<&Asked> = names(&text).filter_map(|name| asked_by_name.get(&name)).collect();
            if text.level < options.level && uses.is_empty() {
                *self.report.skipped.entry("below the level").or_default() += 1;
                self.absent.extend(names(&text).map(|name| (name, "below the level")));
                continue;
            }
            match compile_rule(&rule) {
                Ok(rule) => compiled.push(rule),
                Err(error) => {
                    self.broken(&text.file, text.line, error.to_string());
                    continue;
                }
            }
            text.is_silent =
                (!uses.is_empty() && uses.iter().all(|asked| !asked.generate)) || text.level < options.level;
            let mut wanted: Vec<u16> = uses.iter().flat_map(|asked| asked.fields.iter().copied()).collect();
            wanted.sort_unstable();
            wanted.dedup();
            for field in &wanted {
                paths.add(&fields[*field as usize]);
            }
            rule.detection.named.values().for_each(|detection| fields_of(detection, &mut paths));
            trees.push(Tree::of(&rule));
            asked.push((!uses.is_empty()).then_some(wanted));
            if !uses.is_empty() {
                bases.push(rule);
            }
            texts.push(Arc::new(text));
        }
        let rules = self.filtered(compiled, &texts, &mut paths);
        self.report.loaded = texts.len() + correlations.len();
        self.report.broken.sort();
        let told = |Loaded { rule, mut text }: Loaded<CorrelationRule>| {
            let mut uses = names(&text).filter_map(|name| asked_by_name.get(&name)).peekable();
            let is_inner = uses.peek().is_some() && uses.all(|asked| !asked.generate);
            text.is_silent = is_inner || text.level < options.level;
            (Arc::new(text), rule)
        };
        let correlations = correlations.into_iter().map(told).collect();
        let dispatch = Dispatch::of(trees);
        (RuleSet { texts, rules, asked, fields, correlations, bases, dispatch, paths }, self.report)
    }

    /// The correlations whose rules are all there, and which do not lead back to themselves.
    fn resolved(&mut self) -> Vec<Loaded<CorrelationRule>> {
        let mut kept = std::mem::take(&mut self.correlations);
        loop {
            let mut known: HashSet<&str> = HashSet::new();
            let rules = self.rules.iter().map(|loaded| &loaded.text);
            for text in rules.chain(kept.iter().map(|loaded| &loaded.text)) {
                known.extend([Some(text.id.as_str()), text.name.as_deref()].into_iter().flatten());
            }
            let trouble: Vec<Option<Trouble>> = kept
                .iter()
                .map(|loaded| {
                    let missing = loaded.rule.rules.iter().find(|name| !known.contains(name.as_str()));
                    missing.map(|name| match self.absent.get(name) {
                        Some(reason) => Trouble::Skip(reason),
                        None => Trouble::Broken(format!("it refers to `{name}`, which is no rule here")),
                    })
                })
                .collect();
            let cycle = || cyclic(&kept).map(|place| (place, "it leads back to itself".to_owned()));
            let too_much =
                || kept.iter().position(|loaded| threshold(&loaded.rule) > WINDOW_EVENTS_MAX as u64);
            if trouble.iter().all(Option::is_none) {
                let next = cycle().or_else(|| {
                    let reason = format!("it counts beyond {WINDOW_EVENTS_MAX} events");
                    too_much().map(|place| (place, reason))
                });
                let Some((place, reason)) = next else { return kept };
                let loaded = kept.remove(place);
                self.broken(&loaded.text.file, loaded.text.line, reason);
                continue;
            }
            let mut rest = Vec::new();
            for (loaded, trouble) in kept.into_iter().zip(trouble) {
                match trouble {
                    None => rest.push(loaded),
                    Some(Trouble::Skip(reason)) => {
                        *self.report.skipped.entry(reason).or_default() += 1;
                        let names = [Some(loaded.text.id), loaded.text.name];
                        self.absent.extend(names.into_iter().flatten().map(|name| (name, reason)));
                    }
                    Some(Trouble::Broken(reason)) => self.broken(&loaded.text.file, loaded.text.line, reason),
                }
            }
            kept = rest;
        }
    }

    /// Rules with their filters.
    fn filtered(
        &mut self,
        compiled: Vec<CompiledRule>,
        texts: &[Arc<RuleText>],
        paths: &mut Paths,
    ) -> Vec<CompiledRule> {
        if self.filters.is_empty() {
            return compiled;
        }
        let mut engine = Engine::new();
        engine.extend_compiled_rules(compiled);
        for (mut filter, file, line) in std::mem::take(&mut self.filters) {
            if let Err(name) = aim(&mut filter, texts) {
                match self.absent.get(&name) {
                    Some(reason) => *self.report.skipped.entry(reason).or_default() += 1,
                    None => self.broken(&file, line, format!("it refers to `{name}`, which is no rule here")),
                }
                continue;
            }
            if filter.logsource.as_ref().is_some_and(|source| !is_for_cloudtrail(source)) {
                *self.report.skipped.entry("not for CloudTrail").or_default() += 1;
                continue;
            }
            match engine.apply_filter(&filter) {
                Ok(()) => {
                    filter.detection.named.values().for_each(|detection| fields_of(detection, paths));
                    self.report.filters += 1;
                }
                Err(error) => self.broken(&file, line, error.to_string()),
            }
        }
        engine.rules().to_vec()
    }
}

enum Trouble {
    Skip(&'static str),
    Broken(String),
}

/// Names the rules of a filter by their ids, as the evaluator knows them.
///
/// # Errors
/// One of them, if none is there.
fn aim(filter: &mut FilterRule, texts: &[Arc<RuleText>]) -> Result<(), String> {
    let FilterRuleTarget::Specific(names) = &mut filter.rules else { return Ok(()) };
    let is_called = |text: &RuleText, name: &str| {
        [text.id.as_str(), &text.title].contains(&name) || text.name.as_deref() == Some(name)
    };
    let found: Vec<String> = names
        .iter()
        .filter_map(|name| texts.iter().find(|text| is_called(text, name)))
        .map(|text| text.id.clone())
        .collect();
    if found.is_empty() {
        return Err(names.first().cloned().unwrap_or_default());
    }
    *names = found;
    Ok(())
}

/// What a correlation asks of the matches of one rule.
#[derive(Default)]
struct Asked {
    fields: Vec<u16>,
    generate: bool,
}

/// By name or id of a rule.
fn asked(correlations: &[Loaded<CorrelationRule>]) -> (HashMap<String, Asked>, Vec<String>) {
    let mut fields: Vec<String> = Vec::new();
    let mut by_name: HashMap<String, Asked> = HashMap::new();
    let mut number = |field: &str| -> u16 {
        let place = fields.iter().position(|known| known == field).unwrap_or_else(|| {
            fields.push(field.to_owned());
            fields.len() - 1
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    };
    for Loaded { rule, .. } in correlations {
        let counted: &[String] = match &rule.condition {
            CorrelationCondition::Threshold { field: Some(fields), .. } => fields,
            _ => &[],
        };
        for name in &rule.rules {
            let mut wanted: Vec<u16> = Vec::new();
            for group in &rule.group_by {
                let alias = rule.aliases.iter().find(|alias| alias.alias == *group);
                match alias {
                    Some(alias) => wanted.extend(alias.mapping.values().map(|field| number(field))),
                    None => wanted.push(number(group)),
                }
            }
            wanted.extend(counted.iter().map(|field| number(field)));
            let asked = by_name.entry(name.clone()).or_default();
            asked.fields.extend(wanted);
            asked.generate |= rule.generate;
        }
    }
    (by_name, fields)
}

/// A parser's words without the drawing of the place, which is named before it.
fn in_one_line(reason: &str) -> String {
    if AGGREGATIONS.iter().any(|word| reason.contains(word)) {
        return "its condition ends in an aggregation, which correlations have replaced since Sigma 2.0"
            .to_owned();
    }
    let (place, drawing) = reason.split_once("-->").unwrap_or((reason, ""));
    let expected = drawing.lines().filter_map(|line| line.trim().strip_prefix("= "));
    std::iter::once(place.trim()).chain(expected).collect::<Vec<_>>().join(" ")
}

/// How the aggregations of Sigma 1 begin.
const AGGREGATIONS: [&str; 6] = ["| count(", "| min(", "| max(", "| avg(", "| sum(", "| near "];

/// A temporal correlation without a condition asks for all of its rules (Sigma 2.1, "Temporal"); the evaluator
/// would take any one of them.
fn ask_for_all(rule: &mut CorrelationRule) {
    let distinct: HashSet<&str> = rule.rules.iter().map(String::as_str).collect();
    let all = distinct.len() as u64;
    if rule.correlation_type == CorrelationType::Temporal
        && let CorrelationCondition::Threshold { predicates, .. } = &mut rule.condition
        && *predicates == [(ConditionOperator::Gte, 1)]
    {
        *predicates = vec![(ConditionOperator::Gte, all)];
    }
}

/// The greatest number that a correlation counts to.
fn threshold(rule: &CorrelationRule) -> u64 {
    match &rule.condition {
        CorrelationCondition::Threshold { predicates, .. }
            if matches!(rule.correlation_type, CorrelationType::EventCount | CorrelationType::ValueCount) =>
        {
            predicates.iter().map(|(_, count)| *count).max().unwrap_or(0)
        }
        _ => 0,
    }
}

/// A correlation that leads back to itself, if one does.
fn cyclic(all: &[Loaded<CorrelationRule>]) -> Option<usize> {
    let by_name = |name: &str| {
        all.iter().position(|loaded| loaded.text.id == name || loaded.text.name.as_deref() == Some(name))
    };
    (0..all.len()).find(|start| {
        let (mut seen, mut next) = (vec![false; all.len()], vec![*start]);
        while let Some(place) = next.pop() {
            for other in all[place].rule.rules.iter().filter_map(|name| by_name(name)) {
                if other == *start {
                    return true;
                }
                if !std::mem::replace(&mut seen[other], true) {
                    next.push(other);
                }
            }
        }
        false
    })
}

/// True for log sources that mean CloudTrail.
pub(crate) fn is_for_cloudtrail(source: &LogSource) -> bool {
    source.service.as_deref() == Some("cloudtrail")
        && source.product.as_deref().is_none_or(|product| product == "aws")
}

/// The id of a document, or one made of its text.
fn id_of(id: Option<&str>, text: &str) -> String {
    match id {
        Some(id) => id.to_owned(),
        None => format!("text-{:032x}", xxh3_128(text.as_bytes())),
    }
}

/// Why a file is not even parsed.
pub(crate) fn refusal(text: &str) -> Option<(usize, String)> {
    if text.len() > FILE_BYTES_MAX {
        return Some((1, format!("a file of rules has at most {FILE_BYTES_MAX} bytes")));
    }
    let is_deep = |line: &str| {
        let indent = line.len() - line.trim_start_matches([' ', '-']).len();
        indent > NESTING_MAX
            || line.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count() > 8 * NESTING_MAX
    };
    let line = text.lines().position(is_deep)?;
    Some((line + 1, "it is nested too deep".to_owned()))
}

/// The documents of a file, with the line where each begins. One that acts on
/// those after it (`action: global`) is not parted from them.
pub(crate) fn documents(text: &str) -> Vec<(usize, &str)> {
    if text.lines().any(|line| line.starts_with("action:")) {
        return vec![(1, text)];
    }
    let mut documents = Vec::new();
    let (mut start, mut first, mut at, mut number) = (0, 1, 0, 0);
    for line in text.split_inclusive('\n') {
        number += 1;
        let is_mark = line.trim_end() == "---" || line.starts_with("--- ");
        if is_mark {
            documents.push((first, &text[start..at]));
            (start, first) = (at + line.len(), number + 1);
        }
        at += line.len();
    }
    documents.push((first, &text[start..]));
    let is_written =
        |text: &str| text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    documents.retain(|(_, text)| is_written(text));
    documents
}

/// Puts values for placeholders, and counts all values.
fn expand(
    detection: &mut Detection,
    placeholders: &BTreeMap<String, Vec<String>>,
    count: &mut usize,
) -> Result<(), String> {
    match detection {
        Detection::AllOf(items) => {
            for item in items {
                if item.field.has_modifier(Modifier::Expand) {
                    item.field.modifiers.retain(|modifier| *modifier != Modifier::Expand);
                    item.values = expanded(&item.values, placeholders)?;
                }
                *count += item.values.len();
            }
        }
        Detection::AnyOf(parts) | Detection::And(parts) => {
            for part in parts {
                expand(part, placeholders, count)?;
            }
        }
        Detection::Keywords(values) => *count += values.len(),
        Detection::ArrayMatch { body, .. } => expand(body, placeholders, count)?,
        Detection::Conditional { named, .. } => {
            for part in named.values_mut() {
                expand(part, placeholders, count)?;
            }
        }
    }
    Ok(())
}

fn expanded(
    values: &[SigmaValue],
    placeholders: &BTreeMap<String, Vec<String>>,
) -> Result<Vec<SigmaValue>, String> {
    let mut all = Vec::new();
    for value in values {
        let SigmaValue::String(text) = value else {
            all.push(value.clone());
            continue;
        };
        let Some((before, rest)) = text.original.split_once('%') else {
            all.push(value.clone());
            continue;
        };
        let Some((name, after)) = rest.split_once('%') else {
            all.push(value.clone());
            continue;
        };
        let known =
            placeholders.get(name).ok_or_else(|| format!("the placeholder `%{name}%` has no values"))?;
        all.extend(
            known
                .iter()
                .map(|known| SigmaValue::String(SigmaString::new(&format!("{before}{known}{after}")))),
        );
    }
    Ok(all)
}

/// Every field that a detection asks for.
fn fields_of(detection: &Detection, paths: &mut Paths) {
    match detection {
        Detection::AllOf(items) => {
            for item in items {
                if let Some(name) = &item.field.name {
                    paths.add(name);
                }
                for value in item.values.iter().filter(|_| item.field.has_modifier(Modifier::FieldRef)) {
                    if let SigmaValue::String(text) = value {
                        paths.add(&text.original);
                    }
                }
            }
        }
        Detection::AnyOf(parts) | Detection::And(parts) => {
            for part in parts {
                fields_of(part, paths);
            }
        }
        Detection::Keywords(_) => {}
        Detection::ArrayMatch { field, .. } => paths.add(field),
        Detection::Conditional { named, .. } => {
            for part in named.values() {
                fields_of(part, paths);
            }
        }
    }
}
