//! The rows that a query found: a file of lines, read a page at a time.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use serde_json::Value;

use crate::lake::{Rows, cells};

/// Bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 1 << 30;
/// Bytes of a page, unless one row is longer.
const PAGE_BYTES_MAX: usize = 8 << 20;

/// Takes rows down as they are found.
pub(crate) struct RowFile {
    file: BufWriter<File>,
    rows: u64,
    bytes: u64,
    failure: Option<String>,
    cancelled: Arc<AtomicBool>,
}

impl RowFile {
    pub(crate) fn create(path: &Path, cancelled: Arc<AtomicBool>) -> io::Result<RowFile> {
        let file = BufWriter::new(File::create(path)?);
        Ok(RowFile { file, rows: 0, bytes: 0, failure: None, cancelled })
    }

    /// How many rows there are, once they are on disk.
    pub(crate) fn finish(mut self) -> Result<u64, String> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        synced.map(|()| self.rows).map_err(|_| "The answer could not be written.".to_owned())
    }

    fn take(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let rows = cells::rows(batch).map_err(|_| "A value of the answer has no text.".to_owned())?;
        for row in rows {
            let line = row.to_string();
            self.bytes += line.len() as u64 + 1;
            if self.bytes > ANSWER_BYTES_MAX {
                return Err("Query response is too large".to_owned());
            }
            let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.write_all(b"\n"));
            written.map_err(|_| "The answer could not be written.".to_owned())?;
            self.rows += 1;
        }
        Ok(())
    }
}

impl Rows for RowFile {
    fn batch(&mut self, batch: &RecordBatch) -> bool {
        if self.failure.is_none() {
            self.failure = self.take(batch).err();
        }
        self.failure.is_none() && !self.is_cancelled()
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// Some rows, and where the next are.
pub(crate) struct ResultPage {
    pub(crate) rows: Vec<Value>,
    pub(crate) next: Option<String>,
}

/// Up to `count` rows from `position`, which an earlier page gave.
pub(crate) fn page(path: &Path, position: Option<&str>, count: usize) -> io::Result<ResultPage> {
    let mut file = File::open(path)?;
    let mut at: u64 = position.and_then(|position| position.parse().ok()).unwrap_or(0);
    let end = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(at))?;
    let mut reader = BufReader::new(file);
    let (mut rows, mut bytes, mut line) = (Vec::new(), 0, String::new());
    while rows.len() < count && bytes < PAGE_BYTES_MAX {
        line.clear();
        let read = reader.read_line(&mut line)?;
        if read == 0 {
            break;
        }
        rows.push(serde_json::from_str(&line)?);
        at += read as u64;
        bytes += read;
    }
    Ok(ResultPage { rows, next: (at < end).then(|| at.to_string()) })
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array};
    use serde_json::json;

    use super::*;

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("q.rows");
        let mut file = RowFile::create(&path, Arc::default()).unwrap();
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        assert!(file.batch(&RecordBatch::try_from_iter([("n", column)]).unwrap()));
        assert_eq!(file.finish(), Ok(3));
        let first = page(&path, None, 2).unwrap();
        assert_eq!(first.rows, [json!([{"n": "1"}]), json!([{"n": "2"}])]);
        let second = page(&path, first.next.as_deref(), 2).unwrap();
        assert_eq!((second.rows, second.next), (vec![json!([{"n": "3"}])], None));
    }

    #[test]
    fn a_cancelled_query_takes_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let cancelled = Arc::new(AtomicBool::new(true));
        let mut file = RowFile::create(&folder.path().join("q.rows"), cancelled).unwrap();
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        assert!(!file.batch(&RecordBatch::try_from_iter([("n", column)]).unwrap()));
    }
}
