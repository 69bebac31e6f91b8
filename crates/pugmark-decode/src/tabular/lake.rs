//! Rows of a Lake query as `GetQueryResults` answers them.

use pugmark_event::{DefectKind, Limits};
use serde_json::{Map, Value};

use super::table::Table;

/// Renders one element of `QueryResultRows` as a record.
///
/// A row is a list of one-member objects, `[{"eventName":"x"},{"…":"…"}]`, as
/// JSON text; one object with all columns is taken as well.
pub(crate) fn lake_row(json: &[u8], limits: &Limits, record: &mut Vec<u8>) -> Result<(), DefectKind> {
    if json.len() > limits.record_bytes_max {
        return Err(DefectKind::RecordTooLarge);
    }
    let groups = match serde_json::from_slice(json).map_err(|_| DefectKind::Malformed)? {
        Value::Array(groups) => groups,
        object @ Value::Object(_) => vec![object],
        _ => return Err(DefectKind::NotAnEvent),
    };
    let (mut header, mut values) = (Vec::new(), Vec::new());
    for group in groups {
        let Value::Object(columns) = group else { return Err(DefectKind::NotAnEvent) };
        add(columns, &mut header, &mut values);
    }
    let table = Table::new(&header).ok_or(DefectKind::NotAnEvent)?;
    table.render(|index| values[index].as_str(), record);
    Ok(())
}

/// Values are text by contract; others are taken as their JSON.
fn add(columns: Map<String, Value>, header: &mut Vec<String>, values: &mut Vec<String>) {
    for (name, value) in columns {
        header.push(name);
        values.push(match value {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(json: &str) -> Result<String, DefectKind> {
        let mut record = Vec::new();
        lake_row(json.as_bytes(), &Limits::default(), &mut record)?;
        Ok(String::from_utf8(record).expect("UTF-8"))
    }

    #[test]
    fn a_row_of_columns_becomes_a_record() {
        assert_eq!(
            rendered(
                r#"[{"eventName":"A"},{"eventtime":"2026-01-15 10:00:00.000"},{"userIdentity":"{arn=a}"},{"_col3":"5"},{"errorCode":null},{"readOnly":true}]"#
            )
            .as_deref(),
            Ok(
                r#"{"userIdentity":{"arn":"a"},"eventTime":"2026-01-15 10:00:00.000","eventName":"A","readOnly":true,"_col3":"5"}"#
            )
        );
    }

    #[test]
    fn the_whole_record_wins() {
        assert_eq!(rendered(r#"[{"eventJson":"{\"a\":1}"}]"#).as_deref(), Ok(r#"{"a":1}"#));
    }

    #[test]
    fn what_is_no_row_of_an_event_says_so() {
        assert_eq!(rendered(r#"[{"n":"5"}]"#), Err(DefectKind::NotAnEvent));
        assert_eq!(rendered("[5]"), Err(DefectKind::NotAnEvent));
        assert_eq!(rendered("5"), Err(DefectKind::NotAnEvent));
        assert_eq!(rendered("[{"), Err(DefectKind::Malformed));
        let deep = "[".repeat(100_000);
        assert_eq!(rendered(&deep), Err(DefectKind::Malformed));
    }
}
