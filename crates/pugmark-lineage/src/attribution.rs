//! The search for the request behind one act of a service.
//!
//! ```text
//! act ─▶ names in it ─▶ who owns them ─▶ requests that name one of these, of the right service, place and time
//!                                        └─▶ the fitting one, if there is one and no second
//! no name leads anywhere: same caller ─▶ same session ─▶ the only request in a short time
//! ```

use std::collections::BTreeMap;

use crate::caller::ActorClass;
use crate::link::Confidence;
use crate::names::{Map, Name, Names};
use crate::requests::{Deed, Habit, RequestFacts, Token, hour_of};
use crate::services::{self, Verb};
use crate::tokens::{self, Noun};

/// Owners of a token: each once by noun, with the event that says so.
pub(crate) type Owners = Map<Token, Vec<(Token, Name)>>;

/// All deeds, and the ways to find them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attribution {
    pub(crate) names: Names,
    /// By time, event id and account.
    pub(crate) deeds: Vec<Deed>,
    pub(crate) owners: Owners,
    /// For each deed what it sets off, as bits of duties.
    duties: Vec<u128>,
    /// For each deed what it does.
    verbs: Vec<Verb>,
    by_token: Map<Token, Vec<u32>>,
    by_account: Map<Name, Vec<u32>>,
    by_shared: Map<Name, Vec<u32>>,
    /// What was done in a session of a service, and because of which request.
    sessions: Map<(Name, i64), Vec<(i64, u32)>>,
    /// Habits that also show when nothing was asked for.
    scheduled: Map<Habit, bool>,
    /// Why each deed of a service was done.
    pub(crate) reasons: Vec<Option<Decision>>,
}

/// What joins an act to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// Two records of one event.
    SharedEvent,
    /// A name in the act is owned by, or is, a name in the request.
    Name { own: Token, matched: Token, level: Level },
    /// The service acted with the identity of who asked.
    SameCaller,
    /// Other acts of the same session around it have this cause.
    Session,
    /// No other request is near.
    Alone,
}

/// How a request is about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// It is its subject.
    Exact,
    /// Its subject is called so, but the cluster is not known.
    Loose,
    /// Its subject is part of it.
    Near,
    /// It passed the role.
    Passed,
}

/// The request behind an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The request that the act answers.
    pub(crate) direct: u32,
    /// The first of the chain, which no service made.
    pub(crate) root: u32,
    pub(crate) confidence: Confidence,
    pub(crate) ground: Ground,
}

/// What the search comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Cause(Decision),
    /// Several fit equally well.
    Ambiguous(Vec<u32>),
    /// A request of a service that has itself no cause.
    OfService(u32),
    Nothing,
}

/// One act of a service.
#[derive(Clone, Debug)]
pub(crate) struct Act<'a> {
    pub(crate) event_id: &'a str,
    pub(crate) time: i64,
    pub(crate) source: &'a str,
    pub(crate) name: &'a str,
    pub(crate) service: &'a str,
    pub(crate) account: Name,
    pub(crate) region: Name,
    pub(crate) shared: Name,
    pub(crate) class: ActorClass,
    /// Principal id with session name, and time of issue.
    pub(crate) session: (Name, Option<i64>),
    /// Principal id and time of the session that the act opens.
    pub(crate) opens: Name,
    pub(crate) habit: Habit,
    pub(crate) tokens: Vec<Token>,
}

/// A token that is reached from the act: where the way began, and how long it is.
type Reach = Vec<(Token, Token, u8)>;

#[derive(Clone, Copy, Debug)]
struct Candidate {
    deed: u32,
    /// Less fits better: what both do, how the request is about the name, whether it was recorded later.
    score: (u8, Level, bool),
    level: Level,
    own: Token,
    matched: Token,
    hops: u8,
}

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
/// Event times are whole seconds of different hosts' clocks.
const SLACK: i64 = 2 * MICROS_PER_SECOND;
/// What a service calls while it still serves the request may be recorded before the request is.
const SLACK_FORWARDED: i64 = 30 * MICROS_PER_SECOND;
/// Acts of one session that are this near to each other are taken for one piece of work.
const SESSION_GAP: i64 = 10 * MICROS_PER_MINUTE;
/// Sessions of two requests that are this near are not told apart by their time of issue.
const SESSION_RIVAL: i64 = 5 * MICROS_PER_SECOND;
const SESSION_CLOSE: i64 = 30 * MICROS_PER_SECOND;
/// From the opening of a session to its first deed.
const OPENING_GAP: i64 = 15 * MICROS_PER_MINUTE;
/// Hours with an act but no request before a habit counts as scheduled.
const UNEXPLAINED_HOURS: u32 = 3;
/// Ownership is a short ladder: interface, instance, template, UUID, node group, cluster.
const HOPS_MAX: u8 = 6;
const CANDIDATES_MAX: usize = 4_096;

