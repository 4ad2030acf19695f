//! Formats and shared-memory structures of Aeron: no sockets, no threads, no clocks.
//!
//! | module | holds |
//! | --- | --- |
//! | [`uri`] | channel URIs, and the sizes, durations and addresses in them |
//! | [`types`] | newtypes for ids, terms, positions and time, and their arithmetic |
//! | [`frame`] | frames of the UDP wire: views, values, validation |
//! | [`ring_buffer`] | commands to the driver: many producers, one consumer |
//! | [`broadcast`] | events to clients: one transmitter, many receivers |
//! | [`counters`] | positions, statistics and states that every process can read |
//! | [`error_log`], [`loss_report`] | what went wrong, each thing once |
//! | [`cnc`] | the file where clients meet a driver |
//! | [`doorbell`] | waking a thread of the driver from another process |
//! | [`command`] | what clients ask of a driver and what it answers |
//! | [`memory`] | the only unsafe code: atomic views over shared regions, mapped files |
//! | [`logbuffer`] | log buffers: layout, appending, reading, scanning, rebuilding, unblocking |
//! | [`seq_slot`] | the latest report of one thread to another |
//! | [`signals`] | which of its streams a thread has news of |
//! | [`sync`] | atomics and fences, from `core` or from `loom` |
//!
//! Everything is little endian, as on the wire and in the files of Aeron 1.54.

#[cfg(not(target_endian = "little"))]
compile_error!(
    "Aeron's shared memory is native-endian and its wire is little-endian: only little-endian targets work"
);

pub mod broadcast;
pub mod cnc;
pub mod command;
pub mod counters;
#[cfg(not(loom))]
pub mod doorbell;
pub mod error_log;
pub mod frame;
pub mod logbuffer;
pub mod loss_report;
pub mod memory;
pub mod ring_buffer;
pub mod seq_slot;
pub mod signals;
pub mod sync;
pub mod types;
pub mod uri;
