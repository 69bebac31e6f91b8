//! A finding in the words of each sink: lines, templates, Slack, Teams.
//!
//! Texts of a finding come from logs, where an attacker may have written
//! them: none of them is ever markup here.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::state::Letter;
use crate::exit::Failure;

/// Where letters go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Channel {
    Stdout,
    File,
    Webhook,
    Slack,
    Teams,
}

impl Channel {
    pub(super) const ALL: [Channel; 5] =
        [Channel::Stdout, Channel::File, Channel::Webhook, Channel::Slack, Channel::Teams];

    pub(super) fn name(self) -> &'static str {
        match self {
            Channel::Stdout => "stdout",
            Channel::File => "file",
            Channel::Webhook => "webhook",
            Channel::Slack => "slack",
            Channel::Teams => "teams",
        }
    }
}

/// Members of a finding that a template may name.
pub(super) const FIELDS: [&str; 19] = [
    "id",
    "level",
    "title",
    "rule",
    "source",
    "file",
    "actor",
    "first",
    "last",
    "count",
    "accounts",
    "regions",
    "addresses",
    "calls",
    "errors",
    "techniques",
    "tactics",
    "description",
    "references",
];

/// Text with `{{title}}` in it.
#[derive(Debug)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(&'static str),
}

impl Template {
    pub(super) fn read(path: &Path) -> Result<Template, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::bare(format!("cannot read `{}`: {error}", path.display())))?;
        Template::parse(&text).map_err(|why| {
            let hint = format!("fields are {}", FIELDS.join(", "));
            Failure::new(format!("cannot use `{}`: {why}", path.display()), hint)
        })
    }

    fn parse(text: &str) -> Result<Template, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            pieces.push(Piece::Text(before.to_owned()));
            let (name, after) = after.split_once("}}").ok_or_else(|| "a `{{` has no `}}`".to_owned())?;
            let field = FIELDS.iter().find(|field| **field == name.trim());
            pieces.push(Piece::Field(field.ok_or_else(|| format!("there is no field `{}`", name.trim()))?));
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Template(pieces))
    }

    /// Fills in what a finding says, escaped as inside a JSON string.
    fn fill(&self, finding: &Value) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Field(name) => {
                let quoted = Value::from(words(&finding[*name])).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
        };
        self.0.iter().map(piece).collect()
    }
}

/// A member of a finding as one text.
pub(super) fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The body of a letter.
pub(super) fn body(letter: &Letter, template: Option<&Template>) -> String {
    let finding = &letter.finding;
    match (letter.channel, template) {
        (Channel::Slack, _) => slack(finding).to_string(),
        (Channel::Teams, _) => teams(finding).to_string(),
        (Channel::Webhook, Some(template)) => template.fill(finding),
        (Channel::Webhook | Channel::Stdout | Channel::File, _) => finding.to_string(),
    }
}

/// `HIGH  2026-08-01T10:00:00Z  Trail stopped  alice  StopLogging  111122223333 us-east-1`
pub(super) fn line(finding: &Value) -> String {
    let level = words(&finding["level"]).to_uppercase();
    let place = [words(&finding["accounts"]), words(&finding["regions"])].join(" ");
    let parts = [&finding["first"], &finding["title"], &finding["actor"], &finding["calls"]].map(words);
    format!("{level:<8}  {}  {place}", parts.join("  "))
}

/// What a message for people says, by name.
fn facts(finding: &Value) -> Vec<(&'static str, String)> {
    let names = [
        ("Actor", "actor"),
        ("First", "first"),
        ("Last", "last"),
        ("Account", "accounts"),
        ("Region", "regions"),
        ("Address", "addresses"),
        ("Calls", "calls"),
        ("Errors", "errors"),
        ("Finding", "id"),
    ];
    let fact = |(name, member): (&'static str, &str)| {
        let text = cut(&words(&finding[member]), 500);
        (!text.is_empty()).then_some((name, text))
    };
    names.into_iter().filter_map(fact).collect()
}

fn headline(finding: &Value) -> String {
    cut(&format!("{}: {}", words(&finding["level"]).to_uppercase(), words(&finding["title"])), 140)
}

fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max - 1).chain(['…']).collect()
}

/// Source: Slack, "Block Kit reference", `header` and `section`; "Escaping text".
fn slack(finding: &Value) -> Value {
    let plain = |text: String| json!({"type": "plain_text", "emoji": false, "text": text});
    let fields: Vec<Value> =
        facts(finding).into_iter().map(|(name, text)| plain(format!("{name}: {text}"))).collect();
    let head = headline(finding);
    let notice = format!("{head}, by {}", cut(&words(&finding["actor"]), 200));
    let notice = notice.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({"text": notice, "blocks": [
        {"type": "header", "text": plain(head)},
        {"type": "section", "fields": fields},
    ]})
}

/// Source: Microsoft, "Create an Incoming Webhook", Adaptive Cards 1.4; runs of a
/// `RichTextBlock` know no Markdown.
fn teams(finding: &Value) -> Value {
    let run = |text: String, is_bold: bool| {
        let weight = if is_bold { "Bolder" } else { "Default" };
        json!({"type": "TextRun", "text": text, "weight": weight})
    };
    let mut blocks = vec![json!({"type": "RichTextBlock", "inlines": [run(headline(finding), true)]})];
    for (name, text) in facts(finding) {
        blocks.push(json!({"type": "RichTextBlock",
            "inlines": [run(format!("{name}: "), true), run(text, false)]}));
    }
    json!({"type": "message", "attachments": [{
        "contentType": "application/vnd.microsoft.card.adaptive",
        "content": {"$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard", "version": "1.4", "body": blocks},
    }]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_knows_fields_and_escapes_what_they_say() {
        let template =
            Template::parse(r#"{"text":"{{ title }} by {{actor}}: {{calls}}"}"#).expect("a template");
        let finding = json!({"title": "a \"b\"\n", "actor": "{{id}}", "calls": ["x", "y"]});
        assert_eq!(template.fill(&finding), r#"{"text":"a \"b\"\n by {{id}}: x, y"}"#);
        assert_eq!(Template::parse("{{titel}}").expect_err("misspelt"), "there is no field `titel`");
        assert!(Template::parse("{{title").is_err());
    }

    #[test]
    fn names_from_logs_call_nobody_in_slack() {
        let finding = json!({"level": "high", "title": "T", "actor": "<!channel> & <http://x|y>"});
        let message = slack(&finding);
        assert_eq!(message["text"], "HIGH: T, by &lt;!channel&gt; &amp; &lt;http://x|y&gt;");
        assert_eq!(message["blocks"][1]["fields"][0]["type"], "plain_text");
        let card = teams(&finding)["attachments"][0]["content"]["body"].clone();
        assert_eq!(card[1]["inlines"][1]["text"], "<!channel> & <http://x|y>");
    }
}
