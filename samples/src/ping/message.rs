//! What a ping carries, and how it is known again.
//!
//! ```text
//!   0               8               16                       length
//!   +---------------+---------------+---------- ... ----------+
//!   | time (nanos)  | number        | filler                  |
//!   +---------------+---------------+---------- ... ----------+
//! ```
//!
//! Both numbers are little-endian. The first number of a run is its own, so that answers to an earlier run, or from a
//! second pong, are not taken for its.

use epona_client::Nanos;

/// Length of the time and the number.
pub(super) const LEAST_LENGTH: usize = 16;

/// The buffer that messages are made in.
#[derive(Debug)]
pub(super) struct Message {
    bytes: Vec<u8>,
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// When it was sent, or should have been.
    pub(super) sent: Nanos,
    pub(super) number: u64,
}

impl Message {
    /// A message of `length` bytes, at least [`LEAST_LENGTH`].
    pub(super) fn new(length: usize) -> Self {
        Self { bytes: (0..length.max(LEAST_LENGTH)).map(|index| index as u8).collect() }
    }

    /// The message with a stamp.
    #[inline]
    pub(super) fn stamped(&mut self, stamp: Stamp) -> &[u8] {
        self.bytes[..8].copy_from_slice(&stamp.sent.get().to_le_bytes());
        self.bytes[8..LEAST_LENGTH].copy_from_slice(&stamp.number.to_le_bytes());
        &self.bytes
    }
}

/// The stamp of an answer; `None` when it is too short to carry one.
#[inline]
pub(super) fn stamp_of(answer: &[u8]) -> Option<Stamp> {
    let (sent, rest) = answer.split_first_chunk()?;
    let (number, _) = rest.split_first_chunk()?;
    Some(Stamp { sent: Nanos::new(i64::from_le_bytes(*sent)), number: u64::from_le_bytes(*number) })
}

/// Whether an answer is as long as the message was, with the same filler.
#[inline]
pub(super) fn is_intact(answer: &[u8], length: usize) -> bool {
    let filler = answer.iter().enumerate().skip(LEAST_LENGTH);
    answer.len() == length
        && filler.fold(0, |differences, (index, byte)| differences | (index as u8 ^ byte)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_back_and_every_changed_byte_is_noticed() {
        for length in [16, 17, 32, 1000] {
            let stamp = Stamp { sent: Nanos::new(-5), number: u64::MAX - 7 };
            let mut answer = Message::new(length).stamped(stamp).to_vec();
            assert_eq!((answer.len(), stamp_of(&answer)), (length, Some(stamp)));
            assert!(is_intact(&answer, length));
            assert!(!is_intact(&answer, length + 1));
            for index in LEAST_LENGTH..length {
                answer[index] ^= 0x40;
                assert!(!is_intact(&answer, length), "byte {index} of {length}");
                answer[index] ^= 0x40;
            }
        }
    }

    #[test]
    fn an_answer_too_short_for_a_stamp_has_none() {
        for length in 0..LEAST_LENGTH {
            assert_eq!(stamp_of(&vec![1; length]), None);
        }
    }
}
