//! The filters of `search` and `stats`, compiled to one row filter, the leaves
//! it reads, and literals that every match holds.

use std::net::IpAddr;
use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::and_kleene;
use pugmark_event::{EventBatch, Leaf, Projection};
use pugmark_scan::Request;
use pugmark_source::Selection;

use crate::args::FilterArgs;
use crate::exit::Failure;
use crate::json_path::JsonPath;
use crate::pattern::Pattern;
use crate::view::Outcome;
use crate::who::{Texts, Who};

/// All filters of a command; an event must pass each.
pub(crate) struct Filters {
    tests: Arc<[Test]>,
    condition: Option<pugmark_scan::Filter>,
    projection: Projection,
    needles: Vec<Vec<u8>>,
}

impl Filters {
    /// Compiles what was asked for; nothing is read yet.
    pub(crate) fn new(args: &FilterArgs, selection: &Selection) -> Result<Filters, Failure> {
        let mut tests = tests(args)?;
        if !selection.accounts.is_empty() {
            tests.push(Test::Account(selection.accounts.clone()));
        }
        if !selection.regions.is_empty() {
            tests.push(Test::Region(selection.regions.clone()));
        }
        let mut projection: Projection = tests.iter().flat_map(Test::leaves).collect();
        let mut needles: Vec<Vec<u8>> = tests.iter().filter_map(Test::needle).collect();
        let mut condition = None;
        if let Some(text) = &args.condition {
            let compiled = pugmark_query::condition(text)
                .map_err(|error| crate::commands::sql::explain(&error, text))?;
            projection = projection.union(compiled.projection);
            needles.extend(compiled.needles);
            condition = Some(compiled.filter);
        }
        Ok(Filters { tests: tests.into(), condition, projection, needles })
    }

    /// Puts the filters into a request.
    pub(crate) fn apply(&self, request: &mut Request) {
        request.projection = request.projection.union(self.projection);
        request.needles.extend(self.needles.iter().cloned());
        if self.tests.is_empty() {
            request.filter.clone_from(&self.condition);
            return;
        }
        let (tests, condition) = (Arc::clone(&self.tests), self.condition.clone());
        request.filter = Some(Arc::new(move |batch: &EventBatch| {
            let ours = passes(&tests, batch);
            match &condition {
                Some(condition) => Ok(and_kleene(&ours, &condition(batch)?)?),
                None => Ok(ours),
            }
        }));
    }
}

/// One filter.
#[derive(Clone, Debug)]
enum Test {
    Name(Vec<Pattern>),
    Service(Vec<Pattern>),
    Actor(Pattern),
    Key(String),
    Ip(Network),
    Errors,
    ErrorCode(Vec<Pattern>),
    ReadOnly(bool),
    Text(Pattern),
    Path(JsonPath, Option<Pattern>),
    Account(Vec<String>),
    Region(Vec<String>),
}

fn tests(args: &FilterArgs) -> Result<Vec<Test>, Failure> {
    let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect::<Vec<_>>();
    let mut tests = Vec::new();
    if !args.name.is_empty() {
        tests.push(Test::Name(patterns(&args.name)));
    }
    if !args.service.is_empty() {
        let host = |text: &String| {
            let text = text.to_lowercase();
            if text.contains('.') || text.ends_with('*') { text } else { format!("{text}.amazonaws.com") }
        };
        tests.push(Test::Service(patterns(&args.service.iter().map(host).collect::<Vec<_>>())));
    }
    tests.extend(args.actor.iter().map(|text| Test::Actor(Pattern::part(text))));
    tests.extend(args.key.iter().map(|key| Test::Key(key.clone())));
    for text in &args.ip {
        tests.push(Test::Ip(Network::parse(text)?));
    }
    if args.errors {
        tests.push(Test::Errors);
    }
    if !args.error_code.is_empty() {
        tests.push(Test::ErrorCode(patterns(&args.error_code)));
    }
    if args.reads || args.writes {
        tests.push(Test::ReadOnly(args.reads));
    }
    tests.extend(args.text.iter().map(|text| Test::Text(Pattern::part(text))));
    for text in &args.path {
        let (path, value) =
            text.split_once('=').map_or((text.as_str(), None), |(path, value)| (path, Some(value)));
        tests.push(Test::Path(JsonPath::parse(path)?, value.map(Pattern::new)));
    }
    Ok(tests)
}

