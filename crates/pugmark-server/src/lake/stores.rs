//! Event data stores: their life, from creation to the end of the week after
//! their deletion.
//!
//! Source: AWS CloudTrail API Reference, `CreateEventDataStore` and its
//! neighbours; User Guide, "Event data store lifecycle".

use pugmark_trail::Facts;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::call::{Call, Outcome, new_id};
use crate::fault::ApiFault;
use crate::input::{Input, missing};
use crate::lake::State;
use crate::pages::{self, Page};
use crate::tags::{self, Tags};
use pugmark_event::is_uuid;

const DAY_US: i64 = 86_400_000_000;
/// Stores of one Region.
const STORES_MAX: usize = 10;
/// Days in which a deleted store can be restored.
const PENDING_DAYS: i64 = 7;

/// Where a store is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Status {
    Enabled,
    StoppedIngestion,
    PendingDeletion,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Status::Enabled => "ENABLED",
            Status::StoppedIngestion => "STOPPED_INGESTION",
            Status::PendingDeletion => "PENDING_DELETION",
        }
    }
}

/// What keeping events costs elsewhere; here it only bounds the retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Billing {
    ExtendableRetentionPricing,
    FixedRetentionPricing,
}

impl Billing {
    fn parse(text: &str) -> Result<Billing, ApiFault> {
        match text {
            "EXTENDABLE_RETENTION_PRICING" => Ok(Billing::ExtendableRetentionPricing),
            "FIXED_RETENTION_PRICING" => Ok(Billing::FixedRetentionPricing),
            _ => Err(ApiFault::parameter(format!("`{text}` is no billing mode"))),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Billing::ExtendableRetentionPricing => "EXTENDABLE_RETENTION_PRICING",
            Billing::FixedRetentionPricing => "FIXED_RETENTION_PRICING",
        }
    }

    fn days_max(self) -> i64 {
        if self == Billing::ExtendableRetentionPricing { 3_653 } else { 2_557 }
    }

    fn days_default(self) -> i64 {
        if self == Billing::ExtendableRetentionPricing { 366 } else { 2_557 }
    }
}

/// One event data store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Store {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) region: String,
    name: String,
    pub(crate) status: Status,
    /// As the client gave them; which events are taken is worked out of them.
    pub(crate) selectors: Value,
    pub(crate) is_multi_region: bool,
    is_organization: bool,
    retention_days: i64,
    is_protected: bool,
    billing: Billing,
    kms_key: Option<String>,
    pub(crate) created: i64,
    updated: i64,
    deleted: Option<i64>,
    pub(crate) tags: Tags,
}

impl Store {
    /// Whether the time in which it could be restored is over.
    pub(crate) fn is_gone(&self, now: i64) -> bool {
        self.deleted.is_some_and(|deleted| deleted + PENDING_DAYS * DAY_US <= now)
    }

    /// The instant before which its events are not kept.
    pub(crate) fn kept_since(&self, now: i64) -> i64 {
        now - self.retention_days * DAY_US
    }

    /// Whether it can be asked and changed.
    pub(crate) fn check_active(&self) -> Result<(), ApiFault> {
        if self.status == Status::PendingDeletion {
            let message = "The event data store is inactive: it is pending deletion.";
            return Err(ApiFault::new("InactiveEventDataStoreException", message));
        }
        Ok(())
    }

    /// Whether new events go into it.
    pub(crate) fn is_taking(&self) -> bool {
        self.status == Status::Enabled
    }

    /// Whether an event of these facts goes into it.
    pub(crate) fn takes(&self, facts: &Facts<'_>) -> bool {
        let is_here = self.is_multi_region || facts.aws_region.as_deref() == Some(&self.region);
        is_here && crate::taking::takes(&self.selectors, facts)
    }

    /// The category that its selectors are of, and all have.
    pub(crate) fn category(&self) -> Option<&str> {
        let fields = self.selectors.as_array()?.first()?.get("FieldSelectors")?.as_array()?;
        let field = fields.iter().find(|field| field["Field"] == "eventCategory")?;
        field["Equals"].as_array()?.first()?.as_str()
    }

