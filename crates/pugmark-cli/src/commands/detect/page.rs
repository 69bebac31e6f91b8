//! Findings as a page for people: the worst first, then what it comes to.

use pugmark_detect::Level;

use super::super::show;
use super::{Answer, Told, files, frequent};
use crate::printer::{
    Heading, Paint, Printer, Role, bar, count_words, counted, escape, sparkline, squeeze, time_text,
};

/// Findings shown without `-n`.
const SHOWN: usize = 40;
/// Lines of each list of the summary.
const TOP: usize = 5;
const DAY_US: i64 = 86_400_000_000;
/// Characters of a sparkline.
const SPARK_WIDTH: usize = 60;

/// The page; answers how many findings it shows, too.
pub(super) fn text(answer: &Answer, limit: Option<usize>, printer: &Printer) -> (String, u64) {
    let paint = printer.paint();
    let mut out = String::new();
    put!(out, "{}\n", paint.role(Role::Strong, &head(answer)));
    let limit = limit.unwrap_or(SHOWN);
    if !answer.told.is_empty() {
        out.push('\n');
        table(answer, limit, printer, &mut out);
        if answer.told.len() > limit {
            put!(out, "  and {} more; `-n {}` shows all\n", answer.told.len() - limit, answer.told.len());
        }
    }
    worst(answer, printer, &mut out);
    summary(answer, printer, &mut out);
    (out, answer.told.len().min(limit) as u64)
}

/// `3 findings: 1 critical, 2 high · 2,000,000 events, 12 matched · 480 rules`
pub(super) fn head(answer: &Answer) -> String {
    let levels: Vec<String> = answer
        .levels()
        .filter(|(_, count)| *count > 0)
        .map(|(level, count)| format!("{} {}", count_words(count), level.name()))
        .collect();
    let mut text = counted(answer.told.len() as u64, "finding");
    if !levels.is_empty() {
        put!(text, ": {}", levels.join(", "));
    }
    put!(text, " · {}", counted(answer.sums.events, "event"));
    put!(text, ", {} matched · {}", count_words(answer.sums.events_matched), files::words(&answer.load));
    if answer.suppressed > 0 {
        put!(text, " · {} suppressed", count_words(answer.suppressed as u64));
    }
    let new = answer.told.iter().filter(|told| told.is_new == Some(true)).count();
    if answer.told.iter().any(|told| told.is_new.is_some()) {
        put!(text, " · {} new", count_words(new as u64));
    }
    text
}

/// How a level looks where colour may be missing: its letter.
fn letter(level: Level, paint: Paint) -> String {
    let role = match level {
        Level::Critical | Level::High => Role::Bad,
        Level::Medium => Role::Warning,
        Level::Low | Level::Informational => Role::Dim,
    };
    paint.role(role, &level.letter().to_string())
}

fn table(answer: &Answer, limit: usize, printer: &Printer, out: &mut String) {
    let rigid = |name: &str| Heading { is_rigid: true, ..Heading::text(name) };
    let headings = vec![
        rigid(""),
        Heading::text("what"),
        Heading::number("events"),
        Heading::text("who"),
        rigid("first"),
        rigid("last"),
        Heading::text("from"),
    ];
    let mut table = printer.table(headings);
    for told in answer.told.iter().take(limit) {
        let finding = &told.finding;
        let mark = if told.is_new == Some(true) { "+" } else { "" };
        let time = |time| time_text(time, printer.zone());
        let cells = vec![
            format!("{}{mark}", letter(finding.level(), Paint::off())),
            finding.rule.title.clone(),
            count_words(finding.count),
            finding.actor.clone(),
            time(finding.first),
            time(finding.last),
            finding.addresses.words(),
        ];
        table.row(cells.into_iter().map(Some).collect(), out);
    }
    table.finish(out);
}

