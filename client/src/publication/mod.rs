//! Sending: publications that share a stream, and those that own one.

mod concurrent;
mod exclusive;
mod owner;
mod queries;
mod wake;

pub use concurrent::Publication;
pub use exclusive::ExclusivePublication;
