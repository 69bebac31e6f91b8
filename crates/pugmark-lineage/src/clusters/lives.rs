//! From facts to lives: which request belongs to which cluster of a name.

use std::collections::BTreeMap;

use super::cluster::{Cluster, Clusters, LifeState, Part, ServiceCall, Visit};
use super::facts::{ClusterFacts, Place, Request, VisitKey, Visits};
use super::happening::Happening;
use super::operations::{Change, SubjectKind};
use super::service::{Hint, ServiceKey};
use crate::Arn;
use crate::identity::{greatest, least};
use pugmark_event::is_uuid;

/// Two times of creation this close are one: answers round them differently. Microseconds.
const SAME_CREATION: i64 = 1_000_000;

/// A change this long after a deletion is of a new cluster whose creation was not seen.
/// Deleting takes minutes. Microseconds.
const AFTERLIFE: i64 = 1_800_000_000;

/// One life while requests are sorted into it.
#[derive(Debug, Default)]
struct Life {
    cluster: Cluster,
    /// Ids of node groups, as in names of what is made for them.
    groups: Vec<String>,
    is_over: bool,
}

impl ClusterFacts {
    /// Concludes.
    pub(crate) fn resolve(mut self) -> Clusters {
        self.requests.sort_unstable();
        self.requests.dedup();
        let (placed, loose): (Vec<Request>, Vec<Request>) =
            std::mem::take(&mut self.requests).into_iter().partition(|request| {
                !request.place.cluster.is_empty() && request.happening.source != "iam.amazonaws.com"
            });
        let mut by_place: BTreeMap<Place, Vec<Request>> = BTreeMap::new();
        for request in placed {
            by_place.entry(request.place.clone()).or_default().push(request);
        }
        let mut world = World::default();
        for (place, requests) in by_place {
            world.lives.extend(split(&place, requests).into_iter().map(|life| (place.clone(), life)));
        }
        for (key, visits) in std::mem::take(&mut self.visits) {
            world.visit(key, visits);
        }
        for (key, count) in std::mem::take(&mut self.service) {
            world.serve(key, count);
        }
        for request in loose {
            world.attach(request);
        }
        world.finish()
    }
}

/// The lives of the clusters at one place.
fn split(place: &Place, requests: Vec<Request>) -> Vec<Life> {
    let mut lives: Vec<Life> = Vec::new();
    let mut early: Vec<Request> = Vec::new();
    for request in requests {
        let is_new = match lives.last() {
            None => !request.happening.outcome.is_failure(),
            Some(life) => begins(life, &request),
        };
        let is_create = is_change(&request, Change::Create);
        let is_waiting = request.happening.outcome.is_failure()
            && lives.last().is_none_or(|life| life.is_over && is_create);
        if is_waiting {
            early.push(request);
            continue;
        }
        if is_new {
            let mut life = Life::at(place);
            early.drain(..).for_each(|request| life.take(request));
            lives.push(life);
        }
        if let Some(life) = lives.last_mut() {
            life.take(request);
        }
    }
    if !early.is_empty() && lives.is_empty() {
        lives.push(Life::at(place));
    }
    if let Some(life) = lives.last_mut() {
        for request in early {
            life.take(request);
        }
        life.cluster.happenings.sort_unstable();
    }
    lives
}

/// True if `request` shows that another cluster has taken the place of `life`'s.
fn begins(life: &Life, request: &Request) -> bool {
    if request.happening.outcome.is_failure() {
        return false;
    }
    let cluster = &life.cluster;
    let known = cluster.creation().is_some() || cluster.deletion().is_some();
    let differs = match (cluster.created, request.created) {
        (Some(ours), Some(theirs)) if known => (ours - theirs).abs() > SAME_CREATION,
        _ => false,
    };
    if is_change(request, Change::Create) {
        let token = request.happening.token.as_ref();
        let is_retry = token.is_some() && cluster.creation().and_then(|one| one.token.as_ref()) == token;
        // Between the first record of a name and its creation there was another of that name.
        return !is_retry && (differs || request.created.is_none() || cluster.creation().is_none());
    }
    if is_change(request, Change::Delete) {
        return differs;
    }
    let late = |deleted: i64| request.happening.time.is_some_and(|time| time > deleted + AFTERLIFE);
    life.is_over && request.happening.change != Change::Delete && cluster.deleted.is_some_and(late)
}

