//! Control-plane requests that may make services act, what services then did, and the names that belong together.
//!
//! ```text
//! row ─▶ of a known service, and a change? ─▶ names in its JSON ─▶ a deed, and links between its names
//! ```
//!
//! All of it is sets and least values: neither the order of rows nor their split can be seen.

use std::collections::BTreeMap;

use pugmark_event::Leaf;

use crate::Row;
use crate::caller::{ActorClass, Caller};
use crate::names::{Map, Name, Names, Renamed};
use crate::services::{self, Verb};
use crate::tokens::{self, Call, Clue, Noun};

/// A name of something, with its noun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Token {
    pub(crate) noun: Noun,
    pub(crate) text: Name,
}

/// Members of an identity that a deed keeps.
const IDENTITY: usize = 13;

/// One change of a control plane.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    pub(crate) event_id: Name,
    /// Microseconds since 1970.
    pub(crate) time: i64,
    pub(crate) source: Name,
    pub(crate) name: Name,
    pub(crate) account: Name,
    pub(crate) region: Name,
    pub(crate) shared: Name,
    /// The service that made it; none if a service had no hand in it.
    pub(crate) service: Name,
    pub(crate) class: ActorClass,
    pub(crate) is_failed: bool,
    identity: [Name; IDENTITY],
    created: Option<i64>,
    /// What it names, sorted by text; true for what its answer gave out.
    pub(crate) tokens: Box<[(Token, bool)]>,
}

impl Deed {
    /// All that it says but its time, in an order of its own.
    pub(crate) fn words<'n>(&self, names: &'n Names) -> (Vec<&'n str>, bool, Option<i64>) {
        let fixed = [self.source, self.name, self.account, self.region, self.shared, self.service];
        let told = fixed.into_iter().chain(self.identity).map(|name| names.get(name).unwrap_or_default());
        let tokens = self.tokens.iter().flat_map(|(token, is_answer)| {
            [token.noun.as_str(), names.text(token.text), if *is_answer { "given" } else { "asked" }]
        });
        (told.chain(tokens).collect(), self.is_failed, self.created)
    }
}

/// Who does what where, without saying to what: the key to what is done on a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Habit {
    pub(crate) account: Name,
    pub(crate) service: Name,
    pub(crate) source: Name,
    pub(crate) name: Name,
}

/// Hours of a day, as bits, by day since 1970.
pub(crate) type Hours = BTreeMap<i32, u32>;

/// Everything that is learned about requests and their effects.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestFacts {
    pub(crate) names: Names,
    pub(crate) deeds: Vec<Deed>,
    /// (owned, owner) by the earliest event that says so.
    pub(crate) owners: Map<(Token, Token), (i64, Name)>,
    pub(crate) habits: Map<Habit, Hours>,
}

const MICROS_PER_HOUR: i64 = 3_600_000_000;

/// Day since 1970 and bit of the hour.
pub(crate) fn hour_of(time: i64) -> (i32, u32) {
    let hour = time.div_euclid(MICROS_PER_HOUR);
    (hour.div_euclid(24) as i32, 1 << hour.rem_euclid(24))
}

/// The service that made the call of `caller`, for itself or for somebody; `None` if nobody but the caller had a
/// hand in it.
pub(crate) fn service_of<'a>(caller: &Caller<'a>) -> Option<&'a str> {
    caller.linked_service().or(caller.invoked_by).filter(|service| service.contains('.'))
}

impl RequestFacts {
    /// The leaves that are read, beside those of the caller.
    pub(crate) const LEAVES: [Leaf; 10] = [
        Leaf::EventTime,
        Leaf::EventId,
        Leaf::EventName,
        Leaf::EventSource,
        Leaf::AwsRegion,
        Leaf::ErrorCode,
        Leaf::RequestParameters,
        Leaf::ResponseElements,
        Leaf::RecipientAccountId,
        Leaf::SharedEventId,
    ];

