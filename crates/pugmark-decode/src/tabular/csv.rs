//! Comma-separated values: results of Athena and Lake, the console's event history.
//!
//! Rows are read in place of the whole object: memory is bounded by the
//! largest record, and a row beyond that limit is passed over, not kept.

use std::borrow::Cow;
use std::io::{self, Read};
use std::ops::ControlFlow;

use pugmark_event::{DefectKind, Limits};

use super::Emit;
use super::table::Table;

/// Bytes asked of the reader at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Renders every row of `reader` as a record.
pub(crate) fn csv(reader: &mut dyn Read, limits: &Limits, emit: &mut dyn Emit) {
    let mut rows = Rows::new(reader, limits.record_bytes_max);
    let mut row = Row::default();
    let header = match rows.next(&mut row) {
        Next::Row => row.texts().map(|(text, _)| text.into_owned()).collect::<Vec<_>>(),
        Next::TooLarge => {
            return emit.defect(DefectKind::NotAnEvent, 0, "a first line beyond the record limit".into());
        }
        Next::Open => return emit.defect(DefectKind::NotAnEvent, 0, "a header that does not end".into()),
        Next::End => return emit.defect(DefectKind::Empty, 0, "no header".into()),
        Next::Failed(error) => return emit.defect(DefectKind::Truncated, rows.offset, error.to_string()),
    };
    let Some(table) = Table::new(&header) else {
        return emit.defect(DefectKind::NotAnEvent, 0, format!("no event columns in `{}`", shown(&header)));
    };
    let mut json = Vec::new();
    loop {
        match rows.next(&mut row) {
            Next::Row if row.is_blank() => {}
            Next::Row if row.ends.len() != header.len() => {
                let detail = format!("{} values under {} columns", row.ends.len(), header.len());
                emit.defect(DefectKind::Malformed, row.start, detail);
            }
            Next::Row => {
                let texts: Vec<(Cow<'_, str>, bool)> = row.texts().collect();
                if texts.iter().any(|(_, replaced)| *replaced) {
                    emit.defect(DefectKind::InvalidUtf8, row.start, String::new());
                }
                table.render(|index| &texts[index].0, &mut json);
                if let ControlFlow::Break(()) = emit.record(row.start, &json) {
                    return;
                }
            }
            Next::TooLarge => emit.defect(DefectKind::RecordTooLarge, row.start, String::new()),
            Next::Open => {
                return emit.defect(DefectKind::Malformed, row.start, "ends inside a quoted value".into());
            }
            Next::End => return,
            Next::Failed(error) => return emit.defect(DefectKind::Truncated, rows.offset, error.to_string()),
        }
    }
}

/// The start of a header, for people.
fn shown(header: &[String]) -> String {
    header.join(",").chars().take(80).collect()
}

/// One row: its values back to back.
#[derive(Default)]
struct Row {
    start: u64,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Row {
    fn value(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }

    /// A value as text, and whether bytes of it had to be replaced.
    fn text(&self, index: usize) -> (Cow<'_, str>, bool) {
        let text = String::from_utf8_lossy(self.value(index));
        let replaced = matches!(text, Cow::Owned(_));
        (text, replaced)
    }

    fn texts(&self) -> impl Iterator<Item = (Cow<'_, str>, bool)> {
        (0..self.ends.len()).map(|index| self.text(index))
    }

    fn is_blank(&self) -> bool {
        self.ends.len() == 1 && self.bytes.is_empty()
    }
}

/// What came of looking for the next row.
enum Next {
    Row,
    /// A row beyond the limit; it was passed over.
    TooLarge,
    /// The text ended inside quotes.
    Open,
    End,
    Failed(io::Error),
}

/// Where in a value the reader is (RFC 4180, and quotes inside bare values taken as they are).
#[derive(Clone, Copy, PartialEq)]
enum State {
    Start,
    Bare,
    Quoted,
    /// After a quote inside a quoted value: the end of it, or half of a doubled quote.
    Quote,
}

/// The rows of a stream.
struct Rows<'r> {
    reader: &'r mut dyn Read,
    row_bytes_max: usize,
    chunk: Vec<u8>,
    /// Next byte of `chunk`, and the same byte's place in the object.
    at: usize,
    offset: u64,
    delimiter: Option<u8>,
}

impl<'r> Rows<'r> {
    fn new(reader: &'r mut dyn Read, row_bytes_max: usize) -> Rows<'r> {
        Rows { reader, row_bytes_max, chunk: Vec::new(), at: 0, offset: 0, delimiter: None }
    }

    /// Reads the next row.
    fn next(&mut self, row: &mut Row) -> Next {
        let delimiter = match self.delimiter {
            Some(delimiter) => delimiter,
            None => match self.begin() {
                Ok(delimiter) => delimiter,
                Err(error) => return Next::Failed(error),
            },
        };
        row.bytes.clear();
        row.ends.clear();
        row.start = self.offset;
        let mut state = State::Start;
        loop {
            if self.at == self.chunk.len() {
                match self.read() {
                    Ok(0) => return self.end_of_text(row, state),
                    Ok(_) => {}
                    Err(error) => return Next::Failed(error),
                }
            }
            let chunk = &self.chunk[self.at..];
            let plain = match state {
                State::Quoted => memchr::memchr(b'"', chunk).unwrap_or(chunk.len()),
                State::Bare => memchr::memchr2(delimiter, b'\n', chunk).unwrap_or(chunk.len()),
                State::Start | State::Quote => 0,
            };
            self.keep(row, plain);
            let Some(&byte) = self.chunk.get(self.at) else { continue };
            self.at += 1;
            self.offset += 1;
            state = match (state, byte) {
                (State::Quoted, _) => State::Quote,
                (State::Start, b'"') => State::Quoted,
                (State::Quote, b'"') => {
                    self.push(row, byte);
                    State::Quoted
                }
                (_, b'\n') => {
                    if state == State::Bare && row.bytes.ends_with(b"\r") {
                        row.bytes.pop();
                    }
                    return self.end_of_row(row);
                }
                (_, byte) if byte == delimiter => {
                    row.ends.push(row.bytes.len());
                    State::Start
                }
                (_, byte) => {
                    self.push(row, byte);
                    State::Bare
                }
            };
        }
    }

    fn push(&self, row: &mut Row, byte: u8) {
        if row.bytes.len() <= self.row_bytes_max {
            row.bytes.push(byte);
        }
    }

    /// Takes `count` bytes of the chunk into the row, as far as it may grow.
    fn keep(&mut self, row: &mut Row, count: usize) {
        let room = (self.row_bytes_max + 1).saturating_sub(row.bytes.len());
        row.bytes.extend_from_slice(&self.chunk[self.at..self.at + count.min(room)]);
        self.at += count;
        self.offset += count as u64;
    }

    fn end_of_row(&self, row: &mut Row) -> Next {
        row.ends.push(row.bytes.len());
        if row.bytes.len() > self.row_bytes_max { Next::TooLarge } else { Next::Row }
    }

    fn end_of_text(&self, row: &mut Row, state: State) -> Next {
        match state {
            State::Quoted => Next::Open,
            State::Start if row.ends.is_empty() => Next::End,
            _ => self.end_of_row(row),
        }
    }

    /// Passes a byte order mark and finds out the delimiter from the first line.
    fn begin(&mut self) -> io::Result<u8> {
        while self.chunk.len() < CHUNK_BYTES && !self.chunk.contains(&b'\n') {
            if self.more()? == 0 {
                break;
            }
        }
        if self.chunk.starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
            self.offset = 3;
        }
        let line = self.chunk.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let count = |mark: u8| memchr::memchr_iter(mark, line).count();
        let mut delimiter = b',';
        for other in [b'\t', b';'] {
            if count(other) > count(delimiter) {
                delimiter = other;
            }
        }
        self.delimiter = Some(delimiter);
        Ok(delimiter)
    }

    /// Puts the next bytes in the place of the chunk.
    fn read(&mut self) -> io::Result<usize> {
        self.chunk.clear();
        self.at = 0;
        self.more()
    }

    /// Adds the next bytes to the chunk.
    fn more(&mut self) -> io::Result<usize> {
        let length = self.chunk.len();
        self.chunk.resize(length + CHUNK_BYTES, 0);
        let read = loop {
            match self.reader.read(&mut self.chunk[length..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.chunk.truncate(length + read.as_ref().map_or(0, |read| *read));
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen {
        records: Vec<(u64, String)>,
        defects: Vec<(DefectKind, u64)>,
    }

    impl Emit for Seen {
        fn record(&mut self, offset: u64, json: &[u8]) -> ControlFlow<()> {
            self.records.push((offset, String::from_utf8(json.to_vec()).expect("UTF-8")));
            ControlFlow::Continue(())
        }

        fn defect(&mut self, kind: DefectKind, offset: u64, _: String) {
            self.defects.push((kind, offset));
        }
    }

    /// Gives a few bytes at a time.
    struct Drops<'b>(&'b [u8], usize);

    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len()).min(self.0.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn seen(text: impl AsRef<[u8]>, limits: &Limits) -> Seen {
        let mut whole = Seen::default();
        csv(&mut text.as_ref(), limits, &mut whole);
        for size in [1, 2, 3, 7] {
            let mut drops = Seen::default();
            csv(&mut Drops(text.as_ref(), size), limits, &mut drops);
            assert_eq!(
                (&whole.records, &whole.defects),
                (&drops.records, &drops.defects),
                "{size} bytes at a time"
            );
        }
        whole
    }

    fn only(text: impl AsRef<[u8]>) -> String {
        let seen = seen(text, &Limits::default());
        assert_eq!((seen.records.len(), seen.defects.as_slice()), (1, [].as_slice()));
        seen.records[0].1.clone()
    }

    #[test]
    fn an_athena_row_becomes_a_record() {
        let text = "\"eventname\",\"useridentity\",\"eventtime\",\"readonly\",\"requestparameters\",\"resources\",\"n\"\n\
            \"A\",\"{type=Root, arn=a, b}\",\"2026-01-15T10:00:00Z\",\"true\",\"{\"\"a\"\":1}\",\"[{arn=r, type=null}]\",\"7\"\n";
        assert_eq!(
            only(text),
            r#"{"userIdentity":{"type":"Root","arn":"a, b"},"eventTime":"2026-01-15T10:00:00Z","eventName":"A","requestParameters":{"a":1},"readOnly":true,"resources":[{"ARN":"r","type":null}],"n":"7"}"#
        );
    }

    #[test]
    fn the_console_history_becomes_records() {
        let text = "User name,AWS access key,Event name,Event time,Resource type,Resource name,Event ID,Read-only\r\n\
            noor,AKIA,Put,2026-01-15T10:00:00Z,AWS::S3::Bucket,b,id,False\r\n";
        assert_eq!(
            only(text),
            r#"{"userIdentity":{"accessKeyId":"AKIA","userName":"noor"},"eventTime":"2026-01-15T10:00:00Z","eventName":"Put","eventID":"id","readOnly":false,"resources":[{"type":"AWS::S3::Bucket"}],"Resource name":"b"}"#
        );
    }

    #[test]
    fn the_whole_record_wins_over_its_columns() {
        assert_eq!(
            only("eventjson,eventname\n\"{\"\"eventName\"\": \"\"B\"\"}\",A\n"),
            r#"{"eventName": "B"}"#
        );
        assert_eq!(only("eventjson,eventname\n,A\n"), r#"{"eventName":"A"}"#);
    }

    #[test]
    fn delimiters_byte_order_marks_and_line_ends() {
        let expected = r#"{"eventSource":"s","eventName":"A"}"#;
        for text in [
            "eventname\teventsource\nA\ts\n",
            "eventname;eventsource\nA;s",
            "\u{feff}eventname,eventsource\r\nA,\"s\"\r\n\r\n",
            "\"eventname\",eventSource\nA,s\n\n\n",
        ] {
            assert_eq!(only(text), expected, "{text:?}");
        }
    }

    #[test]
    fn offsets_are_those_of_the_rows() {
        let seen = seen("eventid\n\"a\nb\"\nc\n", &Limits::default());
        let offsets: Vec<u64> = seen.records.iter().map(|(offset, _)| *offset).collect();
        assert_eq!(offsets, [8, 14]);
    }

    #[test]
    fn a_broken_row_does_not_take_others_along() {
        let seen = seen("eventid,eventname\na,b\nc\nd,e,f\ng,h\n\"i,j", &Limits::default());
        assert_eq!(seen.records.len(), 2);
        assert_eq!(
            seen.defects,
            [(DefectKind::Malformed, 22), (DefectKind::Malformed, 24), (DefectKind::Malformed, 34)]
        );
    }

    #[test]
    fn a_row_beyond_the_limit_is_passed_over() {
        let limits = Limits { record_bytes_max: 20, ..Limits::default() };
        for (length, fits) in [(19, true), (20, true), (21, false), (500, false)] {
            let text = format!("eventid,eventname\n\"{}\",\nb,c\n", "x".repeat(length));
            let seen = seen(text, &limits);
            assert_eq!(seen.records.len(), 1 + usize::from(fits), "{length}");
            assert_eq!(seen.defects.len(), usize::from(!fits), "{length}");
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_replaced_and_noted() {
        let seen = seen(b"eventid\na\xffb\n", &Limits::default());
        assert_eq!(seen.records[0].1, "{\"eventID\":\"a\u{fffd}b\"}");
        assert_eq!(seen.defects, [(DefectKind::InvalidUtf8, 8)]);
    }

    #[test]
    fn a_table_of_something_else_is_one_defect() {
        let seen = seen("name,size\na,1\nb,2\n", &Limits::default());
        assert!(seen.records.is_empty());
        assert_eq!(seen.defects, [(DefectKind::NotAnEvent, 0)]);
    }

    #[test]
    fn a_part_beside_its_whole_is_kept_under_its_own_name() {
        assert_eq!(
            only("eventid,useridentity.arn,useridentity\ni,a,{type=Root}\n"),
            r#"{"userIdentity":{"type":"Root"},"eventID":"i","useridentity.arn":"a"}"#
        );
    }
}