fn is_change(request: &Request, change: Change) -> bool {
    request.happening.subject == SubjectKind::Cluster && request.happening.change == change
}

impl Life {
    fn at(place: &Place) -> Life {
        let cluster = Cluster {
            account: place.account.clone(),
            region: place.region.clone(),
            name: place.cluster.clone(),
            ..Cluster::default()
        };
        Life { cluster, ..Life::default() }
    }

    fn take(&mut self, request: Request) {
        let cluster = &mut self.cluster;
        let happening = request.happening;
        cluster.see(happening.time, happening.time);
        if happening.outcome.is_failure() {
            cluster.happenings.push(happening);
            return;
        }
        cluster.state = cluster.state.max(LifeState::Seen);
        cluster.issuers.extend(request.issuer);
        let asked = match happening.subject {
            SubjectKind::Cluster => happening.detail("version").map(str::to_owned),
            _ => None,
        };
        cluster.version = asked.or(request.version).or(cluster.version.take());
        if happening.subject == SubjectKind::Cluster {
            match happening.change {
                Change::Create => {
                    cluster.created = cluster.created.or(request.created).or(happening.time);
                    cluster.state = cluster.state.max(LifeState::Created);
                }
                Change::Delete => {
                    cluster.created = cluster.created.or(request.created);
                    cluster.deleted = cluster.deleted.or(happening.time);
                    cluster.state = LifeState::Deleted;
                    self.is_over = true;
                }
                Change::Update => {}
            }
        }
        if let Some(id) = request.arn.as_deref().and_then(group_id) {
            self.groups.push(id.to_owned());
        }
        let retried = cluster.happenings.iter_mut().find(|one| one.is_intent_of(&happening));
        match retried {
            Some(first) => first.retries += 1,
            None => cluster.take(happening, request.association),
        }
    }
}

impl Happening {
    /// True if `later` is a retry of this: the same token for the same operation.
    fn is_intent_of(&self, later: &Happening) -> bool {
        self.token.is_some()
            && self.token == later.token
            && self.name == later.name
            && self.subject_name == later.subject_name
            && !self.outcome.is_failure()
    }
}

impl Cluster {
    fn see(&mut self, first: Option<i64>, last: Option<i64>) {
        self.first_seen = least(self.first_seen, first);
        self.last_seen = greatest(self.last_seen, last);
    }

    /// Adds a request that was taken, and what it does to a part.
    fn take(&mut self, happening: Happening, association: Option<String>) {
        let place = self.happenings.len();
        let name = match happening.subject {
            SubjectKind::Cluster | SubjectKind::Tags | SubjectKind::LinkedRole => None,
            SubjectKind::AccessPolicy => {
                let policy = happening.detail("policy").unwrap_or_default();
                let policy = policy.rsplit('/').next().unwrap_or(policy);
                Some(format!("{} {policy}", happening.subject_name))
            }
            _ => Some(happening.subject_name.clone()),
        };
        if let Some(name) = name {
            self.change_part(&happening, name, association, place);
        }
        self.happenings.push(happening);
    }

    fn change_part(
        &mut self,
        happening: &Happening,
        name: String,
        association: Option<String>,
        place: usize,
    ) {
        let kind = happening.subject;
        let is_it = |part: &&mut Part| {
            let same = association.as_ref().is_some_and(|id| part.settings.get("association") == Some(id));
            part.kind == kind && part.deleted.is_none() && (part.name == name || same)
        };
        let open = self.parts.iter_mut().rfind(is_it).filter(|_| happening.change != Change::Create);
        let part = if let Some(part) = open {
            part
        } else {
            self.parts.push(Part {
                kind,
                name,
                created: None,
                deleted: None,
                changed: Vec::new(),
                settings: BTreeMap::new(),
            });
            self.parts.last_mut().expect("it was pushed")
        };
        match happening.change {
            Change::Create => part.created = Some(place),
            Change::Update => part.changed.push(place),
            Change::Delete => part.deleted = Some(place),
        }
        if happening.change != Change::Delete {
            part.settings.extend(happening.details.iter().cloned());
            part.settings.extend(association.map(|id| ("association".to_owned(), id)));
        }
    }
}

