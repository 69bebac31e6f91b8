//! A story: scripted events by a few callers, noted down as they happen.

use serde_json::Value;

use crate::clock;
use crate::identity::{Manner, User, Voice};
use crate::record::Fault;
use crate::stage::{Act, Body, Place, Stage};
use crate::truth::{Cause, Step};

/// What is played so far, and the time it has come to.
pub(crate) struct Story<'a> {
    pub(crate) stage: &'a mut Stage,
    pub(crate) place: Place,
    pub(crate) time: i64,
    pub(crate) steps: Vec<Step>,
    /// The request because of which services act, from now on.
    pub(crate) cause: Option<String>,
}

/// One line of a script: what the table does not say by itself.
#[derive(Default)]
pub(crate) struct Line {
    pub(crate) request: Value,
    pub(crate) response: Value,
    pub(crate) additional: Value,
    pub(crate) resources: Value,
    pub(crate) fault: Option<Fault>,
}

impl<'a> Story<'a> {
    pub(crate) fn begin(stage: &'a mut Stage, place: Place, time: i64) -> Story<'a> {
        Story { stage, place, time, steps: Vec::new(), cause: None }
    }

    /// A call as the table has it, after some seconds.
    pub(crate) fn does(&mut self, voice: &Voice, call: (&str, &str), wait: i64) {
        self.time += wait;
        let act = Act::new(voice, 0, self.place, self.time);
        let step = self.stage.step(call, act);
        self.explain(voice, &step.event_id, "time");
        self.steps.push(step);
    }

    /// What services do from now on, they do because of this request.
    pub(crate) fn because(&mut self, request: &str) {
        self.cause = Some(request.to_owned());
    }

    /// Notes why a service did something.
    pub(crate) fn explain(&mut self, voice: &Voice, event: &str, evidence: &str) {
        if let Some(cause) = self.cause.as_ref().filter(|_| voice.manner == Manner::Service) {
            let (event_id, cause) = (event.to_owned(), cause.clone());
            self.stage.register.causes.push(Cause { event_id, cause, evidence: evidence.to_owned() });
        }
    }

    /// A call that is refused.
    pub(crate) fn is_denied(&mut self, voice: &Voice, (service, name): (&str, &str), wait: i64) {
        self.time += wait;
        let code = if service == "ec2" { "Client.UnauthorizedOperation" } else { "AccessDenied" };
        let fault = Some(crate::scenes::denied(code, voice, service, name));
        let act = Act { fault, ..Act::new(voice, 0, self.place, self.time) };
        let step = self.stage.step((service, name), act);
        self.steps.push(step);
    }

    /// A call with its own texts, after some seconds; returns the event's id.
    pub(crate) fn says(&mut self, voice: &Voice, call: (&str, &str), (wait, line): (i64, Line)) -> String {
        self.time += wait;
        let body = Body {
            request: text(&line.request),
            response: text(&line.response),
            additional: text(&line.additional),
            resources: text(&line.resources).trim_start_matches('[').trim_end_matches(']').to_owned(),
        };
        let act = Act { body: Some(&body), fault: line.fault, ..Act::new(voice, 0, self.place, self.time) };
        let step = self.stage.step(call, act);
        let id = step.event_id.clone();
        self.explain(voice, &id, "parameters");
        self.steps.push(step);
        id
    }

    pub(crate) fn account(&self) -> String {
        self.stage.world.accounts[self.place.account].clone()
    }

    pub(crate) fn region(&self) -> &'static str {
        self.stage.world.regions[self.place.region]
    }

    /// Notes a step that was recorded by other means.
    pub(crate) fn note(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Puts an Insights event, which has no caller, into its folder.
    pub(crate) fn insight(&mut self, (start, end): (i64, i64), details: (&str, &str, &str)) {
        let (source, name, code) = details;
        let mut shared = String::new();
        self.stage.chance.guid(&mut shared);
        let kind = if code.is_empty() { "ApiCallRateInsight" } else { "ApiErrorRateInsight" };
        let minutes = (end - start).div_euclid(60).max(1);
        for (state, time, duration) in [("Start", start, 1), ("End", end, minutes)] {
            let time = time.div_euclid(60) * 60;
            let id = self.stage.chance.new_guid();
            let error = if code.is_empty() { String::new() } else { format!(r#""errorCode":"{code}","#) };
            let (time_text, region, account) = (clock::iso(time), self.region(), self.account());
            let head = format!(
                r#"{{"eventVersion":"1.09","eventTime":"{time_text}","awsRegion":"{region}","eventID":"{id}","eventType":"AwsCloudTrailInsight","recipientAccountId":"{account}","sharedEventID":"{shared}","#
            );
            let details = format!(
                r#""insightDetails":{{"state":"{state}","eventSource":"{source}","eventName":"{name}","insightType":"{kind}",{error}"sourceEventCategory":"Management","insightContext":{{"statistics":{{"baseline":{{"average":9.82222E-5}},"insight":{{"average":7.5}},"insightDuration":{duration},"baselineDuration":10084}}}}}}"#
            );
            let text = format!(r#"{head}{details},"eventCategory":"Insight"}}"#);
            self.stage.put(self.place, (crate::delivery::Folder::Insight, time + 900), &text);
        }
    }
}

/// The voice of an IAM user with the user's own key.
pub(crate) fn user_voice(user: &User, from: (&str, &str)) -> Voice {
    let mut voice = crate::actors::client(user.identity(&user.key), &user.arn(), from);
    voice.key.clone_from(&user.key);
    voice
}

fn text(value: &Value) -> String {
    if value.is_null() { String::new() } else { value.to_string() }
}
