//! Messages out of blocks of frames, as an application takes them apart that polls for blocks.

use std::collections::BTreeMap;

use epona_protocol::{
    frame::{DataFlags, data::DataView},
    types::{DATA_HEADER_LENGTH, Position, SessionId, TermGeometry, align_frame},
};

use crate::{Violation, applications::arrival::Arrival, ensure, violation};

/// The messages of which not all has come yet, by session.
#[derive(Default)]
pub(super) struct BlockReader {
    begun: BTreeMap<SessionId, Begun>,
}

struct Begun {
    /// Where its next fragment starts.
    next: Position,
    arrival: Arrival,
}

impl BlockReader {
    /// Takes a block of a stream with such terms, which must be whole frames; hands over each message that is whole with it.
    pub(super) fn on_block(
        &mut self,
        mut bytes: &[u8],
        geometry: TermGeometry,
        mut deliver: impl FnMut(Arrival),
    ) -> Result<(), Violation> {
        while !bytes.is_empty() {
            let frame =
                DataView::new(bytes).map_err(|error| violation!("a block ends in no frame: {error}"))?;
            let length = align_frame(frame.frame_length());
            ensure!(
                (DATA_HEADER_LENGTH as usize..=bytes.len()).contains(&(length as usize)),
                "a block of {} bytes more begins with a frame of {length}",
                bytes.len()
            );
            bytes = &bytes[length as usize..];
            if !frame.is_padding() {
                let start = geometry.position(frame.term_id(), frame.term_offset());
                self.on_frame(&frame, (start, start + i64::from(length))).map(&mut deliver);
            }
        }
        Ok(())
    }

    /// Takes a frame; the message that ends with it.
    fn on_frame(&mut self, frame: &DataView<'_>, (start, end): (Position, Position)) -> Option<Arrival> {
        let session = frame.session_id();
        let begun = if frame.flags().contains(DataFlags::BEGIN) {
            self.begun.remove(&session);
            Some(Begun {
                next: start,
                arrival: Arrival {
                    session,
                    stream: frame.stream_id(),
                    position: start,
                    reserved: frame.reserved_value(),
                    payload: Vec::new(),
                },
            })
        } else {
            self.begun.remove(&session)
        };
        // What does not go on where the message was has lost something.
        let Begun { mut arrival, .. } = begun.filter(|begun| begun.next == start)?;
        arrival.payload.extend_from_slice(frame.payload());
        arrival.position = end;
        if frame.flags().contains(DataFlags::END) {
            return Some(arrival);
        }
        self.begun.insert(session, Begun { next: end, arrival });
        None
    }
}
