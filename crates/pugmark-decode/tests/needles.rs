//! A literal that must occur spares work and hides nothing.

use pugmark_decode::{Plan, decode};
use pugmark_event::{DefectKind, Leaf, Projection};

fn plan(needle: &str) -> Plan {
    Plan {
        projection: Projection::NONE.with(Leaf::EventName),
        needles: vec![needle.as_bytes().to_vec()],
        ..Plan::default()
    }
}

const TEXT: &str = r#"{"Records":[{"eventVersion":"1.11","eventName":"GetTrail"},{"eventVersion":"1.11","eventName":"DeleteTrail"}]}"#;

#[test]
fn text_without_the_literal_is_passed_over_and_counted() {
    let (batches, tally) = decode(TEXT.as_bytes(), plan("StopLogging"));
    assert!(batches.is_empty());
    assert_eq!((tally.records, tally.bytes_passed), (0, TEXT.len() as u64));
}

#[test]
fn only_records_with_the_literal_become_rows() {
    let (batches, tally) = decode(TEXT.as_bytes(), plan("DeleteTrail"));
    assert_eq!((batches[0].rows(), tally.rows), (1, 1));
}

#[test]
fn a_name_spelt_with_escapes_does_not_hide_its_record() {
    let text = TEXT.replace("DeleteTrail", "Delete\\u0054rail");
    let (batches, _) = decode(text.as_bytes(), plan("DeleteTrail"));
    let names = batches[0].text(Leaf::EventName).expect("decoded");
    assert!(names.iter().any(|name| name == Some("DeleteTrail")));
}

#[test]
fn a_cut_text_is_found_though_nothing_in_it_is_wanted() {
    let cut = &TEXT[..TEXT.len() - 20];
    let (_, tally) = decode(cut.as_bytes(), plan("StopLogging"));
    assert!(tally.defects.iter().any(|defect| defect.kind == DefectKind::Truncated), "{tally:?}");
}
