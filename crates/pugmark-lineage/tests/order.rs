//! Neither the order of records nor their split into files can be seen, and more input never
//! turns a certain link into another.

mod trail;

use std::collections::BTreeMap;

use proptest::prelude::*;
use pugmark_lineage::{Confidence, Facts, Lineage};
use serde_json::{Value, json};
use trail::{ACCOUNT, OTHER, assume, event, lineage_of, role, service, told, user, with};

/// A record of a small world in which keys, principals and times meet often.
fn record() -> impl Strategy<Value = Value> {
    (0..8_u8, 0..6_u32, 0..6_u32, 0..40_u32, 0..1000_u32).prop_map(|(kind, from, to, second, id)| {
        let key = |number: u32| format!("ASIAEXAMPLE{number:09}");
        let session = |number: u32| role(ACCOUNT, &format!("r{}", number % 3), "s", &key(number), number * 7);
        let noor = user("noor", "AKIAEXAMPLE000000001");
        let to_role = format!("r{}", to % 3);
        let to = (ACCOUNT, to_role.as_str(), "s", key(to));
        match kind {
            0 => assume(id, second, &noor, (to.0, to.1, to.2), &to.3),
            1 | 2 => assume(id, second, &session(from), (to.0, to.1, to.2), &to.3),
            3 => {
                assume(id, second, &service("ec2.amazonaws.com"), (to.0, to.1, "i-0abc1234def567890"), &to.3)
            }
            4 => {
                let outside =
                    json!({"type": "AWSAccount", "principalId": "AROAEXAMPLEr1:s", "accountId": OTHER});
                let shared = json!({"sharedEventID": format!("77777777-0000-4000-8000-{from:012}")});
                with(assume(id, second, &outside, (to.0, to.1, to.2), &to.3), shared)
            }
            5 => {
                let address = json!({"sourceIPAddress": format!("203.0.{from}.{second}")});
                with(event(id, second, &session(from), ("s3", "ListBuckets")), address)
            }
            6 => with(
                event(id, second, &session(from), ("s3", "GetObject")),
                json!({"errorCode": "AccessDenied"}),
            ),
            _ => event(id, second, &noor, ("ec2", "RunInstances")),
        }
    })
}

fn trail() -> impl Strategy<Value = Vec<Value>> {
    let unique = |records: Vec<Value>| {
        let by_id: BTreeMap<String, Value> =
            records.into_iter().map(|record| (record["eventID"].to_string(), record)).collect();
        by_id.into_values().collect()
    };
    prop::collection::vec(record(), 1..40).prop_map(unique)
}

/// Records in another order, cut into files.
fn shuffled() -> impl Strategy<Value = (Vec<Value>, Vec<Vec<Value>>)> {
    trail().prop_flat_map(|records| {
        let order = Just(records.clone()).prop_shuffle();
        (Just(records), order, 1..8_usize).prop_map(|(records, order, files)| {
            let files = order.chunks(order.len().div_ceil(files)).map(<[Value]>::to_vec).collect();
            (records, files)
        })
    })
}

/// What is above each session by a certain link.
fn certain(lineage: &Lineage) -> BTreeMap<String, String> {
    let certain = lineage
        .sessions()
        .filter(|session| session.link().is_some_and(|link| link.confidence == Confidence::Certain));
    certain
        .filter_map(|session| {
            let above = session.above()?;
            Some((
                session.access_key()?.to_owned(),
                above.access_key().map_or_else(|| above.name(), str::to_owned),
            ))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn order_and_split_cannot_be_seen((records, files) in shuffled()) {
        prop_assert_eq!(told(&lineage_of(&[records])), told(&lineage_of(&files)));
    }

    #[test]
    fn merging_in_either_direction_gives_the_same(a in trail(), b in trail()) {
        let facts = |records: &[Value]| {
            let mut facts = Facts::default();
            for batch in &trail::batches(records) {
                facts.read(batch);
            }
            facts
        };
        let forward = facts(&a).merge(facts(&b)).resolve();
        let backward = facts(&b).merge(facts(&a)).resolve();
        prop_assert_eq!(told(&forward), told(&backward));
    }

    #[test]
    fn more_input_never_turns_a_certain_link_into_another(records in trail(), part in 0..40_usize) {
        let part = part.min(records.len());
        let fewer = lineage_of(&[records[..part].to_vec()]);
        let more = certain(&lineage_of(&[records]));
        for (session, above) in certain(&fewer) {
            if let Some(now) = more.get(&session) {
                prop_assert_eq!(&above, now, "above {}", session);
            }
        }
    }
}
