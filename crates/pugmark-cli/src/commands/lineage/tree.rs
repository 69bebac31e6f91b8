//! Chains of sessions as a tree for people, as JSON, and as a graph.
//!
//! ```text
//! user/alice@111122223333  human
//! └─ Admin/alice  3f2a91bc  AssumeRole 2026-01-15T10:00:00Z from 203.0.113.7
//!    └─ Deploy/ci  77aa01c2  AssumeRole 2026-01-15T10:02:00Z from 203.0.113.7
//! ```

use std::collections::BTreeSet;

use pugmark_lineage::{Counted, Session};
use serde_json::{Value, json};

use crate::printer::{Paint, Printer, Role, counted, escape, time_text};

/// Sessions of a tree that are printed; the rest is counted.
const SHOWN: usize = 200;

/// Formats that only chains have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A graph for Graphviz.
    Dot,
    /// A graph for Mermaid.
    Mermaid,
}

impl Form {
    /// What `--output` calls them.
    pub(super) const NAMES: [&'static str; 2] = ["dot", "mermaid"];

    /// The form called `name`.
    pub(super) fn named(name: &str) -> Option<Form> {
        match name {
            "dot" => Some(Form::Dot),
            "mermaid" => Some(Form::Mermaid),
            _ => None,
        }
    }
}

/// The chains above some sessions, and all that hangs below them.
pub(super) struct Tree<'a> {
    roots: Vec<Session<'a>>,
    /// Sessions on the way from a root to one that was asked for, or below one.
    shown: BTreeSet<String>,
    asked: BTreeSet<String>,
}

