//! What a handle shares with the conductor: the ids, the memory, whether it is closed.
//!
//! ```text
//!   Publication, Subscription, Image, Counter ──Arc──► state ◄──Arc── conductor
//!         offers, polls, questions                          makes, closes, looks
//! ```
//!
//! A handle is what an application holds and closes by dropping it; its state outlives it for as long as the conductor, or
//! a clone, needs it. Knows neither handles nor client.

mod counter;
mod image;
mod publication;
mod subscription;
mod watch;

pub(crate) use counter::CounterState;
pub(crate) use image::{ImageState, NewImage};
pub(crate) use publication::{NewPublicationState, PublicationState};
pub(crate) use subscription::SubscriptionState;
pub(crate) use watch::Watch;
