//! Hostile and broken inputs, each with the tally that it must end in.

use arrow::array::Array;
use pugmark_decode::{Plan, decode};
use pugmark_event::{DefectKind, EventBatch, Leaf, Limits, Projection, Tally};

fn read_within(bytes: &[u8], limits: Limits) -> (Vec<EventBatch>, Tally) {
    let (batches, tally) = decode(bytes, Plan { projection: Projection::all(), needles: Vec::new(), limits });
    assert!(tally.balances(), "{tally:?}");
    for batch in &batches {
        for column in batch.record_batch().columns() {
            column.to_data().validate_full().expect("views lie in their buffers and hold UTF-8");
        }
    }
    (batches, tally)
}

fn read(bytes: impl AsRef<[u8]>) -> (Vec<EventBatch>, Tally) {
    read_within(bytes.as_ref(), Limits::default())
}

fn kinds(tally: &Tally) -> Vec<DefectKind> {
    tally.defects.iter().map(|defect| defect.kind).collect()
}

/// Fails unless `bytes` gives so many rows, so many lost records and these kinds of defects.
fn expect(name: &str, bytes: impl AsRef<[u8]>, (rows, lost): (u64, u64), defects: &[DefectKind]) {
    let (_, tally) = read(bytes);
    assert_eq!((tally.rows, tally.lost, kinds(&tally)), (rows, lost, defects.to_vec()), "{name}");
}

fn names(batches: &[EventBatch]) -> Vec<String> {
    batches
        .iter()
        .filter_map(|batch| batch.text(Leaf::EventName))
        .flat_map(|texts| texts.iter().map(|text| text.unwrap_or("-").to_owned()).collect::<Vec<_>>())
        .collect()
}

