//! Plots of people: how they come to their sessions, one chain after another.

use std::rc::Rc;

use serde_json::json;

use super::{CLI_AGENT, How, Round};
use crate::actors::{Mfa, client, console_login};
use crate::attacks::note_key;
use crate::clock::{expiration, iso};
use crate::identity::{self, Manner, Session, User, Voice};
use crate::stage::{Place, Stage};
use crate::story::{Line, Story, user_voice};

/// All of them.
pub(super) const PLOTS: &[fn(&mut Stage, Round)] =
    &[chains, federation, root_for_a_task, switch_unseen, identity_center, new_key];

/// Roles on the way, each in the next account.
const STAIRS: [&str; 5] = ["developer", "deploy", "data-reader", "release", "break-glass"];

/// A user's second factor gives a session, that a role, that another, up to five of them.
fn chains(stage: &mut Stage, round: Round) {
    for turn in 0..3 {
        let (name, ip) = round.person(turn);
        let mut story = round.story(stage, 0);
        let user = story.stage.world.user(story.place.account, name);
        let own = user_voice(&user, (ip, CLI_AGENT));
        story.works(&own, 1);
        let mut voice = if turn == 1 { Rc::new(own) } else { session_token(&mut story, &user, &own) };
        let depth = [2, 3, 5][turn] - usize::from(turn != 1);
        let source_identity = if turn == 2 { name } else { "" };
        for (step, stair) in STAIRS.iter().enumerate().take(depth) {
            let accounts = story.stage.world.accounts.len();
            let account = (step + turn + round.number) % accounts;
            let role = story.stage.world.role(account, stair);
            let session = format!("{name}-{stair}");
            let how = How { name: &session, mfa: step == 0, source_identity, ..How::default() };
            voice = story.assumes(&voice, &role, &how);
            story.works(&voice, 2);
        }
        if turn == 2 {
            refused_elsewhere(&mut story, &voice);
        }
    }
}

/// `GetSessionToken` with a second factor: the user with a temporary key.
pub(super) fn session_token(story: &mut Story<'_>, user: &User, own: &Voice) -> Rc<Voice> {
    let session = Session {
        key: story.stage.temporary_key(),
        created: story.time + 6,
        mfa: true,
        ..Session::default()
    };
    let mut token = String::new();
    story.stage.chance.base64(&mut token, 96);
    let issued = story.says(own, ("sts", "GetSessionToken"), (6, Line {
        request: json!({"durationSeconds": 43_200, "serialNumber": format!("arn:aws:iam::{}:mfa/{}", user.account, user.name)}),
        response: json!({"credentials": {"accessKeyId": session.key, "sessionToken": token, "expiration": expiration(session.created + 43_200)}}),
        ..Line::default()
    }));
    let mut opened = story.stage.register.child(own, "session-token", "access-key");
    opened.access_key.clone_from(&session.key);
    opened.principal.clone_from(&user.id);
    opened.created = iso(session.created);
    opened.expires = iso(session.created + 43_200);
    opened.issued_by = Some(issued);
    story.stage.register.open(opened);
    Rc::new(Voice {
        identity: user.console_identity(&session),
        arn: user.arn(),
        key: session.key,
        ip: own.ip.clone(),
        agent: own.agent.clone(),
        manner: Manner::Client,
    })
}

/// A role of another account says no; only the caller's account hears of it.
fn refused_elsewhere(story: &mut Story<'_>, voice: &Voice) {
    let other = (story.place.account + 1) % story.stage.world.accounts.len();
    let role = story.stage.world.role(other, "vault-keeper");
    let fault = Some(crate::scenes::denied("AccessDenied", voice, "sts", "AssumeRole"));
    let request = json!({"roleArn": role.arn(), "roleSessionName": "try"});
    story.says(voice, ("sts", "AssumeRole"), (9, Line { request, fault, ..Line::default() }));
}

