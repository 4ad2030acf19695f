//! What messages hold, and the check that they arrive whole, once and in order.

/// Every byte of a message that carries nothing else.
const FILL: u8 = 0x5a;

/// A message without a number yet.
pub(super) fn message(length: usize) -> Vec<u8> {
    vec![FILL; length]
}

/// Writes the number of the message in its stream (or whatever else its first eight bytes are to carry).
#[inline]
pub(super) fn stamp(message: &mut [u8], number: u64) {
    if let Some(start) = message.first_chunk_mut() {
        *start = number.to_le_bytes();
    }
}

/// The number of the message.
#[inline]
pub(super) fn number(message: &[u8]) -> u64 {
    message.first_chunk().map_or(u64::MAX, |start| u64::from_le_bytes(*start))
}

/// Checks the messages of one stream fragment by fragment, without putting them together.
#[derive(Clone, Debug)]
pub(super) struct Checker {
    length: usize,
    expected: u64,
    offset: usize,
    /// Whole messages taken.
    pub(super) messages: u64,
    /// Messages with a wrong number, length or end.
    pub(super) wrong: u64,
}

impl Checker {
    /// For messages of `length` bytes, numbered from zero.
    pub(super) fn new(length: usize) -> Self {
        Self { length, expected: 0, offset: 0, messages: 0, wrong: 0 }
    }

    /// The next fragment. What a right one costs is part of what is measured: it is compared, and nothing else.
    #[inline]
    pub(super) fn take(&mut self, fragment: &[u8]) {
        if self.offset == 0 {
            let number = number(fragment);
            if number != self.expected {
                self.on_wrong();
            }
            self.expected = number.wrapping_add(1);
        }
        self.offset += fragment.len();
        if self.offset >= self.length {
            if self.offset != self.length || fragment.last() != Some(&FILL) {
                self.on_wrong();
            }
            self.offset = 0;
            self.messages += 1;
        }
    }

    #[cold]
    fn on_wrong(&mut self) {
        self.wrong += 1;
    }

    /// The fault, if any message was not as it should be.
    pub(super) fn verdict(&self) -> super::Result<()> {
        match self.wrong {
            0 => Ok(()),
            wrong => Err(format!("{wrong} of {} messages lost, repeated or garbled", self.messages)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(number: u64) -> Vec<u8> {
        let mut message = message(32);
        stamp(&mut message, number);
        message
    }

    #[test]
    fn messages_in_order_are_right_in_fragments_of_any_size() {
        let mut checker = Checker::new(32);
        for number in 0..10 {
            for fragment in numbered(number).chunks(24) {
                checker.take(fragment);
            }
        }
        assert_eq!((checker.messages, checker.wrong), (10, 0));
    }

    #[test]
    fn a_message_that_is_missing_repeated_short_or_garbled_is_told() {
        for (what, second) in [
            ("missing", numbered(2)),
            ("repeated", numbered(0)),
            ("long", [numbered(1), vec![FILL]].concat()),
            ("garbled", [&numbered(1)[..31], &[0]].concat()),
        ] {
            let mut checker = Checker::new(32);
            checker.take(&numbered(0));
            checker.take(&second);
            assert!(checker.verdict().is_err(), "{what}");
        }
    }
}
