//! Plots: chains of credentials, thefts and causes, planted with their truth.
//!
//! Each round plays every plot once, somewhere in its share of the time. The
//! plots draw from a stream of chance of their own: a trail too small for them
//! is the same trail with and without.

mod people;
mod puzzles;
mod services;
mod workloads;

use std::rc::Rc;

pub(crate) use self::people::{Seen, sso};
pub(crate) use self::services::{line, start, stop};
use crate::chance::{Chance, scramble};
use crate::clock::iso;
use crate::clusters;
use crate::identity::{self, Manner, Role, Session, Voice};
use crate::stage::{Assumption, Place, Stage, member_of};
use crate::story::Story;
use crate::world::World;
use crate::{Options, Planted};

pub(crate) const CLI_AGENT: &str = "aws-cli/2.22.0 md/awscrt#0.23.8 ua/2.0 os/linux#6.8.0 md/arch#x86_64 lang/python#3.12.6 md/pyimpl#CPython cfg/retry-mode#standard md/prompt#off";
pub(crate) const SDK_AGENT: &str =
    "aws-sdk-go-v2/1.32.2 ua/2.1 os/linux lang/go#1.23.2 md/GOOS#linux md/GOARCH#amd64";

/// Smaller trails have no room for plots.
const EVENTS_MIN: u64 = 10_000;
/// One round for so many events.
const EVENTS_PER_ROUND: u64 = 25_000;
/// Records of stories wait in memory, so there is an end to them.
const ROUNDS_MAX: u64 = 32;
/// The longest plot, in seconds: none begins later than this before the end.
const LONGEST: i64 = 10 * 3_600;
/// What people and programs look at while they hold a session.
const CALLS: &[(&str, &str)] = &[
    ("ec2", "DescribeInstances"),
    ("s3", "ListBuckets"),
    ("iam", "ListRoles"),
    ("sts", "GetCallerIdentity"),
    ("logs", "DescribeLogGroups"),
    ("ec2", "DescribeVpcs"),
    ("iam", "GetRole"),
    ("ec2", "DescribeVolumes"),
];

/// The share of the trail's time in which plots are played once.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    pub(crate) number: usize,
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// Whether clusters keep logs of their own.
    pub(crate) audit_logs: bool,
}

/// How a role is assumed; what is left out comes from the caller.
pub(crate) struct How<'a> {
    pub(crate) call: &'static str,
    pub(crate) name: &'a str,
    pub(crate) hours: i64,
    pub(crate) ip: &'a str,
    pub(crate) agent: &'a str,
    pub(crate) source_identity: &'a str,
    pub(crate) provider: &'a str,
    /// `cluster/namespace/account`, for pods.
    pub(crate) subject: &'a str,
    pub(crate) mfa: bool,
}

impl Default for How<'_> {
    fn default() -> Self {
        How {
            call: "AssumeRole",
            name: "",
            hours: 1,
            ip: "",
            agent: "",
            source_identity: "",
            provider: "",
            subject: "",
            mfa: false,
        }
    }
}

/// Plants all plots that the trail has room for; says how many events they are.
pub(crate) fn plant(stage: &mut Stage, options: &Options) -> u64 {
    if options.planted == Planted::Nothing || options.events < EVENTS_MIN {
        return 0;
    }
    let before = stage.lanes.counts.events;
    let everyday =
        std::mem::replace(&mut stage.chance, Chance::new(scramble(stage.world.seed ^ 0x706c_6f74)));
    let rounds = (options.events / EVENTS_PER_ROUND).clamp(1, ROUNDS_MAX) as usize;
    let (start, end) = (stage.world.start + 3_600, stage.world.end - LONGEST);
    let share = (end - start) / rounds as i64;
    let audit_logs = options.planted == Planted::LineageAndAuditLogs;
    for number in 0..rounds {
        let first = start + share * number as i64;
        let round = Round { number, first, last: first + share, audit_logs };
        for play in people::PLOTS.iter().chain(puzzles::PLOTS).chain(workloads::PLOTS).chain(services::PLOTS)
        {
            play(stage, round);
        }
        clusters::play(stage, round);
    }
    stage.chance = everyday;
    stage.lanes.counts.events - before
}