impl Test {
    fn leaves(&self) -> Vec<Leaf> {
        match self {
            Test::Name(_) => vec![Leaf::EventName],
            Test::Service(_) => vec![Leaf::EventSource],
            Test::Actor(_) => {
                let own = [Leaf::SourceIdentity, Leaf::IdentityAccessKeyId, Leaf::Actor];
                Who::LEAVES.into_iter().chain(own).collect()
            }
            Test::Key(_) => {
                vec![Leaf::IdentityAccessKeyId, Leaf::RequestParameters, Leaf::ResponseElements]
            }
            Test::Ip(_) => vec![Leaf::SourceIpAddress],
            Test::Errors | Test::ErrorCode(_) => Outcome::LEAVES.to_vec(),
            Test::ReadOnly(_) => vec![Leaf::ReadOnly, Leaf::EventName],
            Test::Text(_) => vec![Leaf::Raw],
            Test::Path(path, _) => vec![path.leaf()],
            Test::Account(_) => {
                vec![Leaf::RecipientAccountId, Leaf::IdentityAccountId, Leaf::PathAccount]
            }
            Test::Region(_) => vec![Leaf::AwsRegion, Leaf::PathRegion],
        }
    }

    /// A literal that must stand in the record, if one is certain.
    fn needle(&self) -> Option<Vec<u8>> {
        match self {
            Test::Name(patterns) => single(patterns)?.needle(),
            // Hosts are written in small letters only.
            Test::Service(patterns) => single(patterns)?.literal().map(|host| host.as_bytes().to_vec()),
            Test::Key(key) => Some(key.as_bytes().to_vec()),
            Test::Text(pattern) => pattern.needle(),
            Test::Path(path, Some(pattern)) if path.is_text() => pattern.needle(),
            _ => None,
        }
    }

    /// A closure that tests the rows of `batch`.
    fn prepare<'a>(&'a self, batch: &'a EventBatch) -> Box<dyn Fn(usize) -> bool + 'a> {
        let texts = |leaf| Texts::of(batch, leaf);
        let any = |patterns: &'a [Pattern], leaf: Leaf| -> Box<dyn Fn(usize) -> bool + 'a> {
            let texts = texts(leaf);
            Box::new(move |row| {
                texts.get(row).is_some_and(|text| patterns.iter().any(|pattern| pattern.matches(text)))
            })
        };
        match self {
            Test::Name(patterns) => any(patterns, Leaf::EventName),
            Test::Service(patterns) => any(patterns, Leaf::EventSource),
            Test::Actor(pattern) => {
                let who = Who::of(batch);
                let columns: Vec<Texts> = self.leaves().into_iter().map(texts).collect();
                Box::new(move |row| {
                    columns.iter().any(|column| column.get(row).is_some_and(|text| pattern.matches(text)))
                        || pattern.matches(&who.name(row))
                })
            }
            Test::Key(key) => {
                let own = texts(Leaf::IdentityAccessKeyId);
                let spoken = [texts(Leaf::RequestParameters), texts(Leaf::ResponseElements)];
                Box::new(move |row| {
                    own.get(row) == Some(key)
                        || spoken.iter().any(|text| text.get(row).is_some_and(|text| holds_word(text, key)))
                })
            }
            Test::Ip(network) => {
                let address = texts(Leaf::SourceIpAddress);
                Box::new(move |row| address.get(row).is_some_and(|text| network.holds(text)))
            }
            Test::Errors => {
                let outcome = Outcome::of(batch);
                Box::new(move |row| outcome.error(row).is_some())
            }
            Test::ErrorCode(patterns) => {
                let outcome = Outcome::of(batch);
                Box::new(move |row| {
                    outcome
                        .error(row)
                        .is_some_and(|code| patterns.iter().any(|pattern| pattern.matches(code)))
                })
            }
            Test::ReadOnly(wanted) => {
                let (flags, name) = (batch.flags(Leaf::ReadOnly), texts(Leaf::EventName));
                Box::new(move |row| is_read(flags.as_ref(), name.get(row), row) == *wanted)
            }
            Test::Text(pattern) => {
                let raw = texts(Leaf::Raw);
                Box::new(move |row| raw.get(row).is_some_and(|raw| stands_in(pattern, raw)))
            }
            Test::Path(path, pattern) => {
                let values = path.of(batch);
                Box::new(move |row| match pattern {
                    None => !values.get(row).is_empty(),
                    Some(pattern) => values.get(row).iter().any(|value| pattern.matches(value)),
                })
            }
            Test::Account(accounts) => one_of(accounts, self.leaves().into_iter().map(texts).collect()),
            Test::Region(regions) => one_of(regions, self.leaves().into_iter().map(texts).collect()),
        }
    }
}