    fn describe(&self) -> Map<String, Value> {
        let mut out = Map::new();
        out.insert("EventDataStoreArn".into(), json!(self.arn));
        out.insert("Name".into(), json!(self.name));
        out.insert("Status".into(), json!(self.status.name()));
        out.insert("AdvancedEventSelectors".into(), self.selectors.clone());
        out.insert("MultiRegionEnabled".into(), json!(self.is_multi_region));
        out.insert("OrganizationEnabled".into(), json!(self.is_organization));
        out.insert("RetentionPeriod".into(), json!(self.retention_days));
        out.insert("TerminationProtectionEnabled".into(), json!(self.is_protected));
        out.insert("CreatedTimestamp".into(), pages::time(self.created));
        out.insert("UpdatedTimestamp".into(), pages::time(self.updated));
        out.insert("BillingMode".into(), json!(self.billing.name()));
        if let Some(key) = &self.kms_key {
            out.insert("KmsKeyId".into(), json!(key));
        }
        out
    }
}

/// The store that `text`, an ARN or an id, names in the caller's Region.
pub(crate) fn find<'a>(state: &'a State, text: &str, region: &str) -> Result<&'a Store, ApiFault> {
    let id = id_of(text)?;
    let store = state.stores.get(id).filter(|store| store.region == region || text.starts_with("arn:"));
    store.ok_or_else(not_found)
}

/// As [`find`], to change it.
fn find_mut<'a>(state: &'a mut State, text: &str, region: &str) -> Result<&'a mut Store, ApiFault> {
    let id = id_of(text)?;
    state.stores.get_mut(id).filter(|store| store.region == region).ok_or_else(not_found)
}

fn not_found() -> ApiFault {
    ApiFault::new("EventDataStoreNotFoundException", "The event data store does not exist.")
}

fn id_of(text: &str) -> Result<&str, ApiFault> {
    let invalid = || {
        ApiFault::new(
            "EventDataStoreARNInvalidException",
            format!("`{text}` is neither the ARN nor the id of an event data store"),
        )
    };
    let id = match text.strip_prefix("arn:") {
        None => text,
        Some(rest) => {
            let parts: Vec<&str> = rest.splitn(5, ':').collect();
            match parts[..] {
                [_, "cloudtrail", _, _, last] => last.strip_prefix("eventdatastore/").ok_or_else(invalid)?,
                _ => return Err(invalid()),
            }
        }
    };
    if is_uuid(id) { Ok(id) } else { Err(invalid()) }
}

/// 3 to 128 letters, digits and `._-`.
pub(crate) fn check_name(name: &str) -> Result<(), ApiFault> {
    let fits = (3..=128).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let message = "a name must be 3 to 128 letters, digits, periods, hyphens and underscores";
    if fits { Ok(()) } else { Err(ApiFault::parameter(message)) }
}

/// The selectors of a store, checked; management events if none are given.
fn selectors(input: &Input) -> Result<Option<Value>, ApiFault> {
    let Some(given) = input.list("AdvancedEventSelectors")? else { return Ok(None) };
    let selectors = crate::taking::checked(given)?;
    Ok(Some(selectors))
}

fn default_selectors() -> Value {
    json!([{
        "Name": "Default management events",
        "FieldSelectors": [{ "Field": "eventCategory", "Equals": ["Management"] }],
    }])
}

fn retention(input: &Input, billing: Billing) -> Result<Option<i64>, ApiFault> {
    let Some(days) = input.integer("RetentionPeriod")? else { return Ok(None) };
    let max = billing.days_max();
    if (7..=max).contains(&days) {
        return Ok(Some(days));
    }
    Err(ApiFault::parameter(format!("the retention period must be 7 to {max} days")))
}

fn check_unique(state: &State, name: &str, region: &str) -> Result<(), ApiFault> {
    if state.stores.values().any(|store| store.name == name && store.region == region) {
        let message = format!("An event data store named `{name}` exists already.");
        return Err(ApiFault::new("EventDataStoreAlreadyExistsException", message));
    }
    Ok(())
}

fn check_room(state: &State, region: &str) -> Result<(), ApiFault> {
    if state.stores.values().filter(|store| store.region == region).count() >= STORES_MAX {
        let message = format!("A Region holds at most {STORES_MAX} event data stores.");
        return Err(ApiFault::new("EventDataStoreMaxLimitExceededException", message));
    }
    Ok(())
}

