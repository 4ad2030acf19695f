//! What runs on the hosts beside drivers: clients, and what applications do with them.

mod arrival;
mod blocks;
pub(crate) mod client;
pub(crate) mod destinations;
mod handle;
pub(crate) mod keeper;
mod ports;
pub(crate) mod publisher;
mod stamps;
pub(crate) mod storm;
pub(crate) mod subscriber;
pub(crate) mod turn;
