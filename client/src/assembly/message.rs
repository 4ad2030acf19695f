//! Putting one message together: what the four fragment assemblers share.

use epona_protocol::{
    frame::DataFlags,
    logbuffer::{Action, descriptor::fragmented_length},
    types::{DATA_HEADER_LENGTH, TermOffset},
};

use super::buffer_builder::BufferBuilder;
use crate::header::{AssembledHeader, Header};

/// One message under assembly. Source: shared-memory spec 9.6.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    builder: BufferBuilder,
    first: Option<First>,
}

/// What is kept of the first fragment's header.
#[derive(Clone, Copy, Debug)]
struct First {
    flags: DataFlags,
    term_offset: TermOffset,
    reserved_value: i64,
    frame_length: i32,
}

/// Whether a frame is a message by itself.
#[inline]
pub(crate) fn is_whole(header: &Header<'_>) -> bool {
    header.flags().contains(DataFlags::UNFRAGMENTED)
}

impl Assembly {
    /// Takes a fragment of a longer message; hands the message to `deliver` when it is complete. A fragment that does
    /// not continue the message drops both.
    pub(crate) fn on_fragment(
        &mut self,
        payload: &[u8],
        header: &Header<'_>,
        mut deliver: impl FnMut(&[u8], &Header<'_>),
    ) {
        let _ = self.on_fragment_controlled(payload, header, |message, header| {
            deliver(message, header);
            Action::Continue
        });
    }

    /// As [`Assembly::on_fragment`]; when `deliver` aborts, the last fragment is expected again.
    pub(crate) fn on_fragment_controlled(
        &mut self,
        payload: &[u8],
        header: &Header<'_>,
        mut deliver: impl FnMut(&[u8], &Header<'_>) -> Action,
    ) -> Action {
        let (flags, next) = (header.flags(), header.next_term_offset());
        if flags.contains(DataFlags::BEGIN) {
            self.first = Some(First {
                flags,
                term_offset: header.term_offset(),
                reserved_value: header.reserved_value(),
                frame_length: header.frame_length(),
            });
            self.builder.begin(payload, next);
            return Action::Continue;
        }
        let (true, Some(first)) = (self.builder.continues_at(header.term_offset()), self.first) else {
            self.reset();
            return Action::Continue;
        };
        let length_before = self.builder.bytes().len();
        self.builder.append(payload, next);
        if !flags.contains(DataFlags::END) {
            return Action::Continue;
        }
        let assembled = first.whole(self.builder.bytes().len(), flags);
        // A handler that panics must not find the message again: it is forgotten first, and taken back on abort.
        self.builder.complete();
        let action = deliver(self.builder.bytes(), &header.with_assembled(assembled));
        if action == Action::Abort {
            self.builder.restore(length_before, header.term_offset());
        } else {
            self.reset();
        }
        action
    }

    /// Drops the message under assembly.
    pub(crate) fn reset(&mut self) {
        self.first = None;
        self.builder.reset();
    }
}

impl First {
    fn whole(self, length: usize, last_flags: DataFlags) -> AssembledHeader {
        let length = i32::try_from(length).unwrap_or(i32::MAX - DATA_HEADER_LENGTH);
        AssembledHeader {
            frame_length: length + DATA_HEADER_LENGTH,
            fragmented_frame_length: fragmented_length(
                length,
                (self.frame_length - DATA_HEADER_LENGTH).max(1),
            ),
            flags: DataFlags::new(self.flags.get() | last_flags.get()),
            term_offset: self.term_offset,
            reserved_value: self.reserved_value,
        }
    }
}
