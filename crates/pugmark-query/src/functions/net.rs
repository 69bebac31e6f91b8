//! Functions on network addresses.

use std::net::IpAddr;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray};
use datafusion::common::{Result, exec_err};

use super::{Arguments, Compiled, Function, gives_flag};

pub(super) const FUNCTIONS: &[Function] =
    &[Function { name: "cidr_contains", arity: (2, 2), returns: gives_flag, run: cidr_contains }];

/// A range of addresses.
struct Cidr {
    network: IpAddr,
    bits: u32,
}

fn parse(text: &str) -> Result<Cidr> {
    let (network, bits) = text.trim().split_once('/').map_or((text.trim(), None), |(a, b)| (a, Some(b)));
    let Ok(network) = network.parse::<IpAddr>() else {
        return exec_err!("`{text}` is no address range: write `10.0.0.0/8` or `2001:db8::/32`");
    };
    let most = if network.is_ipv4() { 32 } else { 128 };
    match bits.map_or(Ok(most), str::parse) {
        Ok(bits) if bits <= most => Ok(Cidr { network, bits }),
        _ => exec_err!("`{text}` has no prefix length from 0 to {most}"),
    }
}

impl Cidr {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - self.bits).unwrap_or(0);
                u32::from(network) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - self.bits).unwrap_or(0);
                u128::from(network) & mask == u128::from(address) & mask
            }
            _ => false,
        }
    }
}

/// `cidr_contains('10.0.0.0/8', sourceipaddress)`; names of services are in no range.
fn cidr_contains(arguments: &Arguments) -> Result<ArrayRef> {
    let mut ranges = Compiled::new(arguments.text(0)?, parse);
    let addresses = arguments.text(1)?;
    let mut inside = Vec::with_capacity(arguments.rows);
    for row in 0..arguments.rows {
        let range = ranges.get(row)?;
        let address = addresses.get(row);
        inside.push(range.zip(address).map(|(range, address)| {
            address.trim().parse::<IpAddr>().is_ok_and(|address| range.contains(address))
        }));
    }
    Ok(Arc::new(BooleanArray::from(inside)))
}
