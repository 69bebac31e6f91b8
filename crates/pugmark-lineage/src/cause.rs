//! Why a service acted: the request at the beginning, the steps between, how sure it is, and what says so.
//!
//! What this tells is a conclusion, not a record: `CloudTrail` nowhere says which request a service acts on.

use pugmark_event::Leaf;

use crate::Row;
use crate::attribution::{Act, Attribution, Decision, Finding};
use crate::caller::Caller;
use crate::evidence::Evidence;
use crate::link::Confidence;
use crate::names::Name;
use crate::requests::{Deed, Habit, RequestFacts, Token, account_of, clues_of, service_of};
use crate::services;
use crate::tokens::{Clue, Noun, STACKS};

/// The requests of a whole input that made services act, and how to find the one behind an act.
#[derive(Clone, Debug, Default)]
pub struct Causes {
    pub(crate) all: Attribution,
}

/// What is known about why an event came to be.
#[derive(Clone, Debug)]
pub enum Why<'a> {
    /// No service had a hand in it: whoever made it did so by their own will.
    Own,
    /// A service made it because of a request.
    Caused(Cause<'a>),
    /// A service made it; several requests fit equally well.
    Ambiguous {
        /// Principal of the service.
        service: String,
        /// The requests, by time.
        candidates: Vec<Request<'a>>,
    },
    /// A service made it, and nothing says why.
    NoCause {
        /// Principal of the service.
        service: String,
        /// What another service asked for, where the chain ends with a service.
        after: Option<Request<'a>>,
    },
}

/// The cause of one event.
#[derive(Clone, Copy, Debug)]
pub struct Cause<'a> {
    causes: &'a Causes,
    decision: Decision,
    /// Time of the event, microseconds since 1970.
    time: i64,
}

/// A request to a control plane.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    causes: &'a Causes,
    place: u32,
}

impl Causes {
    /// The leaves that [`Causes::why`] reads, beside [`Caller::LEAVES`].
    pub const LEAVES: [Leaf; 10] = RequestFacts::LEAVES;

    pub(crate) fn of(facts: RequestFacts) -> Causes {
        Causes { all: Attribution::of(facts) }
    }

    /// Why the event of `row` came to be.
    pub fn why(&self, row: Row<'_>) -> Why<'_> {
        let caller = Caller::of(row);
        let Some(service) = service_of(&caller) else { return Why::Own };
        let source = row.text(Leaf::EventSource).unwrap_or_default();
        let may_be_known =
            row.text(Leaf::SharedEventId).is_some() || services::duties_of(service, source) != 0;
        let Some(time) = row.time().filter(|_| may_be_known) else {
            return Why::NoCause { service: service.to_owned(), after: None };
        };
        let request = |place| Request { causes: self, place };
        match self.all.search(&self.act(row, &caller, (service, time))) {
            Finding::Cause(decision) => Why::Caused(Cause { causes: self, decision, time }),
            Finding::Ambiguous(places) => {
                let candidates = places.into_iter().map(request).collect();
                Why::Ambiguous { service: service.to_owned(), candidates }
            }
            Finding::OfService(place) => {
                Why::NoCause { service: service.to_owned(), after: Some(request(place)) }
            }
            Finding::Nothing => Why::NoCause { service: service.to_owned(), after: None },
        }
    }

    fn act<'r>(&self, row: Row<'r>, caller: &Caller<'r>, (service, time): (&'r str, i64)) -> Act<'r> {
        let names = &self.all.names;
        let find = |text: Option<&str>| text.and_then(|text| names.find(text)).unwrap_or(Name::NONE);
        let (source, name) = (row.text(Leaf::EventSource), row.text(Leaf::EventName));
        let account = find(account_of(row));
        // A name that stands in no request and in no link of names leads nowhere, unless it begins with a stack's.
        let token = |clue: Clue| match clue.noun {
            Noun::Made if service == STACKS => self.all.stack_before(&clue.text),
            noun => Some(Token { noun, text: names.find(&clue.text)? }),
        };
        let tokens = clues_of(row, Some(service)).into_iter().filter_map(token);
        Act {
            event_id: row.text(Leaf::EventId).unwrap_or_default(),
            time,
            source: source.unwrap_or_default(),
            name: name.unwrap_or_default(),
            service,
            account,
            region: find(row.text(Leaf::AwsRegion)),
            shared: find(row.text(Leaf::SharedEventId)),
            class: caller.class(),
            session: (find(caller.principal_id), caller.created),
            opens: find(opened_session(row).as_deref()),
            habit: Habit { account, service: find(Some(service)), source: find(source), name: find(name) },
            tokens: tokens.chain(self.all.role_token(caller.issuer_arn)).collect(),
        }
    }

    /// All known requests that make services act, by time, then event id.
    pub fn requests(&self) -> impl Iterator<Item = Request<'_>> {
        (0..self.all.deeds.len() as u32).map(|place| Request { causes: self, place })
    }

    /// The request with that event id.
    pub fn request(&self, event_id: &str) -> Option<Request<'_>> {
        self.requests().find(|request| request.event_id() == event_id)
    }
}

