//! Each event once, in order, whatever the files, the workers and the memory.

use std::fmt::Write as _;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use arrow::array::Array;
use proptest::prelude::{ProptestConfig, proptest};
use pugmark_event::{EventBatch, Leaf, Projection, Tally, TimeRange, parse_time};
use pugmark_scan::{Duplicates, Order, Request, Sink, scan, sorted};
use pugmark_source::{Access, Listing, Location, Progress, Selection, list};

/// Event `id` at second `second`; `extra` tells bodies apart.
fn record(id: u32, second: u32, extra: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.11","eventTime":"2026-01-15T10:{:02}:{:02}Z","eventSource":"eks.amazonaws.com","eventName":"Call{extra}","recipientAccountId":"111122223333","eventID":"00000000-0000-4000-8000-{id:012}"}}"#,
        second / 60,
        second % 60
    )
}

fn write(directory: &Path, name: &str, records: &[String]) {
    let body = format!("{{\"Records\":[{}]}}", records.join(","));
    fs::write(directory.join(name), body).expect("a writable folder");
}

fn listing(directory: &Path) -> Listing {
    let request = Request::new(Projection::NONE);
    let location = Location::Path(directory.to_owned());
    list(&[location], &Selection::default(), &Access::default(), &request.limits, &Progress::default())
        .expect("a readable folder")
}

fn request(threads: usize) -> Request {
    let mut request = Request::new([Leaf::EventId, Leaf::EventName, Leaf::EventTime].into_iter().collect());
    request.threads = threads;
    request
}

/// Id, name and time of each row, a line each.
fn lines(batch: &EventBatch, out: &mut String) {
    let (ids, names) = (batch.text(Leaf::EventId).expect("ids"), batch.text(Leaf::EventName).expect("names"));
    let times = batch.times(Leaf::EventTime).expect("times");
    for row in 0..batch.rows() {
        let time = times.is_valid(row).then(|| times.value(row));
        writeln!(out, "{time:?} {} {}", ids.value(row), names.value(row)).expect("text");
    }
}

fn sorted_lines(directory: &Path, request: &Request) -> (String, Tally) {
    let (mut events, tally) = sorted(listing(directory), request, &Progress::default()).expect("a scan");
    let mut out = String::new();
    for batch in &mut events {
        lines(&batch.expect("a batch"), &mut out);
    }
    for (id, origins) in events.copies() {
        writeln!(out, "copy of {id}: {}", origins.len()).expect("text");
    }
    assert!(tally.balances(), "{tally:?}");
    (out, tally)
}

/// Collects what a scan hands over.
#[derive(Default)]
struct Lines(String);

impl Sink for Lines {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        lines(&batch, &mut self.0);
        ControlFlow::Continue(())
    }
}

fn scanned(directory: &Path, request: &Request) -> (Vec<String>, Tally) {
    let (sinks, tally) =
        scan(listing(directory), request, &Progress::default(), Lines::default).expect("a scan");
    assert!(tally.balances(), "{tally:?}");
    let mut rows: Vec<String> = sinks.iter().flat_map(|sink| sink.0.lines()).map(str::to_owned).collect();
    rows.sort();
    (rows, tally)
}

#[test]
fn a_redelivered_event_is_one_row_that_remembers_its_origins() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "b.json", &[record(1, 5, ""), record(2, 3, "")]);
    write(folder.path(), "a.json", &[record(1, 5, ""), record(3, 4, "")]);
    let (events, tally) = sorted_lines(folder.path(), &request(2));
    assert_eq!((tally.records, tally.rows, tally.duplicates), (4, 3, 1));
    let ids: Vec<&str> = events.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(ids.len(), 4);
    assert!(ids[0].ends_with('2') && ids[1].ends_with('3') && ids[2].ends_with('1'), "{events}");
    assert!(events.contains("copy of 00000000-0000-4000-8000-000000000001: 1"));
}

#[test]
fn one_id_with_two_bodies_is_a_conflict_and_both_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "a.json", &[record(1, 5, "A"), record(1, 5, "B"), record(1, 5, "B")]);
    let (rows, tally) = scanned(folder.path(), &request(1));
    assert_eq!(rows.len(), 2);
    assert_eq!((tally.rows, tally.duplicates, tally.notes), (2, 1, 1));
    let (events, _) = sorted_lines(folder.path(), &request(1));
    assert_eq!(events.lines().filter(|line| line.contains("Call")).count(), 2);
}

