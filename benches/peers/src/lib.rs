//! Everything of Epona that needs a peer: interop tests and side-by-side measurement.
//!
//! - [`aeron`] wraps Aeron C 1.54 (driver and client), built from source by the `rusteron` crates.
//! - [`epona`] does the same for our own driver and client.
//! - [`party`] says what a test or a scenario needs of a client and of a driver, whoever made them.
//! - [`namespace`] makes hosts with links that can be cut, where the tests run as root.
//! - [`process`] runs a driver of either kind as a process of its own, which can be killed.
//! - [`transfer`] sends a seeded plan of messages from one client to another and checks every byte.
//! - [`tap`] relays UDP between two drivers and records what passes as a capture file.
//! - [`measure`] holds the scenarios, generic over [`party::Party`].
//! - [`compare`] runs them with parties interleaved and reports what they measured.
//! - [`roles`] are what the program `compare` does when it starts itself again as a driver or a client.

pub mod aeron;
pub mod compare;
pub mod epona;
pub mod measure;
pub mod namespace;
pub mod net;
pub mod party;
pub mod process;
pub mod roles;
pub mod tap;
pub mod transfer;
