//! One call of an operation, as its handler sees it.

use std::sync::Arc;

use serde_json::Value;

use crate::app::App;
use crate::fault::ApiFault;
use crate::gate::Caller;
use crate::input::Input;
use crate::page_token::Question;
use crate::random;

/// What a handler answers.
pub(crate) type Outcome = Result<Value, ApiFault>;

/// Who calls what, with which members, and when.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) app: &'a Arc<App>,
    pub(crate) caller: &'a Caller,
    pub(crate) operation: &'static str,
    pub(crate) input: &'a Input,
    /// Microseconds since 1970.
    pub(crate) now: i64,
}

/// A new id for what a call makes.
pub(crate) fn new_id() -> Result<String, ApiFault> {
    random::uuid().map_err(|_| ApiFault::internal())
}

impl Call<'_> {
    /// What a page token of this call is bound to.
    pub(crate) fn question(&self) -> Question {
        Question::new(self.operation, &self.caller.account, &self.caller.region, self.input)
    }

    /// The caller as trails know it.
    pub(crate) fn trail_caller(&self) -> pugmark_trail::Caller {
        pugmark_trail::Caller { account: self.caller.account.clone(), region: self.caller.region.clone() }
    }
}
