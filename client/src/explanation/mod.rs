//! Why a stream does not move, read off the driver's counters: who is waited for, and how far behind.
//!
//! Not for the hot path: every explanation walks all counters and allocates.

mod consumer;
mod publication;
mod receivers;
mod subscription;

pub use consumer::Consumer;
pub use publication::{HeldBy, PublicationExplanation, ReceiverWindow};
pub use receivers::{ReceiverPlace, Receivers};
pub use subscription::{ImageExplanation, SubscriptionExplanation};

pub(crate) use publication::explain;
