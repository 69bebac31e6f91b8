//! The computed columns of `events`: session, actor, actor type, cause, confidence.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::array::StringViewBuilder;
use pugmark_event::{EventBatch, Leaf, Projection};
use pugmark_scan::{Annotate, ScanError};

use crate::caller::Caller;
use crate::cause::Causes;
use crate::lineage::{Judgement, Lineage};
use crate::link::Confidence;
use crate::rows::Rows;

/// Reads the whole input and concludes; given by whoever knows where the input is.
type Make = Box<dyn Fn() -> Result<Lineage, ScanError> + Send + Sync>;

/// A lineage that is made when it is first asked for, once for all who ask.
pub struct LineageOnce {
    make: Make,
    made: OnceLock<Option<Arc<Lineage>>>,
    failed: Mutex<Option<ScanError>>,
}

impl LineageOnce {
    /// A lineage that `make` will make. It must read all of the input, whatever rows a
    /// statement wants: the session of a row may have been opened by any other.
    pub fn new(make: impl Fn() -> Result<Lineage, ScanError> + Send + Sync + 'static) -> LineageOnce {
        LineageOnce { make: Box::new(make), made: OnceLock::new(), failed: Mutex::new(None) }
    }

    /// The lineage.
    ///
    /// # Errors
    /// If it could not be made; whoever asks again is told only that.
    pub fn get(&self) -> Result<Arc<Lineage>, ScanError> {
        let made = self.made.get_or_init(|| match (self.make)() {
            Ok(lineage) => Some(Arc::new(lineage)),
            Err(error) => {
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                None
            }
        });
        made.clone().ok_or_else(|| {
            let error = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
            error.unwrap_or_else(|| {
                ScanError::Filter("sessions and actors could not be worked out".to_owned())
            })
        })
    }
}

/// Fills the computed columns of batches.
pub struct LineageColumns(pub Arc<LineageOnce>);

impl LineageColumns {
    /// The leaves that are filled.
    pub const FILLED: [Leaf; 5] =
        [Leaf::Session, Leaf::Actor, Leaf::ActorType, Leaf::Cause, Leaf::Confidence];
}

impl Annotate for LineageColumns {
    fn fills(&self) -> Projection {
        LineageColumns::FILLED.into_iter().collect()
    }

    fn needs(&self) -> Projection {
        Caller::LEAVES.into_iter().chain(Causes::LEAVES).collect()
    }

    fn prepare(&self) -> Result<(), ScanError> {
        self.0.get().map(|_| ())
    }

    fn annotate(&self, batch: &EventBatch) -> Result<EventBatch, ScanError> {
        Ok(self.0.get()?.annotate(batch)?)
    }
}

impl Lineage {
    /// `batch` with session, actor, actor type, cause and confidence of each row. The
    /// confidence is the weaker of that in the actor and that in the cause.
    ///
    /// # Errors
    /// Arrow's, if a column does not fit.
    pub fn annotate(&self, batch: &EventBatch) -> Result<EventBatch, arrow::error::ArrowError> {
        let mut texts: [StringViewBuilder; LineageColumns::FILLED.len()] = std::array::from_fn(|_| {
            StringViewBuilder::with_capacity(batch.rows()).with_deduplicate_strings()
        });
        let mut id = String::new();
        let rows = Rows::of(batch);
        for row in rows.iter() {
            let judgement = self.judge(row);
            id.clear();
            if let Some(Judgement { session: Some(session), .. }) = judgement {
                write!(id, "{:016x}", session.record().hash).expect("a text takes any text");
                id.truncate(self.id_digits);
            }
            let cause = self.causes().why(row).cause();
            let confidence = judgement
                .map(|judgement| judgement.confidence)
                .map(|known| cause.map_or(known, |cause| known.min(cause.confidence())));
            let columns = [
                Some(id.as_str()).filter(|id| !id.is_empty()),
                judgement.map(|judgement| judgement.actor.text()),
                judgement.map(|judgement| judgement.actor_type().as_str()),
                cause.map(|cause| cause.request().event_id()),
                confidence.map(Confidence::as_str),
            ];
            texts.iter_mut().zip(columns).for_each(|(texts, text)| texts.append_option(text));
        }
        let mut batch = batch.clone();
        for (leaf, mut texts) in LineageColumns::FILLED.into_iter().zip(texts) {
            batch = batch.with_text(leaf, texts.finish())?;
        }
        Ok(batch)
    }
}
