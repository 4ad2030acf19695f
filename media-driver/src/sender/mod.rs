//! The sender: data, setups and heartbeats out; status messages and NAKs in.

pub mod receiver_liveness;
pub mod retransmit_handler;
