//! Facts about credentials: who used which, when and for what, and which event issued it.
//!
//! Rows go in, in any order; nothing is concluded here.

use std::collections::BTreeMap;

use pugmark_event::{Leaf, format_time, is_account};

use crate::activity::{Activity, Counted};
use crate::caller::Caller;
use crate::identity::{Identity, greatest, least};
use crate::issuance::{IssuanceKind, Issued};
use crate::names::{Map, Name, Names, Renamed};
use crate::{ActorClass, Row};

/// What stands for one credential in records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Credential {
    /// Access key id.
    Key(Name),
    /// Bearer token id.
    Bearer(Name),
    /// No key recorded: principal id with session name, and time of issue.
    Grant(Name, i64),
    /// Neither: type and principal. Not a session, but somebody who can open one.
    Principal(Name, Name),
}

impl Credential {
    /// The text that the short id is made of; the same for any order of input.
    pub(crate) fn canonical(self, names: &Names) -> String {
        match self {
            Credential::Key(key) => format!("key {}", names.text(key)),
            Credential::Bearer(id) => format!("bearer {}", names.text(id)),
            Credential::Grant(id, created) => format!("grant {} {}", names.text(id), format_time(created)),
            Credential::Principal(kind, id) => format!("principal {} {}", names.text(kind), names.text(id)),
        }
    }

    pub(crate) fn renamed(self, renamed: &Renamed) -> Credential {
        match self {
            Credential::Key(key) => Credential::Key(renamed.of(key)),
            Credential::Bearer(id) => Credential::Bearer(renamed.of(id)),
            Credential::Grant(id, created) => Credential::Grant(renamed.of(id), created),
            Credential::Principal(kind, id) => Credential::Principal(renamed.of(kind), renamed.of(id)),
        }
    }

    /// The credential of `caller` by the names that `name` gives; `None` if a name is not known.
    pub(crate) fn of(caller: &Caller<'_>, mut name: impl FnMut(&str) -> Option<Name>) -> Option<Credential> {
        if let Some(key) = caller.access_key {
            return Some(Credential::Key(name(key)?));
        }
        if let Some(id) = caller.credential_id {
            return Some(Credential::Bearer(name(id)?));
        }
        let principal = caller.principal_id.or(caller.arn);
        if let (Some(principal), Some(created)) = (principal, caller.created) {
            return Some(Credential::Grant(name(principal)?, created));
        }
        let service = if caller.class() == ActorClass::Service { caller.invoked_by } else { None };
        let principal = service.or(principal).or(caller.behalf_user).or(caller.user_name).or(caller.account);
        Some(Credential::Principal(
            name(caller.kind.unwrap_or_default())?,
            name(principal.unwrap_or_default())?,
        ))
    }
}

/// First and last of some instants, microseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: Option<i64>,
    pub(crate) last: Option<i64>,
}

impl Span {
    pub(crate) fn include(&mut self, time: Option<i64>) {
        self.merge(Span { first: time, last: time });
    }

    pub(crate) fn merge(&mut self, other: Span) {
        self.first = least(self.first, other.first);
        self.last = greatest(self.last, other.last);
    }
}

/// What is known of one credential from its uses.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub(crate) credential: Credential,
    pub(crate) identity: Identity,
    pub(crate) span: Span,
    pub(crate) events: u64,
    pub(crate) errors: u64,
    pub(crate) activity: Activity,
}

/// What is known of one account whose trail is among the input.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Coverage {
    pub(crate) span: Span,
    /// Events that hand out temporary credentials.
    pub(crate) issuances: u64,
}

/// All facts about credentials.
#[derive(Clone, Debug, Default)]
pub(crate) struct CredentialFacts {
    pub(crate) names: Names,
    pub(crate) places: Map<Credential, u32>,
    pub(crate) uses: Vec<Use>,
    pub(crate) issued: Vec<Issued>,
    pub(crate) coverage: Map<Name, Coverage>,
    /// Names of Identity Center users by their id.
    pub(crate) people: Map<Name, Name>,
    /// `service:EventName` by its two names.
    calls: Map<(Name, Name), Name>,
    last: Last,
}

