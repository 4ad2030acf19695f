//! What clients ask of a driver and what it answers: the payloads of ring buffer and broadcast records.
//!
//! ```text
//!   client ── Command ──► to-driver ring buffer ──► driver
//!   client ◄── Event ──── to-clients broadcast ◄─── driver
//!
//!   command:  0 client id i64 │ 8 correlation id i64 │ 16 ... by type
//!   event:    by type, most with the correlation id first
//!   text:     i32 length, bytes, no terminator; some are padded to 4 bytes
//! ```
//!
//! Parsing checks every embedded length against the record and ignores what follows the last field. Protocol version
//! 1.0.0. Source: shared-memory spec 10, 15.

mod error_code;
mod event;
mod fields;
mod request;

pub use error_code::ErrorCode;
pub use event::{AvailableImage, Event, PublicationError, PublicationReady};
pub use fields::{CommandError, Fault};
pub use request::{Command, Request};

/// Type ids of commands. Source: shared-memory spec 10.2.
pub mod command_id {
    /// Add a concurrent publication.
    pub const ADD_PUBLICATION: i32 = 0x01;
    /// Remove a publication of either kind.
    pub const REMOVE_PUBLICATION: i32 = 0x02;
    /// Add an exclusive publication.
    pub const ADD_EXCLUSIVE_PUBLICATION: i32 = 0x03;
    /// Add a subscription.
    pub const ADD_SUBSCRIPTION: i32 = 0x04;
    /// Remove a subscription.
    pub const REMOVE_SUBSCRIPTION: i32 = 0x05;
    /// The client is alive; current clients update their heartbeat counter instead.
    pub const CLIENT_KEEPALIVE: i32 = 0x06;
    /// Add a destination to a publication.
    pub const ADD_DESTINATION: i32 = 0x07;
    /// Remove a destination of a publication by its channel.
    pub const REMOVE_DESTINATION: i32 = 0x08;
    /// Add a counter.
    pub const ADD_COUNTER: i32 = 0x09;
    /// Remove a counter.
    pub const REMOVE_COUNTER: i32 = 0x0A;
    /// The client is gone.
    pub const CLIENT_CLOSE: i32 = 0x0B;
    /// Add a destination to a subscription.
    pub const ADD_RCV_DESTINATION: i32 = 0x0C;
    /// Remove a destination of a subscription.
    pub const REMOVE_RCV_DESTINATION: i32 = 0x0D;
    /// Terminate the driver.
    pub const TERMINATE_DRIVER: i32 = 0x0E;
    /// Add a counter that outlives its client.
    pub const ADD_STATIC_COUNTER: i32 = 0x0F;
    /// Reject an image.
    pub const REJECT_IMAGE: i32 = 0x10;
    /// Remove a destination of a publication by its registration id.
    pub const REMOVE_DESTINATION_BY_ID: i32 = 0x11;
    /// Ask for a session id that is not in use.
    pub const GET_NEXT_AVAILABLE_SESSION_ID: i32 = 0x12;
}

/// Type ids of events. Source: shared-memory spec 10.4.
pub mod event_id {
    /// A command failed.
    pub const ON_ERROR: i32 = 0x0F01;
    /// A subscription has an image.
    pub const ON_AVAILABLE_IMAGE: i32 = 0x0F02;
    /// A concurrent publication is ready.
    pub const ON_PUBLICATION_READY: i32 = 0x0F03;
    /// A command without a more telling answer is done.
    pub const ON_OPERATION_SUCCESS: i32 = 0x0F04;
    /// A subscription lost an image.
    pub const ON_UNAVAILABLE_IMAGE: i32 = 0x0F05;
    /// An exclusive publication is ready.
    pub const ON_EXCLUSIVE_PUBLICATION_READY: i32 = 0x0F06;
    /// A subscription is ready.
    pub const ON_SUBSCRIPTION_READY: i32 = 0x0F07;
    /// A counter is ready.
    pub const ON_COUNTER_READY: i32 = 0x0F08;
    /// A counter is gone.
    pub const ON_UNAVAILABLE_COUNTER: i32 = 0x0F09;
    /// The driver gave a client up.
    pub const ON_CLIENT_TIMEOUT: i32 = 0x0F0A;
    /// A static counter is ready.
    pub const ON_STATIC_COUNTER: i32 = 0x0F0B;
    /// A receiver reported an error on a publication.
    pub const ON_PUBLICATION_ERROR: i32 = 0x0F0C;
    /// A session id that is not in use.
    pub const ON_NEXT_AVAILABLE_SESSION_ID: i32 = 0x0F0D;
}