impl<'a> Why<'a> {
    /// The cause, if there is one.
    pub fn cause(&self) -> Option<Cause<'a>> {
        match self {
            Why::Caused(cause) => Some(*cause),
            _ => None,
        }
    }
}

impl<'a> Cause<'a> {
    /// The request at the beginning, which no service made by itself.
    pub fn request(self) -> Request<'a> {
        Request { causes: self.causes, place: self.decision.root }
    }

    /// Requests of services between, first to last; empty if the event answers [`Cause::request`] itself.
    pub fn via(self) -> Vec<Request<'a>> {
        let mut via = Vec::new();
        let mut place = self.decision.direct;
        while place != self.decision.root {
            via.push(Request { causes: self.causes, place });
            match self.causes.all.reasons[place as usize] {
                Some(reason) => place = reason.direct,
                None => break,
            }
        }
        via.reverse();
        via
    }

    /// How sure it is: the weakest step counts.
    pub fn confidence(self) -> Confidence {
        self.decision.confidence
    }

    /// What says so, the strongest first.
    pub fn evidence(self) -> Vec<Evidence> {
        crate::evidence::of(&self.causes.all, &self.decision, self.time)
    }
}

impl<'a> Request<'a> {
    fn deed(self) -> &'a Deed {
        &self.causes.all.deeds[self.place as usize]
    }

    fn text(self, name: Name) -> &'a str {
        self.causes.all.names.text(name)
    }

    /// Event id.
    pub fn event_id(self) -> &'a str {
        self.text(self.deed().event_id)
    }

    /// `eventTime`, microseconds since 1970.
    pub fn time(self) -> i64 {
        self.deed().time
    }

    /// `eks.amazonaws.com`.
    pub fn source(self) -> &'a str {
        self.text(self.deed().source)
    }

    /// `DeleteNodegroup`.
    pub fn name(self) -> &'a str {
        self.text(self.deed().name)
    }

    /// Account whose trail recorded it.
    pub fn account(self) -> &'a str {
        self.text(self.deed().account)
    }

    /// Region that it was made to.
    pub fn region(self) -> &'a str {
        self.text(self.deed().region)
    }

    /// Who the record says made it.
    pub fn caller(self) -> Caller<'a> {
        self.deed().caller(&self.causes.all.names)
    }

    /// The service that made it, if one did.
    pub fn service(self) -> Option<&'a str> {
        self.causes.all.names.get(self.deed().service)
    }

    /// True if it was refused.
    pub fn is_failed(self) -> bool {
        self.deed().is_failed
    }

    /// What it names: `node group 111122223333/eu-west-1/prod/workers`, sorted.
    pub fn targets(self) -> Vec<String> {
        let words = |token: Token| format!("{} {}", token.noun.as_str(), self.text(token.text));
        self.deed().tokens.iter().map(|(token, _)| words(*token)).collect()
    }
}

impl PartialEq for Request<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place && std::ptr::eq(self.causes, other.causes)
    }
}

impl Eq for Request<'_> {}

/// Principal id of the session that a service opens by this event.
fn opened_session(row: Row<'_>) -> Option<String> {
    if row.text(Leaf::EventName) != Some("AssumeRole") {
        return None;
    }
    // A text that is no JSON was told of when it was decoded; here it opens nothing.
    let Ok(response) = serde_json::from_str::<serde_json::Value>(row.text(Leaf::ResponseElements)?) else {
        return None;
    };
    response.get("assumedRoleUser")?.get("assumedRoleId")?.as_str().map(str::to_owned)
}