/// Names of the row before: files are of one account and Region, and calls come in groups.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    source: Name,
    event: Name,
    call: Name,
    region: Name,
    account: Name,
    address: Name,
    agent: Name,
}

impl CredentialFacts {
    /// The leaves that are read.
    pub(crate) const LEAVES: [Leaf; 15] = [
        Leaf::EventTime,
        Leaf::EventId,
        Leaf::EventName,
        Leaf::EventSource,
        Leaf::AwsRegion,
        Leaf::SourceIpAddress,
        Leaf::UserAgent,
        Leaf::ErrorCode,
        Leaf::RequestParameters,
        Leaf::ResponseElements,
        Leaf::AdditionalEventData,
        Leaf::RecipientAccountId,
        Leaf::SharedEventId,
        Leaf::VpcEndpointId,
        Leaf::VpcEndpointAccountId,
    ];

    /// Takes in one event.
    pub(crate) fn read(&mut self, row: Row<'_>) {
        let caller = Caller::of(row);
        let place = self.place(&caller);
        self.count(place, row, &caller);
        let (source, name) = (row.text(Leaf::EventSource), row.text(Leaf::EventName));
        let kind = source.zip(name).and_then(|(source, name)| IssuanceKind::of(source, name));
        let own_account = || caller.account.filter(|_| caller.class() != ActorClass::OutsideAccount);
        let account = match row.text(Leaf::RecipientAccountId).or_else(own_account) {
            Some(account) => self.names.intern_after(&mut self.last.account, account),
            None => Name::NONE,
        };
        let coverage = self.coverage.entry(account).or_default();
        coverage.span.include(row.time());
        if let Some(kind) = kind
            && let Some(issued) = Issued::read(kind, row, place as u32, &mut self.names)
        {
            coverage.issuances += u64::from(!issued.key.is_none());
            self.issued.push(issued);
        }
        if let Some(user) = caller.behalf_user {
            self.meet(row, &caller, user);
        }
    }

    /// The place of the caller's credential; a new one if it was not seen before.
    fn place(&mut self, caller: &Caller<'_>) -> usize {
        let names = &mut self.names;
        let credential =
            Credential::of(caller, |text| Some(names.intern(text))).expect("every text is given a name");
        let place = *self.places.entry(credential).or_insert_with(|| {
            self.uses.push(Use::new(credential));
            self.uses.len() as u32 - 1
        }) as usize;
        self.uses[place].identity.read(caller, &mut self.names);
        place
    }

    fn count(&mut self, place: usize, row: Row<'_>, caller: &Caller<'_>) {
        let call = self.call(row);
        let one = &mut self.uses[place];
        one.span.include(row.time());
        one.events += 1;
        one.activity.count(Counted::Call, call, &self.names);
        let endpoint = row.text(Leaf::VpcEndpointAccountId).filter(|account| is_account(account));
        let is_endpoint = row.text(Leaf::VpcEndpointId).is_some_and(|id| id.starts_with("vpce-"));
        let address =
            if is_endpoint || endpoint.is_some() { Counted::EndpointAddress } else { Counted::Address };
        let last = &mut self.last;
        let often = [
            (Counted::Region, row.text(Leaf::AwsRegion), &mut last.region),
            (Counted::Account, row.text(Leaf::RecipientAccountId), &mut last.account),
            (address, row.text(Leaf::SourceIpAddress), &mut last.address),
            (Counted::Agent, row.text(Leaf::UserAgent), &mut last.agent),
        ];
        for (what, text, last) in often {
            if let Some(text) = text {
                let name = self.names.intern_after(last, text);
                one.activity.count(what, name, &self.names);
            }
        }
        let seldom = [
            (Counted::EndpointAccount, endpoint),
            (Counted::Invoker, caller.invoked_by),
            (Counted::Error, row.text(Leaf::ErrorCode)),
        ];
        for (what, text) in seldom {
            if let Some(text) = text {
                let name = self.names.intern(text);
                one.activity.count(what, name, &self.names);
            }
        }
        one.errors += u64::from(row.text(Leaf::ErrorCode).is_some());
    }

