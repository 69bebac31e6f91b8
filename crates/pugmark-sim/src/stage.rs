//! The stage: everything that happens is recorded through it.

use std::rc::Rc;

use crate::calls::{Call, Calls};
use crate::chance::{Chance, push_hex, scramble};
use crate::clock::{self, TICK};
use crate::delivery::{Due, Folder, Lanes, mark_of};
use crate::identity::{self, Manner, Role, Session, Voice};
use crate::record::{Draft, Fault, Tls};
use crate::register::{Assumed, Register};
use crate::truth::Step;
use crate::world::World;

/// Share of records that come hours late.
const LATE: f64 = 0.0006;

/// The world, its randomness and its lanes.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) calls: Calls,
    pub(crate) chance: Chance,
    pub(crate) lanes: Lanes,
    /// Id of the record written last.
    pub(crate) event_id: String,
    /// What becomes the truth about credentials and causes.
    pub(crate) register: Register,
    /// Which records of the next assumptions reach the trail.
    pub(crate) sight: Sight,
    /// Session tags of the next assumption, as JSON.
    pub(crate) tags: String,
    texts: Texts,
}

/// Which records of a role's assumption reach the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Those of all accounts.
    Whole,
    /// Only that of the role's account.
    Called,
    /// None.
    Nothing,
}

#[derive(Default)]
struct Texts {
    request: String,
    response: String,
    additional: String,
    resources: String,
    request_id: String,
    agent: String,
    host: String,
    endpoint: String,
}

/// Where something happens: account and Region by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) account: usize,
    pub(crate) region: usize,
}

/// One call by one caller.
pub(crate) struct Act<'a> {
    pub(crate) voice: &'a Voice,
    pub(crate) call: usize,
    pub(crate) place: Place,
    pub(crate) time: i64,
    pub(crate) fault: Option<Fault>,
    /// Said in place of the table's texts.
    pub(crate) body: Option<&'a Body>,
    /// Id shared by the copies in several accounts.
    pub(crate) shared: &'a str,
    /// `userIdentity` as another account sees it.
    pub(crate) seen_as: Option<&'a str>,
}

/// Texts of one record, where a script knows better than the table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    pub(crate) request: String,
    pub(crate) response: String,
    pub(crate) additional: String,
    pub(crate) resources: String,
}

/// How a role is assumed.
pub(crate) struct Assumption<'a> {
    pub(crate) caller: &'a Voice,
    /// Account of the caller, by index.
    pub(crate) from: usize,
    pub(crate) role: &'a Role,
    pub(crate) place: Place,
    pub(crate) time: i64,
    /// `AssumeRole` and its kin.
    pub(crate) call: &'static str,
    /// Seconds until the credentials end.
    pub(crate) lasts: i64,
    pub(crate) session: Session,
}

impl<'a> Act<'a> {
    pub(crate) fn new(voice: &'a Voice, call: usize, place: Place, time: i64) -> Act<'a> {
        Act { voice, call, place, time, fault: None, body: None, shared: "", seen_as: None }
    }
}

impl Stage {
    pub(crate) fn new(world: World, lanes: Lanes) -> Stage {
        let chance = Chance::new(world.seed);
        let event_id = String::new();
        Stage {
            world,
            calls: Calls::load(),
            chance,
            lanes,
            event_id,
            register: Register::default(),
            sight: Sight::Whole,
            tags: String::new(),
            texts: Texts::default(),
        }
    }

