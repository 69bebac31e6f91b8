//! The map as a page of its own.

use pugmark_event::{Tally, format_time};

use super::map::{Map, Place};
use super::report::{effect, headline, heat_level, most, notes, span_words};
use crate::html::{self, Head};
use crate::printer::count_words;

/// Slots of the heat map; more are told by table only.
const SLOTS_SHOWN: i64 = 2_000;

/// The page. The same map gives the same bytes.
pub(super) fn page(map: &Map, tally: &Tally) -> String {
    let mut body = format!("<p>{}</p>\n", html::text(&headline(map, tally)));
    heat(map, &mut body);
    if !map.gaps.is_empty() {
        let rows: Vec<Vec<String>> = map
            .gaps
            .iter()
            .map(|gap| {
                vec![
                    gap.place.account.clone(),
                    gap.place.region.clone(),
                    span_words(map, gap.slots),
                    (gap.slots.1 - gap.slots.0 + 1).to_string(),
                    gap.marked(),
                ]
            })
            .collect();
        let heads = [
            Head::Text("account"),
            Head::Text("region"),
            Head::Text("without files"),
            Head::Number("slots"),
            Head::Text("reason"),
        ];
        put!(body, "<h2>Gaps</h2>\n{}", html::table(&heads, &rows));
    }
    changes(map, &mut body);
    body.push_str("<h2>Deliveries</h2>\n<ul>\n");
    for note in notes(map) {
        put!(body, "<li>{}</li>\n", html::text(&note));
    }
    put!(
        body,
        "</ul>\n<p class=\"dim\">pugmark {}. Times are UTC; files stand where they were delivered, events where they happened.</p>\n",
        env!("CARGO_PKG_VERSION")
    );
    html::page("Coverage", &body)
}

fn heat(map: &Map, body: &mut String) {
    let Some((first, last)) = map.span() else { return };
    let end = last.min(first + SLOTS_SHOWN - 1);
    put!(
        body,
        "<h2>Events by {}</h2>\n<p class=\"dim\">{} → {} UTC. The darker, the more events; × is a gap. Point at a cell for its numbers.</p>\n\
         <div class=\"scroll\"><table class=\"heat\">\n",
        map.step.name(),
        html::text(&map.step.label(first)),
        html::text(&map.step.label(end))
    );
    let most = most(map);
    for place in map.places.keys() {
        put!(
            body,
            "<tr><th scope=\"row\">{}</th><th scope=\"row\">{}</th>",
            html::text(&place.account),
            html::text(&place.region)
        );
        for slot in first..=end {
            cell(map, (place, slot), most, body);
        }
        body.push_str("</tr>\n");
    }
    body.push_str("</table></div>\n");
}

fn cell(map: &Map, (place, slot): (&Place, i64), most: u64, body: &mut String) {
    let cell = map.places.get(place).and_then(|slots| slots.get(&slot)).copied().unwrap_or_default();
    let label = map.step.label(slot);
    if let Some(gap) = map.gap(place, (slot, slot)) {
        let title = format!("{label}: no files, {} digests, {}", cell.digests, gap.words());
        put!(body, "<td class=\"h gap\" title=\"{}\">×</td>", html::text(&title));
        return;
    }
    let title = format!(
        "{label}: {} files, {} events, {} data events, {} copies, {} late, {} digests",
        count_words(cell.files),
        count_words(cell.events),
        count_words(cell.data_events),
        count_words(cell.copies),
        count_words(cell.late),
        count_words(cell.digests)
    );
    put!(body, "<td class=\"h l{}\" title=\"{}\"></td>", heat_level(&cell, most), html::text(&title));
}

fn changes(map: &Map, body: &mut String) {
    if map.changes.is_empty() {
        return;
    }
    let rows: Vec<Vec<String>> = map
        .changes
        .iter()
        .map(|change| {
            let effect = effect(map, change, format_time);
            vec![
                format_time(change.time),
                change.name.clone(),
                change.trail.clone(),
                change.account.clone(),
                change.who.clone(),
                effect,
            ]
        })
        .collect();
    let heads = ["time", "call", "trail", "account", "who", "effect"].map(Head::Text);
    put!(body, "<h2>What trails were told</h2>\n{}", html::table(&heads, &rows));
}
