//! One event as baselines see it: who, from where, with what, doing what.

use std::borrow::Cow;
use std::net::IpAddr;

use arrow::array::{Array, AsArray, BooleanArray, ListArray, StringViewArray, TimestampMicrosecondArray};
use pugmark_event::{EventBatch, Leaf, Projection};

use crate::principal::principal;

/// One event.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    columns: &'a Observations,
    row: usize,
}

/// The columns of a batch that are read, opened once for all rows.
#[derive(Debug)]
pub(crate) struct Observations {
    texts: Vec<Option<StringViewArray>>,
    time: Option<TimestampMicrosecondArray>,
    read_only: Option<BooleanArray>,
    resources: Option<ListArray>,
    len: usize,
}

impl Observations {
    /// Opens the columns of `batch`; a leaf that was not decoded reads as absent.
    pub(crate) fn of(batch: &EventBatch) -> Observations {
        let resources = batch.record_batch().column_by_name(Leaf::ResourceArn.column().name());
        Observations {
            texts: pugmark_event::FIELDS.iter().map(|field| batch.text(field.leaf)).collect(),
            time: batch.times(Leaf::EventTime),
            read_only: batch.flags(Leaf::ReadOnly),
            resources: resources.and_then(|resources| resources.as_list_opt()).cloned(),
            len: batch.rows(),
        }
    }

    /// The events, in the order of the batch.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Observed<'_>> {
        (0..self.len).map(|row| Observed { columns: self, row })
    }
}

impl<'a> Observed<'a> {
    /// The leaves that are read; others of a batch are passed over. `actor` and `session` are used
    /// where they are there.
    pub fn leaves() -> Projection {
        [
            Leaf::EventTime,
            Leaf::EventId,
            Leaf::EventSource,
            Leaf::EventName,
            Leaf::AwsRegion,
            Leaf::SourceIpAddress,
            Leaf::UserAgent,
            Leaf::ErrorCode,
            Leaf::ReadOnly,
            Leaf::RecipientAccountId,
            Leaf::VpcEndpointId,
            Leaf::IdentityType,
            Leaf::IdentityArn,
            Leaf::IdentityPrincipalId,
            Leaf::IdentityAccountId,
            Leaf::IdentityAccessKeyId,
            Leaf::IdentityUserName,
            Leaf::IdentityInvokedBy,
            Leaf::BehalfUserId,
            Leaf::IssuerArn,
            Leaf::ResourceArn,
            Leaf::ResourceAccountId,
        ]
        .into_iter()
        .collect()
    }

    /// The text of `leaf`; an empty text counts as absent.
    pub(crate) fn text(self, leaf: Leaf) -> Option<&'a str> {
        let texts = self.columns.texts[leaf as usize].as_ref()?;
        texts.is_valid(self.row).then(|| texts.value(self.row)).filter(|text| !text.is_empty())
    }

    /// `eventTime`, microseconds since 1970.
    pub(crate) fn time(self) -> Option<i64> {
        let time = self.columns.time.as_ref()?;
        time.is_valid(self.row).then(|| time.value(self.row))
    }

    /// True unless the event says that it only read.
    pub(crate) fn is_write(self) -> bool {
        let flags = self.columns.read_only.as_ref().filter(|flags| flags.is_valid(self.row));
        !flags.is_some_and(|flags| flags.value(self.row))
    }

    /// The account in whose trail the event is.
    pub(crate) fn account(self) -> &'a str {
        self.text(Leaf::RecipientAccountId).or(self.text(Leaf::IdentityAccountId)).unwrap_or_default()
    }

    /// True if an AWS service made the call, for itself or for somebody.
    pub(crate) fn is_by_service(self) -> bool {
        self.text(Leaf::IdentityInvokedBy).is_some() || self.text(Leaf::IdentityType) == Some("AWSService")
    }

    /// Who acted, by a name that outlives credentials.
    pub(crate) fn principal(self) -> Cow<'a, str> {
        principal(&|leaf| self.text(leaf))
    }

    /// The credential of one session: its id where that is known, else the temporary access key.
    pub(crate) fn session(self) -> Option<&'a str> {
        self.text(Leaf::Session)
            .or_else(|| self.text(Leaf::IdentityAccessKeyId).filter(|key| key.starts_with("ASIA")))
    }

    /// The client's address; none for services, names and calls through a VPC endpoint, whose
    /// addresses are those of a private network.
    pub(crate) fn address(self) -> Option<IpAddr> {
        if self.is_by_service() || self.text(Leaf::VpcEndpointId).is_some() {
            return None;
        }
        let address = self.text(Leaf::SourceIpAddress)?.parse().ok()?;
        is_public(address).then_some(address)
    }

    /// `service:EventName`.
    pub(crate) fn call(self) -> String {
        let source = self.text(Leaf::EventSource).unwrap_or("unknown");
        let service = source.split('.').next().unwrap_or(source);
        format!("{service}:{}", self.text(Leaf::EventName).unwrap_or("unknown"))
    }

    /// ARN and owner of each resource.
    pub(crate) fn resources(self) -> Vec<(String, Option<String>)> {
        let Some(list) = self.columns.resources.as_ref().filter(|list| list.is_valid(self.row)) else {
            return Vec::new();
        };
        let items = list.value(self.row);
        let Some(items) = items.as_struct_opt() else { return Vec::new() };
        let column = |leaf: Leaf| {
            let name = leaf.name().rsplit('.').next().unwrap_or_default();
            items.column_by_name(name).and_then(|column| column.as_string_view_opt())
        };
        let text = |column: Option<&StringViewArray>, row: usize| {
            let column = column.filter(|column| column.is_valid(row))?;
            Some(column.value(row).to_owned()).filter(|text| !text.is_empty())
        };
        let (arns, owners) = (column(Leaf::ResourceArn), column(Leaf::ResourceAccountId));
        (0..items.len()).filter_map(|row| Some((text(arns, row)?, text(owners, row)))).collect()
    }
}

/// True for addresses that are somebody's on the Internet (IANA special-purpose registries; the
/// blocks for documentation count as public: they stand for public addresses in examples).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared || a == 0 || a >= 224)
        }
        IpAddr::V6(v6) => {
            let mapped = v6.to_ipv4_mapped().map(IpAddr::V4);
            mapped.map_or(v6.segments()[0] & 0xE000 == 0x2000, is_public)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for public in ["198.51.100.7", "8.8.8.8", "2001:db8::1", "2a00::1"] {
            assert!(is_public(public.parse().expect("an address")), "{public}");
        }
        for private in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "fd00::1",
            "::1",
        ] {
            assert!(!is_public(private.parse().expect("an address")), "{private}");
        }
    }
}
