//! Publications as the conductor sees them: network and IPC. The sender's half is [`crate::sender`].

pub mod ipc;
pub mod limits;
pub mod network;
pub mod params;
pub mod response;
pub mod shared;