fn passes(tests: &[Test], batch: &EventBatch) -> BooleanArray {
    let prepared: Vec<_> = tests.iter().map(|test| test.prepare(batch)).collect();
    (0..batch.rows()).map(|row| Some(prepared.iter().all(|test| test(row)))).collect()
}

fn one_of<'a>(wanted: &'a [String], columns: Vec<Texts>) -> Box<dyn Fn(usize) -> bool + 'a> {
    Box::new(move |row| {
        columns.iter().any(|column| column.get(row).is_some_and(|text| wanted.iter().any(|one| one == text)))
    })
}

fn single(patterns: &[Pattern]) -> Option<&Pattern> {
    match patterns {
        [only] => Some(only),
        _ => None,
    }
}

/// Records before version 1.01 have no `readOnly`; then the name tells.
fn is_read(flags: Option<&BooleanArray>, name: Option<&str>, row: usize) -> bool {
    use arrow::array::Array;
    match flags {
        Some(flags) if !flags.is_null(row) => flags.value(row),
        _ => name.is_some_and(|name| {
            ["Get", "List", "Describe", "Head", "Lookup"].iter().any(|verb| name.starts_with(verb))
        }),
    }
}

/// True if `word` stands in `text` as a whole JSON string.
fn holds_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let is_edge = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
        is_edge(before) && is_edge(after)
    })
}

/// True if `pattern` fits the record, as delivered or with its escapes undone.
fn stands_in(pattern: &Pattern, raw: &str) -> bool {
    pattern.matches(raw) || raw.contains('\\') && pattern.matches(&unescaped(raw))
}

fn unescaped(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = &rest[at + 1..];
        let (c, length) = match escape.chars().next() {
            Some('n') => ('\n', 1),
            Some('t') => ('\t', 1),
            Some('r') => ('\r', 1),
            Some('u') => {
                let code = escape.get(1..5).and_then(|code| u32::from_str_radix(code, 16).ok());
                (code.and_then(char::from_u32).unwrap_or('\u{fffd}'), 5)
            }
            Some(other) => (other, other.len_utf8()),
            None => ('\\', 0),
        };
        out.push(c);
        rest = escape.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// `10.0.0.0/8`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    bits: u128,
    length: u32,
    is_v4: bool,
}

