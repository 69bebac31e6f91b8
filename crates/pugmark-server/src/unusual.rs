//! Unusual activity in accepted events: each trail that asks for Insights has
//! a watcher of its own, over the events that the trail takes.
//!
//! Counts live in memory; the trails' state keeps them over a restart.
//!
//! Source: AWS `CloudTrail` User Guide, "Working with `CloudTrail` Insights".

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;

use pugmark_insights::{Call, Category, InsightType, Memory, Selector, Settings, Watcher};
use pugmark_trail::{Facts, InsightCategory, InsightRecord, InsightSelector, Insights, Terms};
use serde::{Deserialize, Serialize};

/// Watches the trails.
#[derive(Debug, Default)]
pub(crate) struct Unusual {
    /// By ARN of the trail.
    watches: BTreeMap<String, Watch>,
}

/// What one trail asked for, and what was counted for it.
#[derive(Debug)]
struct Watch {
    asked: Vec<InsightSelector>,
    watcher: Watcher,
}

impl Watch {
    fn new(terms: &Terms) -> Watch {
        let watcher = Watcher::new(&selectors(&terms.insights), settings(&terms.arn));
        Watch { asked: terms.insights.clone(), watcher }
    }
}

fn settings(arn: &str) -> Settings {
    Settings { insight_source: Some(arn.to_owned()), ..Settings::default() }
}

/// A watch as it outlives the server.
#[derive(Serialize, Deserialize)]
struct Kept {
    asked: Vec<InsightSelector>,
    memory: Memory,
}

impl Insights for Unusual {
    fn observe(&mut self, trails: &[&Terms], events: &[String], now: i64) -> Vec<InsightRecord> {
        self.watches.retain(|arn, watch| {
            trails.iter().any(|terms| terms.arn == *arn && terms.insights == watch.asked)
        });
        if trails.is_empty() {
            return Vec::new();
        }
        for terms in trails {
            self.watches.entry(terms.arn.clone()).or_insert_with(|| Watch::new(terms));
        }
        for event in events {
            // Accepted events were read so before; never is one left out here.
            let Ok(facts) = Facts::read(event) else { continue };
            // One whose further members have other types is counted without them.
            let caller = serde_json::from_str(event).unwrap_or_default();
            for terms in trails {
                let Some(account) = terms.takes(&facts) else { continue };
                if let Some(watch) = self.watches.get_mut(&terms.arn) {
                    watch.watcher.count(&call(&facts, &caller, &account));
                }
            }
        }
        let mut found = Vec::new();
        for (arn, watch) in &mut self.watches {
            let insights = watch.watcher.minute(now);
            let record = |insight: &pugmark_insights::Insight| InsightRecord {
                trail: arn.clone(),
                event: insight.record(),
            };
            found.extend(insights.iter().map(record));
        }
        found
    }

    fn memory(&mut self) -> io::Result<Vec<u8>> {
        let kept = |watch: &mut Watch| Kept { asked: watch.asked.clone(), memory: watch.watcher.memory() };
        let kept: BTreeMap<&str, Kept> =
            self.watches.iter_mut().map(|(arn, watch)| (arn.as_str(), kept(watch))).collect();
        Ok(serde_json::to_vec(&kept)?)
    }

    fn recall(&mut self, memory: &[u8]) -> io::Result<()> {
        let kept: BTreeMap<String, Kept> = serde_json::from_slice(memory)?;
        let mut recalled = BTreeMap::new();
        for (arn, Kept { asked, memory }) in kept {
            let watcher = Watcher::recall(&selectors(&asked), settings(&arn), memory).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "it names what it does not have")
            })?;
            recalled.insert(arn, Watch { asked, watcher });
        }
        self.watches = recalled;
        Ok(())
    }

    fn weight(&self) -> u64 {
        self.watches.values().map(|watch| watch.watcher.cells() as u64).sum()
    }
}

/// What attributions need of a record, beside what decides where it goes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Attributed<'a> {
    #[serde(borrow)]
    error_message: Option<Cow<'a, str>>,
    #[serde(borrow)]
    user_agent: Option<Cow<'a, str>>,
    #[serde(borrow)]
    user_identity: Option<Invoker<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Invoker<'a> {
    #[serde(borrow)]
    invoked_by: Option<Cow<'a, str>>,
}

fn call<'a>(facts: &'a Facts<'_>, caller: &'a Attributed<'_>, account: &'a str) -> Call<'a> {
    Call {
        time: facts.time(),
        account,
        region: facts.aws_region.as_deref().unwrap_or_default(),
        event_source: facts.event_source.as_deref().unwrap_or_default(),
        event_name: facts.event_name.as_deref().unwrap_or_default(),
        event_type: facts.event_type.as_deref(),
        event_category: facts.event_category.as_deref(),
        management_event: facts.management_event,
        read_only: facts.read_only,
        error_code: facts.error_code.as_deref(),
        error_message: caller.error_message.as_deref(),
        identity_arn: facts.user_identity.as_ref().and_then(|identity| identity.arn.as_deref()),
        invoked_by: caller.user_identity.as_ref().and_then(|identity| identity.invoked_by.as_deref()),
        user_agent: caller.user_agent.as_deref(),
    }
}

