//! Everyday life: services deliver logs, nodes and functions work, people
//! click, a provisioning tool runs into throttling.

use crate::actors::{Actor, Kind};
use crate::clock::TICK;
use crate::delivery::Folder;
use crate::identity::{self, Voice};
use crate::record::Fault;
use crate::stage::{Act, Place, Stage};

/// Share of events that are services delivering logs.
const DELIVERIES: f64 = 0.6;
const DELIVERY_ERRORS: f64 = 0.05;
/// Share of events refused by the policy of a VPC endpoint, in their own folder.
const REFUSALS: f64 = 0.0015;
const DELIVERERS: &[(&str, &str)] = &[
    ("trail", "cloudtrail.amazonaws.com"),
    ("flow", "delivery.logs.amazonaws.com"),
    ("logs", "delivery.logs.amazonaws.com"),
    ("balancer", "logdelivery.elasticloadbalancing.amazonaws.com"),
];

/// All callers of everyday life.
pub(crate) struct Troupe {
    actors: Vec<Actor>,
    /// Actor indexes by place and kind.
    pools: Vec<Vec<usize>>,
    regions: usize,
    deliverers: Vec<std::rc::Rc<Voice>>,
    delivered: u64,
    acted: u64,
}

/// A stretch of one lane's life: records from `from` to just before the next mark.
#[derive(Clone, Copy)]
pub(crate) struct Scene {
    pub(crate) place: Place,
    pub(crate) from: i64,
    /// How busy people are, from 0 to 1.
    pub(crate) bustle: f64,
}

impl Troupe {
    /// The callers, beside `planted` events that stories have already told.
    pub(crate) fn new(stage: &Stage, planted: u64) -> Troupe {
        let regions = stage.world.regions.len();
        let mut actors = Vec::new();
        let mut pools = Vec::new();
        for place in 0..stage.world.accounts.len() * regions {
            for kind in Kind::ALL {
                let place = Place { account: place / regions, region: place % regions };
                let cast = Actor::cast(&stage.world, kind, place);
                pools.push((actors.len()..actors.len() + cast.len()).collect());
                actors.extend(cast);
            }
        }
        let deliverers = DELIVERERS.iter().map(|(_, principal)| identity::service(principal)).collect();
        Troupe { actors, pools, regions, deliverers, delivered: 0, acted: planted }
    }

    /// Plays until about `budget` more records exist.
    pub(crate) fn play(&mut self, stage: &mut Stage, scene: Scene, budget: u64) {
        let goal = stage.lanes.counts.events + budget;
        while stage.lanes.counts.events < goal {
            let left = goal - stage.lanes.counts.events;
            let total = self.delivered + self.acted;
            let deliver = (self.delivered as f64) < DELIVERIES * (total + 1) as f64;
            if deliver || left < 4 {
                self.deliver(stage, scene, left);
            } else {
                self.act(stage, scene, left);
            }
        }
    }

    /// A service delivers logs.
    pub(crate) fn deliver(&mut self, stage: &mut Stage, scene: Scene, left: u64) {
        let mut time = scene.moment(stage);
        for _ in 0..left.min(1 + stage.chance.below(4) as u64) {
            let calls = stage.calls.tagged('d');
            let call = calls[stage.chance.below(calls.len())];
            let variant = stage.calls.get(call).variant;
            let index = DELIVERERS.iter().position(|(name, _)| *name == variant).unwrap_or_default();
            let voice = &self.deliverers[index];
            let mut act = Act::new(voice, call, scene.place, time);
            if stage.chance.odds(DELIVERY_ERRORS) {
                act.fault = Some(Fault { code: "AccessDenied", message: "Access Denied".to_owned() });
            }
            let shared = if stage.chance.odds(0.5) { stage.chance.new_guid() } else { String::new() };
            act.shared = &shared;
            stage.record(&act);
            self.delivered += 1;
            time = scene.later(time, stage.chance.between(0, 2));
        }
    }

