//! Texts with `<slots>` that are filled anew for each event.
//!
//! A slot is either fresh (`<guid>`, `<hex8>`, `<num100>`), stable (an id or
//! name out of a small pool, the same wherever it stands in one event) or a
//! fact of the event (`<account>`, `<region>`, `<time>`).

use std::fmt::Write as _;

use crate::chance::{Chance, push_guid, push_hex, scramble};
use crate::clock;

const APPS: &[&str] = &[
    "orders",
    "billing",
    "search",
    "catalogue",
    "shipping",
    "ledger",
    "inventory",
    "notify",
    "profile",
    "media",
    "reports",
    "pricing",
];
const ENVS: &[&str] = &["prod", "staging", "dev"];
const ROLES: &[&str] = &[
    "orders-worker",
    "billing-api",
    "web-node",
    "batch-node",
    "deployer",
    "eks-node",
    "eks-cluster",
    "ledger-writer",
    "report-builder",
    "media-encoder",
    "backup",
    "search-indexer",
];
const USERS: &[&str] =
    &["noor", "amara", "jonas", "mei", "tomas", "ines", "kofi", "lena", "ravi", "backup-agent"];
const OBJECTS: &[&str] = &[
    "prod/orders/2026/part-0000.parquet",
    "prod/exports/customers.csv",
    "staging/fixtures/basket.json",
    "prod/invoices/2026-01/0001842.pdf",
    "uploads/images/front page.png",
    "prod/models/ranker/v12/model.bin",
    "dev/scratch/notes.txt",
    "prod/backups/ledger.dump.gz",
];
const BUCKETS: &[&str] =
    &["orders-data", "customer-exports", "media-uploads", "artefacts", "reports", "models", "site"];
const FUNCTIONS: &[&str] = &[
    "orders-intake",
    "thumbnailer",
    "invoice-mailer",
    "stock-sync",
    "webhook-relay",
    "audit-shipper",
    "price-cache",
];
const CLUSTERS: &[&str] = &["prod", "staging"];
const TABLES: &[&str] = &["orders", "sessions", "basket", "prices", "feature-flags", "events"];
const QUEUES: &[&str] = &["orders-in", "mail-out", "stock-updates", "webhooks", "dead-letters"];
const TOPICS: &[&str] = &["alerts", "deployments", "order-events"];
const SECRETS: &[&str] = &["orders/db", "billing/gateway-token", "search/admin", "mail/smtp", "ci/registry"];
const LOG_GROUPS: &[&str] = &[
    "/aws/lambda/orders-intake",
    "/aws/lambda/thumbnailer",
    "/aws/eks/prod/cluster",
    "/ecs/billing-api",
    "app/search",
];
const STACKS: &[&str] = &["network", "orders-prod", "billing-prod", "observability"];
const DATABASES: &[&str] = &["orders-main", "billing-main", "reports-replica"];
const REPOSITORIES: &[&str] = &["orders/api", "billing/api", "search/indexer", "base/python"];
const POLICIES: &[&str] = &["read-artefacts", "write-orders", "queue-consumer", "table-reader", "key-user"];
const GROUPS: &[&str] = &["developers", "operators", "auditors"];

/// What of an event its texts may speak of.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) time: i64,
    /// Decides every stable slot of one event.
    pub(crate) pick: u64,
}

/// A parsed text.
#[derive(Debug, Default)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(&'static str),
    Slot(Slot),
}

#[derive(Clone, Copy, Debug)]
enum Slot {
    Account,
    Region,
    Time,
    Epoch,
    EpochMs,
    Day,
    Compact,
    Guid,
    Base64,
    TestIp,
    KmsKey,
    TrailBucket,
    LogBucket,
    Bucket,
    /// A list of objects, mostly short and rarely very long.
    Items,
    Hex(usize),
    Word(usize),
    Number(usize),
    Name(&'static [&'static str]),
    /// An id with this prefix and 17 hexadecimal digits.
    Id(&'static str),
}

