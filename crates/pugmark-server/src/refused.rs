//! What this server does not do, and says so: there is no organization, no
//! model that writes queries, no Glue, no dashboard.

use crate::call::{Call, Outcome};
use crate::fault::ApiFault;

pub(crate) fn dashboard(_call: &Call<'_>) -> Outcome {
    Err(ApiFault::unsupported("There are no dashboards here."))
}

pub(crate) fn federation(_call: &Call<'_>) -> Outcome {
    Err(ApiFault::unsupported("Event data stores are not federated here: ask them with StartQuery."))
}

pub(crate) fn generation(_call: &Call<'_>) -> Outcome {
    Err(ApiFault::unsupported("Queries are not generated here: write the statement for StartQuery."))
}

pub(crate) fn insights(_call: &Call<'_>) -> Outcome {
    Err(ApiFault::unsupported("Insights data is not listed here: look Insights events up with LookupEvents."))
}

pub(crate) fn organization(_call: &Call<'_>) -> Outcome {
    let message = "There is no organization here that an administrator could be delegated for.";
    Err(ApiFault::new("OperationNotPermittedException", message))
}