    /// Records a call.
    pub(crate) fn record(&mut self, act: &Act<'_>) {
        let call = self.calls.get(act.call);
        let region = if call.global { 0 } else { act.place.region };
        let account = self.world.accounts[act.place.account].as_str();
        let facts = crate::template::Facts {
            account,
            region: self.world.regions[region],
            time: act.time,
            pick: self.chance.bits(),
        };
        self.event_id.clear();
        self.chance.guid(&mut self.event_id);
        self.texts.fill(call, act, (&facts, &mut self.chance));
        let mut due = Due { time: act.time, mark: mark_of(act.time) };
        let delayed = self.chance.odds(LATE);
        if delayed {
            due.mark += self.chance.between(2, 72) * TICK;
        }
        let texts = &self.texts;
        let from_console = act.voice.manner == Manner::Console && call.service != "signin";
        let body = act.body;
        let draft = Draft {
            version: call.event_version,
            identity: act.seen_as.unwrap_or(&act.voice.identity),
            time: act.time,
            source: &call.source,
            name: call.name,
            region: facts.region,
            ip: &act.voice.ip,
            agent: if texts.agent.is_empty() { &act.voice.agent } else { &texts.agent },
            error: act.fault.as_ref(),
            request: body.map_or(&texts.request, |body| &body.request),
            response: body.map_or(&texts.response, |body| &body.response),
            additional: body.map_or(&texts.additional, |body| &body.additional),
            request_id: &texts.request_id,
            event_id: &self.event_id,
            read_only: call.read_only,
            resources: body.map_or(&texts.resources, |body| &body.resources),
            event_type: if call.service == "signin" { "AwsConsoleSignIn" } else { "AwsApiCall" },
            api_version: call.api_version,
            data: call.data,
            recipient: account,
            shared: act.shared,
            endpoint: &texts.endpoint,
            tls: tls(act.voice, call, &texts.host),
            from_console,
            addendum: if delayed { r#"{"reason":"DELIVERY_DELAY"}"# } else { "" },
        };
        let lane = self.lanes.lane(act.place.account, region, Folder::Log);
        self.lanes.place(lane, due, |out| draft.write(out));
    }

    /// Records a call that a script knows by name, and returns it as a step of a story.
    pub(crate) fn step(&mut self, (service, name): (&str, &str), act: Act<'_>) -> Step {
        let call = self.calls.find(service, name);
        let time = clock::iso(act.time);
        self.record(&Act { call, ..act });
        Step { time, event_name: name.to_owned(), event_id: self.event_id.clone() }
    }

    /// Puts a ready record, which has no table entry, into a folder.
    pub(crate) fn put(&mut self, place: Place, (folder, time): (Folder, i64), text: &str) {
        let lane = self.lanes.lane(place.account, place.region, folder);
        self.lanes.place(lane, Due { time, mark: mark_of(time) }, |out| out.push_str(text));
    }

    /// A new temporary key.
    pub(crate) fn temporary_key(&mut self) -> String {
        let mut key = "ASIAEXAMPLE".to_owned();
        self.chance.key(&mut key, 9);
        key
    }

    /// Records that a role is assumed, in both accounts if there are two, and
    /// returns the session as later events show it: its key joins them.
    pub(crate) fn assume(&mut self, assumption: Assumption<'_>) -> (Session, Step) {
        let Assumption { caller, from, role, place, time, call, lasts, mut session } = assumption;
        session.key = self.temporary_key();
        session.created = time;
        let arn = role.arn();
        let mut request =
            format!(r#"{{"roleArn":"{arn}","roleSessionName":"{}","durationSeconds":{lasts}"#, session.name);
        if !session.source_identity.is_empty() {
            request.push_str(r#","sourceIdentity":""#);
            request.push_str(&session.source_identity);
            request.push('"');
        }
        if !self.tags.is_empty() {
            request.push_str(r#","tags":"#);
            request.push_str(&std::mem::take(&mut self.tags));
        }
        request.push('}');
        let mut token = String::new();
        self.chance.base64(&mut token, 96);
        let response = format!(
            concat!(
                r#"{{"credentials":{{"accessKeyId":"{key}","sessionToken":"{token}","expiration":"{end}"}},"#,
                r#""assumedRoleUser":{{"assumedRoleId":"{id}:{name}","arn":"{arn}"}}}}"#
            ),
            key = session.key,
            token = token,
            end = clock::expiration(time + lasts),
            id = role.id,
            name = session.name,
            arn = role.session_arn(&session.name),
        );
        let resources =
            format!(r#"{{"accountId":"{}","type":"AWS::IAM::Role","ARN":"{arn}"}}"#, role.account);
        let body = Body { request, response, additional: String::new(), resources };
        let across = from != place.account;
        let shared = if across { self.chance.new_guid() } else { String::new() };
        let sight = self.sight;
        let mut original = None;
        if across && sight == Sight::Whole {
            let own = Act {
                place: Place { account: from, ..place },
                body: Some(&body),
                shared: &shared,
                ..Act::new(caller, 0, place, time)
            };
            original = Some(self.step(("sts", call), own).event_id);
        }
        let principal = member_of(&caller.identity, "principalId");
        let foreign = identity::foreign(principal, &self.world.accounts[from]);
        let act = Act {
            body: Some(&body),
            shared: &shared,
            seen_as: across.then_some(foreign.as_str()),
            ..Act::new(caller, 0, place, time)
        };
        let step = if sight == Sight::Nothing { Step::default() } else { self.step(("sts", call), act) };
        let called = (!step.event_id.is_empty()).then(|| step.event_id.clone());
        let assumed = Assumed { caller, role, session: &session, call, ends: time + lasts, across };
        self.register.assumed(&assumed, (original, called));
        (session, step)
    }

    /// The voice of a role session for a client at an address.
    pub(crate) fn session_voice(role: &Role, session: &Session, (ip, agent): (&str, &str)) -> Rc<Voice> {
        Rc::new(Voice {
            identity: role.identity(session),
            arn: role.session_arn(&session.name),
            key: session.key.clone(),
            ip: ip.to_owned(),
            agent: agent.to_owned(),
            manner: Manner::Client,
        })
    }
}

impl Texts {
    fn fill(
        &mut self,
        call: &Call,
        act: &Act<'_>,
        (facts, chance): (&crate::template::Facts<'_>, &mut Chance),
    ) {
        for text in [
            &mut self.request,
            &mut self.response,
            &mut self.additional,
            &mut self.resources,
            &mut self.request_id,
            &mut self.agent,
            &mut self.host,
            &mut self.endpoint,
        ] {
            text.clear();
        }
        if act.body.is_none() {
            call.request.fill(&mut self.request, facts, chance);
            call.additional.fill(&mut self.additional, facts, chance);
            if act.fault.is_none() {
                call.response.fill(&mut self.response, facts, chance);
            }
            if !call.resource.is_empty() {
                self.resource(call, facts, chance);
            }
        }
        match call.service {
            "signin" => {}
            "s3" => push_upper(&mut self.request_id, chance.bits()),
            _ => chance.guid(&mut self.request_id),
        }
        if act.voice.manner == Manner::Client {
            if call.service == "s3" {
                self.agent.push('[');
                self.agent.push_str(&act.voice.agent);
                self.agent.push(']');
            }
            self.host.push_str(call.service);
            self.host.push('.');
            self.host.push_str(facts.region);
            self.host.push_str(".amazonaws.com");
            if act.voice.ip.starts_with("10.") && matches!(call.service, "s3" | "sts" | "kms" | "ssm" | "ecr")
            {
                self.endpoint.push_str("vpce-0");
                push_hex(&mut self.endpoint, place_bits(facts.account, facts.region), 16);
            }
        }
    }

    fn resource(&mut self, call: &Call, facts: &crate::template::Facts<'_>, chance: &mut Chance) {
        self.resources.push('{');
        // The owner is left out of many objects of S3.
        if call.resource_type != "AWS::S3::Object" {
            self.resources.push_str(r#""accountId":""#);
            self.resources.push_str(facts.account);
            self.resources.push_str("\",");
        }
        self.resources.push_str(r#""type":""#);
        self.resources.push_str(call.resource_type);
        self.resources.push_str(r#"","ARN":""#);
        call.resource.fill(&mut self.resources, facts, chance);
        self.resources.push_str("\"}");
    }
}

fn tls<'a>(voice: &Voice, call: &Call, host: &'a str) -> Tls<'a> {
    if voice.manner != Manner::Client || host.is_empty() {
        Tls::None
    } else if call.service == "signin" {
        Tls::Modern("signin.aws.amazon.com")
    } else if voice.agent.len().is_multiple_of(3) {
        Tls::Older(host)
    } else {
        Tls::Modern(host)
    }
}

/// The text of a member inside a `userIdentity`, the first of its name; empty if there is none.
pub(crate) fn member_of<'a>(identity: &'a str, name: &str) -> &'a str {
    let mark = format!("\"{name}\":\"");
    let start = identity.find(&mark).map_or(identity.len(), |at| at + mark.len());
    identity[start..].split('"').next().unwrap_or_default()
}

fn place_bits(account: &str, region: &str) -> u64 {
    account.bytes().chain(region.bytes()).fold(17, |hash, byte| scramble(hash ^ u64::from(byte)))
}

/// Sixteen capitals and digits, the form of a request id of S3.
fn push_upper(out: &mut String, mut bits: u64) {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    for _ in 0..16 {
        out.push(char::from(LETTERS[(bits & 31) as usize]));
        bits = bits.rotate_right(5).wrapping_mul(0x2545_f491_4f6c_dd1d);
    }
}
