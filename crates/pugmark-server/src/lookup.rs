//! `LookupEvents`: the events of the last 90 days, newest first.
//!
//! What is asked is the event history (every management event that was
//! accepted), and whatever folders and buckets the server was given beside.
//! Source: AWS `CloudTrail` API Reference, `LookupEvents`.

mod resources;

use std::sync::Arc;

use arrow::array::{Array, BooleanArray, StringViewArray};
use pugmark_event::{EventBatch, Leaf, Projection, TimeRange};
use pugmark_scan::{Filter, Order, Request, ScanError, sorted};
use pugmark_source::{Progress, Selection};
use serde_json::{Value, json};

use crate::app::App;
use crate::call::{Call, Outcome};
use crate::fault::ApiFault;
use crate::input::{Input, missing};
use crate::pages;
use resources::resources;

const DAY_US: i64 = 86_400_000_000;
/// Days that can be looked up.
pub(crate) const HISTORY_DAYS: i64 = 90;
const RESULTS_MAX: i64 = 50;

/// The leaves that an answer is made of.
const LEAVES: [Leaf; 14] = [
    Leaf::Raw,
    Leaf::EventId,
    Leaf::EventName,
    Leaf::EventSource,
    Leaf::EventTime,
    Leaf::EventCategory,
    Leaf::ReadOnly,
    Leaf::ManagementEvent,
    Leaf::AwsRegion,
    Leaf::IdentityAccessKeyId,
    Leaf::IdentityUserName,
    Leaf::IdentityPrincipalId,
    Leaf::IdentityType,
    Leaf::RequestParameters,
];

/// What an event can be looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    EventId,
    EventName,
    ReadOnly,
    Username,
    ResourceType,
    ResourceName,
    EventSource,
    AccessKeyId,
}

impl Key {
    fn parse(text: &str) -> Option<Key> {
        Some(match text {
            "EventId" => Key::EventId,
            "EventName" => Key::EventName,
            "ReadOnly" => Key::ReadOnly,
            "Username" => Key::Username,
            "ResourceType" => Key::ResourceType,
            "ResourceName" => Key::ResourceName,
            "EventSource" => Key::EventSource,
            "AccessKeyId" => Key::AccessKeyId,
            _ => return None,
        })
    }

    /// Whether the value stands in the record's text as it is.
    fn is_literal(self) -> bool {
        !matches!(self, Key::ReadOnly | Key::ResourceType)
    }
}

/// What is looked for.
#[derive(Clone, Debug)]
struct Wanted {
    attribute: Option<(Key, String)>,
    is_insight: bool,
    region: String,
    range: TimeRange,
    /// Time and id of the last event of the page before.
    after: Option<(i64, String)>,
    count: usize,
}

pub(crate) fn lookup(call: &Call<'_>) -> Outcome {
    let app = call.app;
    let rate = format!("lookup/{}", call.caller.region);
    if !app.lookup_rates.take(&rate, call.now) {
        return Err(ApiFault::throttled());
    }
    let question = call.question();
    let token = app.tokens.position(&question, call.input)?;
    let wanted = wanted(call, token.as_deref())?;
    app.catch_up()?;
    let mut events = find(app, &wanted).map_err(|error| {
        app.note("lookup", &error.to_string());
        ApiFault::internal()
    })?;
    let has_more = events.len() > wanted.count;
    events.truncate(wanted.count);
    let mut answer = json!({});
    if let Some(last) = events.last().filter(|_| has_more) {
        let position = format!("{},{}", last.time, last.id);
        answer["NextToken"] = json!(app.tokens.seal(&question, &position));
    }
    answer["Events"] = events.into_iter().map(|event| event.answer).collect();
    Ok(answer)
}