impl Attribution {
    /// Sorts and indexes what was learned, and explains the deeds of services.
    pub(crate) fn of(facts: RequestFacts) -> Attribution {
        let RequestFacts { names, mut deeds, owners, habits } = facts;
        // Records that claim to be one event and are not are told apart by all that they say.
        deeds.sort_by(|one, other| {
            let by_event = order(one, &names).cmp(&order(other, &names));
            by_event.then_with(|| one.words(&names).cmp(&other.words(&names)))
        });
        deeds.dedup_by(|later, first| later.event_id == first.event_id && later.account == first.account);
        let duties =
            deeds.iter().map(|deed| services::set_off_by(names.text(deed.source), names.text(deed.name)));
        let duties = duties.collect();
        let verbs = deeds.iter().map(|deed| services::verb(names.text(deed.name))).collect();
        let owners = single_owners(owners, &names);
        let reasons = vec![None; deeds.len()];
        let mut all = Attribution { names, deeds, owners, duties, verbs, reasons, ..Attribution::default() };
        all.index();
        all.find_scheduled(&habits);
        // First by names alone; then with the sessions that those acts explain.
        for _ in 0..2 {
            all.explain();
            all.index_sessions();
        }
        all
    }

    fn index(&mut self) {
        for (place, deed) in self.deeds.iter().enumerate().filter(|(place, _)| self.duties[*place] != 0) {
            let place = place as u32;
            for (token, _) in &deed.tokens {
                self.by_token.entry(*token).or_default().push(place);
            }
            self.by_account.entry(deed.account).or_default().push(place);
            if !deed.shared.is_none() {
                self.by_shared.entry(deed.shared).or_default().push(place);
            }
        }
    }

    fn explain(&mut self) {
        for place in 0..self.deeds.len() {
            let deed = &self.deeds[place];
            if deed.service.is_none() {
                continue;
            }
            let finding = self.search(&self.act_of(deed));
            self.reasons[place] = match finding {
                Finding::Cause(decision) => Some(decision),
                _ => None,
            };
        }
    }

    fn index_sessions(&mut self) {
        let mut sessions: Map<(Name, i64), Vec<(i64, u32)>> = Map::default();
        for (deed, reason) in self.deeds.iter().zip(&self.reasons) {
            let named = reason.filter(|reason| matches!(reason.ground, Ground::Name { .. }));
            if let (Some(reason), Some(created)) = (named, deed.created()) {
                sessions.entry((deed.principal_id(), created)).or_default().push((deed.time, reason.root));
            }
        }
        self.sessions = sessions;
    }

    /// A habit is scheduled if it shows in hours in which nothing was asked of the service.
    fn find_scheduled(&mut self, habits: &Map<Habit, crate::requests::Hours>) {
        for (habit, hours) in habits {
            let (service, source) = (self.names.text(habit.service), self.names.text(habit.source));
            let duties = services::duties_of(service, source);
            let explained = self.asked_hours(habit.account, duties);
            let (mut with, mut without) = (0, 0);
            for (day, bits) in hours {
                let asked = explained.get(day).copied().unwrap_or(0);
                with += (bits & asked).count_ones();
                without += (bits & !asked).count_ones();
            }
            self.scheduled.insert(*habit, without >= UNEXPLAINED_HOURS && without > with);
        }
    }

    fn is_scheduled(&self, habit: &Habit) -> bool {
        self.scheduled.get(habit).is_some_and(|is_scheduled| *is_scheduled)
    }