impl Network {
    fn parse(text: &str) -> Result<Network, Failure> {
        let wrong = || {
            Failure::new(
                format!("`{text}` is not an address or network"),
                "write `203.0.113.7`, `10.0.0.0/8` or `2001:db8::/32`",
            )
        };
        let (address, length) =
            text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => most,
            Some(length) => length.parse().ok().filter(|length| *length <= most).ok_or_else(wrong)?,
        };
        Ok(Network { bits: bits(address), length, is_v4: address.is_ipv4() })
    }

    fn holds(self, text: &str) -> bool {
        let Ok(address) = text.parse::<IpAddr>() else {
            return false;
        };
        let address = address.to_canonical();
        let width = if self.is_v4 { 32 } else { 128 };
        let shift = width - self.length;
        address.is_ipv4() == self.is_v4
            && bits(address).checked_shr(shift).unwrap_or(0) == self.bits.checked_shr(shift).unwrap_or(0)
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(args: &FilterArgs, records: &[&str]) -> Vec<usize> {
        let filters = Filters::new(args, &Selection::default()).expect("good filters");
        let mut request = Request::new(Projection::NONE);
        filters.apply(&mut request);
        let text = format!("{{\"Records\":[{}]}}", records.join(","));
        let plan = pugmark_decode::Plan {
            projection: request.projection,
            needles: Vec::new(),
            limits: pugmark_event::Limits::default(),
        };
        let (batches, tally) = pugmark_decode::decode(text.as_bytes(), plan);
        assert_eq!(tally.rows as usize, records.len(), "{:?}", tally.defects);
        let answer = request.filter.expect("a filter")(&batches[0]).expect("an answer");
        (0..records.len()).filter(|row| answer.value(*row)).collect()
    }

    fn record(members: &str) -> String {
        format!(
            r#"{{"eventVersion":"1.08","eventTime":"2026-01-01T00:00:00Z","eventID":"1","eventSource":"iam.amazonaws.com",{members}}}"#
        )
    }

    #[test]
    fn each_filter_finds_its_events() {
        let records = [
            record(
                r#""eventName":"CreateUser","userIdentity":{"type":"IAMUser","userName":"alice","accessKeyId":"AKIA1"},"sourceIPAddress":"10.1.2.3","readOnly":false,"requestParameters":{"userName":"bob","tags":[{"key":"team","value":"red"}]}"#,
            ),
            record(
                r#""eventName":"GetUser","userIdentity":{"type":"Root"},"sourceIPAddress":"2001:db8::7","readOnly":true,"errorCode":"AccessDenied","userAgent":"a \"b\" \u0063""#,
            ),
            record(
                r#""eventName":"ConsoleLogin","userIdentity":{"type":"IAMUser","userName":"carol"},"sourceIPAddress":"AWS Internal","responseElements":{"ConsoleLogin":"Failure"},"requestParameters":{"accessKeyId":"AKIA1"}"#,
            ),
        ];
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        let one = |text: &str| vec![text.to_owned()];
        let none = FilterArgs::default;
        for (args, expected) in [
            (FilterArgs { name: one("Create*"), ..none() }, vec![0]),
            (
                FilterArgs { name: vec!["getuser".to_owned(), "ConsoleLogin".to_owned()], ..none() },
                vec![1, 2],
            ),
            (FilterArgs { service: one("iam"), ..none() }, vec![0, 1, 2]),
            (FilterArgs { service: one("s3"), ..none() }, vec![]),
            (FilterArgs { actor: one("alice"), ..none() }, vec![0]),
            (FilterArgs { actor: one("root"), ..none() }, vec![1]),
            (FilterArgs { key: one("AKIA1"), ..none() }, vec![0, 2]),
            (FilterArgs { key: one("AKIA"), ..none() }, vec![]),
            (FilterArgs { ip: one("10.0.0.0/8"), ..none() }, vec![0]),
            (FilterArgs { ip: one("2001:db8::/32"), ..none() }, vec![1]),
            (FilterArgs { errors: true, ..none() }, vec![1, 2]),
            (FilterArgs { error_code: one("*Denied"), ..none() }, vec![1]),
            (FilterArgs { reads: true, ..none() }, vec![1]),
            (FilterArgs { writes: true, ..none() }, vec![0, 2]),
            (FilterArgs { text: one("a \"b\" c"), ..none() }, vec![1]),
            (FilterArgs { path: one("requestParameters.userName=b*"), ..none() }, vec![0]),
            (FilterArgs { path: one("requestParameters.tags.value=red"), ..none() }, vec![0]),
            (FilterArgs { path: one("requestParameters.accessKeyId"), ..none() }, vec![2]),
            (FilterArgs { path: one("userIdentity.type=Root"), ..none() }, vec![1]),
            (FilterArgs { condition: Some("eventName = 'GetUser'".to_owned()), ..none() }, vec![1]),
            (
                FilterArgs { condition: Some("errorCode IS NULL".to_owned()), writes: true, ..none() },
                vec![0, 2],
            ),
        ] {
            assert_eq!(found(&args, &records), expected, "{args:?}");
        }
    }

    #[test]
    fn a_network_is_an_address_with_a_length() {
        for text in ["10.0.0.1/33", "10.0.0", "x", "::1/129", "10.0.0.0/-1"] {
            assert!(Network::parse(text).is_err(), "{text}");
        }
        let network = |text: &str| Network::parse(text).expect("a network");
        assert!(network("0.0.0.0/0").holds("203.0.113.7"));
        assert!(network("203.0.113.7").holds("203.0.113.7"));
        assert!(!network("203.0.113.7").holds("203.0.113.8"));
        assert!(!network("10.0.0.0/8").holds("ec2.amazonaws.com"));
        assert!(!network("0.0.0.0/0").holds("::1"));
        assert!(network("10.0.0.0/8").holds("::ffff:10.0.0.1"));
    }

    #[test]
    fn needles_are_only_what_every_match_holds() {
        let needles = |args: &FilterArgs| Filters::new(args, &Selection::default()).expect("filters").needles;
        let one = |text: &str| vec![text.to_owned()];
        let args =
            FilterArgs { name: one("StopLogging"), service: one("cloudtrail"), ..FilterArgs::default() };
        assert_eq!(needles(&args), [b"StopLogging".to_vec(), b"cloudtrail.amazonaws.com".to_vec()]);
        let args = FilterArgs { name: one("stoplogging"), actor: one("Alice"), ..FilterArgs::default() };
        assert_eq!(needles(&args), Vec::<Vec<u8>>::new());
    }
}
