//! The members of a request, read strictly.
//!
//! Names are case-sensitive; null is as good as absent. A member of the wrong
//! type is a `SerializationException`, as the service answers.

use serde_json::{Map, Value};

use crate::fault::ApiFault;

/// A request's JSON object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Input {
    members: Map<String, Value>,
}

impl Input {
    /// Reads a body; an empty one is an empty object.
    pub(crate) fn parse(body: &[u8]) -> Result<Input, ApiFault> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Input::default());
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Input { members }),
            Ok(_) => Err(serialization("the body must be a JSON object")),
            Err(error) => Err(serialization(format!("the body is not JSON: {error}"))),
        }
    }

    /// The members of a nested object.
    pub(crate) fn of(value: &Value, name: &str) -> Result<Input, ApiFault> {
        match value {
            Value::Object(members) => Ok(Input { members: members.clone() }),
            _ => Err(wrong(name, "a structure")),
        }
    }

    pub(crate) fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// The whole as JSON.
    pub(crate) fn to_value(&self) -> Value {
        Value::Object(self.members.clone())
    }

    /// A member that is there and not null.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, ApiFault> {
        self.read(name, "a string", Value::as_str)
    }

    /// A text that must be there.
    pub(crate) fn needed(&self, name: &str) -> Result<&str, ApiFault> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiFault> {
        self.read(name, "a boolean", Value::as_bool)
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, ApiFault> {
        self.read(name, "an integer", |value| match value.as_i64() {
            Some(whole) => Some(whole),
            None => value.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as i64),
        })
    }

    /// An instant, from epoch seconds to microseconds.
    pub(crate) fn time(&self, name: &str) -> Result<Option<i64>, ApiFault> {
        const SECONDS_MAX: f64 = 253_402_300_800.0;
        self.read(name, "a timestamp", |value| match value.as_i64() {
            Some(seconds) => seconds.checked_mul(1_000_000).filter(|_| seconds as f64 <= SECONDS_MAX),
            None => value
                .as_f64()
                .filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds))
                .map(|seconds| (seconds * 1e6).round() as i64),
        })
    }

    pub(crate) fn list(&self, name: &str) -> Result<Option<&[Value]>, ApiFault> {
        self.read(name, "a list", |value| value.as_array().map(Vec::as_slice))
    }

    /// A list of texts.
    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, ApiFault> {
        let Some(values) = self.list(name)? else { return Ok(None) };
        let texts = values.iter().map(|value| value.as_str().map(ToOwned::to_owned));
        texts.collect::<Option<Vec<_>>>().map(Some).ok_or_else(|| wrong(name, "a list of strings"))
    }

    fn read<'a, T>(
        &'a self,
        name: &str,
        kind: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ApiFault> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| wrong(name, kind)),
        }
    }
}

/// The fault of a member that is not there.
pub(crate) fn missing(name: &str) -> ApiFault {
    ApiFault::new(
        "ValidationException",
        format!(
            "1 validation error detected: value at `{name}` failed to satisfy constraint: must not be null"
        ),
    )
}

fn wrong(name: &str, kind: &str) -> ApiFault {
    serialization(format!("`{name}` must be {kind}"))
}

fn serialization(message: impl Into<String>) -> ApiFault {
    ApiFault::new("SerializationException", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(text: &str) -> Input {
        Input::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn null_is_absent() {
        assert_eq!(input(r#"{"Name":null}"#).text("Name"), Ok(None));
    }

    #[test]
    fn an_empty_body_is_an_empty_object() {
        assert!(Input::parse(b" ").unwrap().members().is_empty());
    }

    #[test]
    fn a_wrong_type_is_refused() {
        let fault = input(r#"{"Name":5}"#).text("Name").unwrap_err();
        assert_eq!(fault.code, "SerializationException");
        assert_eq!(Input::parse(b"[]").unwrap_err().code, "SerializationException");
        assert_eq!(Input::parse(b"{\"a\"").unwrap_err().code, "SerializationException");
    }

    #[test]
    fn instants_may_have_a_fraction() {
        assert_eq!(input(r#"{"T":1768471200}"#).time("T"), Ok(Some(1_768_471_200_000_000)));
        assert_eq!(input(r#"{"T":1768471200.25}"#).time("T"), Ok(Some(1_768_471_200_250_000)));
        assert!(input(r#"{"T":1e300}"#).time("T").is_err());
        assert!(input(r#"{"T":9223372036854775807}"#).time("T").is_err());
    }
}
