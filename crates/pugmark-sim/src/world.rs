//! The simulated world: accounts, Regions, people, users and roles, all invented.

use std::io;

use crate::Options;
use crate::chance::{push_hex, scramble};
use crate::clock::DAY;
use crate::identity::{Role, User};

/// Documentation-style account numbers; more are derived from the seed.
const ACCOUNTS: &[&str] =
    &["111122223333", "444455556666", "777788889999", "123456789012", "210987654321", "555566667777"];
pub(crate) const REGIONS: &[&str] = &[
    "us-east-1",
    "eu-west-1",
    "us-west-2",
    "eu-central-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "us-east-2",
    "ca-central-1",
    "sa-east-1",
    "eu-north-1",
    "ap-south-1",
    "eu-west-2",
    "ap-southeast-1",
    "us-west-1",
    "eu-west-3",
    "ap-northeast-2",
];
/// People and where they connect from: documentation addresses only.
const PEOPLE: &[(&str, &str)] = &[
    ("noor", "198.51.100.7"),
    ("amara", "198.51.100.23"),
    ("jonas", "203.0.113.41"),
    ("mei", "2001:db8:4a:1::17"),
    ("tomas", "198.51.100.88"),
    ("ines", "203.0.113.9"),
    ("kofi", "198.51.100.140"),
    ("lena", "2001:db8:77::a2"),
    ("ravi", "203.0.113.77"),
    ("sofia", "198.51.100.201"),
    ("henrik", "203.0.113.130"),
    ("yuki", "2001:db8:9:f::3"),
];
const ACCOUNTS_MAX: u32 = 1_000;
const DAYS_MAX: u32 = 3_660;

/// Who and what exists.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) accounts: Vec<String>,
    pub(crate) regions: Vec<&'static str>,
    /// First second.
    pub(crate) start: i64,
    /// Second after the last one.
    pub(crate) end: i64,
}

impl World {
    /// The world that the options ask for.
    pub(crate) fn new(options: &Options) -> io::Result<World> {
        let fits = |name: &str, value: u32, max: u32| {
            if (1..=max).contains(&value) {
                return Ok(());
            }
            let message = format!("`{name}` is {value}, it must be from 1 to {max}");
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        };
        fits("days", options.days, DAYS_MAX)?;
        fits("accounts", options.accounts, ACCOUNTS_MAX)?;
        fits("regions", options.regions, REGIONS.len() as u32)?;
        if !(0.0..=100.0).contains(&options.duplicates_percent) {
            let message =
                format!("`duplicates_percent` is {}, it must be from 0 to 100", options.duplicates_percent);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let start = i64::from(options.start_day) * DAY;
        Ok(World {
            seed: options.seed,
            accounts: (0..options.accounts).map(account_id).collect(),
            regions: REGIONS[..options.regions as usize].to_vec(),
            start,
            end: start + i64::from(options.days) * DAY,
        })
    }

    pub(crate) fn people() -> impl Iterator<Item = (&'static str, &'static str)> {
        PEOPLE.iter().copied()
    }

    /// A user; the same name in the same account is the same user.
    pub(crate) fn user(&self, account: usize, name: &str) -> User {
        let account = &self.accounts[account];
        User {
            account: account.clone(),
            name: name.to_owned(),
            id: self.id("AIDAEXAMPLE", 10, &[account, name]),
            key: self.id("AKIAEXAMPLE", 9, &[account, name, "key"]),
        }
    }

    /// A role at the root path.
    pub(crate) fn role(&self, account: usize, name: &str) -> Role {
        self.role_below(account, "/", name)
    }

    /// A role of Identity Center for one permission set.
    pub(crate) fn reserved_role(&self, account: usize, set: &str) -> Role {
        let mut name = format!("AWSReservedSSO_{set}_");
        push_hex(&mut name, self.bits(&[&self.accounts[account], set]), 16);
        self.role_below(account, "/aws-reserved/sso.amazonaws.com/", &name)
    }

    /// A service-linked role.
    pub(crate) fn linked_role(&self, account: usize, principal: &str, name: &str) -> Role {
        let name = format!("AWSServiceRoleFor{name}");
        self.role_below(account, &format!("/aws-service-role/{principal}/"), &name)
    }

    /// An id of a fixed length that always names the same thing.
    pub(crate) fn id(&self, prefix: &str, length: usize, names: &[&str]) -> String {
        const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut bits = self.bits(names);
        let mut text = prefix.to_owned();
        for _ in 0..length {
            text.push(char::from(LETTERS[(bits & 31) as usize]));
            bits >>= 5;
        }
        text
    }

    fn role_below(&self, account: usize, path: &str, name: &str) -> Role {
        let account = self.accounts[account].clone();
        let id = self.id("AROAEXAMPLE", 10, &[&account, name]);
        Role { account, name: name.to_owned(), path: path.to_owned(), id }
    }

    fn bits(&self, names: &[&str]) -> u64 {
        let bytes = names.iter().flat_map(|name| name.bytes().chain([0]));
        scramble(bytes.fold(self.seed, |hash, byte| scramble(hash ^ u64::from(byte))))
    }
}

fn account_id(index: u32) -> String {
    match ACCOUNTS.get(index as usize) {
        Some(id) => (*id).to_owned(),
        None => format!("9{:011}", scramble(u64::from(index)) % 100_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn accounts_are_different_and_have_12_digits() {
        let ids: BTreeSet<String> = (0..ACCOUNTS_MAX).map(account_id).collect();
        assert_eq!(ids.len(), ACCOUNTS_MAX as usize);
        assert!(ids.iter().all(|id| id.len() == 12));
    }

    #[test]
    fn ids_have_the_length_of_real_ones() {
        let world = World::new(&Options::default()).unwrap();
        assert_eq!(world.user(0, "noor").key.len(), 20);
        assert_eq!(world.role(0, "web-node").id.len(), 21);
        assert_eq!(world.role(0, "web-node").id, world.role(0, "web-node").id);
    }

    #[test]
    fn a_world_of_nothing_is_refused() {
        for options in [
            Options { days: 0, ..Options::default() },
            Options { accounts: 0, ..Options::default() },
            Options { regions: 17, ..Options::default() },
            Options { duplicates_percent: 100.5, ..Options::default() },
        ] {
            assert_eq!(
                World::new(&options).err().map(|error| error.kind()),
                Some(io::ErrorKind::InvalidInput)
            );
        }
    }
}
