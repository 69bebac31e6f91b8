//! Every operation of the service, one line each: who may call it, and what
//! answers it. What is not here does not exist.
//!
//! Source: AWS `CloudTrail` API Reference, "Actions".

use crate::call::{Call, Outcome};
use crate::fault::ApiFault;
use crate::keys::Role;
use crate::lake::{channels, imports, queries, stores};
use crate::{lookup, policies, refused, tagging, trails};

/// One operation.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    /// Whether it changes nothing that lasts.
    pub(crate) is_read: bool,
    pub(crate) run: fn(&Call<'_>) -> Outcome,
}

/// Asks.
const fn read(name: &'static str, run: fn(&Call<'_>) -> Outcome) -> Operation {
    Operation { name, role: Role::Read, is_read: true, run }
}

/// Changes something on behalf of one who asks: a query.
const fn work(name: &'static str, run: fn(&Call<'_>) -> Outcome) -> Operation {
    Operation { name, role: Role::Read, is_read: false, run }
}

/// Changes the configuration.
const fn change(name: &'static str, run: fn(&Call<'_>) -> Outcome) -> Operation {
    Operation { name, role: Role::Admin, is_read: false, run }
}

/// Sorted by name.
pub(crate) const OPERATIONS: [Operation; 60] = [
    change("AddTags", tagging::add),
    work("CancelQuery", queries::cancel),
    change("CreateChannel", channels::create),
    change("CreateDashboard", refused::dashboard),
    change("CreateEventDataStore", stores::create),
    change("CreateTrail", trails::create),
    change("DeleteChannel", channels::delete),
    change("DeleteDashboard", refused::dashboard),
    change("DeleteEventDataStore", stores::delete),
    change("DeleteResourcePolicy", policies::delete),
    change("DeleteTrail", trails::delete),
    change("DeregisterOrganizationDelegatedAdmin", refused::organization),
    read("DescribeQuery", queries::describe),
    read("DescribeTrails", trails::describe),
    change("DisableFederation", refused::federation),
    change("EnableFederation", refused::federation),
    work("GenerateQuery", refused::generation),
    read("GetChannel", channels::get),
    read("GetDashboard", refused::dashboard),
    read("GetEventConfiguration", trails::get_configuration),
    read("GetEventDataStore", stores::get),
    read("GetEventSelectors", trails::get_selectors),
    read("GetImport", imports::get),
    read("GetInsightSelectors", trails::get_insights),
    read("GetQueryResults", queries::results),
    read("GetResourcePolicy", policies::get),
    read("GetTrail", trails::get),
    read("GetTrailStatus", trails::status),
    read("ListChannels", channels::list),
    read("ListDashboards", refused::dashboard),
    read("ListEventDataStores", stores::list),
    read("ListImportFailures", imports::failures),
    read("ListImports", imports::list),
    read("ListInsightsData", refused::insights),
    read("ListInsightsMetricData", refused::insights),
    read("ListPublicKeys", trails::public_keys),
    read("ListQueries", queries::list),
    read("ListTags", tagging::list),
    read("ListTrails", trails::list),
    read("LookupEvents", lookup::lookup),
    change("PutEventConfiguration", trails::put_configuration),
    change("PutEventSelectors", trails::put_selectors),
    change("PutInsightSelectors", trails::put_insights),
    change("PutResourcePolicy", policies::put),
    change("RegisterOrganizationDelegatedAdmin", refused::organization),
    change("RemoveTags", tagging::remove),
    change("RestoreEventDataStore", stores::restore),
    read("SearchSampleQueries", refused::generation),
    change("StartDashboardRefresh", refused::dashboard),
    change("StartEventDataStoreIngestion", stores::start_ingestion),
    change("StartImport", imports::start),
    change("StartLogging", trails::start_logging),
    work("StartQuery", queries::start),
    change("StopEventDataStoreIngestion", stores::stop_ingestion),
    change("StopImport", imports::stop),
    change("StopLogging", trails::stop_logging),
    change("UpdateChannel", channels::update),
    change("UpdateDashboard", refused::dashboard),
    change("UpdateEventDataStore", stores::update),
    change("UpdateTrail", trails::update),
];

/// The operation of this name.
pub(crate) fn find(name: &str) -> Option<&'static Operation> {
    const ALL: &[Operation] = &OPERATIONS;
    let place = ALL.binary_search_by(|operation| operation.name.cmp(name)).ok()?;
    ALL.get(place)
}

/// The fault of a call that names neither or both of two members.
pub(crate) fn one_of(first: &str, second: &str) -> ApiFault {
    ApiFault::new("InvalidParameterCombinationException", format!("Specify either {first} or {second}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_found_by_its_name() {
        assert!(OPERATIONS.is_sorted_by(|first, second| first.name < second.name));
        assert!(OPERATIONS.iter().all(|operation| find(operation.name).is_some()));
        assert!(find("Nonesuch").is_none() && find("").is_none());
    }

    #[test]
    fn what_changes_the_configuration_is_for_administrators() {
        for operation in &OPERATIONS {
            let is_question = ["Get", "List", "Describe", "Lookup", "Search"]
                .iter()
                .any(|word| operation.name.starts_with(word));
            let is_query = operation.name.ends_with("Query");
            let expected = if is_question || is_query { Role::Read } else { Role::Admin };
            assert_eq!(operation.role, expected, "{}", operation.name);
            assert_eq!(operation.is_read, is_question, "{}", operation.name);
        }
    }
}