pub(crate) fn create(call: &Call<'_>) -> Outcome {
    let input = call.input;
    let name = input.needed("Name")?;
    check_name(name)?;
    let billing =
        input.text("BillingMode")?.map_or(Ok(Billing::ExtendableRetentionPricing), Billing::parse)?;
    let status = if input.flag("StartIngestion")?.unwrap_or(true) {
        Status::Enabled
    } else {
        Status::StoppedIngestion
    };
    let (region, id) = (&call.caller.region, new_id()?);
    let store = Store {
        arn: format!("arn:aws:cloudtrail:{region}:{}:eventdatastore/{id}", call.caller.account),
        id,
        region: region.clone(),
        name: name.to_owned(),
        status,
        selectors: selectors(input)?.unwrap_or_else(default_selectors),
        is_multi_region: input.flag("MultiRegionEnabled")?.unwrap_or(true),
        is_organization: input.flag("OrganizationEnabled")?.unwrap_or(false),
        retention_days: retention(input, billing)?.unwrap_or(billing.days_default()),
        is_protected: input.flag("TerminationProtectionEnabled")?.unwrap_or(true),
        billing,
        kms_key: input.text("KmsKeyId")?.map(ToOwned::to_owned),
        created: call.now,
        updated: call.now,
        deleted: None,
        tags: tags::read(input, "TagsList")?,
    };
    if store.is_organization {
        let message = "Organizations are not in use.";
        return Err(ApiFault::new("OrganizationsNotInUseException", message));
    }
    // What came before it was there is none of its events.
    call.app.catch_up()?;
    let mut answer = store.describe();
    if !store.tags.is_empty() {
        answer.insert("TagsList".into(), tags::list(&store.tags));
    }
    call.app.lake.change(|state| {
        check_unique(state, name, region)?;
        check_room(state, region)?;
        state.stores.insert(store.id.clone(), store);
        Ok(())
    })?;
    Ok(Value::Object(answer))
}

pub(crate) fn get(call: &Call<'_>) -> Outcome {
    let text = call.input.needed("EventDataStore")?;
    call.app.lake.read(|state| {
        let store = find(state, text, &call.caller.region)?;
        let mut answer = store.describe();
        answer.insert("FederationStatus".into(), json!("DISABLED"));
        answer.insert("PartitionKeys".into(), json!([{ "Name": "calendarday", "Type": "string" }]));
        Ok(Value::Object(answer))
    })
}

pub(crate) fn list(call: &Call<'_>) -> Outcome {
    let page = Page::read(call, 1_000, 1_000)?;
    let stores: Vec<Value> = call.app.lake.read(|state| {
        let own = state.stores.values().filter(|store| store.region == call.caller.region);
        own.map(|store| json!({ "EventDataStoreArn": store.arn, "Name": store.name })).collect()
    });
    Ok(page.cut(call, "EventDataStores", stores))
}

pub(crate) fn update(call: &Call<'_>) -> Outcome {
    const CHANGES: [&str; 8] = [
        "Name",
        "AdvancedEventSelectors",
        "MultiRegionEnabled",
        "OrganizationEnabled",
        "RetentionPeriod",
        "TerminationProtectionEnabled",
        "KmsKeyId",
        "BillingMode",
    ];
    let input = call.input;
    let text = input.needed("EventDataStore")?;
    if !CHANGES.iter().any(|name| input.has(name)) {
        return Err(ApiFault::parameter("give at least one member to change"));
    }
    let selectors = selectors(input)?;
    call.app.catch_up()?;
    call.app.lake.change(|state| {
        if let Some(name) = input.text("Name")? {
            check_name(name)?;
            let own = find(state, text, &call.caller.region)?;
            if own.name != name {
                check_unique(state, name, &call.caller.region)?;
            }
        }
        let store = find_mut(state, text, &call.caller.region)?;
        store.check_active()?;
        if let Some(mode) = input.text("BillingMode")? {
            let mode = Billing::parse(mode)?;
            if store.billing == Billing::ExtendableRetentionPricing && mode == Billing::FixedRetentionPricing
            {
                return Err(ApiFault::parameter("extendable retention cannot become fixed retention"));
            }
            store.billing = mode;
        }
        if input.flag("OrganizationEnabled")? == Some(true) {
            return Err(ApiFault::new("OrganizationsNotInUseException", "Organizations are not in use."));
        }
        let set = |place: &mut bool, given: Option<bool>| *place = given.unwrap_or(*place);
        set(&mut store.is_multi_region, input.flag("MultiRegionEnabled")?);
        set(&mut store.is_protected, input.flag("TerminationProtectionEnabled")?);
        if let Some(days) = retention(input, store.billing)? {
            store.retention_days = days;
        }
        if let Some(name) = input.text("Name")? {
            name.clone_into(&mut store.name);
        }
        if let Some(key) = input.text("KmsKeyId")? {
            store.kms_key = Some(key.to_owned());
        }
        if let Some(selectors) = selectors {
            store.selectors = selectors;
        }
        store.updated = call.now;
        Ok(Value::Object(store.describe()))
    })
}

