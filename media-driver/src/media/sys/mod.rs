//! System calls that the standard library and `socket2` do not offer. The only unsafe code of this crate.

mod receive;

pub use receive::ReceiveBuffers;