/// `{"Records":[…]}` with a good record on both sides of `record`.
fn between(record: &str) -> String {
    let good = |name: &str| format!(r#"{{"eventVersion":"1.08","eventName":"{name}"}}"#);
    format!(r#"{{"Records":[{},{record},{}]}}"#, good("first"), good("last"))
}

#[test]
fn depth_is_an_error_and_never_a_crash() {
    for levels in [100, 1_000, 100_000, 1_000_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
            let value = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            let text = between(&format!(r#"{{"eventName":"deep","requestParameters":{value}}}"#));
            let (batches, tally) = read(&text);
            assert_eq!(kinds(&tally), [DefectKind::TooDeep], "{levels} {open}");
            assert_eq!(names(&batches), ["first", "last"], "{levels} {open}");
            let (_, tally) = read(&value);
            assert_eq!((tally.rows, tally.records > 0), (0, true), "{levels} {open}");
            let (_, tally) = read(open.repeat(levels));
            assert_eq!(tally.rows, 0, "{levels} {open}");
            assert!(tally.is_partial(), "{levels} {open}");
        }
    }
}

#[test]
fn nesting_is_allowed_up_to_the_limit() {
    let nested = |levels: usize| {
        format!(r#"{{"eventName":"n","requestParameters":{}{}}}"#, "[".repeat(levels), "]".repeat(levels))
    };
    expect("63 in a record", nested(63), (1, 0), &[]);
    expect("64 in a record", nested(64), (0, 1), &[DefectKind::TooDeep]);
}

#[test]
fn keys_have_a_limit() {
    let members: Vec<String> = (0..100_000).map(|number| format!("\"k{number}\":1")).collect();
    let record = format!(r#"{{"eventName":"many",{}}}"#, members.join(","));
    let (batches, tally) = read(between(&record));
    assert_eq!(kinds(&tally), [DefectKind::TooManyMembers]);
    assert_eq!(names(&batches), ["first", "last"]);
    let inside = format!(r#"{{"eventName":"many","requestParameters":{{{}}}}}"#, members.join(","));
    expect("100,000 keys in a JSON column", inside, (1, 0), &[]);
}

#[test]
fn numbers_are_kept_as_they_were_delivered() {
    let long = "9".repeat(400);
    for number in ["9223372036854775808", "1e999", "-0", "1.0", "1E+2", "0.1e-7", long.as_str()] {
        let text =
            format!(r#"{{"eventName":"n","apiVersion":{number},"requestParameters":{{"n":{number}}}}}"#);
        let (batches, tally) = read(&text);
        assert_eq!(kinds(&tally), [], "{number}");
        let texts = batches[0].text(Leaf::ApiVersion).expect("decoded");
        assert_eq!(texts.value(0), number);
        let texts = batches[0].text(Leaf::RequestParameters).expect("decoded");
        assert_eq!(texts.value(0), format!("{{\"n\":{number}}}"));
    }
}

#[test]
fn an_overlong_text_is_cut_between_characters() {
    for (length, defects) in [(9, vec![]), (10, vec![]), (11, vec![DefectKind::ValueTruncated])] {
        let text = format!(r#"{{"eventName":"n","userAgent":"{}"}}"#, "x".repeat(length));
        let (batches, tally) =
            read_within(text.as_bytes(), Limits { text_bytes_max: 10, ..Limits::default() });
        assert_eq!(kinds(&tally), defects, "{length}");
        assert_eq!(batches[0].text(Leaf::UserAgent).expect("decoded").value(0).len(), length.min(10));
    }
    let limits = Limits { text_bytes_max: 4, ..Limits::default() };
    let (batches, _) = read_within("{\"eventName\":\"abcé\"}".as_bytes(), limits);
    assert_eq!(names(&batches), ["abc"]);
}

#[test]
fn a_record_beyond_the_limit_does_not_take_the_next_along() {
    let limits = Limits { record_bytes_max: 1_000, arena_bytes: 512, ..Limits::default() };
    let record = |length: usize| {
        let around = r#"{"eventName":"large","x":""}"#.len();
        format!(r#"{{"eventName":"large","x":"{}"}}"#, "x".repeat(length - around))
    };
    for (length, expected) in [
        (999, vec!["first", "large", "last"]),
        (1_000, vec!["first", "large", "last"]),
        (1_001, vec!["first", "last"]),
    ] {
        let (batches, tally) = read_within(between(&record(length)).as_bytes(), limits);
        assert_eq!(names(&batches), expected, "{length}");
        assert_eq!(tally.lost, u64::from(length > 1_000), "{length}");
    }
    let (batches, tally) = read_within(between(&record(100_000)).as_bytes(), limits);
    assert!(kinds(&tally).contains(&DefectKind::RecordTooLarge), "{:?}", kinds(&tally));
    assert_eq!(names(&batches).first().map(String::as_str), Some("first"));
}

#[test]
fn text_that_is_not_utf8_keeps_its_record() {
    for bad in [&b"\xff"[..], b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"] {
        let mut text = br#"{"eventName":"a"#.to_vec();
        text.extend_from_slice(bad);
        text.extend_from_slice(br#"b","userAgent":"kept"}"#);
        let (batches, tally) = read(&text);
        assert_eq!((tally.rows, tally.lost), (1, 0), "{bad:x?}");
        assert!(
            !tally.defects.is_empty() && kinds(&tally).iter().all(|kind| *kind == DefectKind::InvalidUtf8)
        );
        assert_eq!(names(&batches), [String::from_utf8_lossy(&[b"a", bad, b"b"].concat())]);
        assert_eq!(batches[0].text(Leaf::UserAgent).expect("decoded").value(0), "kept");
    }
}

#[test]
fn odd_characters_stay_in_their_text() {
    let (batches, tally) = read(r#"{"eventName":"\u0000\ud800\u202e\u001b[2J"}"#);
    assert_eq!(kinds(&tally), [DefectKind::LoneSurrogate]);
    assert_eq!(names(&batches), ["\0\u{fffd}\u{202e}\u{1b}[2J"]);
    expect("a bare control character", "{\"eventName\":\"a\u{1}b\"}", (1, 0), &[]);
    expect("a bare zero", "{\"eventName\":\"a\0b\"}", (1, 0), &[]);
}

#[test]
fn the_last_of_two_members_counts() {
    let (batches, tally) = read(r#"{"eventName":"a","EVENTNAME":"b","__proto__":{"x":1},"":2,"":3}"#);
    assert_eq!(kinds(&tally), [DefectKind::DuplicateKey]);
    assert_eq!(names(&batches), ["b"]);
}

#[test]
fn other_encodings_are_named() {
    let wide = |text: &str, little: bool| -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() })
            .collect()
    };
    let record = r#"{"eventName":"a"}"#;
    for little in [true, false] {
        expect("UTF-16", wide(record, little), (0, 0), &[DefectKind::Encoding]);
        expect(
            "UTF-16 with its mark",
            wide(&format!("\u{feff}{record}"), little),
            (0, 0),
            &[DefectKind::Encoding],
        );
    }
    expect("a byte order mark", format!("\u{feff}{record}"), (1, 0), &[]);
}

#[test]
fn nothing_is_no_defect_where_it_is_legal() {
    expect("no records", r#"{"Records":[]}"#, (0, 0), &[]);
    expect("an empty list", "[]", (0, 0), &[]);
    expect("white space", " \r\n\t ", (0, 0), &[]);
    expect("no object", "{}", (0, 1), &[DefectKind::NotAnEvent]);
}

#[test]
fn what_is_no_list_of_records_says_so() {
    for value in ["null", "5", "\"x\"", "{}", "{\"a\":1}"] {
        let (_, tally) = read(format!(r#"{{"Records":{value}}}"#));
        assert_eq!((tally.rows, tally.lost), (0, 1), "{value}");
        assert!(
            kinds(&tally).iter().all(|kind| *kind == DefectKind::NotAnEvent),
            "{value}: {:?}",
            kinds(&tally)
        );
    }
    expect("one record in place of the list", r#"{"Records":{"eventName":"a"}}"#, (1, 0), &[]);
    let items = r#"{"Records":[1,"x",null,[],{},{"eventName":"a"},true]}"#;
    let (_, tally) = read(items);
    assert_eq!((tally.rows, tally.lost > 4), (1, true));
}

#[test]
fn a_broken_record_does_not_take_others_along() {
    for broken in [
        r#"{"eventName":tru}"#,
        r#"{"eventName":"\x"}"#,
        r#"{"eventName" "a"}"#,
        r#"{"eventName":"a",}"#,
        r#"{"eventName":01}"#,
        r#"{eventName:"a"}"#,
        r#"{"eventName":"a" "b":1}"#,
        "{'eventName':'a'}",
        "NaN",
    ] {
        let (batches, tally) = read(between(broken));
        assert_eq!(names(&batches), ["first", "last"], "{broken}");
        assert_eq!((tally.lost, kinds(&tally)), (1, vec![DefectKind::Malformed]), "{broken}");
    }
}

#[test]
fn a_broken_line_does_not_take_others_along() {
    let text = "{\"eventName\":\"first\"}\n{\"eventName\":\"cut\n{\"eventName\":\"last\"}\n";
    let (batches, tally) = read(text);
    assert!(tally.lost >= 1);
    assert_eq!(names(&batches).first().map(String::as_str), Some("first"));
    let text = "{\"eventName\":\"first\"}\nnonsense\n{\"eventName\":\"last\"}\n";
    let (batches, tally) = read(text);
    assert_eq!((names(&batches), tally.lost), (vec!["first".to_owned(), "last".to_owned()], 1));
}

#[test]
fn a_cut_file_gives_what_came_before_the_cut() {
    let text = r#"{"Records":[{"eventName":"a","userIdentity":{"arn":"\u0041"},"readOnly":true},{"eventName":"b","resources":[{"ARN":"x"}]},{"eventName":"c"}]}"#;
    let ends: Vec<usize> = ["true}", r#""x"}]}"#, r#""c"}"#]
        .iter()
        .map(|mark| text.find(mark).expect("in the text") + mark.len())
        .collect();
    for cut in 1..text.len() {
        let (batches, tally) = read(&text[..cut]);
        let whole = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(names(&batches).len(), whole, "cut at {cut}: {:?}", kinds(&tally));
        assert!(tally.is_partial() || cut + 1 == text.len(), "cut at {cut}");
    }
}

#[test]
fn every_damaged_byte_leaves_a_balance() {
    let text = br#"{"Records":[{"eventName":"a","userIdentity":{"arn":"\u0041\ud83d\ude00"},"readOnly":true,"eventTime":"2026-01-15T10:00:00Z"},{"eventName":"b","resources":[{"ARN":"x"}],"requestParameters":{"a":[1,{"b":"}"}]}}]}"#;
    for at in 0..text.len() {
        for byte in [0, b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', 0x7F, 0x80, 0xC3, 0xFF] {
            let mut damaged = text.to_vec();
            damaged[at] = byte;
            let (_, tally) = read(&damaged);
            assert!(tally.rows <= 2, "byte {at} as {byte:#x}");
        }
    }
}

#[test]
fn documents_of_another_kind_leave_no_defect() {
    for text in [
        r#"{"Records":[{"eventVersion":"2.1","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"}}}]}"#,
        r#"{"awsAccountId":"1","digestStartTime":"2026-01-15T10:00:00Z","digestS3Object":"k"}"#,
        r#"{"fileVersion":"1.0","configurationItems":[{"awsRegion":"x"}]}"#,
        r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2014-10-13T15:57:02.089Z"}"#,
    ] {
        let (_, tally) = read(text);
        assert_eq!((tally.records, tally.routed, kinds(&tally)), (0, 1, vec![]), "{text}");
    }
}

#[test]
fn envelopes_within_envelopes_end() {
    let mut text = r#"{"eventName":"a"}"#.to_owned();
    for _ in 0..3 {
        text = format!("{{\"Message\":{}}}", serde_json::to_string(&text).expect("text is JSON"));
    }
    expect("three envelopes", &text, (1, 0), &[]);
    for _ in 0..6 {
        text = format!("{{\"Message\":{}}}", serde_json::to_string(&text).expect("text is JSON"));
    }
    expect("nine envelopes", &text, (0, 1), &[DefectKind::NotAnEvent]);
}

#[test]
fn more_records_than_the_limit_end_the_object() {
    let limits = Limits { records_max: 3, ..Limits::default() };
    for count in [2_u64, 3, 4, 50] {
        let records: Vec<String> = (0..count).map(|_| r#"{"eventName":"a"}"#.to_owned()).collect();
        let (_, tally) = read_within(format!("[{}]", records.join(",")).as_bytes(), limits);
        assert!(tally.records <= 4, "{count}: {}", tally.records);
        assert_eq!(kinds(&tally).contains(&DefectKind::TooManyRecords), count > 3, "{count}");
    }
}

#[test]
fn tables_that_are_broken_say_so() {
    expect("a bare header", "eventName,eventTime\n", (0, 0), &[]);
    expect("a short row", "eventName,eventTime\na\nb,2026-01-15\n", (1, 1), &[DefectKind::Malformed]);
    expect("an open quote", "eventName,eventTime\na,\nb,\"x", (1, 1), &[DefectKind::Malformed]);
    expect("not UTF-8", b"eventName,eventTime\na\xff,\n", (1, 0), &[DefectKind::InvalidUtf8]);
    expect("no Parquet", b"PAR1", (0, 0), &[DefectKind::Truncated]);
    expect("noise as Parquet", [b"PAR1", &[0xA5; 500][..], b"PAR1"].concat(), (0, 0), &[DefectKind::Corrupt]);
}
