//! Bursts and journeys as findings, like those of rules.
//!
//! Their sightings know time, id, caller and call, but not the file: baselines do not keep it.

use std::sync::Arc;

use crate::finding::Fold;
use crate::first_seen::Burst;
use crate::geo::{Journey, JourneyKind, Stop, Traveller};
use crate::{Call, Caller, Finding, Level, RuleText, Sighting, Source};

/// What the built-in baselines say of themselves.
fn words(id: &str, title: &str, level: Level, description: &str) -> Arc<RuleText> {
    Arc::new(RuleText {
        id: format!("pugmark-{id}"),
        name: None,
        title: title.to_owned(),
        level,
        description: description.to_owned(),
        tags: Vec::new(),
        falsepositives: Vec::new(),
        references: Vec::new(),
        author: String::new(),
        file: String::new(),
        line: 0,
        is_correlation: false,
        is_silent: false,
    })
}

impl Burst {
    /// This burst as a finding; its details say what is new and how novel.
    pub fn finding(&self) -> Finding {
        let rule = words(
            "first-seen",
            "Done for the first time",
            self.level(),
            "A known principal did, within an hour, what it or its account never did before.",
        );
        let mut fold = Fold::default();
        for event_id in self.events() {
            let Some(first) = self.novelties.iter().find(|novelty| novelty.event_id == event_id) else {
                continue;
            };
            let (source, name) = first.call.split_once(':').unwrap_or(("", &first.call));
            let call = Call {
                source: format!("{source}.amazonaws.com").into(),
                name: name.into(),
                account: self.account.as_str().into(),
                ..Call::default()
            };
            let caller = (self.principal.as_str(), "", first.address.as_str());
            fold.add(&sighting(first.time, event_id, call, caller));
        }
        let details = self.novelties.iter().map(|one| (one.dimension.as_str().to_owned(), one.text()));
        Finding { details: details.collect(), ..fold.finding(Source::FirstSeen, &rule, &self.principal) }
    }
}

impl Journey {
    /// How serious: less where a proxy explains it.
    pub fn level(&self) -> Level {
        match (self.kind, self.is_hosted) {
            (JourneyKind::TooFast { .. }, false) => Level::High,
            (JourneyKind::TooFast { .. }, true) | (JourneyKind::OtherNetwork, false) => Level::Medium,
            (JourneyKind::OtherNetwork, true) => Level::Low,
        }
    }

    /// This journey as a finding of its two ends.
    pub fn finding(&self) -> Finding {
        let (source, rule) = match self.kind {
            JourneyKind::TooFast { .. } => (
                Source::Travel,
                words(
                    "travel",
                    "Impossible travel",
                    self.level(),
                    "Two places that nobody can reach in time.",
                ),
            ),
            JourneyKind::OtherNetwork => (
                Source::NetworkChange,
                words(
                    "network-change",
                    "One credential in two networks",
                    self.level(),
                    "The credential of one session was used from two networks.",
                ),
            ),
        };
        let session = match &self.traveller {
            Traveller::Session(id) => id.as_str(),
            Traveller::Person(_) => "",
        };
        let mut fold = Fold::default();
        let end = |stop: &Stop| {
            let call = Call { account: self.account.as_str().into(), ..Call::default() };
            sighting(stop.time, &stop.event_id, call, (&self.principal, session, &stop.address))
        };
        fold.add(&end(&self.from));
        fold.add(&end(&self.to));
        let details = vec![("journey".to_owned(), self.text())];
        Finding { details, ..fold.finding(source, &rule, &self.principal) }
    }
}

/// An event of which the baselines kept this much.
fn sighting(time: i64, id: &str, call: Call, (actor, session, address): (&str, &str, &str)) -> Arc<Sighting> {
    let caller =
        Caller { actor: actor.into(), session: session.into(), ip: address.into(), ..Caller::default() };
    Arc::new(Sighting {
        time,
        id: id.into(),
        call: Arc::new(call),
        caller: Arc::new(caller),
        cause: None,
        object: "".into(),
        offset: 0,
    })
}
