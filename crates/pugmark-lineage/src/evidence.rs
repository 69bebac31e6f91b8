//! What says that a request is the cause of an act, as sentences.

use std::fmt;

use crate::attribution::{Attribution, Decision, Ground, Level};
use crate::names::Name;
use crate::requests::Token;
use crate::tokens::Noun;

/// One piece of evidence; shown as a sentence without a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Both records carry one shared event id.
    SharedEvent {
        /// The id.
        id: String,
    },
    /// Both name the same thing.
    SameName {
        /// What it is.
        noun: Noun,
        /// Its name, with its scope.
        name: String,
        /// The request itself gave the name out.
        is_given: bool,
    },
    /// One thing that the event names belongs to another.
    Belongs {
        /// What it is.
        noun: Noun,
        /// Its name.
        name: String,
        /// What it belongs to.
        owner_noun: Noun,
        /// The owner's name.
        owner: String,
        /// Event that names both.
        event_id: String,
    },
    /// What the event names is part of what the request is about, or the other way round.
    PartOf {
        /// What both have in common.
        noun: Noun,
        /// Its name.
        name: String,
    },
    /// The service acts with a role that the request passed.
    PassedRole {
        /// The role, with its account.
        role: String,
    },
    /// The service acts with the identity of who made the request.
    SameCaller {
        /// Principal id.
        principal: String,
    },
    /// What the same session of the service's role did right before and after was done because of the request.
    SameSession,
    /// It is the only request of that time that makes the service act so.
    Only,
    /// The request was made shortly before.
    Before {
        /// Seconds from the request to the event; below zero if the event was recorded first.
        seconds: i64,
    },
    /// Another service stands between.
    Via {
        /// What it did.
        event: String,
        /// The service.
        service: String,
        /// Event id.
        event_id: String,
    },
}

/// What stands for `decision` about an act at `time`.
pub(crate) fn of(all: &Attribution, decision: &Decision, time: i64) -> Vec<Evidence> {
    let direct = &all.deeds[decision.direct as usize];
    let text = |name: Name| all.names.text(name).to_owned();
    let mut evidence = Vec::new();
    match decision.ground {
        Ground::SharedEvent => evidence.push(Evidence::SharedEvent { id: text(direct.shared) }),
        Ground::Name { own, matched, level } => {
            evidence.extend(ladder(all, own, matched));
            let (noun, name) = (matched.noun, text(matched.text));
            let is_given = direct.tokens.iter().any(|(token, is_answer)| *is_answer && *token == matched);
            evidence.push(match level {
                Level::Exact | Level::Loose => Evidence::SameName { noun, name, is_given },
                Level::Near => Evidence::PartOf { noun, name },
                Level::Passed => Evidence::PassedRole { role: name },
            });
        }
        Ground::SameCaller => evidence.push(Evidence::SameCaller { principal: text(direct.principal_id()) }),
        Ground::Session => evidence.push(Evidence::SameSession),
        Ground::Alone => evidence.push(Evidence::Only),
    }
    let mut place = decision.direct;
    while let Some(reason) = all.reasons[place as usize].filter(|_| place != decision.root) {
        let deed = &all.deeds[place as usize];
        let (event, service, event_id) = (text(deed.name), text(deed.service), text(deed.event_id));
        evidence.push(Evidence::Via { event, service, event_id });
        place = reason.direct;
    }
    let root = &all.deeds[decision.root as usize];
    evidence.push(Evidence::Before { seconds: (time - root.time).div_euclid(1_000_000) });
    evidence
}

/// The steps from `own` up to `matched`, the shortest way; nothing if they are one.
fn ladder(all: &Attribution, own: Token, matched: Token) -> Vec<Evidence> {
    let mut ways: Vec<(Token, Option<usize>, Name)> = vec![(own, None, Name::NONE)];
    let mut next = 0;
    while let Some((token, ..)) = ways.get(next).copied().filter(|(token, ..)| *token != matched) {
        for (owner, event_id) in all.owners.get(&token).into_iter().flatten() {
            if ways.iter().all(|(known, ..)| known != owner) {
                ways.push((*owner, Some(next), *event_id));
            }
        }
        next += 1;
    }
    let text = |name: Name| all.names.text(name).to_owned();
    let mut steps = Vec::new();
    while let Some((owner, Some(below), event_id)) = ways.get(next).copied() {
        let owned = ways[below].0;
        steps.push(Evidence::Belongs {
            noun: owned.noun,
            name: text(owned.text),
            owner_noun: owner.noun,
            owner: text(owner.text),
            event_id: text(event_id),
        });
        next = below;
    }
    steps.reverse();
    steps
}

impl fmt::Display for Evidence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Evidence::SharedEvent { id } => write!(out, "both records carry the shared event id `{id}`"),
            Evidence::SameName { noun, name, is_given: true } => {
                write!(out, "it names the {} `{name}`, which the request gave out", noun.as_str())
            }
            Evidence::SameName { noun, name, .. } => {
                write!(out, "the request names the same {} `{name}`", noun.as_str())
            }
            Evidence::Belongs { noun, name, owner_noun, owner, event_id } => write!(
                out,
                "{} `{name}` belongs to {} `{owner}`, as event `{event_id}` says",
                noun.as_str(),
                owner_noun.as_str()
            ),
            Evidence::PartOf { noun, name } => {
                write!(out, "the request is about a part of the same {} `{name}`", noun.as_str())
            }
            Evidence::PassedRole { role } => {
                write!(out, "the service acts with the role `{role}` of the request")
            }
            Evidence::SameCaller { principal } => {
                write!(out, "the service acts with the identity of who asked, `{principal}`")
            }
            Evidence::SameSession => {
                write!(
                    out,
                    "the same session of the role acted because of this request right before or after"
                )
            }
            Evidence::Only => write!(out, "no other request of that time makes this service act so"),
            Evidence::Before { seconds } if *seconds < 0 => {
                write!(out, "the request was recorded {} s after it", -seconds)
            }
            Evidence::Before { seconds } => write!(out, "the request came {seconds} s before"),
            Evidence::Via { event, service, event_id } => {
                write!(out, "by way of {event} by {service}, event `{event_id}`")
            }
        }
    }
}
