//! Keys and stored bytes.

use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

use pugmark_event::{Defect, Fill, Filled, Limits, Object, Severity};
use pugmark_source::{Access, Location, Progress, Selection, Visitor, list, parse_key, visit};

/// Small, so that a bomb is one after little work.
const OBJECT_BYTES_MAX: u64 = 1 << 20;
const INFLATED_BYTES_MAX: u64 = 2 << 20;

/// A source may end its last unit beyond the limit, but not by more than this.
const UNIT_BYTES_MAX: usize = 128 << 10;

/// How stored bytes begin that are opened once more.
const MAGICS: [&[u8]; 5] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"PK", b"PAR1"];

/// A key is read without failing, and what is read off it has its form.
///
/// # Panics
/// If it has not.
pub fn key(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let key = parse_key(text);
    if let Some(account) = key.account {
        assert!(account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()), "{account}");
    }
    if let Some(org) = key.org {
        assert!(org.starts_with("o-"), "{org}");
    }
    let object = key.object("name");
    assert_eq!(object.account.as_deref(), key.account);
    assert_eq!(object.day, key.day);
}

/// Any file is opened within its limits, its objects are counted, and a gzip
/// file without damage gives what a plain decoder gives.
///
/// # Panics
/// If not.
pub fn inflate(input: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(input).expect("a temporary file can be written");
    let location = Location::Path(file.path().to_owned());
    let limits = Limits {
        object_bytes_max: OBJECT_BYTES_MAX,
        inflated_bytes_max: INFLATED_BYTES_MAX,
        ..Limits::default()
    };
    let (access, progress) = (Access::default(), Progress::default());
    let listing = list(&[location], &Selection::default(), &access, &limits, &progress).expect("it is there");
    let (visitors, tally) =
        visit(listing, &access, &limits, 1, &progress, |_| Collector::default()).expect("workers start");
    assert!(tally.balances(), "{tally:?}");
    let objects: Vec<&Vec<u8>> = visitors.iter().flat_map(|visitor| &visitor.objects).collect();
    for object in &objects {
        assert!(object.len() <= INFLATED_BYTES_MAX as usize + UNIT_BYTES_MAX, "{} bytes", object.len());
    }
    let is_whole = !visitors.iter().any(|visitor| visitor.is_damaged);
    if let ([object], true) = (objects.as_slice(), is_whole)
        && let Some(expected) = inflated_plainly(input)
        && !is_opened_again(&expected)
    {
        assert!(**object == expected, "{} bytes, {} expected", object.len(), expected.len());
    }
}

/// What the decoder of the library makes of a gzip file, if it finds no fault.
fn inflated_plainly(input: &[u8]) -> Option<Vec<u8>> {
    #[expect(clippy::disallowed_types, reason = "the plain decoder is the thing to compare with")]
    let decoder = flate2::read::MultiGzDecoder::new(input.strip_prefix(b"\x1f\x8b").map(|_| input)?);
    let mut output = Vec::new();
    let read = decoder.take(INFLATED_BYTES_MAX).read_to_end(&mut output).ok()?;
    (read < INFLATED_BYTES_MAX as usize).then_some(output)
}

fn is_opened_again(bytes: &[u8]) -> bool {
    MAGICS.iter().any(|magic| bytes.starts_with(magic)) || bytes.get(257..262) == Some(b"ustar")
}

#[derive(Default)]
struct Collector {
    objects: Vec<Vec<u8>>,
    is_damaged: bool,
}

impl Visitor for Collector {
    fn object(&mut self, _: &Arc<Object>, fill: &mut dyn Fill) -> ControlFlow<()> {
        let mut buffer = Vec::new();
        while let Ok(Filled::More) = fill.fill(&mut buffer, 4 << 10) {}
        self.objects.push(buffer);
        ControlFlow::Continue(())
    }

    fn defect(&mut self, defect: Defect) {
        self.is_damaged |= defect.kind.severity() != Severity::Note;
    }
}
