//! What is suspicious by itself, and what is not.

mod trail;

use pugmark_lineage::{Lineage, SuspicionKind};
use serde_json::{Value, json};
use trail::{ACCOUNT, OFFICE, OTHER, assume, event, lineage, role, service, user, with};

const NODE: &str = "i-0abc1234def567890";
const KEY: &str = "ASIAEXAMPLE000000001";

fn kinds(lineage: &Lineage) -> Vec<(SuspicionKind, String)> {
    lineage.suspicions().map(|one| (one.kind(), one.session().name())).collect()
}

fn from(record: Value, address: &str) -> Value {
    with(record, json!({"sourceIPAddress": address}))
}

fn call(id: u32, seconds: u32, identity: &Value) -> Value {
    event(id, seconds, identity, ("s3", "ListBuckets"))
}

fn node(key: &str) -> Value {
    role(ACCOUNT, "node", NODE, key, 60)
}

fn issued(key: &str) -> Value {
    assume(1, 60, &service("ec2.amazonaws.com"), (ACCOUNT, "node", NODE), key)
}

#[test]
fn a_key_used_from_two_networks_is_told_with_both_addresses() {
    let noor = user("noor", "AKIAEXAMPLE000000001");
    let lineage = lineage(&[call(1, 0, &noor), from(call(2, 5, &noor), "203.0.113.9")]);
    let about: Vec<&str> = lineage.suspicions().map(pugmark_lineage::Suspicion::about).collect();
    assert_eq!(about, ["2 networks: 198.51.100.7 (1 events), 203.0.113.9 (1 events)"]);
}

#[test]
fn another_address_of_one_network_and_calls_by_services_are_not_suspicious() {
    let noor = user("noor", "AKIAEXAMPLE000000001");
    let lineage = lineage(&[
        call(1, 0, &noor),
        from(call(2, 5, &noor), "198.51.7.200"),
        from(call(3, 6, &noor), "cloudformation.amazonaws.com"),
    ]);
    assert_eq!(kinds(&lineage), []);
}

#[test]
fn instance_credentials_at_a_persons_address_are_outside() {
    let noor = user("noor", "AKIAEXAMPLE000000001");
    let lineage = lineage(&[issued(KEY), call(2, 50, &noor), call(3, 70, &node(KEY))]);
    let (kind, name) = &kinds(&lineage)[0];
    assert_eq!((*kind, name.as_str()), (SuspicionKind::OutsideAws, "node/i-0abc1234def567890"));
    let about = lineage.suspicions().next().expect("one").about();
    assert_eq!(about, format!("{OFFICE}, as user/noor@{ACCOUNT}"));
}

#[test]
fn instance_credentials_away_from_the_instance_are_outside() {
    let second = "ASIAEXAMPLE000000002";
    let lineage = lineage(&[
        issued(KEY),
        with(issued(second), json!({"eventID": trail::event_id(9)})),
        from(call(2, 70, &node(KEY)), "203.0.113.10"),
        from(call(3, 71, &node(KEY)), "203.0.113.10"),
        from(call(4, 72, &node(second)), "192.0.2.9"),
    ]);
    let found: Vec<(SuspicionKind, Option<&str>)> =
        lineage.suspicions().map(|one| (one.kind(), one.session().access_key())).collect();
    assert_eq!(found, [(SuspicionKind::OutsideAws, Some(second))]);
}

#[test]
fn a_public_address_is_odd_where_all_other_instances_have_private_ones() {
    let mut records = vec![issued(KEY), from(call(2, 70, &node(KEY)), "192.0.2.9")];
    for number in 0..20_u32 {
        let (name, key) = (format!("i-0abc1234def5678{number:02}"), format!("ASIAEXAMPLE1{number:08}"));
        records.push(assume(100 + number, 60, &service("ec2.amazonaws.com"), (ACCOUNT, "node", &name), &key));
        let instance = role(ACCOUNT, "node", &name, &key, 60);
        records.push(from(call(200 + number, 70, &instance), &format!("10.0.0.{number}")));
    }
    let lineage = lineage(&records);
    let found: Vec<(SuspicionKind, Option<&str>)> =
        lineage.suspicions().map(|one| (one.kind(), one.session().access_key())).collect();
    assert_eq!(found, [(SuspicionKind::OutsideAws, Some(KEY))]);
}

#[test]
fn an_instance_behind_its_own_endpoint_is_at_home_and_behind_anothers_is_not() {
    let through = |record, owner| {
        let endpoint = json!({"vpcEndpointId": "vpce-0a1", "vpcEndpointAccountId": owner});
        with(from(record, "10.1.2.3"), endpoint)
    };
    let public = || from(call(2, 70, &node(KEY)), "203.0.113.10");
    let at_home = lineage(&[issued(KEY), public(), through(call(3, 71, &node(KEY)), ACCOUNT)]);
    assert_eq!(kinds(&at_home), []);
    let away = lineage(&[issued(KEY), public(), through(call(3, 71, &node(KEY)), OTHER)]);
    assert_eq!(kinds(&away).iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [SuspicionKind::OtherAccount]);
}

#[test]
fn a_session_without_issuance_is_suspicious_only_if_its_time_is_covered() {
    let early = role(ACCOUNT, "dev", "early", "ASIAEXAMPLE000000003", 0);
    let late = role(ACCOUNT, "dev", "late", "ASIAEXAMPLE000000004", 80);
    let lineage = lineage(&[issued(KEY), call(2, 90, &early), call(3, 91, &late)]);
    let found: Vec<(SuspicionKind, String)> = kinds(&lineage);
    assert_eq!(found, [(SuspicionKind::NoIssuance, "dev/late".to_owned())]);
}

#[test]
fn without_any_issuance_in_the_account_nothing_is_missed() {
    let noor = user("noor", "AKIAEXAMPLE000000001");
    let late = role(ACCOUNT, "dev", "late", "ASIAEXAMPLE000000004", 80);
    assert_eq!(kinds(&lineage(&[call(1, 0, &noor), call(3, 91, &late)])), []);
}

#[test]
fn a_chain_longer_than_usual_is_told() {
    let mut records = Vec::new();
    let noor = user("noor", "AKIAEXAMPLE000000001");
    for number in 0..60_u32 {
        let key = format!("ASIAEXAMPLE1{number:08}");
        records.push(assume(number, number, &noor, (ACCOUNT, "dev", "cli"), &key));
        records.push(call(100 + number, number + 5, &role(ACCOUNT, "dev", "cli", &key, number)));
    }
    let mut above = noor;
    for step in 0..5_u32 {
        let (name, key) = (format!("step{step}"), format!("ASIAEXAMPLE{step:09}"));
        records.push(assume(200 + step, 200 + step, &above, (ACCOUNT, &name, "hop"), &key));
        above = role(ACCOUNT, &name, "hop", &key, 200 + step);
    }
    records.push(call(300, 300, &above));
    let lineage = lineage(&records);
    let long = vec![
        (SuspicionKind::LongChain, "step3/hop".to_owned()),
        (SuspicionKind::LongChain, "step4/hop".to_owned()),
    ];
    assert_eq!(kinds(&lineage), long);
}
