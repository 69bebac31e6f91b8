//! What runs in a cluster and who made it: from a pod up to what owns it, and to the request
//! that made that.

use std::collections::BTreeMap;

use super::event::AuditEvent;

/// Owners that are climbed at most: a pod of a job of a cron job has two.
const OWNERS_MAX: usize = 8;

/// Everything that was made in all clusters, by what and where.
pub(crate) struct Workloads<'a> {
    /// Requests about an object, by time.
    made: BTreeMap<Key<'a>, Vec<&'a AuditEvent>>,
}

/// Cluster, resource, namespace, name.
type Key<'a> = (Option<&'a str>, &'a str, &'a str, &'a str);

/// What a pod or a service account's pods come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin<'a> {
    /// The request that made the topmost owner, or changed it last.
    pub(crate) event: &'a AuditEvent,
    /// False if names alone, or one of several candidates, led there.
    pub(crate) is_sure: bool,
}

impl<'a> Workloads<'a> {
    pub(crate) fn of(events: &'a [AuditEvent]) -> Workloads<'a> {
        let mut made: BTreeMap<Key<'a>, Vec<&'a AuditEvent>> = BTreeMap::new();
        for event in events {
            let object = &event.object;
            let is_made = matches!(event.verb.as_str(), "create" | "update" | "patch")
                && object.subresource.is_empty()
                && event.code.is_none_or(|code| code < 400);
            if is_made && !object.name.is_empty() {
                let key = (event.cluster.as_deref(), &*object.resource, &*object.namespace, &*object.name);
                made.entry(key).or_default().push(event);
            }
        }
        Workloads { made }
    }

    /// Where a pod comes from, at `time`.
    pub(crate) fn of_pod(
        &self,
        cluster: Option<&str>,
        namespace: &str,
        pod: &str,
        time: i64,
    ) -> Option<Origin<'a>> {
        self.climb((cluster, "pods", namespace, pod), time)
    }

    /// Where the pods of a service account come from, at `time`: sure if they are of one owner.
    pub(crate) fn of_service_account(
        &self,
        cluster: Option<&str>,
        namespace: &str,
        account: &str,
        time: i64,
    ) -> Option<Origin<'a>> {
        let mut tops: BTreeMap<Key<'a>, Origin<'a>> = BTreeMap::new();
        for (key, events) in &self.made {
            let uses = |event: &&&AuditEvent| {
                let made = event.made.as_ref().and_then(|made| made.service_account.as_deref());
                made == Some(account) && is_before(event, time)
            };
            if key.0 == cluster
                && key.2 == namespace
                && events.iter().any(|event| uses(&event))
                && let Some(origin) = self.climb(*key, time)
            {
                let object = &origin.event.object;
                let top = (key.0, &*object.resource, &*object.namespace, &*object.name);
                tops.insert(top, origin);
            }
        }
        let is_only = tops.len() == 1;
        let last = tops.into_values().max_by_key(|origin| (origin.event.time, &origin.event.id))?;
        Some(Origin { is_sure: last.is_sure && is_only, ..last })
    }

    /// From an object to its topmost owner, and to the request that made that.
    fn climb(&self, key: (Option<&str>, &str, &str, &str), time: i64) -> Option<Origin<'a>> {
        let (cluster, mut resource, namespace, mut name) = key;
        let mut is_sure = true;
        for _ in 0..OWNERS_MAX {
            let events = self.events(cluster, resource, namespace, name, time);
            let owner = events
                .iter()
                .rev()
                .find_map(|event| event.made.as_ref()?.owners.first())
                .map(|(resource, name)| (resource.as_str(), name.as_str()));
            let next = owner.or_else(|| {
                let guess =
                    self.guess(cluster, resource, namespace, name).filter(|_| is_by_controller(&events))?;
                is_sure = false;
                Some(guess)
            });
            match next {
                Some((above, its_name)) => (resource, name) = (above, its_name),
                None => break,
            }
        }
        let events = self.events(cluster, resource, namespace, name, time);
        let creation = events.iter().rev().find(|event| event.verb == "create");
        let event = creation.or(events.last())?;
        Some(Origin { event, is_sure })
    }

    fn events(
        &self,
        cluster: Option<&str>,
        resource: &str,
        namespace: &str,
        name: &str,
        time: i64,
    ) -> Vec<&'a AuditEvent> {
        // A map of borrowed keys of one lifetime is searched with keys of any.
        let found = self.made.range::<(Option<&str>, &str, &str, &str), _>(
            (cluster, resource, namespace, name)..=(cluster, resource, namespace, name),
        );
        found.flat_map(|(_, events)| events).copied().filter(|event| is_before(event, time)).collect()
    }

    /// The owner by the names that Kubernetes gives: `api-7d4f9c-x2b4z` is of the replica set
    /// `api-7d4f9c`, and that of the deployment `api`. Logs without objects have no more.
    fn guess<'n>(
        &self,
        cluster: Option<&str>,
        resource: &str,
        namespace: &str,
        name: &'n str,
    ) -> Option<(&'static str, &'n str)> {
        let above: &[&'static str] = match resource {
            "pods" => &["replicasets", "statefulsets", "daemonsets", "jobs"],
            "replicasets" => &["deployments"],
            "jobs" => &["cronjobs"],
            _ => &[],
        };
        let (stem, _) = name.rsplit_once('-')?;
        let is_known =
            |kind: &&&'static str| !self.events(cluster, kind, namespace, stem, i64::MAX).is_empty();
        above.iter().find(is_known).map(|kind| (*kind, stem))
    }
}

fn is_before(event: &AuditEvent, time: i64) -> bool {
    event.time.is_none_or(|made| made <= time)
}

/// True if nobody made it, or a controller did.
fn is_by_controller(events: &[&AuditEvent]) -> bool {
    events.iter().all(|event| event.user.name.starts_with("system:"))
}
