//! Parties are found by what a person has at hand.

mod trail;

use pugmark_lineage::{FoundBy, Lineage, Session};
use serde_json::Value;
use trail::{ACCOUNT, OFFICE, assume, event, event_id, lineage, role, user};

fn input() -> Lineage {
    let noor = user("noor", "AKIAEXAMPLE000000001");
    let dev = role(ACCOUNT, "/team/dev", "cli", "ASIAEXAMPLE000000001", 60);
    let records: [Value; 2] = [
        assume(1, 60, &noor, (ACCOUNT, "/team/dev", "cli"), "ASIAEXAMPLE000000001"),
        event(2, 90, &dev, ("ec2", "RunInstances")),
    ];
    lineage(&records)
}

/// How `text` was understood, and what was found.
fn find(text: &str) -> Option<(FoundBy, Vec<String>)> {
    let lineage = input();
    let found = lineage.find(text)?;
    Some((found.by, found.parties.into_iter().map(Session::name).collect()))
}

fn dev(by: FoundBy) -> (FoundBy, Vec<String>) {
    (by, vec!["dev/cli".to_owned()])
}

fn both(by: FoundBy) -> (FoundBy, Vec<String>) {
    (by, vec!["user/noor".to_owned(), "dev/cli".to_owned()])
}

#[test]
fn a_key_an_id_and_an_issuing_event_lead_to_one_session() {
    assert_eq!(find("ASIAEXAMPLE000000001"), Some(dev(FoundBy::Credential)));
    let id = input().sessions().nth(1).expect("the role session").id();
    assert_eq!(find(&id), Some(dev(FoundBy::ShortId)));
    assert_eq!(find(&id[..6].to_uppercase()), Some(dev(FoundBy::ShortId)));
    assert_eq!(find(&event_id(1)), Some(dev(FoundBy::Issuance)));
}

#[test]
fn an_arn_leads_to_sessions_users_and_roles_with_their_path_or_without() {
    assert_eq!(find("arn:aws:sts::111122223333:assumed-role/dev/cli"), Some(dev(FoundBy::Arn)));
    assert_eq!(find("arn:aws:iam::111122223333:role/team/dev"), Some(dev(FoundBy::Arn)));
    assert_eq!(find("arn:aws:iam::111122223333:role/dev"), Some(dev(FoundBy::Arn)));
    assert_eq!(find("arn:aws:iam::111122223333:role/other/dev"), None);
    assert_eq!(find("arn:aws:iam::444455556666:role/dev"), None);
}

#[test]
fn an_address_leads_to_all_who_came_from_it() {
    assert_eq!(find(OFFICE), Some(both(FoundBy::Address)));
    assert_eq!(find("192.0.2.1"), None);
}

#[test]
fn an_actor_leads_to_all_its_sessions() {
    assert_eq!(find("user/noor@111122223333"), Some(both(FoundBy::Actor)));
    assert_eq!(find("user/noor"), Some(both(FoundBy::Actor)));
    assert_eq!(find("NOOR"), Some(both(FoundBy::Actor)));
}

#[test]
fn names_of_roles_and_sessions_and_principal_ids_are_found() {
    assert_eq!(find("cli"), Some(dev(FoundBy::Name)));
    assert_eq!(find("dev"), Some(dev(FoundBy::Name)));
    assert_eq!(find("AROAEXAMPLEdev"), Some(dev(FoundBy::PrincipalId)));
    assert_eq!(find("nobody-at-all"), None);
}