/// All lives, while what names no cluster is told to them.
#[derive(Default)]
struct World {
    lives: Vec<(Place, Life)>,
    elsewhere: Vec<Happening>,
    unplaced: Vec<(ServiceKey, u64)>,
}

impl World {
    fn visit(&mut self, key: VisitKey, visits: Visits) {
        let (time, event, who, message) = visits.sample;
        let is_refused = !key.error.is_empty();
        let found = self.life_at(&key.place, time.unwrap_or(i64::MIN), None);
        let found = found.unwrap_or_else(|| {
            self.lives.push((key.place.clone(), Life::at(&key.place)));
            self.lives.len() - 1
        });
        let cluster = &mut self.lives[found].1.cluster;
        cluster.see(visits.first, visits.last);
        if !is_refused {
            cluster.state = cluster.state.max(LifeState::Seen);
        }
        cluster.visits.push(Visit {
            identity: key.identity,
            call: key.call,
            error: is_refused.then_some((key.error, message)),
            count: visits.count,
            first: visits.first,
            last: visits.last,
            event,
            who,
        });
    }

    fn serve(&mut self, key: ServiceKey, count: u64) {
        let named = match &key.hint {
            Hint::Cluster(name) => self.named(&key, name),
            Hint::NodeGroup(id) => self.lives.iter().position(|(_, life)| life.groups.contains(id)),
            Hint::None => None,
        };
        let found = named.or_else(|| self.by_role(&key)).or_else(|| {
            let place =
                Place { account: key.account.clone(), region: key.region.clone(), cluster: String::new() };
            self.only_life(&place, key.start(), key.end())
        });
        match found {
            Some(found) => {
                let cluster = &mut self.lives[found].1.cluster;
                cluster.see(Some(key.start()), Some(key.start()));
                cluster.state = cluster.state.max(LifeState::Seen);
                add_call(&mut cluster.service_calls, key, count, named.is_some());
            }
            None => self.unplaced.push((key, count)),
        }
    }

    /// The life that a name in the parameters tells of; a new one if none is known.
    fn named(&mut self, key: &ServiceKey, name: &str) -> Option<usize> {
        let place =
            Place { account: key.account.clone(), region: key.region.clone(), cluster: name.to_owned() };
        let found = self.life_at(&place, key.start(), Some(key.end()));
        let elsewhere = || {
            // IAM is in one Region; the cluster may be in any.
            let mut same =
                self.lives.iter().enumerate().filter(|(_, (other, _))| {
                    other.account == place.account && other.cluster == place.cluster
                });
            let first = same.next()?;
            same.all(|(_, (other, _))| other.region == first.1.0.region).then_some(())?;
            let region = first.1.0.region.clone();
            self.life_at(&Place { region, ..place.clone() }, key.start(), Some(key.end()))
        };
        if let Some(found) = found.or_else(elsewhere) {
            return Some(found);
        }
        if key.call.starts_with("iam:") || !key.error.is_empty() {
            return None;
        }
        self.lives.push((place.clone(), Life::at(&place)));
        Some(self.lives.len() - 1)
    }

    fn by_role(&self, key: &ServiceKey) -> Option<usize> {
        let mut of_role = self.lives.iter().enumerate().filter(|(_, (place, life))| {
            !key.role.is_empty()
                && place.account == key.account
                && life.cluster.role() == Some(key.role.as_str())
                && overlaps(&life.cluster, key.start(), key.end())
        });
        let (found, _) = of_role.next()?;
        of_role.next().is_none().then_some(found)
    }

    /// The only life at an account and Region in a stretch of time.
    fn only_life(&self, place: &Place, start: i64, end: i64) -> Option<usize> {
        let mut alive = self.lives.iter().enumerate().filter(|(_, (other, life))| {
            other.account == place.account
                && other.region == place.region
                && life.cluster.state != LifeState::Refused
                && overlaps(&life.cluster, start, end)
        });
        let (found, _) = alive.next()?;
        alive.next().is_none().then_some(found)
    }

    /// The life at `place` in which `start..end` lies, or the nearest before, or the first.
    fn life_at(&self, place: &Place, start: i64, end: Option<i64>) -> Option<usize> {
        let before = end.unwrap_or(start.saturating_add(1));
        let at_place = || self.lives.iter().enumerate().filter(|(_, (other, _))| other == place);
        let mut begun =
            at_place().filter(|(_, (_, life))| life.cluster.begin().is_none_or(|begin| begin < before));
        begun.next_back().or_else(|| at_place().next()).map(|(found, _)| found)
    }

