//! Our own driver and client, as parties.

mod client;
mod driver;

pub use client::{EponaClient, EponaPublication, EponaSubscription};
pub use driver::EponaDriver;

use crate::party::{DriverKind, Party, PartyError};

/// Name of this party.
pub const NAME: &str = "epona";

/// Our driver and client on both sides.
#[derive(Debug)]
pub struct Epona;

impl Party for Epona {
    const NAME: &'static str = NAME;
    const DRIVER: DriverKind = DriverKind::Epona;
    type Driver = EponaDriver;
    type Client = EponaClient;
}

/// An error in our own words.
fn failed(error: impl std::fmt::Display) -> PartyError {
    PartyError { party: NAME, message: error.to_string() }
}