/// What is high or worse, each with a few lines of its own.
fn worst(answer: &Answer, printer: &Printer, out: &mut String) {
    let paint = printer.paint();
    let worst: Vec<&Told> = answer.told.iter().filter(|told| told.finding.level() >= Level::High).collect();
    for told in worst.iter().take(10) {
        let finding = &told.finding;
        let title = format!("{}  {}", finding.level().letter(), escape(&finding.rule.title));
        put!(out, "\n{}\n", paint.role(Role::Bad, &title));
        put!(out, "   {}\n", escape(&finding.rule.description));
        let mut facts = vec![("who", told.chain.clone().unwrap_or_else(|| finding.actor.clone()))];
        facts.push(("what", format!("{} {}", finding.calls.words(), finding.errors.words())));
        facts.push(("where", format!("{} {}", finding.accounts.words(), finding.regions.words())));
        facts.extend(told.because.clone().map(|because| ("because of", because)));
        facts.extend(finding.details.iter().map(|(name, value)| ("alike", format!("{name} = {value}"))));
        let techniques: Vec<String> = finding.rule.techniques().collect();
        facts.push(("ATT&CK", techniques.join(", ")));
        if let Some(event) = finding.events.first() {
            let command = show::command(&answer.sources.join(" "), &event.id);
            let command = command.map(|command| format!("  `{command}`")).unwrap_or_default();
            facts.push(("event", format!("{}{command}", event.id)));
        }
        for (name, value) in facts.iter().filter(|(_, value)| !value.trim().is_empty()) {
            put!(out, "   {} {}\n", paint.role(Role::Dim, &format!("{name:<10}")), escape(value.trim()));
        }
    }
    if worst.len() > 10 {
        put!(out, "\n  and {} more of level high or worse\n", worst.len() - 10);
    }
}

/// Days, actors and rules with the most.
fn summary(answer: &Answer, printer: &Printer, out: &mut String) {
    if answer.told.is_empty() {
        return;
    }
    let paint = printer.paint();
    let days = days(answer);
    if days.len() > 1 {
        let line = sparkline(
            &squeeze(&days.iter().map(|(_, count)| *count).collect::<Vec<_>>(), SPARK_WIDTH),
            printer.ink(),
        );
        let day = |day: i64| time_text(day * DAY_US, printer.zone())[..10].to_owned();
        put!(out, "\n{}\n", paint.role(Role::Strong, "findings by day"));
        put!(out, "  {} {line} {}\n", day(days[0].0), day(days[days.len() - 1].0));
    }
    let actors = frequent(answer.told.iter().map(|told| (told.finding.actor.as_str(), 1)));
    list("actors with the most findings", &actors, printer, out);
    let rules =
        frequent(answer.told.iter().map(|told| (told.finding.rule.title.as_str(), told.finding.count)));
    list("rules with the most events", &rules, printer, out);
}

fn list(title: &str, counts: &[(&str, u64)], printer: &Printer, out: &mut String) {
    let most = counts.first().map_or(0, |(_, count)| *count);
    put!(out, "\n{}\n", printer.paint().role(Role::Strong, title));
    for (text, count) in counts.iter().take(TOP) {
        let text = if text.is_empty() { "?" } else { text };
        put!(
            out,
            "  {:>9} {:<10} {}\n",
            count_words(*count),
            bar(*count, most, 10, printer.ink()),
            escape(text)
        );
    }
}

/// Findings that were going on, for each day from the first to the last.
pub(super) fn days(answer: &Answer) -> Vec<(i64, u64)> {
    let day = |time: i64| time.div_euclid(DAY_US);
    let first = answer.told.iter().map(|told| day(told.finding.first)).min();
    let last = answer.told.iter().map(|told| day(told.finding.last)).max();
    let (Some(first), Some(last)) = (first, last) else { return Vec::new() };
    // A time that nobody wrote down is of 1970; such a span is no timeline.
    if last - first > 4_000 {
        return Vec::new();
    }
    let count = |day_: i64| {
        answer
            .told
            .iter()
            .filter(|told| (day(told.finding.first)..=day(told.finding.last)).contains(&day_))
            .count()
    };
    (first..=last).map(|day| (day, count(day) as u64)).collect()
}
