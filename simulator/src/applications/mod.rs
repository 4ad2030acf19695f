//! What runs on the hosts beside drivers: clients, and what applications do with them.

pub(crate) mod client;
pub(crate) mod destinations;
pub(crate) mod publisher;
pub(crate) mod storm;
pub(crate) mod subscriber;
pub(crate) mod turn;