    fn act(&mut self, stage: &mut Stage, scene: Scene, left: u64) {
        let before = stage.lanes.counts.events;
        let kind = choose(stage, scene.bustle);
        let place = scene.place.account * self.regions + scene.place.region;
        let pool = &self.pools[place * Kind::ALL.len() + kind as usize];
        let actor = &mut self.actors[pool[stage.chance.favourite(pool.len())]];
        let start = scene.moment(stage);
        let (voice, mut time) = actor.voice(stage, start);
        time = scene.later(time, i64::from(time == start));
        let (count, pause) = pace(stage, kind);
        let signed_in = stage.lanes.counts.events - before;
        let focus = focus(stage, kind);
        for _ in 0..count.min(left.saturating_sub(signed_in)) {
            let call = pick_call(stage, kind, focus);
            let fault = fault(stage, (kind, &voice), call);
            stage.record(&Act { fault, ..Act::new(&voice, call, scene.place, time) });
            time = scene.later(time, stage.chance.between(0, pause));
        }
        if kind == Kind::Instance && stage.chance.odds(REFUSALS * 20.0) {
            refuse(stage, &voice, (scene.place, time));
        }
        self.acted += stage.lanes.counts.events - before;
    }
}

impl Scene {
    fn moment(self, stage: &mut Stage) -> i64 {
        self.from + stage.chance.between(3, TICK - 20)
    }

    /// Time goes on, but not past what this mark delivers.
    fn later(self, time: i64, seconds: i64) -> i64 {
        (time + seconds).min((self.from + TICK - 3).max(time))
    }
}

/// A kind of caller, by its share of events and how many one scene makes.
fn choose(stage: &mut Stage, bustle: f64) -> Kind {
    let weight = |kind: Kind| {
        let mean = match kind {
            Kind::Provisioner => 60.0,
            Kind::Person => 16.0,
            Kind::Pipeline | Kind::Auditor => 12.0,
            Kind::Recorder => 6.0,
            _ => 2.5,
        };
        let awake = if matches!(kind, Kind::Person | Kind::Provisioner | Kind::Pipeline) {
            2.0 * bustle
        } else {
            1.0
        };
        kind.share() / mean * awake
    };
    let total: f64 = Kind::ALL.into_iter().map(weight).sum();
    let mut left = stage.chance.unit() * total;
    for kind in Kind::ALL {
        left -= weight(kind);
        if left < 0.0 {
            return kind;
        }
    }
    Kind::Instance
}

/// How many calls one scene makes, and the longest pause between two.
fn pace(stage: &mut Stage, kind: Kind) -> (u64, i64) {
    let (count, pause) = match kind {
        Kind::Provisioner => (20 + stage.chance.below(120), 1),
        Kind::Person => (4 + stage.chance.below(26), 1),
        Kind::Pipeline | Kind::Auditor => (5 + stage.chance.below(16), 3),
        Kind::Recorder => (2 + stage.chance.below(9), 2),
        _ => (1 + stage.chance.below(4), 6),
    };
    (count as u64, pause)
}

/// A click on a console page asks one service for most things on it.
fn focus(stage: &mut Stage, kind: Kind) -> Option<usize> {
    let calls = stage.calls.tagged(kind.tag());
    (kind == Kind::Person).then(|| calls[stage.chance.below(calls.len())])
}

fn pick_call(stage: &mut Stage, kind: Kind, focus: Option<usize>) -> usize {
    let calls = stage.calls.tagged(kind.tag());
    let Some(focus) = focus else { return calls[stage.chance.below(calls.len())] };
    let service = stage.calls.get(focus).service;
    for _ in 0..6 {
        let call = calls[stage.chance.below(calls.len())];
        if stage.calls.get(call).service == service {
            return call;
        }
    }
    focus
}

