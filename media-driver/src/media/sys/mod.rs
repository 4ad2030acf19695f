//! System calls that the standard library and `socket2` do not offer. The only unsafe code of this crate.
//!
//! Invariants that the SAFETY notes below cite:
//!
//! - **S1** Every pointer handed to the kernel points into a value that lives at least until the call returns, and
//!   the length beside it is the length of that value.
//! - **S2** What the kernel wrote is read only as far as it says that it wrote, and only types of which every bit
//!   pattern is a value.
//! - **S3** [`epona_protocol::memory::SharedBytes`] keeps its region mapped while it exists; the kernel, not we,
//!   reads the bytes, so that other processes may write them meanwhile.
#![expect(unsafe_code, reason = "the home of unsafe in this crate; see the invariants above")]

mod address;
mod interfaces;
mod options;
mod receive;
mod segmentation;
mod send;

pub use interfaces::NetworkInterface;
pub(super) use interfaces::network_interfaces;
pub(super) use options::{disable_multicast_all, enable_receive_timestamps, set_busy_poll, set_coalescing};
pub(super) use receive::ControlMessages;
pub use receive::ReceiveBuffers;
pub(super) use segmentation::Segmentation;
pub(super) use send::send_runs;

use std::io;

/// Whether a failed send or receive only means "nothing now": no room, no data, an interrupted call, or an ICMP
/// answer to an earlier send. Source: driver spec 1.5.
fn is_nothing_now(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR | libc::ECONNREFUSED))
}