    /// The name of `service:EventName`.
    fn call(&mut self, row: Row<'_>) -> Name {
        let source = row.text(Leaf::EventSource).unwrap_or_default();
        let event = row.text(Leaf::EventName).unwrap_or_default();
        let before = (self.last.source, self.last.event);
        let pair = (
            self.names.intern_after(&mut self.last.source, source),
            self.names.intern_after(&mut self.last.event, event),
        );
        if pair == before && !self.last.call.is_none() {
            return self.last.call;
        }
        if let Some(call) = self.calls.get(&pair) {
            self.last.call = *call;
            return *call;
        }
        let service = source.strip_suffix(".amazonaws.com").unwrap_or(source);
        let call = self.names.intern(&format!("{service}:{event}"));
        self.calls.insert(pair, call);
        self.last.call = call;
        call
    }

    /// Learns the name of an Identity Center user from events that have both.
    fn meet(&mut self, row: Row<'_>, caller: &Caller<'_>, user: &str) {
        let additional = row.text(Leaf::AdditionalEventData).filter(|text| text.contains("UserName"));
        let value: Option<serde_json::Value> = additional.and_then(|text| serde_json::from_str(text).ok());
        let of_event = value.as_ref().and_then(|value| value.get("UserName")?.as_str());
        if let Some(name) = of_event.or(caller.user_name) {
            let (user, name) = (self.names.intern(user), self.names.intern(name));
            self.know(user, name);
        }
    }

    /// Of several names, the one that sorts first counts.
    fn know(&mut self, user: Name, name: Name) {
        let known = self.people.entry(user).or_insert(name);
        if self.names.text(name) < self.names.text(*known) {
            *known = name;
        }
    }

    /// Adds what another worker read.
    pub(crate) fn merge(&mut self, other: CredentialFacts) {
        let renamed = self.names.absorb(other.names);
        let mut places = Vec::with_capacity(other.uses.len());
        for theirs in other.uses {
            let credential = theirs.credential.renamed(&renamed);
            let place = *self.places.entry(credential).or_insert_with(|| {
                self.uses.push(Use::new(credential));
                self.uses.len() as u32 - 1
            });
            places.push(place);
            let ours = &mut self.uses[place as usize];
            ours.identity.merge(&theirs.identity, &renamed, &self.names);
            ours.span.merge(theirs.span);
            ours.events += theirs.events;
            ours.errors += theirs.errors;
            ours.activity.merge(theirs.activity, &renamed, &self.names);
        }
        let issued = other.issued.into_iter().map(|issued| {
            let caller = places[issued.caller as usize];
            issued.renamed(&renamed, caller)
        });
        self.issued.extend(issued);
        for (account, coverage) in other.coverage {
            let ours = self.coverage.entry(renamed.of(account)).or_default();
            ours.span.merge(coverage.span);
            ours.issuances += coverage.issuances;
        }
        for (user, name) in other.people {
            self.know(renamed.of(user), renamed.of(name));
        }
    }
}

impl Use {
    /// The identity of all its events; one that a service made calls for counts as such only
    /// if the service made all of them.
    pub(crate) fn caller<'a>(&self, names: &'a Names) -> Caller<'a> {
        let caller = self.identity.caller(names);
        let is_forwarded = self.activity.sum(Counted::Invoker) >= self.events;
        Caller { invoked_by: caller.invoked_by.filter(|_| is_forwarded), ..caller }
    }

    fn new(credential: Credential) -> Use {
        Use {
            credential,
            identity: Identity::default(),
            span: Span::default(),
            events: 0,
            errors: 0,
            activity: Activity::default(),
        }
    }
}

/// The time that a whole input covers, by account.
pub(crate) type Covered = BTreeMap<String, Coverage>;
