//! First-seen and travel over decoded records, with a small database made here.

mod mmdb;

use proptest::prelude::*;
use pugmark_decode::{Plan, decode};
use pugmark_detect::Level;
use pugmark_detect::first_seen::{Dimension, FirstSeen, Scope, Settings};
use pugmark_detect::geo::{GeoDb, Journey, JourneyKind, Travel, Traveller};
use pugmark_event::{EventBatch, Limits, Projection, days_from_civil, format_time};
use serde_json::{Value, json};

const HOUR: i64 = 3_600_000_000;
const BERLIN: &str = "198.51.100.7";
const SYDNEY: &str = "203.0.113.9";

fn start() -> i64 {
    i64::from(days_from_civil(2026, 1, 1)) * 24 * HOUR
}

fn event(id: u32, time: i64, user: &str) -> Value {
    json!({
        "eventVersion": "1.09",
        "userIdentity": {
            "type": "IAMUser", "principalId": format!("AIDAEXAMPLE{user}"), "accountId": "111122223333",
            "arn": format!("arn:aws:iam::111122223333:user/{user}"), "userName": user,
            "accessKeyId": "AKIAEXAMPLE000000001",
        },
        "eventTime": format_time(time),
        "eventSource": "s3.amazonaws.com",
        "eventName": "PutBucketTagging",
        "awsRegion": "eu-west-1",
        "sourceIPAddress": BERLIN,
        "userAgent": "aws-cli/2.22.0 md/awscrt#0.23 os/linux#6.1",
        "eventID": format!("00000000-0000-4000-8000-{id:012}"),
        "readOnly": false,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": "111122223333",
        "eventCategory": "Management",
    })
}

fn with(mut event: Value, members: Value) -> Value {
    let Value::Object(members) = members else { return event };
    event.as_object_mut().expect("an object").extend(members);
    event
}

fn batches(records: &[Value]) -> Vec<EventBatch> {
    let text = json!({ "Records": records }).to_string();
    let plan = Plan { projection: Projection::all(), needles: Vec::new(), limits: Limits::default() };
    decode(text.as_bytes(), plan).0
}

fn seen(records: &[Value], geo: &GeoDb) -> FirstSeen {
    let mut seen = FirstSeen::default();
    for batch in &batches(records) {
        seen.read(batch, geo);
    }
    seen
}

fn journeys(records: &[Value], geo: &GeoDb) -> Vec<Journey> {
    let mut travel = Travel::default();
    for batch in &batches(records) {
        travel.read(batch, geo);
    }
    travel.journeys(geo)
}

fn world() -> GeoDb {
    let place = |city: &str, country: &str, at: (f64, f64), asn: u64| {
        json!({
            "city": {"names": {"en": city}}, "country": {"iso_code": country},
            "location": {"latitude": at.0, "longitude": at.1, "accuracy_radius": 20},
            "autonomous_system_number": asn, "autonomous_system_organization": format!("Network of {city}"),
        })
    };
    let bytes = mmdb::database(&[
        ([198, 51], place("Berlin", "DE", (52.52, 13.405), 64_496)),
        ([203, 0], place("Sydney", "AU", (-33.87, 151.21), 64_497)),
    ]);
    GeoDb::open([("world.mmdb".to_owned(), bytes)]).expect("a database")
}

/// Twenty days on which noor does the same all day.
fn everyday() -> Vec<Value> {
    (0..480).map(|hour| event(hour, start() + i64::from(hour) * HOUR, "noor")).collect()
}

fn window() -> Settings {
    Settings::since(start() + 10 * 24 * HOUR)
}

#[test]
fn a_database_made_by_hand_tells_where_an_address_is() {
    let place = world().place(SYDNEY.parse().expect("an address"));
    assert_eq!((place.text().as_str(), place.asn), ("Sydney, AU", Some(64_497)));
    assert_eq!(world().place("192.0.2.1".parse().expect("an address")).country, None);
}

