//! The receiver: datagrams into images, status messages and NAKs out.

pub mod dispatcher;
pub mod pending_setup;
