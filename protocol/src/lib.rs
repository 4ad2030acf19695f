//! Formats and shared-memory structures of Aeron: no sockets, no threads, no clocks.
//!
//! | module | holds |
//! | --- | --- |
//! | [`types`] | newtypes for ids, terms, positions and time, and their arithmetic |
//! | [`frame`] | frames of the UDP wire: views, values, validation |
//! | [`memory`] | the only unsafe code: atomic views over shared regions, mapped files |
//! | [`sync`] | atomics and fences, from `core` or from `loom` |
//!
//! Everything is little endian, as on the wire and in the files of Aeron 1.54.

#[cfg(not(target_endian = "little"))]
compile_error!(
    "Aeron's shared memory is native-endian and its wire is little-endian: only little-endian targets work"
);

pub mod frame;
pub mod memory;
pub mod sync;
pub mod types;