fn wanted(call: &Call<'_>, token: Option<&str>) -> Result<Wanted, ApiFault> {
    let input = call.input;
    let count = match input.integer("MaxResults")? {
        None => RESULTS_MAX,
        Some(count @ 1..=RESULTS_MAX) => count,
        Some(_) => {
            let message = format!("A maximum of {RESULTS_MAX} results can be returned, and at least 1.");
            return Err(ApiFault::new("InvalidMaxResultsException", message));
        }
    };
    let is_insight = match input.text("EventCategory")? {
        None => false,
        Some("insight") => true,
        Some(other) => {
            let message = format!("`{other}` is no event category: only `insight` is");
            return Err(ApiFault::new("InvalidEventCategoryException", message));
        }
    };
    let (since, until) = (input.time("StartTime")?, input.time("EndTime")?);
    if since.zip(until).is_some_and(|(since, until)| since > until) {
        let message = "The start of the time range is after its end.";
        return Err(ApiFault::new("InvalidTimeRangeException", message));
    }
    let oldest = call.now - HISTORY_DAYS * DAY_US;
    let after = token.and_then(|token| {
        let (time, id) = token.split_once(',')?;
        Some((time.parse().ok()?, id.to_owned()))
    });
    // Both bounds count, in whole seconds.
    let mut last = until.map(|until| until + 1_000_000);
    if let Some((time, _)) = after {
        last = Some(last.map_or(time + 1, |last| last.min(time + 1)));
    }
    Ok(Wanted {
        attribute: attribute(input, is_insight)?,
        is_insight,
        region: call.caller.region.clone(),
        range: TimeRange { since: Some(since.map_or(oldest, |since| since.max(oldest))), until: last },
        after,
        count: count as usize,
    })
}

fn attribute(input: &Input, is_insight: bool) -> Result<Option<(Key, String)>, ApiFault> {
    let invalid = |message: &str| ApiFault::new("InvalidLookupAttributesException", message);
    let attribute = match input.list("LookupAttributes")? {
        None | Some([]) => return Ok(None),
        Some([attribute]) => Input::of(attribute, "LookupAttributes")?,
        Some(_) => return Err(invalid("You can specify only one lookup attribute.")),
    };
    let key = attribute.text("AttributeKey")?.ok_or_else(|| missing("AttributeKey"))?;
    let key = Key::parse(key).ok_or_else(|| invalid("The lookup attribute has an unknown key."))?;
    if is_insight && !matches!(key, Key::EventId | Key::EventName | Key::EventSource) {
        return Err(invalid("Insights events are looked up by EventId, EventName or EventSource."));
    }
    let value = attribute.text("AttributeValue")?.ok_or_else(|| missing("AttributeValue"))?;
    // These characters count twice.
    let chars: usize = value.chars().map(|c| if matches!(c, '_' | ' ' | ',' | '\n') { 2 } else { 1 }).sum();
    if !(1..=2_000).contains(&chars) {
        return Err(invalid("The value of a lookup attribute has 1 to 2000 characters."));
    }
    if key == Key::ReadOnly && !matches!(value, "true" | "false") {
        return Err(invalid("ReadOnly is `true` or `false`."));
    }
    Ok(Some((key, value.to_owned())))
}

/// An event of the answer.
struct Found {
    time: i64,
    id: String,
    answer: Value,
}

/// The wanted events, and one more if there are more.
fn find(app: &App, wanted: &Wanted) -> Result<Vec<Found>, ScanError> {
    let selection = Selection { range: wanted.range, ..Selection::default() };
    let (progress, reading) = (Progress::default(), &app.reading);
    let mut locations = vec![app.history.location()];
    locations.extend(reading.lookup.iter().cloned());
    let listing = pugmark_source::list(&locations, &selection, &reading.access, &reading.limits, &progress)?;
    let leaves = LEAVES.into_iter().collect::<Projection>();
    let filter: Filter = {
        let wanted = wanted.clone();
        Arc::new(move |batch: &EventBatch| Ok(Rows::new(batch).keep(&wanted)))
    };
    let request = Request {
        range: wanted.range,
        needles: needles(wanted),
        filter: Some(filter),
        order: Order::Descending,
        limit: Some(wanted.count + 1),
        limits: reading.limits,
        access: reading.access.clone(),
        threads: reading.threads,
        ..Request::new(leaves.union(resources::leaves()))
    };
    let (list, _) = sorted(listing, &request, &progress)?;
    let mut found = Vec::new();
    for batch in list {
        let batch = batch?;
        let rows = Rows::new(&batch);
        found.extend((0..batch.rows()).map(|row| rows.found(row)));
    }
    Ok(found)
}

/// Words that the text of every wanted record holds.
fn needles(wanted: &Wanted) -> Vec<Vec<u8>> {
    // A record may write `/` or other letters as escapes; these it does not.
    let is_plain =
        |value: &str| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    match &wanted.attribute {
        Some((key, value)) if key.is_literal() && is_plain(value) => vec![value.clone().into_bytes()],
        _ => Vec::new(),
    }
}

/// The rows of a batch, read by name.
struct Rows<'a> {
    batch: &'a EventBatch,
    texts: Vec<(Leaf, Option<StringViewArray>)>,
    flags: [Option<BooleanArray>; 2],
}

