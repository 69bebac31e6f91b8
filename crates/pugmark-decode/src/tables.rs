//! Objects whose records are rows of columns: CSV and Parquet.

use std::io::{self, Read};
use std::ops::ControlFlow;

use pugmark_event::{DefectKind, EventBatch, Fill, Filled, Limits};

use crate::decoder::Decoder;
use crate::needles::Needles;
use crate::record::Text;
use crate::scan::PADDING;
use crate::shape::{Offsets, Shape, View, walk};
use crate::tabular::{self, Emit};

/// A form of table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Parquet,
}

/// Column names of which one stands in the header of every table of events.
const MARKS: [&str; 5] = ["eventname", "eventid", "eventtime", "eventjson", "useridentity"];

/// Tells a table by its first bytes.
pub(crate) fn sniff(start: &[u8]) -> Option<Format> {
    if start.starts_with(b"PAR1") {
        return Some(Format::Parquet);
    }
    let text = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start);
    if !text.first().is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'"' | b'@' | b'_')) {
        return None;
    }
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or(text);
    let header: String = line
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b',' | b';' | b'\t'))
        .map(|byte| byte.to_ascii_lowercase() as char)
        .collect();
    MARKS.iter().any(|mark| header.contains(mark)).then_some(Format::Csv)
}

/// Reads the records of a table that begins with the bytes `head`.
pub(crate) fn read(
    decoder: &mut Decoder,
    format: Format,
    (head, ended): (Vec<u8>, bool),
    fill: &mut dyn Fill,
    out: &mut dyn FnMut(EventBatch),
) {
    let limits = decoder.sheet.limits;
    let mut bytes = Bytes { head, read: 0, fill, ended, inflated: 0, failed: false };
    let mut rows = Rows { decoder, out, padded: Vec::new(), needles: Needles::new(&[]) };
    match format {
        Format::Csv => tabular::csv(&mut bytes, &limits, &mut rows),
        Format::Parquet => match whole(&mut bytes, &limits) {
            Some(whole) => tabular::parquet(whole, &limits, &mut rows),
            None => rows.defect(DefectKind::TooLarge, 0, "Parquet is read whole".to_owned()),
        },
    }
    let Bytes { inflated, failed, .. } = bytes;
    decoder.sheet.tally.bytes_inflated += inflated;
    decoder.sheet.is_cut |= failed;
}

/// All bytes, if they are no more than one stored object may have.
fn whole(bytes: &mut Bytes<'_>, limits: &Limits) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    bytes.take(limits.object_bytes_max + 1).read_to_end(&mut whole).ok()?;
    (whole.len() as u64 <= limits.object_bytes_max).then_some(whole)
}

/// A reader of what is at hand and of what follows.
struct Bytes<'a> {
    head: Vec<u8>,
    read: usize,
    fill: &'a mut dyn Fill,
    ended: bool,
    inflated: u64,
    failed: bool,
}

impl Read for Bytes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.head.len() && !self.ended {
            self.head.clear();
            self.read = 0;
            let filled = self.fill.fill(&mut self.head, 256 << 10);
            // The source reports an error; here the object ends.
            self.failed |= filled.is_err();
            self.ended = !matches!(filled, Ok(Filled::More));
            self.inflated += self.head.len() as u64;
        }
        let count = (self.head.len() - self.read).min(buffer.len());
        buffer[..count].copy_from_slice(&self.head[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}

/// Decodes records as they are rendered.
struct Rows<'a> {
    decoder: &'a mut Decoder,
    out: &'a mut dyn FnMut(EventBatch),
    padded: Vec<u8>,
    needles: Needles,
}

impl Emit for Rows<'_> {
    fn record(&mut self, offset: u64, json: &[u8]) -> ControlFlow<()> {
        let sheet = &mut self.decoder.sheet;
        if sheet.records >= sheet.limits.records_max {
            sheet.defect(DefectKind::TooManyRecords, offset, "");
            return ControlFlow::Break(());
        }
        self.padded.clear();
        self.padded.extend_from_slice(json);
        self.padded.resize(json.len() + PADDING, 0);
        let shift = sheet.derived.len();
        sheet.derived.extend_from_slice(json);
        let text = Text { bytes: &self.padded, end: json.len(), buffer: 2, shift };
        let offsets = Offsets::Fixed(offset);
        let view = View { text, start: 0, ended: true, offsets, needles: &self.needles };
        walk(sheet, &mut Shape::wrapped(1), &view);
        self.decoder.hand_over(self.out);
        ControlFlow::Continue(())
    }

    fn defect(&mut self, kind: DefectKind, offset: u64, detail: String) {
        self.decoder.sheet.defect(kind, offset, &detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_told_by_its_header() {
        assert_eq!(sniff(b"PAR1\x15\x04"), Some(Format::Parquet));
        assert_eq!(sniff(b"eventversion,useridentity,eventtime\n1.08,..."), Some(Format::Csv));
        assert_eq!(sniff(b"\xEF\xBB\xBF\"Event name\",\"Event time\"\n"), Some(Format::Csv));
        assert_eq!(sniff(b"hello, world\neventName"), None);
        assert_eq!(sniff(br#"{"eventName":"x"}"#), None);
        assert_eq!(sniff(b""), None);
    }
}
