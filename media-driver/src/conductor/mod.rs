//! The conductor: client commands, resources, liveness and timers.

pub mod session_ids;
