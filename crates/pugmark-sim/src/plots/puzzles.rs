//! Plots that lead astray whoever joins by names: look-alikes, cycles, records
//! that are missing, keys that are used where they should not be.

use std::rc::Rc;

use serde_json::json;

use super::people::session_token;
use super::{CLI_AGENT, How, Round, SDK_AGENT};
use crate::attacks::steal;
use crate::clock::{expiration, iso};
use crate::identity::{self, Voice};
use crate::record::Fault;
use crate::stage::{Sight, Stage};
use crate::story::{Line, Story, user_voice};
use crate::truth;

/// All of them.
pub(super) const PLOTS: &[fn(&mut Stage, Round)] = &[
    before_the_first_day,
    dropped,
    look_alikes,
    cycle,
    expired,
    vendor,
    one_sided,
    stolen_key,
    linked_by_name_only,
];

/// An account that no trail here belongs to.
const VENDOR: &str = "999988887777";

/// Sessions that were opened before the trail begins: one names its person, one does not.
fn before_the_first_day(stage: &mut Stage, round: Round) {
    for (turn, source_identity) in [(0, true), (1, false)] {
        let mut story = round.story(stage, turn + round.number);
        if round.number == 0 {
            story.time = story.stage.world.start - 900;
        }
        let (name, ip) = round.person(turn + 2);
        let user = story.stage.world.user(0, name);
        let own = user_voice(&user, (ip, CLI_AGENT));
        let role = story.role(if source_identity { "operations" } else { "batch-admin" });
        let session = format!("job-{}", story.time);
        let voice = unseen(&mut story, |story| {
            let source_identity = if source_identity { name } else { "" };
            story.assumes(&own, &role, &How { name: &session, source_identity, ..How::default() })
        });
        story.time += 960;
        story.works(&voice, 3);
    }
}

/// A chain whose middle is missing: what came of it leads no further than there.
fn dropped(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, 0);
    let (name, ip) = round.person(5);
    let user = story.stage.world.user(story.place.account, name);
    let own = user_voice(&user, (ip, CLI_AGENT));
    let account = round.number % story.stage.world.accounts.len();
    let first = story.stage.world.role(account, "staging");
    let session = format!("step-{}", story.hex(6));
    let how = How { name: &session, ..How::default() };
    let voice = story.assumes(&own, &first, &how);
    story.works(&voice, 1);
    let middle = story.role("transfer");
    let voice = unseen(&mut story, |story| story.assumes(&voice, &middle, &how));
    story.works(&voice, 1);
    let last = story.role("archive");
    let voice = story.assumes(&voice, &last, &how);
    story.works(&voice, 2);
}

/// Two people, two roles of one name in two accounts, one session name, in the same minutes.
fn look_alikes(stage: &mut Stage, round: Round) {
    let time = round.story(stage, 0).time;
    for (turn, account, name) in [(0, 0, "operations"), (1, 1, "operations"), (2, 0, "operations-read")] {
        let mut story = round.story(stage, 0);
        story.time = time + 7 * turn as i64;
        let (person, ip) = round.person(turn + 3);
        let user = story.stage.world.user(0, person);
        let own = user_voice(&user, (ip, CLI_AGENT));
        let account = account % story.stage.world.accounts.len();
        let role = story.stage.world.role(account, name);
        let voice = story.assumes(&own, &role, &How { name: "maintenance", ..How::default() });
        story.works(&voice, 3);
    }
    // The same name once more, and nobody saw where that session came from.
    let mut story = round.story(stage, 1);
    story.time = time + 30;
    let (person, ip) = round.person(8);
    let own = user_voice(&story.stage.world.user(0, person), (ip, CLI_AGENT));
    let role = story.role("operations");
    let how = How { name: "maintenance", ..How::default() };
    let voice = unseen(&mut story, |story| story.assumes(&own, &role, &how));
    story.works(&voice, 2);
}

/// Role A assumes role B, that A again, and again B.
fn cycle(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, round.number);
    let (name, ip) = round.person(10);
    let user = story.stage.world.user(story.place.account, name);
    let mut voice = Rc::new(user_voice(&user, (ip, SDK_AGENT)));
    let roles = [story.role("ping"), story.role("pong")];
    for turn in 0..4 {
        voice = story.assumes(&voice, &roles[turn % 2], &How { name: "loop", ..How::default() });
        story.works(&voice, 1);
    }
}

/// A session is used long after its end, and refused.
fn expired(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, 0);
    let (name, ip) = round.person(11);
    let user = story.stage.world.user(story.place.account, name);
    let own = user_voice(&user, (ip, CLI_AGENT));
    let own = session_token(&mut story, &user, &own);
    let role = story.role("developer");
    let session = format!("{name}-late");
    let voice = story.assumes(&own, &role, &How { name: &session, ..How::default() });
    story.works(&voice, 2);
    story.time += 2 * 3_600;
    for _ in 0..2 {
        let message = "The security token included in the request is expired".to_owned();
        let fault = Some(Fault { code: "ExpiredTokenException", message });
        story.says(&voice, ("secretsmanager", "ListSecrets"), (30, Line { fault, ..Line::default() }));
    }
}