#[test]
fn copies_are_kept_on_request() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "a.json", &[record(1, 5, ""), record(1, 5, "")]);
    let mut request = request(1);
    request.duplicates = Duplicates::Keep;
    assert_eq!(scanned(folder.path(), &request).0.len(), 2);
    assert_eq!(sorted_lines(folder.path(), &request).0.lines().count(), 2);
}

#[test]
fn a_range_is_half_open_and_its_rows_still_count() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "a.json", &(0..10).map(|second| record(second, second, "")).collect::<Vec<_>>());
    let mut request = request(1);
    let at = |text: &str| parse_time(text.as_bytes());
    request.range = TimeRange { since: at("2026-01-15T10:00:03Z"), until: at("2026-01-15T10:00:05Z") };
    let (rows, tally) = scanned(folder.path(), &request);
    assert_eq!((rows.len(), tally.rows), (2, 10));
}

#[test]
fn newest_first_is_the_reverse_of_oldest_first() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "a.json", &(0..50).map(|id| record(id, id * 7 % 20, "")).collect::<Vec<_>>());
    let (ascending, _) = sorted_lines(folder.path(), &request(1));
    let mut descending = request(1);
    descending.order = Order::Descending;
    let (descending, _) = sorted_lines(folder.path(), &descending);
    assert!(ascending.lines().eq(descending.lines().rev()));
}

#[test]
fn what_does_not_fit_in_memory_and_cannot_be_read_again_is_sorted_on_disk() {
    // A name with a `!` may be that of an archive's member.
    let folder = tempfile::Builder::new().prefix("archive!").tempdir().expect("a folder");
    for file in 0..40 {
        let records: Vec<String> = (0..50)
            .map(|index| record((file * 50 + index) % 1_900, (index * 37 + file) % 3_000, ""))
            .collect();
        write(folder.path(), &format!("{file}.json"), &records);
    }
    let (in_memory, _) = sorted_lines(folder.path(), &request(2));
    let mut small = request(2);
    small.limits.sort_bytes = 64 << 10;
    small.limits.arena_bytes = 8 << 10;
    let (on_disk, _) = sorted_lines(folder.path(), &small);
    assert_eq!(in_memory, on_disk);
}

/// The list, and each row's object and offset, as bytes of a text.
fn listed(directory: &Path, request: &Request) -> (String, Tally) {
    let mut request = request.clone();
    let more = [Leaf::Raw, Leaf::SourceObject, Leaf::SourceOffset, Leaf::RecipientAccountId];
    request.projection = request.projection.union(more.into_iter().collect());
    let (events, tally) = sorted(listing(directory), &request, &Progress::default()).expect("a scan");
    let mut out = String::new();
    for batch in events {
        let batch = batch.expect("a batch");
        let text = |leaf| batch.text(leaf).expect("a text");
        let (raws, objects) = (text(Leaf::Raw), text(Leaf::SourceObject));
        let offsets = batch.counts(Leaf::SourceOffset).expect("offsets");
        for row in 0..batch.rows() {
            let name = Path::new(objects.value(row)).file_name().expect("a name").to_string_lossy();
            writeln!(out, "{name} {} {}", offsets.value(row), raws.value(row)).expect("text");
        }
    }
    (out, tally)
}

/// Limits under which nearly everything is read in windows.
fn narrow(request: &Request, bytes: usize) -> Request {
    let mut narrow = request.clone();
    narrow.limits.sort_bytes = bytes;
    narrow.limits.arena_bytes = 4 << 10;
    narrow
}

#[test]
fn a_log_file_that_changed_while_it_was_read_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    for file in 0..40 {
        let records: Vec<String> = (0..50).map(|index| record(file * 50 + index, file * 50, "")).collect();
        write(folder.path(), &format!("{file}.json"), &records);
    }
    let request = narrow(&request(1), 16 << 10);
    let (events, _) = sorted(listing(folder.path()), &request, &Progress::default()).expect("a scan");
    write(folder.path(), "39.json", &[record(1, 0, "")]);
    let errors: Vec<String> = events.filter_map(Result::err).map(|error| error.to_string()).collect();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].ends_with("39.json` changed while it was read"), "{errors:?}");
}

