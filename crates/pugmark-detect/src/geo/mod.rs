//! Where addresses are, and who was in two places at once.
//!
//! [`GeoDb`] reads databases that the user supplies; [`Travel`] folds events into the places of each
//! session and person and concludes. Nothing is looked up anywhere else.

mod db;
mod travel;

pub(crate) use db::network;
pub use db::{GeoDb, GeoError, Place};
pub use travel::{
    DISTANCE_KM_MIN, Journey, JourneyKind, PLACES_MAX, SPEED_KMH_MAX, Stop, TRAVELLERS_MAX, Travel, Traveller,
};