    /// Takes in one event.
    pub(crate) fn read(&mut self, row: Row<'_>) {
        let (Some(source), Some(name)) = (row.text(Leaf::EventSource), row.text(Leaf::EventName)) else {
            return;
        };
        let service = service_of_row(row);
        // Of services that no request is known to set off, no act has a cause to be found.
        let is_served = service.is_some_and(|service| services::duties_of(service, source) != 0);
        let is_change = services::is_known(source) && services::verb(name) != Verb::Read;
        if !is_served && !is_change {
            return;
        }
        let Some(time) = row.time() else { return };
        if let Some(service) = service.filter(|_| is_served) {
            self.note_habit(row, service, time);
        }
        let sets_off = is_change && services::set_off_by(source, name) != 0;
        let is_failed = row.text(Leaf::ErrorCode).is_some();
        let is_deed = sets_off || (is_change && is_served && !is_failed);
        if !is_deed && (is_failed || !is_change || !services::is_teacher(source)) {
            return;
        }
        let mut clues = clues_of(row, service);
        let tokens = self.tokens(&clues);
        if !is_failed {
            self.learn_owners(&tokens, time, row.text(Leaf::EventId));
        }
        if sets_off {
            // What a global service does because of it is recorded in one Region, with these names.
            let anywhere = clues
                .iter()
                .filter_map(|clue| Some(Clue { text: tokens::of_any_region(&clue.text)?, ..clue.clone() }));
            let anywhere: Vec<Clue> = anywhere.collect();
            clues.extend(anywhere);
        }
        let tokens = self.tokens(&clues);
        if is_deed {
            self.note_deed(row, &Caller::of(row), (time, is_failed), tokens);
        }
    }

    fn note_habit(&mut self, row: Row<'_>, service: &str, time: i64) {
        let habit = Habit {
            account: self.names.intern_option(account_of(row)),
            service: self.names.intern(service),
            source: self.names.intern_option(row.text(Leaf::EventSource)),
            name: self.names.intern_option(row.text(Leaf::EventName)),
        };
        let (day, hour) = hour_of(time);
        *self.habits.entry(habit).or_default().entry(day).or_default() |= hour;
    }

    fn tokens(&mut self, clues: &[Clue]) -> Vec<(Token, bool)> {
        let token =
            |clue: &Clue| (Token { noun: clue.noun, text: self.names.intern(&clue.text) }, clue.is_answer);
        clues.iter().map(token).collect()
    }

    /// Of two names in one call, the one of lower rank owns the other.
    fn learn_owners(&mut self, tokens: &[(Token, bool)], time: i64, event_id: Option<&str>) {
        let event_id = self.names.intern_option(event_id);
        for (owned, _) in tokens.iter().filter(|(owned, _)| owned.noun != Noun::Made) {
            for (owner, _) in tokens.iter().filter(|(owner, _)| owner.noun.rank() < owned.noun.rank()) {
                learn(&mut self.owners, (*owned, *owner), (time, event_id), &self.names);
            }
        }
    }

    fn note_deed(
        &mut self,
        row: Row<'_>,
        caller: &Caller<'_>,
        (time, is_failed): (i64, bool),
        tokens: Vec<(Token, bool)>,
    ) {
        let mut name = |text: Option<&str>| self.names.intern_option(text);
        let identity = identity_texts(caller).map(&mut name);
        self.deeds.push(Deed {
            event_id: name(row.text(Leaf::EventId)),
            time,
            source: name(row.text(Leaf::EventSource)),
            name: name(row.text(Leaf::EventName)),
            account: name(account_of(row)),
            region: name(row.text(Leaf::AwsRegion)),
            shared: name(row.text(Leaf::SharedEventId)),
            service: name(service_of(caller)),
            class: caller.class(),
            is_failed,
            identity,
            created: caller.created,
            tokens: tokens.into_boxed_slice(),
        });
    }

    /// Takes in what another worker learned.
    pub(crate) fn merge(&mut self, other: RequestFacts) {
        let renamed = self.names.absorb(other.names);
        self.deeds.extend(other.deeds.into_iter().map(|deed| deed.renamed(&renamed)));
        for ((owned, owner), (time, event_id)) in other.owners {
            let pair = (owned.renamed(&renamed), owner.renamed(&renamed));
            learn(&mut self.owners, pair, (time, renamed.of(event_id)), &self.names);
        }
        for (habit, hours) in other.habits {
            let ours = self.habits.entry(habit.renamed(&renamed)).or_default();
            for (day, bits) in hours {
                *ours.entry(day).or_default() |= bits;
            }
        }
    }
}

