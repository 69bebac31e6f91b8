//! Lists that come in pages, and instants as answers write them.

use serde_json::{Value, json};

use crate::call::Call;
use crate::fault::ApiFault;
use crate::page_token::Question;

/// Microseconds as epoch seconds, with a fraction where there is one.
pub(crate) fn time(micros: i64) -> Value {
    let (seconds, millis) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000) / 1_000);
    if millis == 0 { json!(seconds) } else { json!(seconds as f64 + millis as f64 / 1e3) }
}

/// Which part of a list is asked for.
pub(crate) struct Page {
    question: Question,
    first: usize,
    count: usize,
}

impl Page {
    /// Reads `MaxResults` and `NextToken`.
    pub(crate) fn read(call: &Call<'_>, max: usize, default: usize) -> Result<Page, ApiFault> {
        let count = match call.input.integer("MaxResults")? {
            None => default,
            Some(count) if (1..=max as i64).contains(&count) => count as usize,
            Some(_) => {
                let message = format!("MaxResults must be between 1 and {max}.");
                return Err(ApiFault::new("InvalidMaxResultsException", message));
            }
        };
        let question = call.question();
        let position = call.app.tokens.position(&question, call.input)?;
        let first = position.and_then(|position| position.parse().ok()).unwrap_or(0);
        Ok(Page { question, first, count })
    }

    /// The page of `items` under `name`, with a token if there are more.
    pub(crate) fn cut(&self, call: &Call<'_>, name: &str, items: Vec<Value>) -> Value {
        let total = items.len();
        let part: Vec<Value> = items.into_iter().skip(self.first).take(self.count).collect();
        let end = self.first + part.len();
        let mut answer = json!({ name: part });
        if end < total {
            answer["NextToken"] = json!(call.app.tokens.seal(&self.question, &end.to_string()));
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_epoch_seconds() {
        assert_eq!(time(1_768_471_200_000_000), json!(1_768_471_200));
        assert_eq!(time(1_768_471_200_250_000), json!(1_768_471_200.25));
    }
}