    /// The hours in which the account asked for something that sets off one of `duties`, and the next ones.
    fn asked_hours(&self, account: Name, duties: u128) -> crate::requests::Hours {
        let mut hours = BTreeMap::new();
        for place in self.by_account.get(&account).into_iter().flatten() {
            if self.duties[*place as usize] & duties != 0 {
                for later in [0, 60 * MICROS_PER_MINUTE] {
                    let (day, bit) = hour_of(self.deeds[*place as usize].time + later);
                    *hours.entry(day).or_default() |= bit;
                }
            }
        }
        hours
    }

    fn act_of(&self, deed: &Deed) -> Act<'_> {
        let tokens = deed.tokens.iter().map(|(token, _)| *token);
        let tokens = tokens.chain(self.role_token(deed.caller(&self.names).issuer_arn)).collect();
        Act {
            event_id: self.names.text(deed.event_id),
            time: deed.time,
            source: self.names.text(deed.source),
            name: self.names.text(deed.name),
            service: self.names.text(deed.service),
            account: deed.account,
            region: deed.region,
            shared: deed.shared,
            class: deed.class,
            session: (deed.principal_id(), deed.created()),
            opens: Name::NONE,
            habit: Habit {
                account: deed.account,
                service: deed.service,
                source: deed.source,
                name: deed.name,
            },
            tokens,
        }
    }

    /// The customer's role that a service acts with: a request may have passed it.
    pub(crate) fn role_token(&self, issuer_arn: Option<&str>) -> Option<Token> {
        let arn = crate::Arn::parse(issuer_arn?).filter(|arn| arn.linked_service().is_none())?;
        let text = self.names.find(&format!("{}/{}", arn.account, arn.role()?.1))?;
        Some(Token { noun: Noun::Role, text })
    }

    /// Why the act was done.
    pub(crate) fn search(&self, act: &Act<'_>) -> Finding {
        if let Some(decision) = self.shared(act) {
            return Finding::Cause(decision);
        }
        let duties = services::duties_of(act.service, act.source);
        if duties == 0 {
            return Finding::Nothing;
        }
        let reach = self.reach(&self.with_stacks(act));
        let candidates = self.by_names(act, duties, &reach);
        match self.best(act, &candidates) {
            Finding::Nothing => self.without_names(act, duties, &reach),
            Finding::Ambiguous(places) => self.by_session(act, &places).unwrap_or(Finding::Ambiguous(places)),
            found => found,
        }
    }

    fn shared(&self, act: &Act<'_>) -> Option<Decision> {
        let places = self.by_shared.get(&act.shared).filter(|_| !act.shared.is_none())?;
        // A copy of the act itself in another account is no cause of it.
        let is_other =
            |deed: &Deed| deed.service.is_none() && self.names.text(deed.name) != act.name && !deed.is_failed;
        let place = places.iter().copied().find(|place| is_other(&self.deeds[*place as usize]))?;
        let ground = Ground::SharedEvent;
        Some(Decision { direct: place, root: place, confidence: Confidence::Certain, ground })
    }

    /// The tokens of the act, and the known stacks after which things in it are called: `CloudFormation` begins
    /// the names that it makes with the stack's name and a hyphen.
    fn with_stacks(&self, act: &Act<'_>) -> Vec<Token> {
        let mut tokens = act.tokens.clone();
        if act.service == tokens::STACKS {
            let made = act.tokens.iter().filter(|token| token.noun == Noun::Made);
            tokens.extend(made.filter_map(|token| self.stack_before(self.names.text(token.text))));
        }
        tokens
    }

    /// The known stack that `made` begins with.
    pub(crate) fn stack_before(&self, made: &str) -> Option<Token> {
        let hyphens = made.rmatch_indices('-').map(|(place, _)| &made[..place]);
        let stack = |text| Some(Token { noun: Noun::Stack, text: self.names.find(text)? });
        hyphens.filter_map(stack).find(|stack| self.by_token.contains_key(stack))
    }

    /// All tokens that own one of `tokens`, nearest first.
    fn reach(&self, tokens: &[Token]) -> Reach {
        let mut reach: Reach = tokens.iter().map(|token| (*token, *token, 0)).collect();
        let mut next = 0;
        while let Some((token, own, hops)) = reach.get(next).copied() {
            next += 1;
            if hops == HOPS_MAX {
                continue;
            }
            for (owner, _) in self.owners.get(&token).into_iter().flatten() {
                if reach.iter().all(|(known, ..)| known != owner) {
                    reach.push((*owner, own, hops + 1));
                }
            }
        }
        reach
    }

    fn by_names(&self, act: &Act<'_>, duties: u128, reach: &Reach) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = Vec::new();
        let window = services::windows(duties).0;
        for (matched, own, hops) in reach {
            let Some(places) = self.by_token.get(matched) else { continue };
            for place in self.in_time(places, act, window).iter().rev().take(CANDIDATES_MAX) {
                if let Some(score) = self.score(act, duties, (*place, *matched), reach) {
                    let level = self.level(&self.deeds[*place as usize], *matched);
                    candidates.push(Candidate {
                        deed: *place,
                        score,
                        level,
                        own: *own,
                        matched: *matched,
                        hops: *hops,
                    });
                }
            }
        }
        candidates
    }

    /// The deeds of `places` that are near enough in time for a window in minutes.
    fn in_time<'p>(&self, places: &'p [u32], act: &Act<'_>, window: u32) -> &'p [u32] {
        let first = act.time - i64::from(window) * MICROS_PER_MINUTE;
        let last = act.time + slack(act);
        let start = places.partition_point(|place| self.deeds[*place as usize].time < first);
        let end = places.partition_point(|place| self.deeds[*place as usize].time <= last);
        places.get(start..end).unwrap_or_default()
    }

    fn score(
        &self,
        act: &Act<'_>,
        duties: u128,
        (place, matched): (u32, Token),
        reach: &Reach,
    ) -> Option<(u8, Level, bool)> {
        let deed = &self.deeds[place as usize];
        let set = duties & self.duties[place as usize];
        if set == 0 {
            return None;
        }
        let is_unique = matched.noun.is_unique();
        // A request about a part of a thing is no worse than one about the whole: the later one counts.
        let level = match self.level(deed, matched) {
            Level::Near => Level::Exact,
            level => level,
        };
        let is_in_place = deed.account == act.account && self.is_near(act, deed) && !deed.is_failed;
        let fits = (is_unique || is_in_place)
            && self.may_cause(act, place)
            && act.time - deed.time <= i64::from(services::windows(set).0) * MICROS_PER_MINUTE
            && !contradicts(deed, reach);
        let affinity = affinity(services::verb(act.name), self.verbs[place as usize])?;
        let is_undone_late = affinity == UNDOING && act.time - deed.time > UNDONE_MINUTES * MICROS_PER_MINUTE;
        let fits = fits && !is_undone_late;
        fits.then_some((affinity, level, deed.time > act.time))
    }

    fn is_near(&self, act: &Act<'_>, deed: &Deed) -> bool {
        deed.region == act.region
            || services::is_global(act.source)
            || services::is_global(self.names.text(deed.source))
    }

    /// Chains of services go back in time, so that they end; and no service sets off itself.
    fn may_cause(&self, act: &Act<'_>, place: u32) -> bool {
        let deed = &self.deeds[place as usize];
        let id = self.names.text(deed.event_id);
        let is_before = (deed.time, id) < (act.time, act.event_id);
        // But a stack makes stacks.
        let is_other = self.names.text(deed.service) != act.service || act.service == tokens::STACKS;
        id != act.event_id && (deed.service.is_none() || (is_before && is_other))
    }

    fn level(&self, deed: &Deed, token: Token) -> Level {
        let has = |nouns: &[Noun]| deed.tokens.iter().any(|(other, _)| nouns.contains(&other.noun));
        let source = self.names.text(deed.source);
        match token.noun {
            _ if tokens::is_of_any_region(self.names.text(token.text)) => Level::Loose,
            Noun::Role => Level::Passed,
            Noun::NodegroupName => Level::Loose,
            Noun::Cluster if has(&[Noun::Nodegroup, Noun::FargateProfile, Noun::Addon]) => Level::Near,
            Noun::EcsCluster if has(&[Noun::EcsService]) => Level::Near,
            Noun::Stack if source != "cloudformation.amazonaws.com" => Level::Near,
            Noun::Cluster | Noun::LaunchTemplateId | Noun::LaunchTemplate
                if !matches!(source, "eks.amazonaws.com" | "ec2.amazonaws.com") =>
            {
                Level::Near
            }
            Noun::LaunchTemplateId | Noun::LaunchTemplate if source == "eks.amazonaws.com" => Level::Near,
            _ => Level::Exact,
        }
    }

    /// The best candidate: the last one that fits best, unless another one that is about something else fits as well.
    fn best(&self, act: &Act<'_>, candidates: &[Candidate]) -> Finding {
        let Some(score) = candidates.iter().map(|candidate| candidate.score).min() else {
            return Finding::Nothing;
        };
        let tied: Vec<Candidate> =
            candidates.iter().filter(|candidate| candidate.score == score).copied().collect();
        match self.last_of(act, &tied) {
            Finding::Ambiguous(places) => {
                let common = |candidate: &Candidate| self.common_names(act, candidate.deed);
                let most = tied.iter().map(common).max();
                let closest: Vec<Candidate> =
                    tied.iter().filter(|candidate| Some(common(candidate)) == most).copied().collect();
                if closest.len() < tied.len() {
                    self.last_of(act, &closest)
                } else {
                    Finding::Ambiguous(places)
                }
            }
            found => found,
        }
    }

    /// How many names of the act the request has too.
    fn common_names(&self, act: &Act<'_>, place: u32) -> usize {
        let deed = &self.deeds[place as usize];
        act.tokens.iter().filter(|token| deed.tokens.iter().any(|(other, _)| other == *token)).count()
    }

    /// The last of candidates that fit equally well, unless another is about something else.
    fn last_of(&self, act: &Act<'_>, tied: &[Candidate]) -> Finding {
        // Deeds are in the order of time, so the last one has the greatest place; of its names the least hops count.
        let last = tied.iter().max_by_key(|candidate| (candidate.deed, std::cmp::Reverse(candidate.hops)));
        let Some(last) = last else { return Finding::Nothing };
        let time = self.deeds[last.deed as usize].time;
        let rivals = tied.iter().filter(|other| {
            let is_equal = self.deeds[other.deed as usize].time == time;
            let is_vague = last.level != Level::Exact && other.level == last.level;
            (is_equal || is_vague) && !self.is_same_subject(other.deed, last.deed)
        });
        let mut rivals: Vec<u32> = rivals.map(|candidate| candidate.deed).collect();
        let root = self.root(last.deed);
        rivals.retain(|rival| self.root(*rival) != root || root.is_none());
        if !rivals.is_empty() {
            rivals.push(last.deed);
            return ambiguous(rivals);
        }
        let ground = Ground::Name { own: last.own, matched: last.matched, level: last.level };
        self.decide(last.deed, self.confidence(act, last), ground)
    }

    /// Both requests are about the same things, as far as they name them.
    fn is_same_subject(&self, one: u32, other: u32) -> bool {
        let subjects = |place: u32| {
            let deed = &self.deeds[place as usize];
            let tokens = deed.tokens.iter().map(|(token, _)| *token);
            tokens.filter(move |token| self.level(deed, *token) == Level::Exact)
        };
        one == other || subjects(one).any(|token| subjects(other).any(|of_other| of_other == token))
    }

    /// Only a making that names what the request itself gave out is certain: all else could be asked for twice.
    fn confidence(&self, act: &Act<'_>, candidate: &Candidate) -> Confidence {
        let deed = &self.deeds[candidate.deed as usize];
        let is_given = deed.tokens.iter().any(|(token, is_answer)| *is_answer && *token == candidate.matched);
        let both_make =
            services::verb(act.name) == Verb::Make && self.verbs[candidate.deed as usize] == Verb::Make;
        let is_late = candidate.score.2;
        if is_given && both_make && candidate.hops == 0 && candidate.matched.noun.is_unique() && !is_late {
            Confidence::Certain
        } else if is_late {
            Confidence::Weak
        } else {
            Confidence::Strong
        }
    }

    /// Follows the chain from `direct` up to a request that no service made.
    fn decide(&self, direct: u32, confidence: Confidence, ground: Ground) -> Finding {
        let Some(root) = self.root(direct) else { return Finding::OfService(direct) };
        let above = self.reasons[direct as usize].map_or(Confidence::Certain, |reason| reason.confidence);
        Finding::Cause(Decision { direct, root, confidence: confidence.min(above), ground })
    }

    fn root(&self, place: u32) -> Option<u32> {
        let deed = &self.deeds[place as usize];
        match self.reasons[place as usize] {
            Some(reason) => Some(reason.root),
            None if deed.service.is_none() || deed.class == ActorClass::ForwardAccess => Some(place),
            None => None,
        }
    }

    fn without_names(&self, act: &Act<'_>, duties: u128, reach: &Reach) -> Finding {
        let near = self.near(act, duties, reach);
        if let Some(found) = self.by_caller(act, &near) {
            return found;
        }
        if let Some(found) = self.by_session(act, &near) {
            return found;
        }
        if self.is_scheduled(&act.habit) || near.is_empty() {
            return Finding::Nothing;
        }
        self.only_one(&near, Ground::Alone, Confidence::Weak)
    }

    /// Requests of the right service and place, near enough in time to count without a name, that fit the act best.
    fn near(&self, act: &Act<'_>, duties: u128, reach: &Reach) -> Vec<u32> {
        let places = self.by_account.get(&act.account).map(Vec::as_slice).unwrap_or_default();
        let window = services::windows(duties).1;
        if window == 0 {
            return Vec::new();
        }
        let verb = services::verb(act.name);
        let fits = |place: &u32| {
            let set = duties & self.duties[*place as usize];
            if set == 0 {
                return None;
            }
            let deed = &self.deeds[*place as usize];
            let fit = affinity(verb, self.verbs[*place as usize])?;
            let alone = i64::from(services::windows(set).1) * MICROS_PER_MINUTE;
            let is_fit = alone > 0
                && !deed.is_failed
                && act.time - deed.time <= alone
                && self.is_near(act, deed)
                && self.may_cause(act, *place)
                && !contradicts(deed, reach);
            is_fit.then_some((fit, *place))
        };
        let near: Vec<(u8, u32)> = self.in_time(places, act, window).iter().filter_map(fits).collect();
        let best = near.iter().map(|(fit, _)| *fit).min();
        near.into_iter().filter(|(fit, _)| Some(*fit) == best).map(|(_, place)| place).collect()
    }

    /// A service that acts with somebody's identity does so because of what that one asked for.
    fn by_caller(&self, act: &Act<'_>, near: &[u32]) -> Option<Finding> {
        if !matches!(act.class, ActorClass::ForwardAccess | ActorClass::ServiceRole)
            || act.session.0.is_none()
        {
            return None;
        }
        let is_own = |place: &u32| self.deeds[*place as usize].principal_id() == act.session.0;
        let own: Vec<u32> = near.iter().copied().filter(is_own).collect();
        (!own.is_empty()).then(|| self.only_one(&own, Ground::SameCaller, Confidence::Strong))
    }

    /// The request behind the deeds of the same session right before and after, where they agree, and no other
    /// of `places` came at the same time.
    fn by_session(&self, act: &Act<'_>, places: &[u32]) -> Option<Finding> {
        let root = self.session_root(act)?;
        let time = self.deeds[root as usize].time;
        let is_rival = |place: &u32| {
            (self.deeds[*place as usize].time - time).abs() <= SESSION_RIVAL
                && self.root(*place) != Some(root)
                && !self.is_same_subject(*place, root)
        };
        let is_scheduled = act.opens.is_none() && self.is_scheduled(&act.habit);
        if is_scheduled || places.iter().any(is_rival) {
            return None;
        }
        let (confidence, ground) = (Confidence::Weak, Ground::Session);
        Some(Finding::Cause(Decision { direct: root, root, confidence, ground }))
    }

    fn session_root(&self, act: &Act<'_>) -> Option<u32> {
        let (session, gap) = if act.opens.is_none() {
            (self.sessions.get(&(act.session.0, act.session.1?))?, SESSION_GAP)
        } else {
            (self.sessions.get(&(act.opens, act.time))?, OPENING_GAP)
        };
        // One second may see two sessions of a role begin: where deeds right beside disagree, nothing is said.
        let close = session.iter().filter(|(time, _)| (act.time - time).abs() <= SESSION_CLOSE);
        if close.clone().any(|(_, root)| close.clone().any(|(_, other)| root != other)) {
            return None;
        }
        let next = session.partition_point(|(time, _)| *time < act.time);
        let is_in_time = |(time, root): &&(i64, u32)| {
            (act.time - time).abs() <= gap && self.deeds[*root as usize].time <= act.time + slack(act)
        };
        let before = next.checked_sub(1).and_then(|place| session.get(place)).filter(is_in_time);
        let after = session.get(next).filter(is_in_time);
        match (before, after) {
            (Some((_, one)), Some((_, other))) if one != other => None,
            (Some((_, root)), _) | (None, Some((_, root))) => Some(*root),
            (None, None) => None,
        }
    }

    /// The last of `places`, if all are about the same.
    fn only_one(&self, places: &[u32], ground: Ground, confidence: Confidence) -> Finding {
        let Some(last) = places.iter().copied().max() else { return Finding::Nothing };
        let root = self.root(last);
        let is_other = |place: &&u32| {
            !self.is_same_subject(**place, last) && (root.is_none() || self.root(**place) != root)
        };
        let mut rivals: Vec<u32> = places.iter().filter(is_other).copied().collect();
        if rivals.is_empty() {
            return self.decide(last, confidence, ground);
        }
        rivals.push(last);
        ambiguous(rivals)
    }
}