impl Template {
    /// Parses a text, or names the slot that is not known.
    pub(crate) fn parse(text: &'static str) -> Result<Template, &'static str> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, slot, after)) = next_slot(rest) {
            if !before.is_empty() {
                parts.push(Part::Text(before));
            }
            parts.push(Part::Slot(Slot::named(slot).ok_or(slot)?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest));
        }
        Ok(Template(parts))
    }

    /// Appends the text with its slots filled.
    pub(crate) fn fill(&self, out: &mut String, facts: &Facts<'_>, chance: &mut Chance) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Slot(slot) => slot.fill(out, facts, chance),
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn next_slot(text: &'static str) -> Option<(&'static str, &'static str, &'static str)> {
    let (before, rest) = text.split_once('<')?;
    let (slot, after) = rest.split_once('>')?;
    Some((before, slot, after))
}

impl Slot {
    fn named(name: &'static str) -> Option<Slot> {
        let digits = name.find(|letter: char| letter.is_ascii_digit()).unwrap_or(name.len());
        if let (stem, Ok(count)) = (&name[..digits], name[digits..].parse()) {
            return match stem {
                "hex" => Some(Slot::Hex(count)),
                "word" => Some(Slot::Word(count)),
                "num" => Some(Slot::Number(count)),
                _ => None,
            };
        }
        Some(match name {
            "account" => Slot::Account,
            "region" => Slot::Region,
            "time" => Slot::Time,
            "epoch" => Slot::Epoch,
            "epochms" => Slot::EpochMs,
            "day" => Slot::Day,
            "compact" => Slot::Compact,
            "guid" => Slot::Guid,
            "idtwo" => Slot::Base64,
            "testip" => Slot::TestIp,
            "items" => Slot::Items,
            "kmskey" => Slot::KmsKey,
            "trailbucket" => Slot::TrailBucket,
            "logbucket" => Slot::LogBucket,
            "bucket" => Slot::Bucket,
            "instance" => Slot::Id("i-"),
            "vpc" => Slot::Id("vpc-"),
            "subnet" => Slot::Id("subnet-"),
            "sg" => Slot::Id("sg-"),
            "volume" => Slot::Id("vol-"),
            "snapshot" => Slot::Id("snap-"),
            "eni" => Slot::Id("eni-"),
            "image" => Slot::Id("ami-"),
            "rtb" => Slot::Id("rtb-"),
            "lt" => Slot::Id("lt-"),
            _ => Slot::Name(name_list(name)?),
        })
    }

    fn fill(self, out: &mut String, facts: &Facts<'_>, chance: &mut Chance) {
        match self {
            Slot::Account => out.push_str(facts.account),
            Slot::Region => out.push_str(facts.region),
            Slot::Time => clock::push_iso(out, facts.time),
            Slot::Epoch => push(out, format_args!("{}.{:03}", facts.time, chance.below(1_000))),
            Slot::EpochMs => push(out, format_args!("{}{:03}", facts.time, chance.below(1_000))),
            Slot::Day => clock::push_day(out, facts.time),
            Slot::Compact => clock::push_compact(out, facts.time),
            Slot::Guid => chance.guid(out),
            Slot::Base64 => {
                chance.base64(out, 75);
                out.push('=');
            }
            Slot::Items => fill_items(out, facts, chance),
            Slot::TestIp => push(out, format_args!("203.0.113.{}", 1 + chance.below(250))),
            Slot::KmsKey => {
                let bits = facts.stable(1, 4);
                push_guid(out, bits, scramble(bits));
            }
            Slot::TrailBucket => push(out, format_args!("trail-logs-{}", facts.account)),
            Slot::LogBucket => push(out, format_args!("access-logs-{}-{}", facts.account, facts.region)),
            Slot::Bucket => {
                out.push_str(facts.name(BUCKETS));
                push(out, format_args!("-{}", facts.account));
            }
            Slot::Hex(count) => chance.hex(out, count),
            Slot::Word(count) => chance.word(out, count),
            Slot::Number(limit) => push(out, format_args!("{}", chance.below(limit + 1))),
            Slot::Name(list) => out.push_str(facts.name(list)),
            Slot::Id(prefix) => {
                out.push_str(prefix);
                out.push('0');
                push_hex(out, facts.stable(prefix.len() as u64 + 16, 24), 16);
            }
        }
    }
}

impl Facts<'_> {
    /// Bits of a stable thing: one of `count` of its kind in this account and Region.
    fn stable(&self, kind: u64, count: u64) -> u64 {
        let mut place = kind;
        for byte in self.account.bytes().chain(self.region.bytes()) {
            place = place.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte);
        }
        scramble(place.wrapping_add((scramble(self.pick ^ kind) % count) << 32))
    }

    /// A name of a list, early ones more often.
    fn name(&self, list: &'static [&'static str]) -> &'static str {
        let bits = scramble(self.pick ^ (list.len() as u64) << 8);
        let first = (bits & 0xffff_ffff) as usize % list.len();
        let second = (bits >> 32) as usize % list.len();
        list[first.min(second)]
    }
}

fn fill_items(out: &mut String, facts: &Facts<'_>, chance: &mut Chance) {
    // Records are at most 256 KB, and their request parameters 100 KB.
    let count = (chance.lognormal(16.0, 0.9) as usize).clamp(1, 600);
    for place in 0..count {
        if place > 0 {
            out.push(',');
        }
        let app = APPS[chance.below(APPS.len())];
        push(out, format_args!(r#"{{"id":"i-0"#));
        chance.hex(out, 16);
        push(
            out,
            format_args!(r#"","name":"{app}","version":"{}.{}","at":"#, chance.below(9), chance.below(30)),
        );
        push(out, format_args!("{}}}", facts.time));
    }
}

fn name_list(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "app" => APPS,
        "env" => ENVS,
        "role" => ROLES,
        "user" => USERS,
        "object" => OBJECTS,
        "function" => FUNCTIONS,
        "cluster" => CLUSTERS,
        "table" => TABLES,
        "queue" => QUEUES,
        "topic" => TOPICS,
        "secret" => SECRETS,
        "loggroup" => LOG_GROUPS,
        "stack" => STACKS,
        "db" => DATABASES,
        "repo" => REPOSITORIES,
        "policy" => POLICIES,
        "group" => GROUPS,
        _ => return None,
    })
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts<'static> =
        Facts { account: "111122223333", region: "eu-west-1", time: 1_768_471_509, pick: 5 };

    fn filled(text: &'static str) -> String {
        let mut out = String::new();
        Template::parse(text).unwrap().fill(&mut out, &FACTS, &mut Chance::new(1));
        out
    }

    #[test]
    fn facts_of_the_event_fill_their_slots() {
        assert_eq!(
            filled("a <account> in <region> at <time>."),
            "a 111122223333 in eu-west-1 at 2026-01-15T10:05:09Z."
        );
    }

    #[test]
    fn a_stable_slot_is_the_same_wherever_it_stands() {
        let text = filled("<instance> <bucket> <instance> <bucket>");
        let words: Vec<&str> = text.split(' ').collect();
        assert_eq!((words[0], words[1]), (words[2], words[3]));
        assert_eq!(words[0].len(), 19);
    }

    #[test]
    fn an_unknown_slot_is_named() {
        assert_eq!(Template::parse("x <planet>").unwrap_err(), "planet");
    }
}