impl Round {
    /// A story that begins at some moment of the round, in an account and Region.
    pub(crate) fn story<'a>(&self, stage: &'a mut Stage, account: usize) -> Story<'a> {
        let time = stage.chance.between(self.first, self.last);
        let accounts = stage.world.accounts.len();
        let region = stage.chance.below(stage.world.regions.len());
        Story::begin(stage, Place { account: account % accounts, region }, time)
    }

    /// A person and their address, another one in each round and for each turn.
    pub(crate) fn person(&self, turn: usize) -> (&'static str, &'static str) {
        let people: Vec<_> = World::people().collect();
        people[(self.number * 5 + turn) % people.len()]
    }
}

impl Story<'_> {
    /// A role of the account where the story plays.
    pub(crate) fn role(&self, name: &str) -> Role {
        self.stage.world.role(self.place.account, name)
    }

    /// A caller assumes a role; the story goes on in the role's account.
    pub(crate) fn assumes(&mut self, caller: &Voice, role: &Role, how: &How<'_>) -> Rc<Voice> {
        let accounts = &self.stage.world.accounts;
        let home = accounts.iter().position(|id| *id == role.account).unwrap_or_default();
        let from = accounts.iter().position(|id| caller.arn.contains(id.as_str())).unwrap_or(home);
        self.time += 4;
        self.place.account = home;
        let (session, step) = self.stage.assume(Assumption {
            caller,
            from,
            role,
            place: self.place,
            time: self.time,
            call: how.call,
            lasts: how.hours * 3_600,
            session: Session {
                name: how.name.to_owned(),
                mfa: how.mfa,
                source_identity: how.source_identity.to_owned(),
                provider: how.provider.to_owned(),
                subject: how.subject.to_owned(),
                on_instance: caller.arn == "ec2.amazonaws.com",
                ..Session::default()
            },
        });
        if !step.event_id.is_empty() {
            self.explain(caller, &step.event_id, "session");
            self.note(step);
        }
        let ip = if how.ip.is_empty() { &caller.ip } else { how.ip };
        let agent = if how.agent.is_empty() { &caller.agent } else { how.agent };
        Stage::session_voice(role, &session, (ip, agent))
    }

    /// A service takes up its service-linked role.
    pub(crate) fn linked(&mut self, principal: &str, name: &str, session: &str) -> Rc<Voice> {
        let role = self.stage.world.linked_role(self.place.account, principal, name);
        let how = How { name: session, ..How::default() };
        let home = self.place;
        self.assumes(&identity::service(principal), &role, &how);
        self.place = home;
        identity::linked_role(&role, session, self.time)
    }

    /// A service acts for a caller: the caller's identity with another key, and the service's name.
    pub(crate) fn forward(&mut self, caller: &Voice, service: &str) -> Voice {
        let key = self.stage.temporary_key();
        let mut identity = match caller.key.as_str() {
            "" => caller.identity.clone(),
            old => caller.identity.replace(old, &key),
        };
        identity.pop();
        if !identity.contains("sessionContext") {
            let now = iso(self.time);
            for part in [
                r#","sessionContext":{"attributes":{"creationDate":""#,
                &now,
                r#"","mfaAuthenticated":"false"}}"#,
            ] {
                identity.push_str(part);
            }
        }
        for part in [r#","invokedBy":""#, service, r#""}"#] {
            identity.push_str(part);
        }
        let mut opened = self.stage.register.child(caller, "forward-access", "principal-creation");
        opened.access_key.clone_from(&key);
        member_of(&identity, "principalId").clone_into(&mut opened.principal);
        member_of(&identity, "creationDate").clone_into(&mut opened.created);
        self.stage.register.open(opened);
        Voice {
            identity,
            arn: caller.arn.clone(),
            key,
            ip: service.to_owned(),
            agent: service.to_owned(),
            manner: Manner::Service,
        }
    }

    /// A caller looks around for a while.
    pub(crate) fn works(&mut self, voice: &Voice, count: usize) {
        for _ in 0..count {
            let call = CALLS[self.stage.chance.below(CALLS.len())];
            let wait = self.stage.chance.between(2, 150);
            self.does(voice, call, wait);
        }
    }

    /// Hexadecimal digits, as in ids.
    pub(crate) fn hex(&mut self, count: usize) -> String {
        let mut text = String::new();
        self.stage.chance.hex(&mut text, count);
        text
    }

    /// Ids of the events since a step of the story.
    pub(crate) fn since(&self, step: usize) -> Vec<String> {
        self.steps[step..].iter().map(|step| step.event_id.clone()).collect()
    }
}
