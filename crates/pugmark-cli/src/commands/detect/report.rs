//! Findings as one page that stands alone: plots, filters, print. No script:
//! filters are radio buttons that the style sheet looks at.

use std::collections::BTreeSet;

use jiff::Zoned;
use pugmark_detect::Level;
use pugmark_event::format_time;

use super::{Answer, Told, frequent, page};
use crate::html;
use crate::printer::count_words;

/// Findings that are written out; the rest is counted.
const WRITTEN_MAX: usize = 2_000;
const DAY_US: i64 = 86_400_000_000;
/// Height of the plot of days, in units of its picture.
const HEIGHT: u64 = 120;

const STYLE: &str = "\
:root{--c4:#8c1d18;--c3:#c4320a;--c2:#b54708;--c1:#475467;--c0:#98a2b3}
@media (prefers-color-scheme:dark){:root{--c4:#ff6b60;--c3:#ff9466;--c2:#fdb022;--c1:#98a2b3;--c0:#667085}}
.tiles{display:flex;gap:.8rem;flex-wrap:wrap;margin:1rem 0}
.tile{border:1px solid var(--line);border-radius:.4rem;padding:.5rem .9rem;min-width:6rem}
.tile b{display:block;font-size:1.5rem;font-variant-numeric:tabular-nums}
.l-4{color:var(--c4)}.l-3{color:var(--c3)}.l-2{color:var(--c2)}.l-1{color:var(--c1)}.l-0{color:var(--c0)}
svg{width:100%;height:auto;max-height:14rem}
.b-4{fill:var(--c4)}.b-3{fill:var(--c3)}.b-2{fill:var(--c2)}.b-1{fill:var(--c1)}.b-0{fill:var(--c0)}
svg text{fill:var(--dim);font-size:11px}
.bars{display:grid;grid-template-columns:minmax(8rem,auto) 1fr auto;gap:.15rem .7rem;align-items:center;font-size:.88rem}
.bars span{overflow-wrap:anywhere}.bars i{display:block;height:.7rem;background:var(--c1);border-radius:.15rem}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:1.5rem}
fieldset{border:1px solid var(--line);border-radius:.4rem;display:inline-block;margin:.3rem .6rem .3rem 0;padding:.3rem .8rem}
legend{color:var(--dim);font-size:.8rem}label{margin-right:.8rem;white-space:nowrap}
details{border-bottom:1px solid var(--line);padding:.35rem 0}
summary{cursor:pointer;display:grid;grid-template-columns:1.2rem 1fr auto auto;gap:.7rem}
summary>span{overflow-wrap:anywhere}.badge{font-weight:700}
dl{display:grid;grid-template-columns:8rem 1fr;gap:.15rem .8rem;margin:.5rem 0 .5rem 1.9rem}
dt{color:var(--dim);overflow-wrap:anywhere}dd{margin:0;overflow-wrap:anywhere}
@media print{fieldset{display:none}details{break-inside:avoid}}
";

/// The page.
pub(super) fn html(answer: &Answer, now: &Zoned) -> String {
    let mut body = format!("<style>\n{STYLE}{}</style>\n", filter_styles(answer));
    put!(body, "<p>{}</p>\n", html::text(&page::head(answer)));
    let made = format_time(now.timestamp().as_microsecond());
    put!(
        body,
        "<p class=\"dim\">Made {} of {} by Pugmark {}. Times are UTC.</p>\n",
        &made[..19],
        html::text(&answer.sources.join(", ")),
        env!("CARGO_PKG_VERSION")
    );
    body.push_str("<div class=\"tiles\">\n");
    for (level, count) in answer.levels() {
        put!(
            body,
            "<div class=\"tile l-{}\"><b>{}</b>{}</div>\n",
            level as u8,
            count_words(count),
            level.name()
        );
    }
    body.push_str("</div>\n");
    days(answer, &mut body);
    body.push_str("<div class=\"two\">\n");
    let actors = frequent(answer.told.iter().map(|told| (told.finding.actor.as_str(), 1)));
    bars("Who", "findings", &actors, &mut body);
    let tactics: Vec<(String, u64)> =
        answer.told.iter().flat_map(|told| told.finding.rule.tactics().map(|tactic| (tactic, 1))).collect();
    bars(
        "ATT&CK tactics",
        "findings",
        &frequent(tactics.iter().map(|(tactic, count)| (tactic.as_str(), *count))),
        &mut body,
    );
    body.push_str("</div>\n<h2>Findings</h2>\n");
    filters(answer, &mut body);
    for told in answer.told.iter().take(WRITTEN_MAX) {
        finding(told, &mut body);
    }
    if answer.told.len() > WRITTEN_MAX {
        put!(body, "<p>and {} more; JSON Lines have all.</p>\n", answer.told.len() - WRITTEN_MAX);
    }
    html::page("Findings", &body)
}

/// Every tactic of a finding, once.
fn tactics(answer: &Answer) -> BTreeSet<String> {
    answer.told.iter().flat_map(|told| told.finding.rule.tactics().map(|tactic| class(&tactic))).collect()
}

/// A text that may be the name of a class: letters, digits and dashes.
fn class(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

fn filter_styles(answer: &Answer) -> String {
    let mut out = String::new();
    for level in Level::ALL {
        for lower in Level::ALL.into_iter().filter(|lower| *lower < level) {
            put!(out, "body:has(#level-{}:checked) .f-{}{{display:none}}\n", level as u8, lower as u8);
        }
    }
    for tactic in tactics(answer) {
        put!(out, "body:has(#tactic-{tactic}:checked) details:not(.t-{tactic}){{display:none}}\n");
    }
    out
}

fn filters(answer: &Answer, body: &mut String) {
    body.push_str("<fieldset><legend>level</legend>\n");
    for level in Level::ALL {
        let checked = if level == Level::Informational { " checked" } else { "" };
        let (number, name) = (level as u8, level.name());
        put!(
            body,
            "<label><input type=\"radio\" name=\"level\" id=\"level-{number}\"{checked}> {name} or worse</label>\n"
        );
    }
    body.push_str("</fieldset>\n<fieldset><legend>tactic</legend>\n");
    body.push_str("<label><input type=\"radio\" name=\"tactic\" checked> all</label>\n");
    for tactic in tactics(answer) {
        put!(body, "<label><input type=\"radio\" name=\"tactic\" id=\"tactic-{tactic}\"> {tactic}</label>\n");
    }
    body.push_str("</fieldset>\n");
}

/// Findings of each day, stacked by level.
fn days(answer: &Answer, body: &mut String) {
    let days = page::days(answer);
    let most = days.iter().map(|(_, count)| *count).max().unwrap_or(0);
    if most == 0 {
        return;
    }
    let day = |time: i64| time.div_euclid(DAY_US);
    let width = 900.0 / days.len() as f64;
    body.push_str("<h2>By day</h2>\n");
    put!(body, "<svg viewBox=\"0 0 960 {}\" role=\"img\" aria-label=\"findings by day\">\n", HEIGHT + 24);
    put!(body, "<text x=\"0\" y=\"12\">{}</text>\n", count_words(most));
    for (place, (number, _)) in days.iter().enumerate() {
        let mut base = HEIGHT as f64;
        for level in Level::ALL.into_iter().rev() {
            let is_on = |told: &&Told| {
                told.finding.level() == level
                    && (day(told.finding.first)..=day(told.finding.last)).contains(number)
            };
            let count = answer.told.iter().filter(is_on).count();
            if count == 0 {
                continue;
            }
            let height = count as f64 / most as f64 * HEIGHT as f64;
            base -= height;
            let date = &format_time(number * DAY_US)[..10];
            put!(
                body,
                "<rect class=\"b-{}\" x=\"{:.1}\" y=\"{base:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>{date}: {count} {}</title></rect>\n",
                level as u8,
                40.0 + place as f64 * width,
                (width - 1.0).max(0.5),
                level.name()
            );
        }
    }
    let (first, last) = (days[0].0, days[days.len() - 1].0);
    put!(body, "<text x=\"40\" y=\"{}\">{}</text>\n", HEIGHT + 18, &format_time(first * DAY_US)[..10]);
    put!(
        body,
        "<text x=\"940\" y=\"{}\" text-anchor=\"end\">{}</text>\n</svg>\n",
        HEIGHT + 18,
        &format_time(last * DAY_US)[..10]
    );
}

fn bars(title: &str, unit: &str, counts: &[(&str, u64)], body: &mut String) {
    put!(body, "<section><h2>{}</h2>\n<div class=\"bars\">\n", html::text(title));
    let most = counts.first().map_or(1, |(_, count)| *count);
    for (text, count) in counts.iter().take(12) {
        let name = if text.is_empty() { "?" } else { text };
        let width = *count as f64 / most as f64 * 100.0;
        put!(
            body,
            "<span>{}</span><i style=\"width:{width:.1}%\"></i><span>{} {unit}</span>\n",
            html::text(name),
            count_words(*count)
        );
    }
    body.push_str("</div></section>\n");
}

fn finding(told: &Told, body: &mut String) {
    let finding = &told.finding;
    let level = finding.level();
    let tactics: Vec<String> = finding.rule.tactics().map(|tactic| format!("t-{}", class(&tactic))).collect();
    let is_open = if level >= Level::High { " open" } else { "" };
    put!(body, "<details class=\"f-{} {}\"{is_open}>\n", level as u8, tactics.join(" "));
    put!(body, "<summary><span class=\"badge l-{}\">{}</span>", level as u8, level.letter());
    put!(
        body,
        "<span>{}{}</span>",
        if told.is_new == Some(true) { "new: " } else { "" },
        html::text(&finding.rule.title)
    );
    put!(body, "<span class=\"dim\">{} ×</span>", count_words(finding.count));
    put!(
        body,
        "<span class=\"dim\">{}</span></summary>\n<dl>\n",
        &format_time(finding.first)[..16].replace('T', " ")
    );
    let mut line = |name: &str, value: &str| {
        if !value.trim().is_empty() {
            put!(body, "<dt>{}</dt><dd>{}</dd>\n", html::text(name), html::text(value));
        }
    };
    line("what it is", &finding.rule.description);
    line("who", told.chain.as_deref().unwrap_or(&finding.actor));
    line("when", &format!("{} → {}", format_time(finding.first), format_time(finding.last)));
    line("calls", &finding.calls.words());
    line("errors", &finding.errors.words());
    line("from", &finding.addresses.words());
    line("accounts", &finding.accounts.words());
    line("regions", &finding.regions.words());
    line("because of", told.because.as_deref().unwrap_or_default());
    for (name, value) in &finding.details {
        line("in common", &format!("{name} = {value}"));
    }
    line("may be", &finding.rule.falsepositives.join("; "));
    line("ATT&CK", &finding.rule.techniques().collect::<Vec<_>>().join(", "));
    line("see", &finding.rule.references.join("  "));
    let ids: Vec<&str> = finding.events.iter().take(5).map(|event| &*event.id).collect();
    line("events", &ids.join(", "));
    line("rule", &format!("{} ({})", finding.rule.id, finding.rule.file));
    body.push_str("</dl>\n</details>\n");
}
