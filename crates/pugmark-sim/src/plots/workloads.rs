//! Plots of programs: instances, functions, tasks and pipelines, and what is
//! stolen from them.

use std::rc::Rc;

use serde_json::json;

use super::puzzles::{abroad, unseen};
use super::{How, Round, SDK_AGENT};
use crate::attacks::steal;
use crate::identity;
use crate::stage::{Act, Body, Place, Stage};
use crate::story::Line;

/// All of them.
pub(super) const PLOTS: &[fn(&mut Stage, Round)] =
    &[instance, instance_abroad, instance_elsewhere, function, task, pipeline];

/// An instance gets its role, gets it anew six hours later, and once more unseen.
fn instance(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, round.number);
    let role = story.role("render-node");
    let id = format!("i-0{}", story.hex(16));
    let how = How { name: &id, hours: 6, ip: "10.3.0.21", agent: SDK_AGENT, ..How::default() };
    let ec2 = identity::service("ec2.amazonaws.com");
    for turn in 0..3 {
        let voice = match turn {
            2 => unseen(&mut story, |story| story.assumes(&ec2, &role, &how)),
            _ => story.assumes(&ec2, &role, &how),
        };
        story.works(&voice, 3);
        story.time += 3 * 3_600;
    }
}

/// Credentials of an instance turn up outside AWS.
fn instance_abroad(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, round.number + 1);
    let role = story.role("web-node");
    let id = format!("i-0{}", story.hex(16));
    let how = How { name: &id, hours: 6, ip: "10.4.0.5", agent: SDK_AGENT, ..How::default() };
    let voice = story.assumes(&identity::service("ec2.amazonaws.com"), &role, &how);
    story.works(&voice, 2);
    let thief = "198.51.100.244";
    let before = story.steps.len();
    story.works(&abroad(&voice, thief), 4);
    let abuse = story.since(before);
    steal(&mut story, ("instance-outside", &voice.key, thief), abuse);
    story.works(&voice, 1);
}

/// Credentials of an instance are used from an instance of another account, through its endpoint.
fn instance_elsewhere(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, 0);
    let role = story.role("batch-node");
    let id = format!("i-0{}", story.hex(16));
    let how = How { name: &id, hours: 6, ip: "10.5.0.77", agent: SDK_AGENT, ..How::default() };
    let voice = story.assumes(&identity::service("ec2.amazonaws.com"), &role, &how);
    story.works(&voice, 2);
    let other = Place { account: 1 % story.stage.world.accounts.len(), ..story.place };
    let thief = "10.201.7.9";
    let outside = abroad(&voice, thief);
    let before = story.steps.len();
    for number in 0..3 {
        // The bucket's owner sees the same read as the account of the role.
        let bucket = format!("artefacts-{}", story.stage.world.accounts[other.account]);
        let shared = story.stage.chance.new_guid();
        let body = Body {
            request: json!({"bucketName": bucket, "key": format!("drop/{number}.bin")}).to_string(),
            resources:
                json!({"type": "AWS::S3::Object", "ARN": format!("arn:aws:s3:::{bucket}/drop/{number}.bin")})
                    .to_string(),
            ..Body::default()
        };
        story.time += 13;
        for place in [story.place, other] {
            let act = Act::new(&outside, 0, place, story.time);
            let step =
                story.stage.step(("s3", "GetObject"), Act { body: Some(&body), shared: &shared, ..act });
            story.note(step);
        }
    }
    let abuse = story.since(before);
    steal(&mut story, ("instance-in-other-account", &voice.key, thief), abuse);
}

/// A function reads a secret.
fn function(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, round.number);
    let role = story.role("ledger-close-role");
    let how = How { name: "ledger-close", hours: 12, ip: "10.6.0.8", agent: SDK_AGENT, ..How::default() };
    let voice = story.assumes(&identity::service("lambda.amazonaws.com"), &role, &how);
    story.does(&voice, ("secretsmanager", "GetSecretValue"), 3);
    story.works(&voice, 2);
}

/// A container task goes on from its role to another account's.
fn task(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, 0);
    let role = story.role("invoice-task");
    let id = story.hex(32);
    let how = How { name: &id, hours: 6, ip: "10.7.1.4", agent: SDK_AGENT, ..How::default() };
    let voice = story.assumes(&identity::service("ecs-tasks.amazonaws.com"), &role, &how);
    story.works(&voice, 2);
    let other = 1 % story.stage.world.accounts.len();
    let role = story.stage.world.role(other, "invoice-archive");
    let voice = story.assumes(&voice, &role, &How { name: "invoice", ..How::default() });
    story.works(&voice, 3);
}

/// A pipeline brings its forge's token, and deploys into another account from there.
fn pipeline(stage: &mut Stage, round: Round) {
    let mut story = round.story(stage, 0);
    let account = story.account();
    let provider = format!("arn:aws:iam::{account}:oidc-provider/token.forge.example.com");
    let repository = ["orders", "billing", "search"][round.number % 3];
    let subject = format!("repo:example/{repository}:ref:refs/heads/main");
    let caller = crate::actors::client(
        identity::web_identity(&provider, &subject),
        &subject,
        ("192.0.2.41", SDK_AGENT),
    );
    let role = story.role("ci-build");
    let how = How {
        call: "AssumeRoleWithWebIdentity",
        name: "ForgeActions",
        provider: &provider,
        ..How::default()
    };
    let voice = story.assumes(&caller, &role, &how);
    story.works(&voice, 2);
    let other = (1 + round.number) % story.stage.world.accounts.len();
    let role = story.stage.world.role(other, "ci-release");
    let run = format!("run-{}", story.time);
    let how = How { name: &run, source_identity: repository, ..How::default() };
    let voice: Rc<_> = story.assumes(&voice, &role, &how);
    let request =
        json!({"cluster": repository, "service": format!("{repository}-prod"), "forceNewDeployment": true});
    story.says(&voice, ("ecs", "UpdateService"), (8, Line { request, ..Line::default() }));
    story.works(&voice, 3);
}
