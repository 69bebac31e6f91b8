//! The computed columns and the table of sessions.

mod trail;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Array, AsArray};
use arrow::datatypes::UInt64Type;
use pugmark_event::Leaf;
use pugmark_lineage::{Lineage, LineageColumns, LineageOnce};
use pugmark_scan::{Annotate, ScanError};
use serde_json::{Value, json};
use trail::{ACCOUNT, assume, event, lineage, role, service, user, with};

fn records() -> Vec<Value> {
    let noor = user("noor", "AKIAEXAMPLE000000001");
    let dev = role(ACCOUNT, "dev", "cli", "ASIAEXAMPLE000000001", 60);
    vec![
        assume(1, 60, &noor, (ACCOUNT, "dev", "cli"), "ASIAEXAMPLE000000001"),
        event(2, 90, &dev, ("ec2", "RunInstances")),
        event(3, 91, &service("ec2.amazonaws.com"), ("sts", "AssumeRole")),
    ]
}

#[test]
fn every_row_gets_session_actor_type_and_confidence() {
    let records = records();
    let lineage = lineage(&records);
    let columns = LineageColumns(Arc::new(LineageOnce::new(move || Ok(self::lineage(&self::records())))));
    columns.prepare().expect("a lineage");
    let batch = columns.annotate(&trail::batches(&records)[0]).expect("columns");
    let text = |leaf| {
        let column = batch.text(leaf).expect("a column");
        (0..3).map(|row| column.is_valid(row).then(|| column.value(row).to_owned())).collect::<Vec<_>>()
    };
    let noor = Some(format!("user/noor@{ACCOUNT}"));
    assert_eq!(text(Leaf::Actor), [noor.clone(), noor, Some("service/ec2.amazonaws.com".to_owned())]);
    let ids: Vec<String> = lineage.sessions().map(pugmark_lineage::Session::id).collect();
    assert_eq!(text(Leaf::Session), [Some(ids[0].clone()), Some(ids[1].clone()), None]);
    let owned = |texts: [&str; 3]| texts.map(|text| Some(text.to_owned()));
    assert_eq!(text(Leaf::ActorType), owned(["human", "human", "service"]));
    assert_eq!(text(Leaf::Confidence), owned(["certain", "certain", "certain"]));
}

#[test]
fn what_a_service_did_has_the_request_that_caused_it() {
    let noor = user("noor", "AKIAEXAMPLE000000001");
    let path = "/aws-service-role/eks-nodegroup.amazonaws.com/AWSServiceRoleForAmazonEKSNodegroup";
    let mut linked = role(ACCOUNT, path, "EKS", "", 60);
    linked["invokedBy"] = json!("eks-nodegroup.amazonaws.com");
    let group = json!({"requestParameters": {"name": "prod", "nodegroupName": "workers"}});
    let effect = json!({"requestParameters": {"autoScalingGroupName": "eks-workers-11111111-2222-3333-4444-abcdef123456"}});
    let records = [
        with(event(1, 60, &noor, ("eks", "DeleteNodegroup")), group),
        with(event(2, 90, &linked, ("autoscaling", "DeleteAutoScalingGroup")), effect),
    ];
    let lineage = lineage(&records);
    let batch = lineage.annotate(&trail::batches(&records)[0]).expect("columns");
    let causes = batch.text(Leaf::Cause).expect("a column");
    assert!(causes.is_null(0));
    assert_eq!(causes.value(1), trail::event_id(1));
}

#[test]
fn the_lineage_is_made_once_for_all_who_ask() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let once = LineageOnce::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(Lineage::default())
    });
    assert!(once.get().is_ok() && once.get().is_ok());
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[test]
fn whoever_asks_first_is_told_why_it_could_not_be_made() {
    let once = LineageOnce::new(|| Err(ScanError::Filter("no such bucket".to_owned())));
    assert_eq!(once.get().expect_err("no lineage").to_string(), "no such bucket");
    assert!(once.get().is_err());
}

#[test]
fn the_table_has_a_row_for_each_session_and_none_for_services() {
    let table = lineage(&records()).sessions_table();
    assert_eq!(table.num_rows(), 2);
    let column = |name| table.column_by_name(name).expect("a column");
    assert_eq!(column("name").as_string_view().value(1), "dev/cli");
    assert_eq!(column("opened_by").as_string_view().value(1), "user/noor");
    assert_eq!(column("issued_by").as_string_view().value(1), "AssumeRole");
    assert_eq!(column("events").as_primitive::<UInt64Type>().value(1), 1);
    let services = column("services").as_list::<i32>().value(1);
    assert_eq!(services.as_string_view().value(0), "ec2");
    assert_eq!(Lineage::session_columns().count(), table.num_columns());
}

#[test]
fn an_empty_input_has_an_empty_table() {
    assert_eq!(Lineage::default().sessions_table().num_rows(), 0);
}
