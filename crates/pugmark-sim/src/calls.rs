//! The table of API calls: what each looks like and who makes it.

use std::collections::HashMap;

use crate::template::Template;

const TABLE: &str = include_str!("calls.txt");

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Call {
    /// Host of the service, `ec2.amazonaws.com`.
    pub(crate) source: String,
    pub(crate) service: &'static str,
    pub(crate) name: &'static str,
    /// Which of several shapes of one call, such as `trail`.
    pub(crate) variant: &'static str,
    pub(crate) api_version: &'static str,
    pub(crate) event_version: &'static str,
    /// Recorded in us-east-1, wherever the caller is.
    pub(crate) global: bool,
    pub(crate) read_only: bool,
    pub(crate) data: bool,
    pub(crate) request: Template,
    pub(crate) response: Template,
    pub(crate) resource_type: &'static str,
    pub(crate) resource: Template,
    pub(crate) additional: Template,
}

/// The whole table, with the ways into it.
pub(crate) struct Calls {
    all: Vec<Call>,
    by_name: HashMap<&'static str, Vec<usize>>,
    /// For each tag, call indexes repeated by weight.
    by_tag: HashMap<char, Vec<usize>>,
}

impl Calls {
    pub(crate) fn load() -> Calls {
        let mut calls = Calls { all: Vec::new(), by_name: HashMap::new(), by_tag: HashMap::new() };
        let mut service = "";
        for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(heading) = line.strip_prefix('[') {
                service = heading.trim_end_matches(']');
            } else {
                calls.add(service, line);
            }
        }
        calls
    }

    /// The call at an index the table gave.
    pub(crate) fn get(&self, index: usize) -> &Call {
        &self.all[index]
    }

    /// A call by service and name, as scripted scenes ask for it.
    pub(crate) fn find(&self, service: &str, name: &str) -> usize {
        let found = self.by_name.get(name).into_iter().flatten().copied();
        let mut of_service =
            found.filter(|index| self.all[*index].service == service && self.all[*index].variant.is_empty());
        of_service.next().expect("scripted calls are in the table, and a test plays every script")
    }

    /// The calls that callers with this tag make, repeated by weight.
    pub(crate) fn tagged(&self, tag: char) -> &[usize] {
        self.by_tag.get(&tag).map_or(&[], Vec::as_slice)
    }

    fn add(&mut self, heading: &'static str, line: &'static str) {
        let mut heads = heading.split(' ');
        let service = heads.next().unwrap_or_default();
        let api_version = heads.next().unwrap_or_default();
        let event_version = heads.next().unwrap_or_default();
        let mut fields = line.split(" | ");
        let (name, variant) = split(fields.next().unwrap_or_default(), '#');
        let mut mode = fields.next().unwrap_or_default().split(' ');
        let access = mode.next().unwrap_or_default();
        let tags = mode.next().unwrap_or_default();
        let weight: usize = mode.next().and_then(|text| text.parse().ok()).unwrap_or(1);
        let mut template = || parse(fields.next().unwrap_or_default());
        let (request, response) = (template(), template());
        let (resource_type, resource) = split(fields.next().unwrap_or_default(), ' ');
        let additional = parse(fields.next().unwrap_or_default());
        let index = self.all.len();
        self.by_name.entry(name).or_default().push(index);
        for tag in tags.chars().filter(|tag| *tag != '-') {
            self.by_tag.entry(tag).or_default().extend(std::iter::repeat_n(index, weight));
        }
        self.all.push(Call {
            source: format!("{service}.amazonaws.com"),
            service,
            name,
            variant,
            api_version: if api_version == "-" { "" } else { api_version },
            event_version,
            global: heads.next() == Some("global"),
            read_only: access.starts_with('r'),
            data: access.ends_with('D'),
            request,
            response,
            resource_type,
            resource: parse(resource),
            additional,
        });
    }
}

fn split(text: &'static str, mark: char) -> (&'static str, &'static str) {
    text.split_once(mark).unwrap_or((text, ""))
}

fn parse(text: &'static str) -> Template {
    let text = if text == "null" || text == "-" { "" } else { text };
    Template::parse(text).expect("the table is part of the program and a test reads every line")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::chance::Chance;
    use crate::template::Facts;

    #[test]
    fn the_table_has_hundreds_of_calls_of_many_services() {
        let calls = Calls::load();
        let names: BTreeSet<&str> = calls.all.iter().map(|call| call.name).collect();
        let services: BTreeSet<&str> = calls.all.iter().map(|call| call.service).collect();
        assert!(names.len() >= 250, "{}", names.len());
        assert!(services.len() >= 40, "{}", services.len());
    }

    #[test]
    fn every_text_of_the_table_is_json_once_filled() {
        let calls = Calls::load();
        let facts = Facts { account: "111122223333", region: "eu-west-1", time: 1_768_471_509, pick: 3 };
        let mut chance = Chance::new(1);
        for call in &calls.all {
            for template in [&call.request, &call.response, &call.additional] {
                let mut text = String::new();
                template.fill(&mut text, &facts, &mut chance);
                if !text.is_empty() {
                    let value: Result<serde_json::Value, _> = serde_json::from_str(&text);
                    assert!(value.is_ok(), "{}: {text}", call.name);
                }
            }
        }
    }

    #[test]
    fn every_kind_of_caller_has_calls() {
        let calls = Calls::load();
        for tag in "ctinlpksd".chars() {
            assert!(calls.tagged(tag).len() >= 20, "{tag}");
        }
    }
}
