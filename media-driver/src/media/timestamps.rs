//! The time of day, written into frames as they pass a socket, where a channel asks for it.
//!
//! ```text
//!   a frame:  | header, 24 bytes | reserved value, 8 | payload ...                |
//!                                  ^ reserved          ^ offset n: bytes n .. n + 8
//! ```
//!
//! Nanoseconds since 1970-01-01 UTC, little-endian, in every DATA frame that begins a message and has room for it; padding,
//! heartbeats and further fragments stay as they are. What is sent is stamped in the term itself, so what is sent again
//! tells when that was. Source: wire spec 11.2, 15.4; driver spec 5.2, 14.3.

use epona_protocol::{
    frame::DataFlags,
    memory::AtomicView,
    types::{DATA_HEADER_LENGTH, FRAME_ALIGNMENT, Nanos},
    uri::TimestampOffset,
};

use super::udp_channel::TimestampOffsets;
use crate::clock;

/// Length of a timestamp, in bytes.
const LENGTH: usize = 8;
/// Where a frame's reserved value is, in bytes. Source: wire spec 1.2.
const RESERVED_VALUE: usize = 24;
/// Type of a frame with data. Source: wire spec 1.1.
const DATA: u16 = 1;

/// What tells the time of day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeOfDay {
    /// The system's clock: stamps tell when a datagram passed, not when the turn began.
    System,
    /// The time of the turn, for networks whose time is not the system's.
    Turn,
}

impl TimeOfDay {
    /// In nanoseconds, during a turn that began at `now`.
    fn read(self, now: Nanos) -> i64 {
        match self {
            Self::System => clock::epoch_nanos(),
            Self::Turn => now.get(),
        }
    }
}

/// Stamps what a publication's channel sends.
#[derive(Clone, Copy, Debug)]
pub struct SendTimestamps {
    offset: TimestampOffset,
    time_of_day: TimeOfDay,
}

impl SendTimestamps {
    /// None when the channel does not ask for them.
    #[must_use]
    pub fn new(offsets: TimestampOffsets, time_of_day: TimeOfDay) -> Option<Self> {
        offsets.channel_send.map(|offset| Self { offset, time_of_day })
    }

    /// Writes one time into the frames of a range of a term, which begins and ends with frames.
    pub fn stamp(&self, term: &AtomicView, start: usize, length: usize, now: Nanos) {
        let time = self.time_of_day.read(now).to_le_bytes();
        let end = start.saturating_add(length).min(term.len());
        let mut at = start;
        while at + DATA_HEADER_LENGTH as usize <= end {
            let frame = FirstBytes {
                length: term.get_i32(at),
                flags: term.get_u8(at + 5),
                type_id: term.get_u16(at + 6),
            };
            if let Some(place) = frame.place_of(self.offset)
                && at + place + LENGTH <= end
            {
                term.write(at + place, &time);
            }
            let Some(next) = frame.next(at) else { return };
            at = next;
        }
    }
}

/// Stamps what a subscription's channel receives.
#[derive(Debug)]
pub struct ReceiveTimestamps {
    media: Option<TimestampOffset>,
    channel: Option<TimestampOffset>,
    time_of_day: TimeOfDay,
    /// What arrived may only be read; here it is changed.
    datagram: Vec<u8>,
}

impl ReceiveTimestamps {
    /// None when the channel does not ask for them.
    #[must_use]
    pub fn new(offsets: TimestampOffsets, time_of_day: TimeOfDay) -> Option<Self> {
        let TimestampOffsets { media_receive: media, channel_receive: channel, .. } = offsets;
        let room = usize::from(u16::MAX);
        let is_wanted = media.is_some() || channel.is_some();
        is_wanted.then(|| Self { media, channel, time_of_day, datagram: Vec::with_capacity(room) })
    }

    /// The datagram with its times; `media_time` is that of the network card or kernel, when it gave one.
    pub fn stamp(&mut self, datagram: &[u8], media_time: Option<i64>, now: Nanos) -> &[u8] {
        self.datagram.clear();
        self.datagram.extend_from_slice(datagram);
        let channel_time = self.channel.is_some().then(|| self.time_of_day.read(now));
        for (offset, time) in [(self.media, media_time), (self.channel, channel_time)] {
            if let (Some(offset), Some(time)) = (offset, time) {
                stamp(&mut self.datagram, offset, time);
            }
        }
        &self.datagram
    }
}

fn stamp(datagram: &mut [u8], offset: TimestampOffset, time: i64) {
    let mut at = 0;
    while let Some(frame) = datagram.get(at..).and_then(FirstBytes::read) {
        if let Some(place) = frame.place_of(offset)
            && let Some(bytes) = datagram.get_mut(at + place..at + place + LENGTH)
        {
            bytes.copy_from_slice(&time.to_le_bytes());
        }
        let Some(next) = frame.next(at) else { return };
        at = next;
    }
}

/// What the first eight bytes of a frame tell.
struct FirstBytes {
    length: i32,
    flags: u8,
    type_id: u16,
}

impl FirstBytes {
    fn read(frame: &[u8]) -> Option<Self> {
        let [a, b, c, d, _, flags, low, high] = *frame.first_chunk()?;
        let (length, type_id) = (i32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([low, high]));
        Some(Self { length, flags, type_id })
    }

    /// Where in the frame a timestamp goes; none when it is no frame for one, or has no room.
    fn place_of(&self, offset: TimestampOffset) -> Option<usize> {
        let is_beginning = DataFlags::new(self.flags).contains(DataFlags::BEGIN);
        let length = usize::try_from(self.length).ok()?;
        if self.type_id != DATA || !is_beginning || length < DATA_HEADER_LENGTH as usize {
            return None;
        }
        match offset {
            TimestampOffset::ReservedValue => Some(RESERVED_VALUE),
            TimestampOffset::Payload(offset) => {
                let place = usize::try_from(offset).ok()? + DATA_HEADER_LENGTH as usize;
                (place + LENGTH <= length).then_some(place)
            }
        }
    }

    /// Where the next frame begins; none after a length that cannot be.
    fn next(&self, at: usize) -> Option<usize> {
        let length =
            usize::try_from(self.length).ok().filter(|&length| length >= DATA_HEADER_LENGTH as usize)?;
        at.checked_add(length.next_multiple_of(FRAME_ALIGNMENT as usize))
    }
}

#[cfg(test)]
mod tests;
