//! Networks: channels and their addresses, sockets, readiness, and ways to disturb them.

mod sys;
pub mod transport;
