//! Local files through the public face: what is found, what is read, and
//! that the sums hold.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::fs;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use pugmark_event::{
    Defect, DefectKind, Fill, Filled, Limits, Object, Tally, TimeRange, Wrapping, parse_time,
};
use pugmark_source::{
    Access, Contents, Listing, Location, Progress, Selection, SourceError, Visitor, list, visit,
};
use tempfile::TempDir;

/// Remembers everything.
#[derive(Default)]
struct Recorder {
    objects: Vec<(String, Vec<u8>)>,
    defects: Vec<Defect>,
    objects_max: usize,
    /// Bytes kept of one object; the rest is only counted.
    kept_max: usize,
    largest_buffer: usize,
    cancel: Option<Arc<Progress>>,
}

impl Visitor for Recorder {
    fn object(&mut self, object: &Arc<Object>, fill: &mut dyn Fill) -> ControlFlow<()> {
        let (mut kept, mut buffer) = (Vec::new(), Vec::new());
        while let Ok(filled) = fill.fill(&mut buffer, 64 << 10) {
            self.largest_buffer = self.largest_buffer.max(buffer.capacity());
            kept.extend_from_slice(&buffer[..buffer.len().min(self.kept_max - kept.len())]);
            buffer.clear();
            if filled == Filled::End {
                break;
            }
        }
        kept.extend_from_slice(&buffer[..buffer.len().min(self.kept_max - kept.len())]);
        self.objects.push((object.name.clone(), kept));
        if let Some(progress) = &self.cancel {
            progress.cancel();
        }
        if self.objects.len() == self.objects_max {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn defect(&mut self, defect: Defect) {
        self.defects.push(defect);
    }
}

struct Seen {
    /// Name below the root and bytes, sorted.
    objects: Vec<(String, Vec<u8>)>,
    defects: Vec<(String, DefectKind)>,
    tally: Tally,
    largest_buffer: usize,
}

fn find(paths: &[&Path], selection: &Selection) -> Result<Listing, SourceError> {
    let locations: Vec<Location> = paths.iter().map(|path| Location::Path(path.to_path_buf())).collect();
    list(&locations, selection, &Access::default(), &Limits::default(), &Progress::default())
}

fn read_with(root: &Path, selection: &Selection, limits: &Limits, threads: usize) -> Seen {
    let listing = find(&[root], selection).unwrap();
    let recorder = |_| Recorder { kept_max: 1 << 20, ..Recorder::default() };
    let visited = visit(listing, &Access::default(), limits, threads, &Progress::default(), recorder);
    let (recorders, tally) = visited.unwrap();
    let below = |name: &str| {
        name.strip_prefix(root.to_str().unwrap()).unwrap_or(name).trim_start_matches('/').to_owned()
    };
    let mut objects: Vec<_> = recorders.iter().flat_map(|recorder| &recorder.objects).collect();
    objects.sort();
    let objects = objects.into_iter().map(|(name, bytes)| (below(name), bytes.clone())).collect();
    let mut defects: Vec<_> = recorders
        .iter()
        .flat_map(|recorder| &recorder.defects)
        .chain(&tally.defects)
        .map(|defect| (below(&defect.origin.object.name), defect.kind))
        .collect();
    defects.sort();
    assert!(tally.balances(), "{tally:?}");
    let largest_buffer = recorders.iter().map(|recorder| recorder.largest_buffer).max().unwrap();
    Seen { objects, defects, tally, largest_buffer }
}

fn read(root: &Path) -> Seen {
    read_with(root, &Selection::default(), &Limits::default(), 2)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn put(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn log_key(account: &str, region: &str, day: u32) -> String {
    format!(
        "AWSLogs/{account}/CloudTrail/{region}/2026/01/{day:02}/{account}_CloudTrail_{region}_202601{day:02}T1005Z_a.json.gz"
    )
}

fn object(name: &str, bytes: &[u8]) -> (String, Vec<u8>) {
    (name.to_owned(), bytes.to_vec())
}

#[test]
fn every_compression_is_read_whatever_the_name() {
    let root = TempDir::new().unwrap();
    put(root.path(), "a.json.gz", b"plain");
    put(root.path(), "b.json", &gzip(b"gzip"));
    put(root.path(), "c/c.gz", &zstd::encode_all(&b"zstd"[..], 1).unwrap());
    put(root.path(), "d", &gzip(&gzip(b"twice")));
    put(root.path(), ".hidden", b"not read");
    let seen = read(root.path());
    // The short way meets `d` first, and says that it holds nothing.
    let mut objects = seen.objects;
    objects.retain(|(_, bytes)| !bytes.is_empty());
    assert_eq!(
        objects,
        [
            object("a.json.gz", b"plain"),
            object("b.json", b"gzip"),
            object("c/c.gz", b"zstd"),
            object("d", b"twice")
        ]
    );
    assert_eq!((seen.tally.listed, seen.tally.decoded, seen.defects.len()), (4, 4, 0));
}

#[test]
fn a_selection_prunes_by_key_before_opening() {
    let root = TempDir::new().unwrap();
    for account in ["111122223333", "444455556666"] {
        for region in ["eu-west-1", "us-east-1"] {
            for day in 10..=14 {
                put(root.path(), &log_key(account, region, day), &gzip(b"{}"));
            }
        }
    }
    put(root.path(), "notes.json", b"{}");
    put(root.path(), "AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/01/10/x.json.gz", b"broken");
    let noon = parse_time(b"2026-01-12T12:00:00Z");
    let selection = Selection {
        accounts: vec!["111122223333".into()],
        regions: vec!["eu-west-1".into()],
        range: TimeRange { since: noon, until: noon.map(|time| time + 1) },
        ..Selection::default()
    };
    let seen = read_with(root.path(), &selection, &Limits::default(), 1);
    let names: Vec<_> = seen.objects.iter().map(|(name, _)| name.as_str()).collect();
    let expected: Vec<_> = (11..=13).map(|day| log_key("111122223333", "eu-west-1", day)).collect();
    assert_eq!(names[..3], expected);
    assert_eq!(names[3..], ["notes.json"], "a key that says nothing is never pruned");
    let tally = seen.tally;
    assert_eq!((tally.listed, tally.pruned, tally.routed, tally.decoded), (22, 17, 1, 4));
}

#[test]
fn digests_are_opened_when_they_are_asked_for() {
    let root = TempDir::new().unwrap();
    let log = log_key("111122223333", "eu-west-1", 10);
    let digest =
        log.replace("/CloudTrail/", "/CloudTrail-Digest/").replace("_CloudTrail_", "_CloudTrail-Digest_");
    put(root.path(), &log, b"{}");
    put(root.path(), &digest, b"{}");
    put(root.path(), "AWSLogs/111122223333/Config/eu-west-1/2026/1/10/x.json.gz", b"{}");
    put(root.path(), "old.tar", &tar_of(&[(&log, b"{}".to_vec()), (&digest, b"{}".to_vec())]));
    let opened = |contents| {
        let selection = Selection { contents, ..Selection::default() };
        let seen = read_with(root.path(), &selection, &Limits::default(), 1);
        seen.objects.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    let archived = |name: &str| format!("old.tar!{name}");
    assert_eq!(opened(Contents::Events), [log.clone(), archived(&log)]);
    assert_eq!(opened(Contents::Evidence), [digest.clone(), log.clone(), archived(&digest), archived(&log)]);
    assert_eq!(opened(Contents::Digests), [digest.clone(), archived(&digest)]);
}

#[test]
fn how_bytes_are_wrapped_up_is_told() {
    struct Wrappings(Vec<(String, Wrapping)>);
    impl Visitor for Wrappings {
        fn object(&mut self, object: &Arc<Object>, fill: &mut dyn Fill) -> ControlFlow<()> {
            let mut bytes = Vec::new();
            while let Ok(Filled::More) = fill.fill(&mut bytes, 64 << 10) {}
            let name = object.name.rsplit('/').next().unwrap().to_owned();
            // One that turns out to hold another compression comes twice.
            if !bytes.is_empty() {
                self.0.push((name, fill.wrapping()));
            }
            ControlFlow::Continue(())
        }

        fn defect(&mut self, _: Defect) {}
    }
    let root = TempDir::new().unwrap();
    let text = "{\"Records\":[]}".repeat(100);
    let once = gzip(text.as_bytes());
    put(root.path(), "plain", text.as_bytes());
    put(root.path(), "once", &once);
    put(root.path(), "members", &[once.clone(), gzip(b"{}")].concat());
    put(root.path(), "twice", &gzip(&once));
    put(root.path(), "zstd", &zstd::encode_all(text.as_bytes(), 0).unwrap());
    let listing = find(&[root.path()], &Selection::default()).unwrap();
    let visited = visit(listing, &Access::default(), &Limits::default(), 1, &Progress::default(), |_| {
        Wrappings(Vec::new())
    });
    let mut seen = visited.unwrap().0.remove(0).0;
    seen.sort_by(|first, later| first.0.cmp(&later.0));
    let of = |name: &str, layers, is_gzip, first_member| {
        (name.to_owned(), Wrapping { layers, is_gzip, first_member })
    };
    let expected = [
        of("members", 1, true, Some(text.len() as u64)),
        of("once", 1, true, None),
        of("plain", 0, false, None),
        of("twice", 2, true, None),
        of("zstd", 1, false, None),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn coverage_names_the_days_of_each_account_and_region() {
    let root = TempDir::new().unwrap();
    for day in [10, 11, 14] {
        put(root.path(), &log_key("111122223333", "eu-west-1", day), &gzip(b"{}"));
    }
    let listing = find(&[root.path()], &Selection::default()).unwrap();
    assert_eq!(listing.coverage.len(), 1);
    let coverage = &listing.coverage[0];
    assert_eq!((coverage.account.as_str(), coverage.region.as_str()), ("111122223333", "eu-west-1"));
    let first = *coverage.days.first().unwrap();
    assert_eq!(coverage.days.iter().map(|day| day - first).collect::<Vec<_>>(), [0, 1, 4]);
}

#[test]
fn entries_come_in_order_of_delivery() {
    let root = TempDir::new().unwrap();
    for (account, day) in [("444455556666", 11), ("111122223333", 12), ("444455556666", 10)] {
        put(root.path(), &log_key(account, "eu-west-1", day), b"{}");
    }
    let listing = find(&[root.path()], &Selection::default()).unwrap();
    assert!(listing.entries.is_sorted_by_key(|entry| entry.object.delivered));
}

#[test]
fn a_file_named_twice_is_listed_once() {
    let root = TempDir::new().unwrap();
    put(root.path(), "a/one.json", b"{}");
    put(root.path(), "a/two.json", b"{}");
    let (directory, file) = (root.path().join("a"), root.path().join("a/one.json"));
    let twisted = root.path().join("a/../a/one.json");
    for paths in [
        vec![root.path(), &directory, &file, &twisted],
        vec![&file, root.path()],
        vec![&directory, root.path(), &directory],
    ] {
        let listing = find(&paths, &Selection::default()).unwrap();
        assert_eq!((listing.entries.len(), listing.tally.listed), (2, 2));
    }
    assert_eq!(find(&[&file, &twisted], &Selection::default()).unwrap().entries.len(), 1);
}

#[test]
fn a_path_that_does_not_exist_is_an_error_with_a_hint() {
    let error = find(&[Path::new("no/such/path")], &Selection::default()).unwrap_err();
    assert_eq!(error.kind(), "not-found");
    assert!(error.to_string().contains("`no/such/path`"));
    assert!(error.hint().is_some());
}

#[cfg(unix)]
#[test]
fn loops_pipes_and_broken_links_do_not_stop_the_walk() {
    use std::os::unix::fs::symlink;
    let root = TempDir::new().unwrap();
    put(root.path(), "a/b/one.json", b"{}");
    symlink(root.path(), root.path().join("a/b/up")).unwrap();
    symlink(root.path().join("a/b/one.json"), root.path().join("again.json")).unwrap();
    symlink(root.path().join("nowhere"), root.path().join("broken")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(root.path().join("pipe")).status().unwrap();
    assert!(made.success());
    let seen = read(root.path());
    assert_eq!(seen.objects, [object("a/b/one.json", b"{}")]);
    let broken = ("broken".to_owned(), DefectKind::Unreadable);
    let pipe = ("pipe".to_owned(), DefectKind::Unsupported);
    assert_eq!(seen.defects, [broken, pipe]);
    assert_eq!((seen.tally.listed, seen.tally.skipped), (3, 2));
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf_8_is_read() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let root = TempDir::new().unwrap();
    fs::write(root.path().join(OsStr::from_bytes(b"bad\xff.json")), b"{}").unwrap();
    let seen = read(root.path());
    assert_eq!(seen.objects, [object("bad\u{fffd}.json", b"{}")]);
}

#[cfg(unix)]
#[test]
fn what_may_not_be_read_is_a_defect() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = TempDir::new().unwrap();
    put(root.path(), "closed.json", b"{}");
    put(root.path(), "open.json", b"{}");
    let closed = root.path().join("closed.json");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&closed).is_ok() {
        return; // The superuser may read everything.
    }
    let seen = read(root.path());
    assert_eq!(seen.objects, [object("open.json", b"{}")]);
    assert_eq!(seen.defects, [("closed.json".to_owned(), DefectKind::Unreadable)]);
}

#[test]
fn an_empty_file_is_a_defect_and_a_vanished_one_too() {
    let root = TempDir::new().unwrap();
    put(root.path(), "empty.json", b"");
    put(root.path(), "gone.json", b"{}");
    let listing = find(&[root.path()], &Selection::default()).unwrap();
    fs::remove_file(root.path().join("gone.json")).unwrap();
    let recorder = |_| Recorder { kept_max: 9, ..Recorder::default() };
    let visited =
        visit(listing, &Access::default(), &Limits::default(), 1, &Progress::default(), recorder).unwrap();
    let kinds: Vec<_> = visited.0[0].defects.iter().map(|defect| defect.kind).collect();
    assert_eq!(kinds, [DefectKind::Empty, DefectKind::Unreadable]);
    assert_eq!(visited.1.skipped, 2);
    assert!(visited.1.balances());
}

#[test]
fn a_bomb_stops_at_the_limit_with_bounded_memory() {
    let root = TempDir::new().unwrap();
    let bomb = gibibyte_of_zeros();
    put(root.path(), "bomb.gz", &bomb);
    put(root.path(), "bomb.gz.gz", &gzip(&bomb));
    let limits = Limits { inflated_bytes_max: 16 << 20, ..Limits::default() };
    let seen = read_with(root.path(), &Selection::default(), &limits, 1);
    let too_large = |name: &str| (name.to_owned(), DefectKind::TooLarge);
    assert_eq!(seen.defects, [too_large("bomb.gz"), too_large("bomb.gz.gz")]);
    assert_eq!(seen.tally.bytes_inflated, 32 << 20);
    assert!(seen.largest_buffer < 1 << 20, "{}", seen.largest_buffer);
}

#[test]
fn the_limits_on_size_are_exact() {
    let root = TempDir::new().unwrap();
    put(root.path(), "gzip", &gzip(&[b'x'; 1_000]));
    put(root.path(), "plain", &[b'x'; 1_000]);
    for (inflated_bytes_max, defects) in [(999, 2), (1_000, 0), (1_001, 0)] {
        let limits = Limits { inflated_bytes_max, ..Limits::default() };
        let seen = read_with(root.path(), &Selection::default(), &limits, 1);
        assert_eq!(seen.defects.len(), defects);
        assert!(seen.objects.iter().all(|(_, bytes)| bytes.len() as u64 == inflated_bytes_max.min(1_000)));
    }
    for (object_bytes_max, defects) in [(999, 1), (1_000, 0), (1_001, 0)] {
        let limits = Limits { object_bytes_max, ..Limits::default() };
        let seen = read_with(root.path(), &Selection::default(), &limits, 1);
        assert_eq!(seen.defects.len(), defects);
    }
}

#[test]
fn a_file_too_large_for_one_call_is_streamed() {
    let root = TempDir::new().unwrap();
    let text: Vec<u8> =
        (0..1_200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    put(root.path(), "large.gz", &gzip(&text));
    put(root.path(), "large", &text);
    let seen = read(root.path());
    assert_eq!(seen.tally.bytes_inflated, 2 * text.len() as u64);
    assert!(seen.defects.is_empty());
    assert!(seen.objects.iter().all(|(_, bytes)| text.starts_with(bytes)));
}

#[test]
fn members_of_archives_are_objects() {
    let root = TempDir::new().unwrap();
    let key = log_key("111122223333", "eu-west-1", 10);
    let other = log_key("444455556666", "eu-west-1", 10);
    let files = [
        (key.as_str(), gzip(b"one")),
        (&other, gzip(b"two")),
        (".hidden", vec![]),
        ("notes.json", b"three".to_vec()),
    ];
    let tar = tar_of(&files);
    put(root.path(), "a.tar", &tar);
    put(root.path(), "b", &gzip(&tar));
    put(root.path(), "c.tar.zst", &zstd::encode_all(&tar[..], 1).unwrap());
    put(root.path(), "d.zip", &zip_of(&files));
    put(root.path(), "e.zip.gz", &gzip(&zip_of(&files)));
    let selection = Selection { accounts: vec!["111122223333".into()], ..Selection::default() };
    let seen = read_with(root.path(), &selection, &Limits::default(), 2);
    let mut expected = Vec::new();
    for archive in ["a.tar", "b", "c.tar.zst", "d.zip", "e.zip.gz"] {
        expected.push(object(&format!("{archive}!{key}"), b"one"));
        expected.push(object(&format!("{archive}!notes.json"), b"three"));
    }
    let mut objects = seen.objects;
    objects.retain(|(_, bytes)| !bytes.is_empty());
    assert_eq!(objects, expected);
    assert_eq!((seen.tally.listed, seen.tally.decoded, seen.tally.pruned), (15, 10, 5));
    assert!(seen.defects.is_empty(), "{:?}", seen.defects);
}

#[test]
fn archives_within_archives_end_at_the_limit() {
    let root = TempDir::new().unwrap();
    let one = tar_of(&[("x.json", b"{}".to_vec())]);
    let two = zip_of(&[("one.tar", one)]);
    let three = tar_of(&[("two.zip", two.clone())]);
    put(root.path(), "2.zip", &two);
    put(root.path(), "3.tar", &three);
    let seen = read(root.path());
    assert_eq!(seen.objects, [object("2.zip!one.tar!x.json", b"{}")]);
    assert_eq!(seen.defects, [("3.tar!two.zip!one.tar".to_owned(), DefectKind::Unsupported)]);
}

#[test]
fn a_cut_archive_gives_its_first_members() {
    let root = TempDir::new().unwrap();
    let tar = tar_of(&[("one.json", b"{}".to_vec()), ("two.json", vec![b' '; 2_000])]);
    put(root.path(), "cut.tar", &tar[..1_024 + 512 + 1_000]);
    put(root.path(), "empty.tar", &tar_of(&[("directory.json", vec![])])[..512 + 1_024]);
    put(root.path(), "no.zip", b"PK\x03\x04 and nothing more");
    let seen = read(root.path());
    assert_eq!(seen.objects[0], object("cut.tar!one.json", b"{}"));
    assert_eq!(seen.objects[1].0, "cut.tar!two.json");
    assert_eq!(seen.objects[1].1.len(), 1_000);
    assert!(seen.defects.contains(&("cut.tar!two.json".to_owned(), DefectKind::Truncated)));
    assert!(seen.defects.contains(&("empty.tar!directory.json".to_owned(), DefectKind::Empty)));
    assert!(seen.defects.contains(&("no.zip".to_owned(), DefectKind::Corrupt)));
}

#[test]
fn a_visitor_that_has_enough_ends_the_run() {
    let root = TempDir::new().unwrap();
    for number in 0..50 {
        put(root.path(), &format!("{number}.json"), b"{}");
    }
    let listing = find(&[root.path()], &Selection::default()).unwrap();
    let recorder = |_| Recorder { objects_max: 3, kept_max: 9, ..Recorder::default() };
    let (recorders, tally) =
        visit(listing, &Access::default(), &Limits::default(), 1, &Progress::default(), recorder).unwrap();
    assert_eq!(recorders[0].objects.len(), 3);
    assert_eq!((tally.decoded, tally.pruned, tally.skipped), (3, 47, 0));
    assert!(tally.balances() && !tally.is_partial());
}

#[test]
fn a_cancelled_run_counts_the_rest_as_skipped() {
    let root = TempDir::new().unwrap();
    for number in 0..50 {
        put(root.path(), &format!("{number}.json"), b"{}");
    }
    let listing = find(&[root.path()], &Selection::default()).unwrap();
    let progress = Arc::new(Progress::default());
    let recorder = |_| Recorder { kept_max: 9, cancel: Some(progress.clone()), ..Recorder::default() };
    let (_, tally) = visit(listing, &Access::default(), &Limits::default(), 1, &progress, recorder).unwrap();
    assert_eq!((tally.decoded, tally.skipped), (1, 49));
    assert!(tally.balances() && tally.is_partial());
}

/// A gzip file of one block of zeros over and over: blocks that end on a full
/// flush may be repeated.
fn gibibyte_of_zeros() -> Vec<u8> {
    let mut compress = flate2::Compress::new(Compression::best(), false);
    let mut block = Vec::with_capacity(64 << 10);
    compress.compress_vec(&vec![0; 1 << 20], &mut block, flate2::FlushCompress::Full).unwrap();
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    [&header[..], &block.repeat(1_024)].concat()
}

fn tar_of(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn zip_of(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