pub(crate) fn delete(call: &Call<'_>) -> Outcome {
    let text = call.input.needed("EventDataStore")?;
    call.app.lake.change(|state| {
        let store = find(state, text, &call.caller.region)?;
        store.check_active()?;
        if store.is_protected {
            let message =
                "The event data store cannot be deleted because termination protection is enabled for it.";
            return Err(ApiFault::new("EventDataStoreTerminationProtectedException", message));
        }
        if state.imports.values().any(|import| import.is_running() && import.destination == store.arn) {
            let message = "The event data store has an import at work.";
            return Err(ApiFault::new("EventDataStoreHasOngoingImportException", message));
        }
        if state.channels.values().any(|channel| channel.feeds(&store.arn)) {
            let message = "One or more channels feed the event data store.";
            return Err(ApiFault::new("ChannelExistsForEDSException", message));
        }
        let store = find_mut(state, text, &call.caller.region)?;
        store.status = Status::PendingDeletion;
        store.deleted = Some(call.now);
        store.updated = call.now;
        Ok(json!({}))
    })
}

pub(crate) fn restore(call: &Call<'_>) -> Outcome {
    let text = call.input.needed("EventDataStore")?;
    call.app.lake.change(|state| {
        let store = find_mut(state, text, &call.caller.region)?;
        if store.status != Status::PendingDeletion {
            return Err(wrong_status("only an event data store that is pending deletion can be restored"));
        }
        store.status = Status::Enabled;
        store.deleted = None;
        store.updated = call.now;
        Ok(Value::Object(store.describe()))
    })
}

pub(crate) fn start_ingestion(call: &Call<'_>) -> Outcome {
    ingestion(call, Status::StoppedIngestion, Status::Enabled)
}

pub(crate) fn stop_ingestion(call: &Call<'_>) -> Outcome {
    ingestion(call, Status::Enabled, Status::StoppedIngestion)
}

fn ingestion(call: &Call<'_>, from: Status, to: Status) -> Outcome {
    let text = call.input.needed("EventDataStore")?;
    call.app.catch_up()?;
    call.app.lake.change(|state| {
        let store = find_mut(state, text, &call.caller.region)?;
        let is_fit =
            matches!(store.category(), Some("Management" | "Data" | "NetworkActivity" | "ConfigurationItem"));
        if !is_fit {
            let message = "Ingestion cannot be started or stopped for this category of events.";
            return Err(ApiFault::new("InvalidEventDataStoreCategoryException", message));
        }
        if store.status != from {
            return Err(wrong_status(&format!("the event data store must be {}", from.name())));
        }
        store.status = to;
        store.updated = call.now;
        Ok(json!({}))
    })
}

fn wrong_status(message: &str) -> ApiFault {
    ApiFault::new("InvalidEventDataStoreStatusException", message)
}

/// The store that the request's `EventDataStore` names; it must be there.
pub(crate) fn asked(call: &Call<'_>) -> Result<Store, ApiFault> {
    let text = call.input.text("EventDataStore")?.ok_or_else(|| missing("EventDataStore"))?;
    let store = call.app.lake.read(|state| find(state, text, &call.caller.region).cloned())?;
    store.check_active()?;
    Ok(store)
}