/// The act is about one thing and the deed about another of the same kind.
fn contradicts(deed: &Deed, reach: &Reach) -> bool {
    let is_telling = |noun: Noun| {
        !noun.is_unique() && !matches!(noun, Noun::Role | Noun::Resource | Noun::Made) || noun == Noun::Uuid
    };
    deed.tokens.iter().filter(|(token, _)| is_telling(token.noun)).any(|(token, _)| {
        let of_noun = || reach.iter().filter(|(other, ..)| other.noun == token.noun);
        let agrees = |other: &Token| deed.tokens.iter().any(|(own, _)| own == other);
        of_noun().next().is_some() && !of_noun().any(|(other, ..)| agrees(other))
    })
}

fn ambiguous(mut places: Vec<u32>) -> Finding {
    places.sort_unstable();
    places.dedup();
    Finding::Ambiguous(places)
}

fn slack(act: &Act<'_>) -> i64 {
    if act.class == ActorClass::ForwardAccess { SLACK_FORWARDED } else { SLACK }
}

/// Affinity of an act that undoes what the request made.
const UNDOING: u8 = 2;
/// A making that fails is undone within half an hour; a deletion after that has
/// another cause, perhaps one whose record is lost.
const UNDONE_MINUTES: i64 = 30;

/// How well an act fits a request by what both do; less is better, `None` is not at all.
fn affinity(act: Verb, request: Verb) -> Option<u8> {
    match (act, request) {
        (Verb::Make, Verb::Unmake) => None,
        (Verb::Unmake, Verb::Change) => Some(1),
        // A making that failed is undone.
        (Verb::Unmake, Verb::Make) => Some(UNDOING),
        _ => Some(0),
    }
}

fn order<'a>(deed: &Deed, names: &'a Names) -> (i64, &'a str, &'a str) {
    (deed.time, names.text(deed.event_id), names.text(deed.account))
}

/// Who has two owners of one kind is shared, and says nothing about either.
fn single_owners(all: Map<(Token, Token), (i64, Name)>, names: &Names) -> Owners {
    let mut owners: Owners = Map::default();
    for ((owned, owner), (_, event_id)) in all {
        owners.entry(owned).or_default().push((owner, event_id));
    }
    for list in owners.values_mut() {
        list.sort_by(|(one, _), (other, _)| {
            (one.noun, names.text(one.text)).cmp(&(other.noun, names.text(other.text)))
        });
        let nouns: Vec<Noun> = list.iter().map(|(owner, _)| owner.noun).collect();
        list.retain(|(owner, _)| nouns.iter().filter(|noun| **noun == owner.noun).count() == 1);
    }
    owners
}