fn selectors(asked: &[InsightSelector]) -> Vec<Selector> {
    let kind = |asked: &InsightSelector| match asked.insight_type {
        pugmark_trail::InsightType::ApiCallRateInsight => InsightType::ApiCallRate,
        pugmark_trail::InsightType::ApiErrorRateInsight => InsightType::ApiErrorRate,
    };
    let category = |category: &InsightCategory| match category {
        InsightCategory::Management => Category::Management,
        InsightCategory::Data => Category::Data,
    };
    asked
        .iter()
        .flat_map(|one| {
            one.event_categories.iter().map(move |of| Selector { kind: kind(one), category: category(of) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use pugmark_trail::{
        BucketPlace, Caller, Clock, CreateTrail, LocalDisk, Service, Settings, Stores, World,
    };

    use super::*;

    const MINUTE: i64 = 60_000_000;

    struct Hands(AtomicI64);

    impl Clock for Hands {
        fn now(&self) -> i64 {
            self.0.load(Ordering::SeqCst)
        }
    }

    fn insight_files(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                insight_files(&path, found);
            } else if path.to_str().unwrap().contains("/CloudTrail-Insight/") {
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }

    fn event(name: &str) -> String {
        format!(
            r#"{{"eventSource":"s3.amazonaws.com","eventName":"{name}","awsRegion":"eu-west-1","readOnly":false,"userIdentity":{{"arn":"arn:aws:iam::111122223333:user/kim"}}}}"#
        )
    }

    fn asked() -> Vec<InsightSelector> {
        let insight_type = pugmark_trail::InsightType::ApiCallRateInsight;
        vec![InsightSelector { insight_type, event_categories: vec![InsightCategory::Management] }]
    }

    fn open(folder: &Path, clock: &Arc<Hands>) -> Service {
        let disk = Arc::new(LocalDisk::open(&folder.join("state")).unwrap());
        let place = BucketPlace::Folders(folder.join("buckets"));
        let stores = Arc::new(Stores::new(BTreeMap::new(), Some(place)));
        let clock: Arc<dyn Clock> = Arc::<Hands>::clone(clock);
        let service = Service::open(World::new(disk, stores, clock), Settings::default()).unwrap();
        service.set_insights(Box::new(Unusual::default())).unwrap();
        service
    }

    /// The server is restarted after the quiet week, with or without a planned end, and amid the burst.
    async fn burst(is_planned: bool) {
        let folder = tempfile::tempdir().unwrap();
        let buckets = folder.path().join("buckets");
        std::fs::create_dir_all(buckets.join("trail-logs-example")).unwrap();
        let clock = Arc::new(Hands(AtomicI64::new(1_768_471_200_000_000)));
        let mut service = open(folder.path(), &clock);
        let caller = Caller { account: "111122223333".to_owned(), region: "eu-west-1".to_owned() };
        let request = CreateTrail {
            name: "main".to_owned(),
            s3_bucket_name: "trail-logs-example".to_owned(),
            ..CreateTrail::default()
        };
        service.create_trail(&caller, &request).await.unwrap();
        service.start_logging(&caller, "main").unwrap();
        service.put_insights(&caller, "main", asked()).unwrap();
        service.turn().await.unwrap();
        service.accept(&[event("CreateBucket")]).unwrap();
        service.turn().await.unwrap();
        if is_planned {
            service.flush().await.unwrap();
        }
        drop(service);
        clock.0.fetch_add(7 * 24 * 60 * MINUTE, Ordering::SeqCst);
        service = open(folder.path(), &clock);
        service.accept(&vec![event("DeleteBucket"); 200]).unwrap();
        let mut states = Vec::new();
        for minute in 0..45 {
            if minute % 10 == 3 {
                drop(service);
                service = open(folder.path(), &clock);
            }
            let head = service.head();
            service.turn().await.unwrap();
            if service.head() > head {
                let entries = service.events(head).unwrap();
                states.extend(entries.into_iter().map(|(_, entry)| entry.event));
            }
            clock.0.fetch_add(MINUTE, Ordering::SeqCst);
        }
        service.flush().await.unwrap();
        assert_eq!(states.len(), 2, "{states:?}");
        assert!(states[0].contains(r#""state":"Start""#) && states[0].contains("DeleteBucket"));
        assert!(states[1].contains(r#""state":"End""#) && states[1].contains("trail/main"));
        let mut found = Vec::new();
        insight_files(&buckets, &mut found);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[tokio::test]
    async fn a_burst_after_a_quiet_week_is_delivered_with_its_start_and_its_end_over_restarts() {
        burst(true).await;
        burst(false).await;
    }

    #[test]
    fn what_was_learned_is_refused_if_it_is_damaged() {
        let mut unusual = Unusual::default();
        let terms = Terms { arn: "arn".to_owned(), insights: asked(), ..Terms::default() };
        unusual.observe(&[&terms], &[event("CreateBucket")], 0);
        let memory = String::from_utf8(unusual.memory().unwrap()).unwrap();
        assert_eq!(unusual.weight(), 0, "an event without a time counts for nothing");
        let mut woken = Unusual::default();
        woken.recall(memory.as_bytes()).unwrap();
        assert_eq!(woken.memory().unwrap(), memory.as_bytes());
        assert!(woken.recall(&memory.as_bytes()[1..]).is_err());
        assert!(woken.recall(memory.replace(r#""spans":[]"#, r#""spans":[[7,7,1,2]]"#).as_bytes()).is_err());
    }

    #[test]
    fn a_trail_that_asks_no_more_is_forgotten() {
        let mut unusual = Unusual::default();
        let terms = Terms { arn: "arn".to_owned(), insights: asked(), ..Terms::default() };
        assert_eq!(unusual.observe(&[&terms], &[], 0), []);
        assert_eq!(unusual.watches.len(), 1);
        assert_eq!(unusual.observe(&[], &[], 0), []);
        assert!(unusual.watches.is_empty());
    }
}
