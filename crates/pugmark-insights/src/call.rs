//! One event as Insights see it: which API, when, by whom, with what outcome.

use std::borrow::Cow;

use arrow::array::{Array, BooleanArray, StringViewArray, TimestampMicrosecondArray};
use pugmark_event::{EventBatch, Leaf, Projection, without_session};

use crate::{Category, InsightType, Selector};

const MINUTE_US: i64 = 60_000_000;

/// One event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call<'a> {
    /// `eventTime`, microseconds since 1970.
    pub time: Option<i64>,
    /// `recipientAccountId`, or else the account of the caller.
    pub account: &'a str,
    /// `awsRegion`.
    pub region: &'a str,
    /// `eventSource`.
    pub event_source: &'a str,
    /// `eventName`.
    pub event_name: &'a str,
    /// `eventType`.
    pub event_type: Option<&'a str>,
    /// `eventCategory`; absent before version 1.07.
    pub event_category: Option<&'a str>,
    /// `managementEvent`; absent before version 1.06.
    pub management_event: Option<bool>,
    /// `readOnly`.
    pub read_only: Option<bool>,
    /// `errorCode`.
    pub error_code: Option<&'a str>,
    /// `errorMessage`; a failed sign-in has nothing else.
    pub error_message: Option<&'a str>,
    /// `userIdentity.arn`.
    pub identity_arn: Option<&'a str>,
    /// `userIdentity.invokedBy`.
    pub invoked_by: Option<&'a str>,
    /// `userAgent`.
    pub user_agent: Option<&'a str>,
}

impl<'a> Call<'a> {
    /// The leaves that are read of a batch.
    pub fn leaves() -> Projection {
        TEXTS.into_iter().chain([Leaf::EventTime, Leaf::ManagementEvent, Leaf::ReadOnly]).collect()
    }

    /// The UTC minute of the event, minutes since 1970.
    pub(crate) fn minute(&self) -> Option<u32> {
        u32::try_from(self.time?.div_euclid(MINUTE_US)).ok()
    }

    /// Management or data; `None` for what Insights do not analyse: network activity, aggregated
    /// events, Insights themselves.
    pub(crate) fn category(&self) -> Option<Category> {
        match (self.event_category, self.management_event) {
            (Some(name), _) => Category::find(name),
            (None, Some(false)) => Some(Category::Data),
            (None, _) => match self.event_type {
                Some("AwsCloudTrailInsight" | "AwsAggregatedEvent" | "AwsVpceEvent" | "AwsVpceEvents") => {
                    None
                }
                _ => Some(Category::Management),
            },
        }
    }

    /// The error that an error rate counts. Only sign-ins fail without a code.
    pub(crate) fn error(&self) -> Option<&'a str> {
        let signin = self.event_type.is_some_and(|kind| kind.eq_ignore_ascii_case("AwsConsoleSignIn"));
        self.error_code.or_else(|| self.error_message.filter(|_| signin))
    }

    /// True if this event is one of those that `selector` counts.
    pub(crate) fn counts_for(&self, selector: Selector) -> bool {
        match selector.kind {
            InsightType::ApiErrorRate => self.error().is_some(),
            InsightType::ApiCallRate => {
                self.event_type != Some("AwsServiceEvent")
                    && (selector.category == Category::Data || self.read_only == Some(false))
            }
        }
    }

    /// Whom the call is attributed to: the ARN without a session's name, or the calling service.
    pub(crate) fn identity(&self) -> Option<Cow<'a, str>> {
        self.identity_arn.map(without_session).or(self.invoked_by.map(Cow::Borrowed))
    }
}

const TEXTS: [Leaf; 12] = [
    Leaf::RecipientAccountId,
    Leaf::IdentityAccountId,
    Leaf::AwsRegion,
    Leaf::EventSource,
    Leaf::EventName,
    Leaf::EventType,
    Leaf::EventCategory,
    Leaf::ErrorCode,
    Leaf::ErrorMessage,
    Leaf::IdentityArn,
    Leaf::IdentityInvokedBy,
    Leaf::UserAgent,
];

