//! Our own driver and client, as parties.

mod client;

pub use client::{EponaClient, EponaPublication, EponaSubscription};

use crate::party::PartyError;

/// Name of this party.
pub const NAME: &str = "epona";

/// An error in our own words.
fn failed(error: impl std::fmt::Display) -> PartyError {
    PartyError { party: NAME, message: error.to_string() }
}