    /// Tells a request that names no cluster to the one that it is about.
    fn attach(&mut self, request: Request) {
        let of_issuer =
            |issuer: &String| self.lives.iter().position(|(_, life)| life.cluster.issuers.contains(issuer));
        let time = request.happening.time.unwrap_or(i64::MIN);
        let found = request.issuer.as_ref().and_then(of_issuer);
        let found = found.or_else(|| {
            (!request.place.cluster.is_empty()).then(|| self.life_at(&request.place, time, None)).flatten()
        });
        let is_provider = request.happening.subject == SubjectKind::OidcProvider;
        let only = || self.only_life(&request.place, time, time.saturating_add(1)).filter(|_| is_provider);
        match found.or_else(only) {
            Some(found) => {
                let life = &mut self.lives[found].1;
                life.take(request);
                life.cluster.reorder();
            }
            None => self.elsewhere.push(request.happening),
        }
    }

    fn finish(self) -> Clusters {
        let mut clusters = Clusters { elsewhere: self.elsewhere, ..Clusters::default() };
        for (key, count) in self.unplaced {
            add_call(&mut clusters.unplaced, key, count, false);
        }
        clusters.unplaced.sort_unstable_by(most_frequent);
        clusters.elsewhere.sort_unstable();
        clusters.all = self.lives.into_iter().map(|(_, life)| life.cluster).collect();
        for cluster in &mut clusters.all {
            cluster.reorder();
            cluster.parts.sort_unstable();
            cluster.visits.sort_unstable();
            cluster.service_calls.sort_unstable_by(most_frequent);
        }
        let key = |cluster: &Cluster| {
            (cluster.account.clone(), cluster.region.clone(), cluster.name.clone(), cluster.begin())
        };
        clusters.all.sort_by_cached_key(key);
        clusters
    }
}

impl Cluster {
    /// When it began, if that was seen.
    fn begin(&self) -> Option<i64> {
        // A request completes up to a second after the cluster's own clock was read.
        let asked = self.creation().and_then(|one| one.time);
        least(self.created, asked)
    }

    /// Sorts happenings by time; parts keep pointing at theirs.
    fn reorder(&mut self) {
        let mut order: Vec<usize> = (0..self.happenings.len()).collect();
        order.sort_by(|a, b| self.happenings[*a].cmp(&self.happenings[*b]));
        let mut moved = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, old)| moved[*old] = new);
        for part in &mut self.parts {
            let places = part.created.iter_mut().chain(&mut part.deleted).chain(&mut part.changed);
            places.for_each(|place| *place = moved[*place]);
        }
        self.happenings.sort();
    }
}

pub(crate) fn overlaps(cluster: &Cluster, start: i64, end: i64) -> bool {
    cluster.begin().is_none_or(|begin| begin < end)
        && cluster.deleted.is_none_or(|deleted| start < deleted.saturating_add(AFTERLIFE))
}

fn add_call(calls: &mut Vec<ServiceCall>, key: ServiceKey, count: u64, is_named: bool) {
    let start = key.start();
    let same = calls.iter_mut().find(|call| {
        call.hand == key.hand
            && call.service == key.service
            && call.role == key.role
            && call.call == key.call
            && call.error == key.error
            && call.account == key.account
            && call.region == key.region
            && call.is_named == is_named
    });
    match same {
        Some(call) => {
            call.count += count;
            call.first = call.first.min(start);
            call.last = call.last.max(start);
        }
        None => calls.push(ServiceCall {
            hand: key.hand,
            service: key.service,
            role: key.role,
            call: key.call,
            error: key.error,
            account: key.account,
            region: key.region,
            is_named,
            count,
            first: start,
            last: start,
        }),
    }
}

fn most_frequent(a: &ServiceCall, b: &ServiceCall) -> std::cmp::Ordering {
    b.count.cmp(&a.count).then_with(|| a.cmp(b))
}

/// The id at the end of a node group's ARN: what EKS makes for the group has it in its name.
fn group_id(arn: &str) -> Option<&str> {
    let arn = Arn::parse(arn)?;
    let id = arn.resource.strip_prefix("nodegroup/")?.rsplit('/').next()?;
    is_uuid(id).then_some(id)
}