impl<'a> Rows<'a> {
    fn new(batch: &'a EventBatch) -> Rows<'a> {
        let texts = LEAVES.into_iter().map(|leaf| (leaf, batch.text(leaf))).collect();
        Rows { batch, texts, flags: [batch.flags(Leaf::ReadOnly), batch.flags(Leaf::ManagementEvent)] }
    }

    fn text(&self, leaf: Leaf, row: usize) -> Option<&str> {
        let (_, texts) = self.texts.iter().find(|(of, _)| *of == leaf)?;
        texts.as_ref().filter(|texts| texts.is_valid(row)).map(|texts| texts.value(row))
    }

    fn flag(&self, which: usize, row: usize) -> Option<bool> {
        self.flags[which].as_ref().filter(|flags| flags.is_valid(row)).map(|flags| flags.value(row))
    }

    fn time(&self, row: usize) -> i64 {
        let times = self.batch.times(Leaf::EventTime).filter(|times| times.is_valid(row));
        times.map_or(0, |times| times.value(row))
    }

    fn keep(&self, wanted: &Wanted) -> BooleanArray {
        (0..self.batch.rows()).map(|row| Some(self.is_wanted(row, wanted))).collect()
    }

    fn is_wanted(&self, row: usize, wanted: &Wanted) -> bool {
        let is_of_category = match self.text(Leaf::EventCategory, row) {
            Some("Insight") => wanted.is_insight,
            Some("Management") => !wanted.is_insight,
            // Before `eventCategory` there was only the one kind, or the flag says it.
            None => !wanted.is_insight && self.flag(1, row) != Some(false),
            Some(_) => false,
        };
        let is_of_region = self.text(Leaf::AwsRegion, row).is_none_or(|region| region == wanted.region);
        let is_after = wanted.after.as_ref().is_none_or(|(time, id)| {
            (self.time(row), self.text(Leaf::EventId, row).unwrap_or_default()) < (*time, id.as_str())
        });
        is_of_category && is_of_region && is_after && self.fits(row, wanted)
    }

    fn fits(&self, row: usize, wanted: &Wanted) -> bool {
        let Some((key, value)) = &wanted.attribute else { return true };
        let value = value.as_str();
        match key {
            Key::EventId => self.text(Leaf::EventId, row) == Some(value),
            Key::EventName => self.text(Leaf::EventName, row) == Some(value),
            Key::EventSource => self.text(Leaf::EventSource, row) == Some(value),
            Key::AccessKeyId => self.text(Leaf::IdentityAccessKeyId, row) == Some(value),
            Key::ReadOnly => self.flag(0, row).map(|flag| flag.to_string()).as_deref() == Some(value),
            Key::Username => self.username(row) == Some(value),
            Key::ResourceType => self.resources(row).iter().any(|(kind, _)| kind == value),
            Key::ResourceName => self.resources(row).iter().any(|(_, name)| name == value),
        }
    }

    /// The user's name, or the name of a role's session, or `root`.
    fn username(&self, row: usize) -> Option<&str> {
        let session =
            || self.text(Leaf::IdentityPrincipalId, row)?.split_once(':').map(|(_, session)| session);
        let is_root = self.text(Leaf::IdentityType, row) == Some("Root");
        self.text(Leaf::IdentityUserName, row).or_else(session).or(is_root.then_some("root"))
    }

    fn resources(&self, row: usize) -> Vec<(String, String)> {
        resources(self.text(Leaf::Raw, row).unwrap_or_default())
    }

    fn found(&self, row: usize) -> Found {
        let text = |leaf| self.text(leaf, row);
        let (time, id) = (self.time(row), text(Leaf::EventId).unwrap_or_default().to_owned());
        let resource =
            |(kind, name): &(String, String)| json!({ "ResourceType": kind, "ResourceName": name });
        let mut answer = json!({ "EventId": id, "EventTime": pages::time(time) });
        let members = [
            ("EventName", text(Leaf::EventName)),
            ("EventSource", text(Leaf::EventSource)),
            ("AccessKeyId", text(Leaf::IdentityAccessKeyId)),
            ("Username", self.username(row)),
            ("CloudTrailEvent", text(Leaf::Raw)),
        ];
        for (name, value) in members {
            if let Some(value) = value {
                answer[name] = json!(value);
            }
        }
        if let Some(flag) = self.flag(0, row) {
            answer["ReadOnly"] = json!(flag.to_string());
        }
        answer["Resources"] = self.resources(row).iter().map(resource).collect();
        Found { time, id, answer }
    }
}
