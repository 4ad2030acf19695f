//! Segmentation offload: one message to the kernel that leaves as several datagrams.
//!
//! ```text
//!   control message:  | length, level UDP, type UDP_SEGMENT | segment size: u16 | pad |
//! ```
//!
//! The kernel promises nothing: it may refuse a message for the route it would take (a device without checksum offload, a
//! path with a smaller MTU than the segment, encryption). Then the socket sends datagram by datagram from there on.

use std::{io, mem::MaybeUninit, os::fd::BorrowedFd};

use super::options::has_segmentation;
use crate::media::transport::{Offload, OffloadRefusal, SendRun, segments_per_message};
use epona_protocol::memory::SharedBytes;

/// Whether a socket's runs are cut up by the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::media) struct Segmentation {
    offload: Offload,
    /// Whether a run was.
    has_worked: bool,
}

impl Segmentation {
    /// Datagram by datagram.
    pub(in crate::media) const OFF: Self = Self { offload: Offload::Off, has_worked: false };

    /// On where the kernel knows it.
    pub(in crate::media) fn probe(socket: BorrowedFd<'_>) -> Self {
        let offload = if has_segmentation(socket) { Offload::On } else { Offload::Off };
        Self { offload, ..Self::OFF }
    }

    /// Whether the kernel does it, as far as is known.
    #[inline]
    pub(in crate::media) const fn offload(self) -> Offload {
        self.offload
    }

    /// A run was cut up.
    #[inline]
    pub(super) fn on_cut(&mut self) {
        self.has_worked = true;
    }

    /// The kernel would not: off for good.
    #[cold]
    pub(super) fn give_up(&mut self, code: i32) {
        self.offload = Offload::Refused(OffloadRefusal { code, has_worked: self.has_worked });
    }

    /// Datagrams of a length that one message carries.
    #[inline]
    pub(super) fn datagrams_per_message(self, segment_size: usize) -> usize {
        if self.offload.is_on() { segments_per_message(segment_size) } else { 1 }
    }

    /// The code of an error that tells that this message must not be cut up by the kernel, rather than not be sent at
    /// all.
    pub(super) fn refusal(error: &io::Error) -> Option<i32> {
        let refusals = [libc::EINVAL, libc::EIO, libc::EMSGSIZE, libc::EOPNOTSUPP, libc::ENOPROTOOPT];
        error.raw_os_error().filter(|code| refusals.contains(code))
    }
}

/// Datagrams that one message to the kernel carries.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) bytes: SharedBytes<'a>,
    pub(super) datagrams: usize,
}

/// The messages of a run, without its first `skipped` datagrams.
pub(super) fn messages<'a>(
    run: &SendRun<'a>,
    skipped: usize,
    segmentation: Segmentation,
) -> impl Iterator<Item = Message<'a>> + use<'a> {
    let size = run.segment_size.max(1);
    let start = (skipped * size).min(run.bytes.len());
    let (mut rest, longest) =
        (run.bytes.range(start, run.bytes.len() - start), size * segmentation.datagrams_per_message(size));
    std::iter::from_fn(move || {
        let length = longest.min(rest.len());
        let bytes = (length > 0).then(|| rest.range(0, length))?;
        rest = rest.range(length, rest.len() - length);
        Some(Message { bytes, datagrams: length.div_ceil(size) })
    })
}

/// The control message that says how long each datagram of a message is.
#[repr(C)]
pub(super) struct SegmentSize {
    header: libc::cmsghdr,
    size: u16,
    _pad: [u8; 6],
}

impl SegmentSize {
    pub(super) fn new(size: u16) -> Self {
        // SAFETY: a control message header is plain integers, for which zero is a value (S2).
        let mut header: libc::cmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
        // SAFETY: computes a length from a length; touches no memory.
        header.cmsg_len = unsafe { libc::CMSG_LEN(size_of::<u16>() as u32) } as _;
        header.cmsg_level = libc::SOL_UDP;
        header.cmsg_type = libc::UDP_SEGMENT;
        Self { header, size, _pad: [0; 6] }
    }
}