/// A vendor's role, in an account without a trail here, assumes ours.
fn vendor(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, round.number);
    let role = story.role("vendor-audit");
    let seen = identity::foreign("AROAEXAMPLEVENDOR0001:scanner", VENDOR);
    let caller =
        crate::actors::client(seen, &format!("arn:aws:iam::{VENDOR}:root"), ("192.0.2.200", SDK_AGENT));
    let session = identity::Session {
        name: "scanner".into(),
        key: story.stage.temporary_key(),
        created: story.time + 3,
        ..identity::Session::default()
    };
    let issued = story.says(&caller, ("sts", "AssumeRole"), (3, Line {
        request: json!({"roleArn": role.arn(), "roleSessionName": "scanner", "externalId": "b7d1-4410"}),
        response: json!({"credentials": {"accessKeyId": session.key, "expiration": expiration(story_end(session.created))}, "assumedRoleUser": {"assumedRoleId": format!("{}:scanner", role.id), "arn": role.session_arn("scanner")}}),
        resources: json!([{"accountId": role.account, "type": "AWS::IAM::Role", "ARN": role.arn()}]),
        ..Line::default()
    }));
    let mut opened = story.stage.register.child(&caller, "role", "access-key");
    opened.access_key.clone_from(&session.key);
    opened.principal = format!("{}:scanner", role.id);
    opened.created = iso(session.created);
    opened.expires = iso(story_end(session.created));
    opened.issued_by = Some(issued.clone());
    let (actor, actor_type) = (opened.actor.clone(), opened.actor_type.clone());
    story.stage.register.open(opened);
    story.stage.register.copies.push(truth::Copied { event_id: issued, original: None, actor, actor_type });
    let voice = Stage::session_voice(&role, &session, ("192.0.2.200", SDK_AGENT));
    story.works(&voice, 5);
}

fn story_end(created: i64) -> i64 {
    created + 3_600
}

/// A role is assumed from another account, whose own record of it is missing.
fn one_sided(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, 0);
    let (name, ip) = round.person(1);
    let user = story.stage.world.user(0, name);
    let own = user_voice(&user, (ip, CLI_AGENT));
    let hop = story.role("developer");
    let session = format!("{name}-hop");
    let voice = story.assumes(&own, &hop, &How { name: &session, ..How::default() });
    story.works(&voice, 2);
    let other = 1 % story.stage.world.accounts.len();
    let role = story.stage.world.role(other, "data-reader");
    story.stage.sight = Sight::Called;
    let voice = story.assumes(&voice, &role, &How { name: &session, ..How::default() });
    story.stage.sight = Sight::Whole;
    story.works(&voice, 2);
}

/// A session's key is used from its owner's network and, meanwhile, from another one.
fn stolen_key(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, 0);
    let (name, ip) = round.person(2);
    let user = story.stage.world.user(0, name);
    let own = user_voice(&user, (ip, CLI_AGENT));
    let role = story.role("developer");
    let session = format!("{name}-work");
    let voice = story.assumes(&own, &role, &How { name: &session, ..How::default() });
    story.works(&voice, 2);
    let thief = "192.0.2.233";
    let outside = abroad(&voice, thief);
    let before = story.steps.len();
    story.works(&outside, 3);
    let abuse = story.since(before);
    steal(&mut story, ("two-networks", &voice.key, thief), abuse);
    story.works(&voice, 2);
}

/// The same credentials at another address.
pub(super) fn abroad(voice: &Voice, ip: &str) -> Voice {
    Voice {
        identity: voice.identity.clone(),
        arn: voice.arn.clone(),
        key: voice.key.clone(),
        ip: ip.to_owned(),
        agent: "Boto3/1.26.165 md/Botocore#1.29.165 ua/2.0 os/linux#6.6.9-amd64".to_owned(),
        manner: voice.manner,
    }
}

/// Customer roles named like service-linked ones, outside the reserved path.
fn linked_by_name_only(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, round.number);
    let (name, ip) = round.person(0);
    let user = story.stage.world.user(story.place.account, name);
    let own = user_voice(&user, (ip, CLI_AGENT));
    for name in ["AWSServiceRoleForAmazonEKSNodegroup-old", "AWSServiceRoleForAutoScalingCopy"] {
        let role = story.role(name);
        let voice = story.assumes(&own, &role, &How { name: "EKS", ..How::default() });
        let profile = format!("eks-{}", story.stage.chance.new_guid());
        let request = json!({"instanceProfileName": profile});
        story.says(&voice, ("iam", "DeleteInstanceProfile"), (20, Line { request, ..Line::default() }));
        story.works(&voice, 1);
    }
}

/// What is opened here leaves no record of its opening.
pub(super) fn unseen(story: &mut Story<'_>, open: impl FnOnce(&mut Story<'_>) -> Rc<Voice>) -> Rc<Voice> {
    story.stage.sight = Sight::Nothing;
    let voice = open(story);
    story.stage.sight = Sight::Whole;
    voice
}