impl<'a> Tree<'a> {
    /// The tree of the sessions `asked`.
    pub(super) fn of(asked: &[Session<'a>]) -> Tree<'a> {
        let mut tree = Tree {
            roots: Vec::new(),
            shown: BTreeSet::new(),
            asked: asked.iter().map(|session| key(*session)).collect(),
        };
        for session in asked {
            let chain = session.chain();
            if let Some(root) = chain.first().filter(|root| !tree.roots.contains(root)) {
                tree.roots.push(*root);
            }
            tree.shown.extend(chain.into_iter().map(key));
            tree.shown.extend(session.tree().into_iter().map(|node| key(node.session)));
        }
        tree
    }

    /// The chain above one session, without what hangs below it.
    pub(super) fn of_chain(asked: Session<'a>) -> Tree<'a> {
        let chain = asked.chain();
        Tree {
            roots: chain.first().copied().into_iter().collect(),
            shown: chain.into_iter().map(key).collect(),
            asked: std::iter::once(key(asked)).collect(),
        }
    }

    /// Every session of the tree with its depth, in the order of printing.
    fn nodes(&self) -> impl Iterator<Item = (usize, Session<'a>)> {
        let of_root = |root: &Session<'a>| root.tree();
        self.roots
            .iter()
            .flat_map(of_root)
            .filter(|node| self.shown.contains(&key(node.session)))
            .map(|node| (node.depth, node.session))
    }

    /// The sessions that were asked for and all that hang below them, each once.
    pub(super) fn below(&self) -> Vec<Session<'a>> {
        let mut top: Option<usize> = None;
        let is_below = |(depth, session): &(usize, Session<'a>)| {
            top = top.filter(|top| depth > top);
            if top.is_none() && self.asked.contains(&key(*session)) {
                top = Some(*depth);
            }
            top.is_some()
        };
        self.nodes().filter(is_below).map(|(_, session)| session).collect()
    }

    /// For people.
    pub(super) fn text(&self, printer: &Printer) -> String {
        let paint = printer.paint();
        let nodes: Vec<(usize, Session<'a>)> = self.nodes().collect();
        let mut out = String::new();
        for (index, (depth, session)) in nodes.iter().enumerate().take(SHOWN) {
            if *depth == 0 {
                let actor = session.actor();
                let kind = paint.role(Role::Literal, actor.kind().as_str());
                put!(out, "{}  {kind}\n", paint.role(Role::Strong, &escape(actor.text())));
            }
            let later = &nodes[index + 1..];
            put!(out, "{}{}\n", branches(*depth, later), self.line(*session, printer, paint));
        }
        if nodes.len() > SHOWN {
            put!(out, "… and {}\n", counted((nodes.len() - SHOWN) as u64, "more session"));
        }
        out
    }

    fn line(&self, session: Session<'_>, printer: &Printer, paint: Paint) -> String {
        let zone = printer.zone();
        let mut line = String::new();
        let name = escape(&session.name()).into_owned();
        let role = if self.asked.contains(&key(session)) { Role::Warning } else { Role::Strong };
        put!(line, "{}", paint.role(role, &name));
        if session.is_session() {
            put!(line, "  {}", paint.role(Role::Literal, &session.id()));
        }
        if let Some(access_key) = session.access_key() {
            put!(line, " {}", escape(access_key));
        }
        if let Some(issuance) = session.issuance() {
            put!(line, "  by {}", issuance.kind().as_str());
            if let Some(time) = issuance.time() {
                put!(line, " {}", time_text(time, zone));
            }
            if let Some(address) = issuance.address() {
                put!(line, " from {}", escape(address));
            }
        } else if let Some(created) = session.created() {
            put!(line, "  opened {}", time_text(created, zone));
        }
        match session.mfa() {
            Some(true) => line.push_str(", MFA"),
            Some(false) => line.push_str(", no MFA"),
            None => {}
        }
        if let Some(link) = session.link() {
            put!(line, "  ({} by {})", link.confidence.as_str(), link.kind.as_str());
        }
        put!(line, "  {}", counted(session.events(), "event"));
        if session.errors() > 0 {
            put!(line, ", {}", counted(session.errors(), "error"));
        }
        if self.asked.contains(&key(session)) {
            line.push_str("  ◀");
        }
        line
    }

    /// For machines: nodes with the id of the one above.
    pub(super) fn json(&self) -> Value {
        self.nodes().map(|(depth, session)| session_json(session, depth)).collect()
    }

    /// For Graphviz or Mermaid.
    pub(super) fn graph(&self, form: Form) -> String {
        let nodes: Vec<(usize, Session<'a>)> = self.nodes().collect();
        let mut out = String::from(if form == Form::Dot {
            "digraph chain {\n  rankdir=LR;\n  node [shape=box];\n"
        } else {
            "graph LR\n"
        });
        let mut above: Vec<usize> = Vec::new();
        for (number, (depth, session)) in nodes.iter().enumerate() {
            above.truncate(*depth);
            let label = graph_label(*session);
            match (form, above.last()) {
                (Form::Dot, None) => put!(out, "  n{number} [label=\"{label}\"];\n"),
                (Form::Dot, Some(parent)) => put!(
                    out,
                    "  n{number} [label=\"{label}\"];\n  n{parent} -> n{number} [label=\"{}\"];\n",
                    edge_label(*session)
                ),
                (_, None) => put!(out, "  n{number}[\"{label}\"]\n"),
                (_, Some(parent)) => put!(
                    out,
                    "  n{number}[\"{label}\"]\n  n{parent} -->|\"{}\"| n{number}\n",
                    edge_label(*session)
                ),
            }
            above.push(number);
        }
        out.push_str(if form == Form::Dot { "}\n" } else { "" });
        out
    }
}

/// What tells a session from any other: parties without a credential have no short id.
fn key(session: Session<'_>) -> String {
    format!("{} {} {:?}", session.id(), session.name(), session.principal_id())
}

/// The lines that lead to a node at `depth`, given the nodes after it.
fn branches(depth: usize, later: &[(usize, Session<'_>)]) -> String {
    let continues = |level: usize| {
        later.iter().take_while(|(other, _)| *other >= level).any(|(other, _)| *other == level)
    };
    let mut out = String::new();
    for level in 1..depth {
        out.push_str(if continues(level) { "│  " } else { "   " });
    }
    if depth > 0 {
        out.push_str(if continues(depth) { "├─ " } else { "└─ " });
    }
    out
}

/// Text that neither graph language can take for its own: letters of a set, anything else as `_`.
fn plain(text: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_/.@:+=, ".contains(letter);
    text.chars().map(|letter| if is_plain(letter) { letter } else { '_' }).collect()
}

fn graph_label(session: Session<'_>) -> String {
    let mut label = plain(&session.name());
    if session.is_session() {
        put!(label, " {}", session.id());
    }
    put!(label, " {}", plain(&counted(session.events(), "event")));
    label
}

fn edge_label(session: Session<'_>) -> String {
    let kind = session.issuance().map(|issuance| issuance.kind().as_str());
    let link = session.link();
    let how = kind.or(link.as_ref().map(|link| link.kind.as_str())).unwrap_or("opened");
    plain(how)
}

/// One session as JSON.
pub(super) fn session_json(session: Session<'_>, depth: usize) -> Value {
    let time = |time: Option<i64>| time.map(pugmark_event::format_time);
    let counts = |what: Counted| -> Value {
        let counts = session.counts(what);
        let mut kept: serde_json::Map<String, Value> =
            counts.kept.iter().map(|(text, count)| ((*text).to_owned(), json!(count))).collect();
        if counts.rest > 0 {
            kept.insert("…".to_owned(), json!(counts.rest));
        }
        Value::Object(kept)
    };
    let link = session.link();
    let issuance = session.issuance().map(|issuance| {
        json!({
            "event": issuance.kind().as_str(), "time": time(issuance.time()), "id": issuance.event_id(),
            "ids": issuance.events(), "from": issuance.address(), "agent": issuance.agent(), "mfa": issuance.mfa(),
        })
    });
    json!({
        "session": session.is_session().then(|| session.id()),
        "name": session.name(),
        "depth": depth,
        "above": session.above().filter(|above| above.is_session()).map(Session::id),
        "actor": session.actor().text(),
        "actor_type": session.actor().kind().as_str(),
        "confidence": session.confidence().as_str(),
        "access_key_id": session.access_key(),
        "principal_id": session.principal_id(),
        "arn": session.arn(),
        "role": session.role(),
        "account": session.account(),
        "link": link.as_ref().map(|link| json!({
            "kind": link.kind.as_str(), "confidence": link.confidence.as_str(), "events": link.events,
        })),
        "issued": issuance,
        "created": time(session.created()),
        "first": time(session.first_seen()),
        "last": time(session.last_seen()),
        "mfa": session.mfa(),
        "events": session.events(),
        "errors": session.errors(),
        "calls": counts(Counted::Call),
        "regions": counts(Counted::Region),
        "accounts": counts(Counted::Account),
        "addresses": counts(Counted::Address),
        "agents": counts(Counted::Agent),
        "error_codes": counts(Counted::Error),
        "suspicions": session.suspicions()
            .map(|one| json!({"kind": one.kind().as_str(), "about": one.about()})).collect::<Vec<_>>(),
    })
}
