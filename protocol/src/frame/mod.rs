//! Frames of the UDP wire: one file each, a view over the received bytes and a plain struct for both directions.
//!
//! Every frame starts with the same eight bytes, all integers are little endian:
//!
//! ```text
//!    0               4         5        6           8
//!   +---------------+---------+--------+-----------+------------------------
//!   | frame_length  | version | flags  | type      | fields of the type ...
//!   +---------------+---------+--------+-----------+------------------------
//!     i32             u8 = 0    u8       u16
//! ```
//!
//! | type | file | frame | sent by | bytes |
//! | --- | --- | --- | --- | --- |
//! | 0x00, 0x01 | [`data`] | PAD, DATA and heartbeat | sender | 32 and payload |
//! | 0x02 | [`nak`] | NAK | receiver | 28 |
//! | 0x03 | [`status_message`] | SM | receiver | 36, 44 with a group tag |
//! | 0x04 | [`error`] | ERR | receiver | 40 and text |
//! | 0x05 | [`setup`] | SETUP | sender | 40 |
//! | 0x06 | [`rttm`] | RTTM | both | 40 |
//! | 0x07 | [`resolution`] | RES | driver to driver | 8 and entries |
//! | 0x0B | [`response_setup`] | RSP_SETUP | receiver | 20 |
//!
//! A datagram goes through [`decode`] (or [`classify`] and the view of its kind); what fails is counted and dropped
//! by the caller. A view's constructor checks the length only, its accessors cannot fail. `XxxView::new(bytes)` and
//! `Xxx::parse(bytes)` read, `Xxx::emit(&mut bytes)` writes. The bytes are private: frames inside shared term buffers
//! belong to the log buffer. Source: wire spec 1.

mod fields;
mod header;

pub mod data;
pub mod error;
pub mod nak;
pub mod resolution;
pub mod response_setup;
pub mod rttm;
pub mod setup;
pub mod status_message;

pub use data::{DataFlags, DataHeader, DataView};
pub use error::{ErrorFlags, ErrorFrame, ErrorView};
pub use header::{FrameError, FrameKind, HEADER_LENGTH, VERSION, classify, frame_type, layout};
pub use nak::{Nak, NakView};
pub use resolution::{ResolutionEntry, ResolutionFlags, ResolutionView, ResolutionWriter};
pub use response_setup::{ResponseSetup, ResponseSetupView};
pub use rttm::{Rttm, RttmFlags, RttmView};
pub use setup::{Setup, SetupFlags, SetupView};
pub use status_message::{StatusMessage, StatusMessageFlags, StatusMessageView};

/// A valid datagram, by the kind of its (first) frame.
#[derive(Clone, Copy, Debug)]
pub enum Frame<'a> {
    /// One or more DATA and PAD frames; only the first header has been looked at.
    Data(DataView<'a>),
    /// NAK.
    Nak(NakView<'a>),
    /// SM.
    StatusMessage(StatusMessageView<'a>),
    /// ERR.
    Error(ErrorView<'a>),
    /// SETUP.
    Setup(SetupView<'a>),
    /// RTTM.
    Rttm(RttmView<'a>),
    /// RES.
    Resolution(ResolutionView<'a>),
    /// RSP_SETUP.
    ResponseSetup(ResponseSetupView<'a>),
    /// Well formed, of no interest to anyone: to be ignored without counting it as invalid.
    Ignored,
}

/// [`classify`] and the view of that kind in one step.
///
/// # Errors
/// As [`classify`].
#[inline]
pub fn decode(datagram: &[u8]) -> Result<Frame<'_>, FrameError> {
    Ok(match classify(datagram)? {
        FrameKind::Pad | FrameKind::Data => Frame::Data(DataView::new(datagram)?),
        FrameKind::Nak => Frame::Nak(NakView::new(datagram)?),
        FrameKind::StatusMessage => Frame::StatusMessage(StatusMessageView::new(datagram)?),
        FrameKind::Error => Frame::Error(ErrorView::new(datagram)?),
        FrameKind::Setup => Frame::Setup(SetupView::new(datagram)?),
        FrameKind::Rttm => Frame::Rttm(RttmView::new(datagram)?),
        FrameKind::Resolution => Frame::Resolution(ResolutionView::new(datagram)?),
        FrameKind::ResponseSetup => Frame::ResponseSetup(ResponseSetupView::new(datagram)?),
        FrameKind::AtsStatusMessage => Frame::Ignored,
    })
}

#[cfg(test)]
mod tests;