#[test]
fn a_list_longer_than_memory_can_be_left_early() {
    let folder = tempfile::tempdir().expect("a folder");
    for file in 0..40 {
        let records: Vec<String> = (0..50).map(|index| record(file * 50 + index, file * 50, "")).collect();
        write(folder.path(), &format!("{file}.json"), &records);
    }
    let request = narrow(&request(2), 16 << 10);
    let (mut events, tally) = sorted(listing(folder.path()), &request, &Progress::default()).expect("a scan");
    assert!(events.next().is_some_and(|batch| batch.is_ok_and(|batch| batch.rows() > 0)));
    assert_eq!(tally.rows, 2_000);
}

#[test]
fn a_limit_gives_the_first_rows_of_the_whole_list() {
    let folder = tempfile::tempdir().expect("a folder");
    for file in 0..30 {
        let records: Vec<String> =
            (0..400).map(|index| record(file * 400 + index, (index * 31 + file * 17) % 3_000, "")).collect();
        write(folder.path(), &format!("{file}.json"), &records);
        write(folder.path(), &format!("{file}-again.json"), &records);
    }
    let (all, _) = sorted_lines(folder.path(), &request(2));
    let mut limited = request(2);
    limited.limit = Some(20);
    let (first, _) = sorted_lines(folder.path(), &limited);
    let rows = |text: &str| {
        text.lines().filter(|line| !line.starts_with("copy")).take(20).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(rows(&first), rows(&all));
    assert_eq!(first.lines().filter(|line| !line.starts_with("copy")).count(), 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn neither_files_nor_workers_change_the_list(
        events in proptest::collection::vec((0_u32..60, 0_u32..30, 0_usize..5), 1..120),
        rotation in 0_usize..5,
    ) {
        let runs: Vec<(String, Vec<String>)> = [(0, 1), (rotation, 2), (rotation + 1, 3)]
            .into_iter()
            .map(|(rotation, threads)| {
                let folder = tempfile::tempdir().expect("a folder");
                for file in 0..5_usize {
                    let records: Vec<String> = events
                        .iter()
                        .filter(|(_, _, place)| (place + rotation) % 5 == file)
                        .map(|(id, second, _)| record(*id, *second, ""))
                        .collect();
                    write(folder.path(), &format!("{file}.json"), &records);
                }
                let mut request = request(threads);
                request.limits.arena_bytes = 4 << 10;
                (sorted_lines(folder.path(), &request).0, scanned(folder.path(), &request).0)
            })
            .collect();
        proptest::prop_assert!(runs.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn reading_in_windows_changes_nothing(
        events in proptest::collection::vec((0_u32..200, 0_u32..3_000, 0_u32..40), 100..800),
        is_scattered in proptest::bool::ANY,
        is_descending in proptest::bool::ANY,
        threads in 1_usize..4,
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        for file in 0..40_u32 {
            let records: Vec<String> = events
                .iter()
                .filter(|(_, _, place)| *place == file)
                .map(|(id, second, _)| {
                    // Nearly in order of files, but for a few; or not at all.
                    let second = if is_scattered || id % 50 == 0 { *second } else { file * 60 + second % 90 };
                    match id % 40 {
                        // Without a time.
                        7 => record(*id, second, "").replace("eventTime", "noTime"),
                        // Without an id.
                        9 => record(*id, second, "").replace("eventID", "noID"),
                        // Copies in several files.
                        kind if kind < 5 => record(*id, id * 10, ""),
                        _ => record(*id, second, ""),
                    }
                })
                .collect();
            write(folder.path(), &format!("{file}.json"), &records);
        }
        let mut request = request(threads);
        request.order = if is_descending { Order::Descending } else { Order::Ascending };
        let (whole, mut tally) = listed(folder.path(), &request);
        for bytes in [64 << 10, 16 << 10] {
            let (windowed, of_windowed) = listed(folder.path(), &narrow(&request, bytes));
            proptest::prop_assert_eq!(&whole, &windowed);
            // Conflicts of one id: which of them is noted is the ledger's chance.
            tally.defects.clear();
            proptest::prop_assert_eq!(&tally, &Tally { defects: Vec::new(), ..of_windowed });
        }
        request.duplicates = Duplicates::Keep;
        prop_assert_same(&listed(folder.path(), &request), &listed(folder.path(), &narrow(&request, 16 << 10)));
    }
}

fn prop_assert_same(whole: &(String, Tally), windowed: &(String, Tally)) {
    assert_eq!(whole.0, windowed.0);
    assert_eq!(whole.1.rows, windowed.1.rows);
}