/// The columns of a batch that are read, opened once for all rows.
pub(crate) struct Calls {
    texts: [Option<StringViewArray>; TEXTS.len()],
    time: Option<TimestampMicrosecondArray>,
    management_event: Option<BooleanArray>,
    read_only: Option<BooleanArray>,
    len: usize,
}

impl Calls {
    /// Opens the columns of `batch`; a leaf that was not decoded reads as absent.
    pub(crate) fn of(batch: &EventBatch) -> Calls {
        Calls {
            texts: TEXTS.map(|leaf| batch.text(leaf)),
            time: batch.times(Leaf::EventTime),
            management_event: batch.flags(Leaf::ManagementEvent),
            read_only: batch.flags(Leaf::ReadOnly),
            len: batch.rows(),
        }
    }

    /// The events, in the order of the batch.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Call<'_>> {
        (0..self.len).map(|row| self.call(row))
    }

    fn call(&self, row: usize) -> Call<'_> {
        let [
            account,
            caller_account,
            region,
            source,
            name,
            kind,
            category,
            code,
            message,
            arn,
            service,
            agent,
        ] = self.texts.each_ref().map(|texts| {
            let texts = texts.as_ref()?;
            texts.is_valid(row).then(|| texts.value(row)).filter(|text| !text.is_empty())
        });
        let flag = |flags: &Option<BooleanArray>| {
            flags.as_ref().filter(|flags| flags.is_valid(row)).map(|flags| flags.value(row))
        };
        Call {
            time: self.time.as_ref().filter(|time| time.is_valid(row)).map(|time| time.value(row)),
            account: account.or(caller_account).unwrap_or_default(),
            region: region.unwrap_or_default(),
            event_source: source.unwrap_or_default(),
            event_name: name.unwrap_or_default(),
            event_type: kind,
            event_category: category,
            management_event: flag(&self.management_event),
            read_only: flag(&self.read_only),
            error_code: code,
            error_message: message,
            identity_arn: arn,
            invoked_by: service,
            user_agent: agent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_session_is_counted_under_its_role() {
        let arn = "arn:aws:sts::111122223333:assumed-role/Deployer/run-17";
        let call = Call { identity_arn: Some(arn), ..Call::default() };
        assert_eq!(call.identity().as_deref(), Some("arn:aws:sts::111122223333:assumed-role/Deployer"));
        let user = Call { identity_arn: Some("arn:aws:iam::111122223333:user/a/b"), ..Call::default() };
        assert_eq!(user.identity().as_deref(), Some("arn:aws:iam::111122223333:user/a/b"));
        let service = Call { invoked_by: Some("ec2.amazonaws.com"), ..Call::default() };
        assert_eq!(service.identity().as_deref(), Some("ec2.amazonaws.com"));
    }

    #[test]
    fn reads_count_for_call_rates_of_data_events_only() {
        let [management, data, ..] = Selector::ALL;
        let read = Call { read_only: Some(true), ..Call::default() };
        assert!(!read.counts_for(management) && read.counts_for(data));
        let write = Call { read_only: Some(false), ..Call::default() };
        assert!(write.counts_for(management) && write.counts_for(data));
    }

    #[test]
    fn a_failed_sign_in_counts_as_an_error_though_it_has_no_code() {
        let failed = Some("Failed authentication");
        let signin = Call { event_type: Some("AwsConsoleSignIn"), error_message: failed, ..Call::default() };
        assert_eq!(signin.error(), failed);
        assert_eq!(Call { event_type: Some("AwsApiCall"), ..signin }.error(), None);
    }

    #[test]
    fn what_is_neither_management_nor_data_is_left_out() {
        for category in ["Insight", "NetworkActivity", "Aggregated"] {
            let call = Call { event_category: Some(category), ..Call::default() };
            assert_eq!(call.category(), None, "{category}");
        }
        assert_eq!(Call::default().category(), Some(Category::Management));
        let data = Call { management_event: Some(false), ..Call::default() };
        assert_eq!(data.category(), Some(Category::Data));
    }
}