/// `GetFederationToken`: a broker hands a name a session.
fn federation(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, round.number + 1);
    let user = story.stage.world.user(story.place.account, "token-broker");
    let own = user_voice(&user, ("203.0.113.90", CLI_AGENT));
    let (name, ip) = round.person(3);
    let key = story.stage.temporary_key();
    let (created, account) = (story.time + 5, user.account.clone());
    let arn = format!("arn:aws:sts::{account}:federated-user/{name}");
    let principal = format!("{account}:{name}");
    let issued = story.says(&own, ("sts", "GetFederationToken"), (5, Line {
        request: json!({"name": name, "durationSeconds": 7_200}),
        response: json!({"credentials": {"accessKeyId": key, "expiration": expiration(created + 7_200)}, "federatedUser": {"federatedUserId": principal, "arn": arn}}),
        ..Line::default()
    }));
    let mut opened = story.stage.register.child(&own, "federation-token", "access-key");
    opened.access_key.clone_from(&key);
    opened.principal.clone_from(&principal);
    opened.created = iso(created);
    opened.expires = iso(created + 7_200);
    opened.issued_by = Some(issued);
    story.stage.register.open(opened);
    let identity = format!(
        concat!(
            r#"{{"type":"FederatedUser","principalId":"{principal}","arn":"{arn}","accountId":"{account}","accessKeyId":"{key}","#,
            r#""sessionContext":{{"sessionIssuer":{{"type":"IAMUser","principalId":"{id}","arn":"{user}","accountId":"{account}","userName":"{name}"}},"#,
            r#""attributes":{{"creationDate":"{created}","mfaAuthenticated":"false"}}}}}}"#
        ),
        principal = principal,
        arn = arn,
        account = account,
        key = key,
        id = user.id,
        user = user.arn(),
        name = user.name,
        created = iso(created),
    );
    let mut voice = client(identity, &arn, (ip, CLI_AGENT));
    voice.key = key;
    story.works(&voice, 4);
}

/// A person of the first account becomes root of another one, for one task.
fn root_for_a_task(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, 0);
    let (name, ip) = round.person(4);
    let admin = sso(&mut story, ("Administrator", name, ip), Seen::Whole);
    let target = story.stage.world.accounts[1 % story.stage.world.accounts.len()].clone();
    let (created, key) = (story.time + 8, story.stage.temporary_key());
    let issued = story.says(&admin, ("sts", "AssumeRoot"), (8, Line {
        request: json!({"targetPrincipal": target, "taskPolicyArn": {"arn": "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy"}, "durationSeconds": 900}),
        response: json!({"credentials": {"accessKeyId": key, "expiration": expiration(created + 900)}}),
        resources: json!([{"accountId": target, "type": "AWS::IAM::Root", "ARN": format!("arn:aws:iam::{target}:root")}]),
        ..Line::default()
    }));
    let mut opened = story.stage.register.child(&admin, "assumed-root", "access-key");
    opened.access_key.clone_from(&key);
    opened.principal.clone_from(&target);
    opened.created = iso(created);
    opened.expires = iso(created + 900);
    opened.issued_by = Some(issued);
    story.stage.register.open(opened);
    let arn = format!("arn:aws:iam::{target}:root");
    let identity = format!(
        r#"{{"type":"Root","principalId":"{target}","arn":"{arn}","accountId":"{target}","accessKeyId":"{key}","sessionContext":{{"attributes":{{"creationDate":"{}","mfaAuthenticated":"false"}},"assumedRoot":"true"}}}}"#,
        iso(created)
    );
    let mut voice = client(identity, &arn, (ip, CLI_AGENT));
    voice.key = key;
    story.place.account = 1 % story.stage.world.accounts.len();
    story.does(&voice, ("s3", "GetBucketPolicy"), 20);
    story.does(&voice, ("s3", "DeleteBucketPolicy"), 12);
}

