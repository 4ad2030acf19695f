//! One transmitter, many receivers, nobody waits: events from the driver to all clients.
//!
//! The transmitter never looks at the receivers. One that falls a whole buffer behind is lapped and learns of it.
//!
//! Peers can write every byte of the region: positions are masked into the buffer, lengths checked against it, and
//! messages are copied out and validated before they are handed on.

mod copy_receiver;
mod descriptor;
mod receiver;
mod transmitter;

pub use copy_receiver::CopyReceiver;
pub use descriptor::{CapacityError, HEADER_LENGTH, PADDING_MSG_TYPE_ID, RECORD_ALIGNMENT, TRAILER_LENGTH};
pub use receiver::{ReceiveError, Received, Receiver};
pub use transmitter::{TransmitError, Transmitter};

#[cfg(not(loom))]
#[cfg(test)]
mod tests;