#[test]
fn everyday_life_has_no_findings() {
    assert!(seen(&everyday(), &GeoDb::default()).findings(&window()).is_empty());
}

#[test]
fn new_things_of_one_principal_within_an_hour_are_one_finding_that_says_how_novel() {
    let mut records = everyday();
    let odd = start() + 15 * 24 * HOUR + HOUR / 2;
    for (id, name) in (900..).zip(["CreateUser", "CreateAccessKey", "AttachUserPolicy"]) {
        let members = json!({
            "eventName": name, "eventSource": "iam.amazonaws.com", "awsRegion": "us-east-1",
            "sourceIPAddress": SYDNEY, "userAgent": "Boto3/1.26 Linux/6.1-kali",
        });
        records.push(with(event(id, odd + i64::from(id), "noor"), members));
    }
    let findings = seen(&records, &world()).findings(&window());
    let [burst] = &findings[..] else { unreachable!("one burst, not {findings:?}") };
    assert_eq!(burst.principal, "arn:aws:iam::111122223333:user/noor");
    assert_eq!(burst.level(), Level::High);
    assert_eq!(burst.novelties[0].dimension, Dimension::Country);
    assert_eq!(
        burst.novelties[0].text(),
        "country `AU`: first in 15 days and 360 events, for the account too"
    );
    let dimensions: Vec<Dimension> = burst.novelties.iter().map(|novelty| novelty.dimension).collect();
    assert_eq!(dimensions.iter().filter(|one| **one == Dimension::Call).count(), 3);
    assert!(burst.novelties.iter().all(|novelty| novelty.scope == Scope::Both));
    let finding = burst.finding();
    assert_eq!((finding.level(), finding.count), (Level::High, 3));
    assert_eq!(finding.id, burst.finding().id);
    assert_eq!(finding.addresses.words(), SYDNEY);
}