/// The console switches roles, and only the sign-in service says so.
fn switch_unseen(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, 0);
    let (name, ip) = round.person(6);
    let home = story.place;
    let (voice, login) = console_login(story.stage, (name, ip), Mfa::Used, (home, story.time));
    story.note(login);
    story.time += 1;
    story.works(&voice, 2);
    let account = (1 + round.number) % story.stage.world.accounts.len();
    let role = story.stage.world.role(account, "operations");
    let region = Place { region: 0, ..home };
    story.place = region;
    let switch = story.says(&voice, ("signin", "SwitchRole"), (11, Line {
        response: json!({"SwitchRole": "Success"}),
        additional: json!({"SwitchFrom": voice.arn, "RedirectTo": "https://us-east-1.console.aws.amazon.com/console/home"}),
        ..Line::default()
    }));
    let session = Session {
        name: name.to_owned(),
        key: story.stage.temporary_key(),
        created: story.time,
        mfa: true,
        ..Session::default()
    };
    let mut opened = story.stage.register.child(&voice, "switch-role", "session-name");
    opened.access_key.clone_from(&session.key);
    opened.principal = format!("{}:{name}", role.id);
    opened.issued_by = Some(switch);
    opened.created = iso(session.created);
    opened.expires = iso(session.created + 3_600);
    story.stage.register.open(opened);
    story.place = Place { account, ..home };
    let mut switched = client(role.identity(&session), &role.session_arn(name), (ip, &voice.agent));
    switched.key = session.key;
    switched.manner = Manner::Console;
    story.works(&switched, 5);
}

/// How much of a sign-in through Identity Center the trail shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Whole,
    /// The role's assumption is missing.
    Use,
}

/// Identity Center users fetch credentials for two roles; once their making is missing.
fn identity_center(stage: &mut Stage, round: Round) {
    for (turn, seen) in [(7, Seen::Whole), (8, Seen::Use)] {
        let mut story = round.story(stage, turn + round.number);
        let (name, ip) = round.person(turn);
        for set in ["ReadOnly", "Developer"] {
            let voice = sso(&mut story, (set, name, ip), seen);
            story.works(&voice, 3);
        }
    }
}

/// A person comes through Identity Center: the portal's record, then the role's.
pub(crate) fn sso(story: &mut Story<'_>, (set, name, ip): (&str, &str, &str), seen: Seen) -> Rc<Voice> {
    let role = story.stage.world.reserved_role(story.place.account, set);
    let world = &story.stage.world;
    let user = world.id("", 10, &[name, "identity-center"]).to_lowercase();
    let identity = format!(
        r#"{{"type":"IdentityCenterUser","accountId":"{}","onBehalfOf":{{"userId":"{user}","identityStoreArn":"arn:aws:identitystore::{}:identitystore/d-9067f1a2b3"}},"credentialId":"{}"}}"#,
        world.accounts[0],
        world.accounts[0],
        world.id("", 12, &[name, "portal"]).to_lowercase()
    );
    let portal = client(identity, name, (ip, CLI_AGENT));
    let here = story.place;
    story.place = Place { account: 0, region: 0 };
    let request = json!({"roleName": set, "accountId": role.account});
    story.says(&portal, ("sso", "GetRoleCredentials"), (5, Line { request, ..Line::default() }));
    story.place = here;
    let subject = format!("{name}@example.com");
    let caller = client(identity::saml(&subject), &subject, (ip, CLI_AGENT));
    let how = How { call: "AssumeRoleWithSAML", name: &subject, hours: 8, ..How::default() };
    if seen == Seen::Use {
        story.stage.sight = crate::stage::Sight::Nothing;
    }
    let voice = story.assumes(&caller, &role, &how);
    story.stage.sight = crate::stage::Sight::Whole;
    voice
}

/// An administrator makes a key, and a program works with it from then on.
fn new_key(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, round.number);
    let (name, ip) = round.person(9);
    let admin = sso(&mut story, ("Administrator", name, ip), Seen::Whole);
    let program = format!("svc-import-{}", round.number);
    let user = story.stage.world.user(story.place.account, &program);
    let created = iso(story.time + 22);
    story.says(&admin, ("iam", "CreateUser"), (20, Line {
        request: json!({"userName": program}),
        response: json!({"user": {"path": "/", "userName": program, "userId": user.id, "arn": user.arn(), "createDate": created}}),
        ..Line::default()
    }));
    let issued = story.says(&admin, ("iam", "CreateAccessKey"), (2, Line {
        request: json!({"userName": program}),
        response: json!({"accessKey": {"userName": program, "accessKeyId": user.key, "status": "Active", "createDate": created}}),
        ..Line::default()
    }));
    note_key(&mut story, &admin, &user, issued);
    let voice = user_voice(&user, ("203.0.113.150", super::SDK_AGENT));
    story.time += 1_800;
    story.works(&voice, 6);
}