/// The error a call ends in, if it does.
fn fault(stage: &mut Stage, (kind, voice): (Kind, &Voice), call: usize) -> Option<Fault> {
    if !stage.chance.odds(kind.error_rate()) {
        return None;
    }
    let call = stage.calls.get(call);
    let roll = stage.chance.unit();
    let throttled = kind == Kind::Provisioner && roll < 0.7 || roll < 0.1;
    Some(match call.service {
        "ec2" if throttled => plain("Client.RequestLimitExceeded", "Request limit exceeded."),
        "ec2" if roll < 0.5 => denied("Client.UnauthorizedOperation", voice, call.service, call.name),
        "ec2" if roll < 0.7 => {
            plain("Client.DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
        }
        "ec2" => {
            plain("Client.InvalidInstanceID.NotFound", "The instance ID 'i-0000000000000dead' does not exist")
        }
        "s3" if call.name.starts_with("GetBucket") && roll < 0.7 => {
            plain("NoSuchBucketPolicy", "The bucket policy does not exist")
        }
        "s3" if call.data && roll < 0.6 => plain("NoSuchKey", "The specified key does not exist."),
        "s3" => denied("AccessDenied", voice, call.service, call.name),
        _ if throttled => plain("ThrottlingException", "Rate exceeded"),
        "iam" if roll < 0.6 => {
            plain("NoSuchEntityException", r#"The user with name \"naïve-agent\" cannot be found."#)
        }
        "iam" | "sts" | "sqs" | "autoscaling" => denied("AccessDenied", voice, call.service, call.name),
        "dynamodb" if call.data => plain("ConditionalCheckFailedException", "The conditional request failed"),
        "logs" if roll < 0.8 => {
            plain("ResourceAlreadyExistsException", "The specified log group already exists")
        }
        "secretsmanager" if roll < 0.6 => {
            plain("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        }
        _ if roll < 0.3 => plain(
            "ValidationException",
            r"1 validation error detected: Value 'a\tb' failed to satisfy constraint",
        ),
        _ if roll < 0.5 => plain("ResourceNotFoundException", "Requested resource not found"),
        _ => denied("AccessDeniedException", voice, call.service, call.name),
    })
}

fn plain(code: &'static str, message: &str) -> Fault {
    Fault { code, message: message.to_owned() }
}

/// A refusal that names the caller.
pub(crate) fn denied(code: &'static str, voice: &Voice, service: &str, name: &str) -> Fault {
    let message = format!(
        "User: {} is not authorized to perform: {service}:{name} because no identity-based policy allows the {service}:{name} action",
        voice.arn
    );
    Fault { code, message }
}

/// A VPC endpoint's policy refuses a call: a network activity event.
fn refuse(stage: &mut Stage, voice: &Voice, (place, time): (Place, i64)) {
    let mut ids = [String::new(), String::new(), String::new(), String::new()];
    for id in &mut ids {
        stage.chance.guid(id);
    }
    let account = &stage.world.accounts[place.account];
    let text = format!(
        concat!(
            r#"{{"eventVersion":"1.09","userIdentity":{},"eventTime":"{}","eventSource":"secretsmanager.amazonaws.com","#,
            r#""eventName":"ListSecrets","awsRegion":"{}","sourceIPAddress":"{}","errorCode":"VpceAccessDenied","#,
            r#""errorMessage":"The request was denied due to a VPC endpoint policy","requestID":"{}","eventID":"{}","#,
            r#""eventType":"AwsVpceEvent","recipientAccountId":"{account}","sharedEventID":"{}","#,
            r#""vpcEndpointId":"vpce-0{}","vpcEndpointAccountId":"{account}","eventCategory":"NetworkActivity"}}"#,
        ),
        voice.identity,
        crate::clock::iso(time),
        stage.world.regions[place.region],
        voice.ip,
        ids[0],
        ids[1],
        ids[2],
        &ids[3].replace('-', "")[..16],
        account = account,
    );
    stage.put(place, (Folder::Network, time), &text);
}
