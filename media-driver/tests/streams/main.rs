//! Real drivers and clients on a simulated network, in virtual time: what applications see of streams.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

mod blocks;
mod delivery;
mod destinations;
mod ends;
mod groups;
mod parameters;
mod pending;
mod positions;
mod responses;
mod timestamps;
mod untethered;
mod world;
