//! Between the handles of one client and its conductor.
//!
//! ```text
//!   Aeron, Publication, Subscription, Counter, Pending ──Arc──► Client ──owns──► dyn Conducting: a thread, or stepped
//!                                                                 │                      │
//!                                                                Arc                    runs
//!                                                                 ▼                      ▼
//!   Request, Submission ───────────────────────────────────► Shared ◄──Arc────────── conductor
//!   Pending, Wait ◄─────────────── Completion, Waiters ──────────────────────────────────┘
//! ```
//!
//! Handles know of the conductor only what [`Conducting`] says; the conductor never holds the client, so the client ends
//! with its last handle, or earlier by a call to `close`.

mod active_commands;
mod client;
mod completion;
mod operation;
mod pending;
mod request;
#[cfg(feature = "async")]
mod wait;
mod waiters;

pub use pending::Pending;

pub(crate) use active_commands::ActiveCommand;
pub(crate) use client::{Client, Conducting, Doorbells, Shared, conducting};
pub(crate) use completion::{Completion, Outcome, Registered};
pub(crate) use operation::{
    add_destination, add_receive_destination, reject_image, remove_destination, remove_destination_by_id,
    remove_receive_destination, submit,
};
pub(crate) use request::{Kind, Request, Submission};
#[cfg(feature = "async")]
pub(crate) use wait::Wait;