impl Deed {
    /// Who the record says made it.
    pub(crate) fn caller<'a>(&self, names: &'a Names) -> Caller<'a> {
        let [
            kind,
            principal_id,
            arn,
            account,
            access_key,
            credential_id,
            user_name,
            invoked_by,
            provider,
            behalf_user,
            issuer_arn,
            source_identity,
            mfa,
        ] = self.identity.map(|name| names.get(name));
        Caller {
            kind,
            principal_id,
            arn,
            account,
            access_key,
            credential_id,
            user_name,
            invoked_by,
            provider,
            behalf_user,
            issuer_arn,
            source_identity,
            mfa,
            created: self.created,
            ..Caller::default()
        }
    }

    /// The name of its caller's principal id.
    pub(crate) fn principal_id(&self) -> Name {
        self.identity[1]
    }

    /// When its caller's credentials were issued, microseconds since 1970.
    pub(crate) fn created(&self) -> Option<i64> {
        self.created
    }

    fn renamed(mut self, renamed: &Renamed) -> Deed {
        let names = [
            &mut self.event_id,
            &mut self.source,
            &mut self.name,
            &mut self.account,
            &mut self.region,
            &mut self.shared,
            &mut self.service,
        ];
        names.into_iter().chain(&mut self.identity).for_each(|name| *name = renamed.of(*name));
        self.tokens.iter_mut().for_each(|(token, _)| *token = token.renamed(renamed));
        self
    }
}

impl Token {
    fn renamed(self, renamed: &Renamed) -> Token {
        Token { text: renamed.of(self.text), ..self }
    }
}

impl Habit {
    fn renamed(self, renamed: &Renamed) -> Habit {
        Habit {
            account: renamed.of(self.account),
            service: renamed.of(self.service),
            source: renamed.of(self.source),
            name: renamed.of(self.name),
        }
    }
}

/// The account that a record is about: that whose trail got it.
pub(crate) fn account_of(row: Row<'_>) -> Option<&str> {
    row.text(Leaf::RecipientAccountId).or_else(|| row.text(Leaf::IdentityAccountId))
}

/// What the event of `row` names.
pub(crate) fn clues_of(row: Row<'_>, service: Option<&str>) -> Vec<Clue> {
    let text = |leaf| row.text(leaf).unwrap_or_default();
    let call = Call {
        source: text(Leaf::EventSource),
        name: text(Leaf::EventName),
        account: account_of(row).unwrap_or_default(),
        region: text(Leaf::AwsRegion),
        service,
    };
    tokens::clues(call, row.text(Leaf::RequestParameters), row.text(Leaf::ResponseElements))
}

/// [`service_of`] by the two leaves that it needs.
fn service_of_row(row: Row<'_>) -> Option<&str> {
    let (invoked_by, issuer_arn) = (row.text(Leaf::IdentityInvokedBy), row.text(Leaf::IssuerArn));
    service_of(&Caller { invoked_by, issuer_arn, ..Caller::default() })
}

fn learn(
    owners: &mut Map<(Token, Token), (i64, Name)>,
    pair: (Token, Token),
    by: (i64, Name),
    names: &Names,
) {
    let known = owners.entry(pair).or_insert(by);
    if (by.0, names.text(by.1)) < (known.0, names.text(known.1)) {
        *known = by;
    }
}

fn identity_texts<'a>(caller: &Caller<'a>) -> [Option<&'a str>; IDENTITY] {
    [
        caller.kind,
        caller.principal_id,
        caller.arn,
        caller.account,
        caller.access_key,
        caller.credential_id,
        caller.user_name,
        caller.invoked_by,
        caller.provider,
        caller.behalf_user,
        caller.issuer_arn,
        caller.source_identity,
        caller.mfa,
    ]
}
