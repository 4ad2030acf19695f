//! Ring buffers in shared memory: messages from one or many producers to one consumer.
//!
//! [`mpsc`] carries commands from clients to the driver; [`spsc`] has the same layout for one producer. Both are read
//! by the same [`Consumer`].
//!
//! Peers can write every byte of the region. So messages are copied out before they are handed on, and no value found
//! there can make a verb panic or loop: positions are masked into the buffer, lengths checked against it.

mod consumer;
mod descriptor;
pub mod mpsc;
pub mod spsc;

pub use consumer::{Consumer, ReadAction};
pub use descriptor::{
    CapacityError, HEADER_LENGTH, MIN_CAPACITY, PADDING_MSG_TYPE_ID, RECORD_ALIGNMENT, TRAILER_LENGTH,
    WriteError,
};

#[cfg(not(loom))]
#[cfg(test)]
mod tests;