#[test]
fn services_are_no_news() {
    let mut records = everyday();
    let service = json!({
        "userIdentity": {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"},
        "eventName": "TerminateInstances", "awsRegion": "us-east-1",
        "sourceIPAddress": "ec2.amazonaws.com", "userAgent": "ec2.amazonaws.com",
    });
    records.push(with(event(900, start() + 15 * 24 * HOUR, "noor"), service));
    assert!(seen(&records, &GeoDb::default()).findings(&window()).is_empty());
}

#[test]
fn a_principal_that_is_hardly_known_has_no_news_of_its_own() {
    let records: Vec<Value> = (0..20)
        .map(|id| {
            with(event(id, start() + i64::from(id) * HOUR, "noor"), json!({"eventName": format!("N{id}")}))
        })
        .collect();
    let settings = Settings { score_min: 0.0, ..Settings::since(start() + 10 * HOUR) };
    assert!(seen(&records, &GeoDb::default()).findings(&settings).is_empty());
}

#[test]
fn a_set_with_too_many_values_is_closed_whatever_the_order() {
    let records: Vec<Value> = (0..600)
        .map(|id| {
            let members = json!({"eventName": format!("Call{}", id % 200)});
            with(event(id, start() + i64::from(id) * HOUR, "noor"), members)
        })
        .collect();
    let read = |chunks: &mut dyn Iterator<Item = &[Value]>| {
        let mut whole = FirstSeen::bounded(150);
        for chunk in chunks {
            let mut part = FirstSeen::bounded(150);
            for batch in &batches(chunk) {
                part.read(batch, &GeoDb::default());
            }
            whole = whole.merge(part);
        }
        (whole.kept(), whole.findings(&Settings { score_min: 0.0, ..window() }))
    };
    let forward = read(&mut records.chunks(70));
    assert!(forward.0.0 < pugmark_detect::first_seen::VALUES_MAX);
    assert_eq!(forward, read(&mut records.chunks(70).rev()));
}

#[test]
fn nobody_is_in_berlin_and_an_hour_later_in_sydney() {
    let records = [
        event(1, start(), "noor"),
        with(event(2, start() + HOUR, "noor"), json!({"sourceIPAddress": SYDNEY})),
    ];
    let found = journeys(&records, &world());
    let [journey] = &found[..] else { unreachable!("one journey, not {found:?}") };
    assert!(matches!(journey.kind, JourneyKind::TooFast { speed_kmh, .. } if speed_kmh > 15_000.0));
    assert_eq!((journey.finding().level(), journey.finding().count), (Level::High, 2));
    assert_eq!(journey.text(), "from Berlin, DE to Sydney, AU: 16055 km in 60 minutes, 16055 km/h");
    let next_day = with(event(2, start() + 30 * HOUR, "noor"), json!({"sourceIPAddress": SYDNEY}));
    assert!(journeys(&[event(1, start(), "noor"), next_day], &world()).is_empty());
}

#[test]
fn one_temporary_key_in_two_networks_is_told_without_any_database() {
    let session = |id: u32, address: &str| {
        let identity = json!({
            "type": "AssumedRole", "principalId": "AROAEXAMPLE1:i-0abc1234def567890", "accountId": "111122223333",
            "arn": "arn:aws:sts::111122223333:assumed-role/node/i-0abc1234def567890",
            "accessKeyId": "ASIAEXAMPLE000000001",
        });
        let members = json!({"userIdentity": identity, "sourceIPAddress": address});
        with(event(id, start() + i64::from(id) * HOUR, "noor"), members)
    };
    let nowhere = GeoDb::default();
    let found = journeys(&[session(1, BERLIN), session(2, SYDNEY)], &nowhere);
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].kind, found[0].times), (&JourneyKind::OtherNetwork, 1));
    assert_eq!(found[0].traveller, Traveller::Session("ASIAEXAMPLE000000001".to_owned()));
    for other in ["198.51.7.7", "10.0.0.1", "ec2.amazonaws.com", "AWS Internal", "not an address", ""] {
        assert!(journeys(&[session(1, BERLIN), session(2, other)], &nowhere).is_empty(), "{other}");
    }
    // One host may have an address of each kind.
    assert!(journeys(&[session(1, BERLIN), session(2, "2001:db8::1")], &nowhere).is_empty());
}

fn trail() -> impl Strategy<Value = Vec<Value>> {
    let event = (0..4_u8, 0..500_i64, 0..4_u8, 0..3_u8);
    prop::collection::vec(event, 1..60).prop_map(|events| {
        let made = events.into_iter().zip(0..).map(|((user, hour, address, name), id)| {
            let address = [BERLIN, SYDNEY, "192.0.2.1", "10.0.0.1"][usize::from(address)];
            let members = json!({"sourceIPAddress": address, "eventName": format!("Call{name}")});
            with(event_of(id, hour, user), members)
        });
        made.collect()
    })
}

fn event_of(id: u32, hour: i64, user: u8) -> Value {
    event(id, start() + hour * HOUR, &format!("u{user}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn neither_order_nor_split_can_be_seen(
        (whole, order, files) in trail()
            .prop_flat_map(|records| (Just(records.clone()), Just(records).prop_shuffle(), 1..6_usize)),
    ) {
        let geo = world();
        let settings = Settings { history_days: 0.5, history_events: 1, score_min: 0.0, ..window() };
        let parts: Vec<&[Value]> = order.chunks(order.len().div_ceil(files)).collect();
        let merged = parts.iter().map(|part| seen(part, &geo)).reduce(|one, other| other.merge(one));
        let merged = merged.expect("at least one part").findings(&settings);
        prop_assert_eq!(merged, seen(&whole, &geo).findings(&settings));
        let travelled = parts.iter().map(|part| {
            let mut travel = Travel::default();
            for batch in &batches(part) {
                travel.read(batch, &geo);
            }
            travel
        });
        let travelled = travelled.reduce(|one, other| other.merge(one)).expect("at least one part");
        prop_assert_eq!(travelled.journeys(&geo), journeys(&whole, &geo));
    }
}
