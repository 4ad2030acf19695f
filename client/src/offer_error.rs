//! Why a message was not taken.

use std::fmt;

use epona_protocol::{
    logbuffer::appender::{BlockError, Refusal},
    types::TermLength,
};

/// The outcome of an offer, a claim or a padding that did not move the stream forward.
///
/// Small and `Copy`: back pressure is a normal result, met on the hot path, not an incident. Nothing was published.
/// Source: shared-memory spec 8.1.
///
/// `Debug` shows the same text as `Display`, since that is what a `main` that returns an error prints.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// There is no subscriber, or none is known yet. Retry if one is expected.
    #[error("not connected: no subscriber is known for this publication")]
    NotConnected,
    /// Subscribers or flow control have not made room yet. Retry after a pause.
    #[error(
        "back pressured: the stream is a whole publication window ahead of its slowest receiver or subscriber; \
         retry, or widen it with term-length, pub-wnd (publisher) and rcv-wnd (receiver) in the channel"
    )]
    BackPressured,
    /// The log rotated to its next term, or is about to. Retry at once.
    #[error("the log is rotating to its next term: retry at once")]
    AdminAction,
    /// The publication, or its whole client, has been closed.
    #[error("the publication is closed")]
    Closed,
    /// The stream has used up its positions; a new publication starts a new stream.
    #[error(
        "the stream reached its last position, term-length * 2^31: close it and add a new publication, \
         or use a larger term-length"
    )]
    MaxPositionExceeded,
    /// Longer than any message on this stream may be.
    #[error(
        "message of {length} bytes is longer than {max}, the most that terms of {term_length} bytes take \
         (an eighth of a term, at most 16 MiB): raise term-length in the channel, or aeron.term.buffer.length \
         (aeron.ipc.term.buffer.length for IPC) of the driver"
    )]
    MessageTooLong {
        /// Length of the message, in bytes.
        length: usize,
        /// Longest message of this publication, in bytes.
        max: usize,
        /// Term length in force, in bytes.
        term_length: usize,
    },
    /// Longer than one frame; only an offer may be split into fragments.
    #[error(
        "claim of {length} bytes is longer than {max}, the payload of one frame (mtu less 32): offer the message \
         instead, or raise mtu in the channel, or aeron.mtu.length (aeron.ipc.mtu.length for IPC) of the driver"
    )]
    ClaimTooLong {
        /// Length of the claim, in bytes.
        length: usize,
        /// Longest payload of one frame, in bytes.
        max: usize,
    },
    /// Longer than the frames of the longest message, the most that is padded at once.
    #[error(
        "padding of {length} bytes is longer than {max}: append it in pieces, or raise term-length in the channel"
    )]
    PaddingTooLong {
        /// Length of the padding, in bytes.
        length: usize,
        /// Longest padding, in bytes.
        max: usize,
    },
    /// The tail in the log's shared memory makes no sense: another process overwrote it.
    #[error(
        "the publication's log buffer is damaged: its tail was overwritten; close it and add a new publication"
    )]
    Damaged,
}

impl OfferError {
    /// Whether the same offer can succeed later: everything but a closed or used-up stream and a wrong argument.
    #[inline]
    #[must_use]
    pub const fn is_temporary(self) -> bool {
        matches!(self, Self::NotConnected | Self::BackPressured | Self::AdminAction)
    }
}

/// Why a block of frames was not taken.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockOfferError {
    /// As for any other offer.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// The block does not continue the stream at its position, or does not fit the term.
    #[error(transparent)]
    Block(BlockError),
}

impl fmt::Debug for OfferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for BlockOfferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Refusal> for OfferError {
    #[inline]
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotConnected => Self::NotConnected,
            Refusal::BackPressured => Self::BackPressured,
            Refusal::AdminAction => Self::AdminAction,
            Refusal::MaxPositionExceeded => Self::MaxPositionExceeded,
            Refusal::TooLong { length, max } => Self::PaddingTooLong { length, max: as_size(max) },
            Refusal::Corrupt => Self::Damaged,
        }
    }
}

impl OfferError {
    /// A refused offer.
    #[inline]
    pub(crate) fn of_message(refusal: Refusal, term_length: TermLength) -> Self {
        match refusal {
            Refusal::TooLong { length, max } => {
                Self::MessageTooLong { length, max: as_size(max), term_length: term_length.bytes() }
            }
            other => other.into(),
        }
    }

    /// A refused claim.
    #[inline]
    pub(crate) fn of_claim(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooLong { length, max } => Self::ClaimTooLong { length, max: as_size(max) },
            other => other.into(),
        }
    }
}

impl From<BlockError> for BlockOfferError {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Refused(refusal) => Self::Offer(refusal.into()),
            misplaced => Self::Block(misplaced),
        }
    }
}

fn as_size(length: i32) -> usize {
    usize::try_from(length).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_too_long_is_told_the_limit_and_what_changes_it() {
        let text = OfferError::MessageTooLong { length: 40_000_000, max: 2_097_152, term_length: 16_777_216 }
            .to_string();
        for part in ["40000000", "2097152", "16777216", "16 MiB", "term-length", "aeron.term.buffer.length"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
        let text = OfferError::ClaimTooLong { length: 2000, max: 1376 }.to_string();
        for part in ["2000", "1376", "mtu", "aeron.mtu.length"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }

    #[test]
    fn only_states_that_pass_are_temporary() {
        use OfferError::{AdminAction, BackPressured, Closed, Damaged, MaxPositionExceeded, NotConnected};
        assert!([NotConnected, BackPressured, AdminAction].iter().all(|error| error.is_temporary()));
        assert!(![Closed, MaxPositionExceeded, Damaged].iter().any(|error| error.is_temporary()));
    }
}
