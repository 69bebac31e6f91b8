//! Every `tests/slt/*.slt` over the records in `tests/data`, which are small,
//! invented, and of every kind: EKS, IAM, S3, sign-ins, Identity Center,
//! network activity, Insights. One file of them was delivered twice.

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::StreamExt;
use pugmark_query::{QueryError, Session, SessionOptions};
use pugmark_source::{Access, Location, Progress, Selection, list};
use sqllogictest::{DBOutput, DefaultColumnType, Runner};

fn session(options: SessionOptions) -> Session {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let location = Location::parse(&directory.to_string_lossy()).expect("a location");
    let progress = Arc::new(Progress::default());
    let listing =
        list(&[location], &Selection::default(), &Access::default(), &options.request.limits, &progress)
            .expect("a listing");
    Session::new(listing, options, progress).expect("a session")
}

struct Db(Session);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(String);

impl From<QueryError> for Failed {
    fn from(error: QueryError) -> Failed {
        Failed(format!("{}: {error}", error.kind()))
    }
}

#[async_trait::async_trait]
impl sqllogictest::AsyncDB for Db {
    type Error = Failed;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failed> {
        let mut stream = self.0.sql(sql).await?;
        let types = stream.schema().fields().iter().map(|field| column_type(field.data_type())).collect();
        let mut rows = Vec::new();
        let options = FormatOptions::default().with_null("NULL");
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(|error| QueryError::run(&error))?;
            let columns: Vec<ArrayFormatter<'_>> = batch
                .columns()
                .iter()
                .map(|column| ArrayFormatter::try_new(column, &options).expect("a printable column"))
                .collect();
            for row in 0..batch.num_rows() {
                let cell = |column: &ArrayFormatter<'_>| match column.value(row).to_string() {
                    text if text.is_empty() => "(empty)".to_owned(),
                    text => text,
                };
                rows.push(columns.iter().map(cell).collect());
            }
        }
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}
}

fn column_type(data_type: &DataType) -> DefaultColumnType {
    match data_type {
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => DefaultColumnType::Text,
        integer if integer.is_integer() => DefaultColumnType::Integer,
        number if number.is_numeric() => DefaultColumnType::FloatingPoint,
        _ => DefaultColumnType::Any,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_gives_its_rows() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("tests/slt")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "slt"))
        .collect();
    files.sort();
    assert!(files.len() > 3, "the files are gone");
    let mut failures = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a test file");
        for record in sqllogictest::parse::<DefaultColumnType>(&text).expect("records") {
            let mut runner = Runner::new(|| async { Ok(Db(session(SessionOptions::default()))) });
            if let Err(error) = runner.run_async(record).await {
                failures.push(format!("{}: {error}", file.display()));
            }
        }
    }
    assert!(failures.is_empty(), "{} failed\n\n{}", failures.len(), failures.join("\n\n"));
}
