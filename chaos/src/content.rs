//! What messages hold, and the check that they arrive whole, once and in order.
//!
//! ```text
//!  0        4        12          20      28
//!  | flow   | origin | sequence  | hash  | body, which follows from the first three ...
//!  | u32    | u64    | u64       | u64   |
//! ```

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

const HEADER_LENGTH: usize = 28;

/// Longest body, bytes: several fragments.
const MAX_BODY: usize = 6000;

/// The message with that number in its stream, into `buffer`.
pub(crate) fn write(flow: u32, origin: u64, sequence: u64, buffer: &mut Vec<u8>) {
    let mut random = fastrand::Rng::with_seed(origin ^ sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    // Short ones more often.
    let length = if random.u8(..8) > 0 { random.usize(..=300) } else { random.usize(..=MAX_BODY) };
    buffer.clear();
    buffer.resize(HEADER_LENGTH + length, 0);
    random.fill(&mut buffer[HEADER_LENGTH..]);
    buffer[0..4].copy_from_slice(&flow.to_le_bytes());
    buffer[4..12].copy_from_slice(&origin.to_le_bytes());
    buffer[12..20].copy_from_slice(&sequence.to_le_bytes());
    let hash = hash(buffer);
    buffer[20..28].copy_from_slice(&hash.to_le_bytes());
}

/// Of everything but the hash itself.
fn hash(message: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    message[..20].hash(&mut hasher);
    message[HEADER_LENGTH..].hash(&mut hasher);
    hasher.finish()
}

/// Checks all that one subscriber receives.
#[derive(Debug)]
pub(crate) struct Checker {
    flow: u32,
    /// Origin and next sequence of each image.
    images: HashMap<i64, (u64, u64)>,
    /// First sequence that each origin has not shown yet, in whichever image of the subscription.
    origins: HashMap<u64, u64>,
    /// Whole messages that were as they should be.
    pub(crate) messages: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Messages missing between two images of one origin: sent while nobody was there to receive.
    pub(crate) missed_between_images: u64,
    /// What was wrong, in words.
    pub(crate) errors: Vec<String>,
}

impl Checker {
    pub(crate) fn new(flow: u32) -> Self {
        Self {
            flow,
            images: HashMap::new(),
            origins: HashMap::new(),
            messages: 0,
            bytes: 0,
            missed_between_images: 0,
            errors: Vec::new(),
        }
    }

    /// A new subscription: it joins where the streams are, which another one may have read already, and a new driver
    /// numbers its images as the one before did.
    pub(crate) fn begin(&mut self) {
        self.images.clear();
        self.origins.clear();
    }

    /// The next message of an image.
    pub(crate) fn take(&mut self, image: i64, message: &[u8]) {
        match self.check(image, message) {
            Ok(()) => {
                self.messages += 1;
                self.bytes += message.len() as u64;
            }
            Err(error) => self.errors.push(error),
        }
    }

    fn check(&mut self, image: i64, message: &[u8]) -> Result<(), String> {
        let length = message.len();
        let (Some(flow), Some(origin), Some(sequence), Some(found)) = (
            number::<4>(message, 0),
            number::<8>(message, 4),
            number::<8>(message, 12),
            number::<8>(message, 20),
        ) else {
            return Err(format!("image {image}: a message of {length} bytes"));
        };
        if found != hash(message) {
            return Err(format!("image {image}: message {sequence} of {length} bytes is garbled"));
        }
        if flow != u64::from(self.flow) {
            return Err(format!("image {image}: a message of flow {flow} in flow {}", self.flow));
        }
        let seen = self.origins.entry(origin).or_insert(0);
        match self.images.insert(image, (origin, sequence + 1)) {
            // A shared log outlives the publisher that was killed, and the next one appends to it, from its beginning.
            Some((before, _)) if before != origin && (sequence != 0 || *seen > 0) => {
                return Err(format!("image {image}: another publication begins with message {sequence}"));
            }
            Some((before, next)) if before == origin && next != sequence => {
                return Err(format!("image {image}: message {sequence} where {next} was due"));
            }
            Some(_) => {}
            None if sequence < *seen => {
                return Err(format!("image {image}: message {sequence} again, {seen} was due"));
            }
            None if *seen > 0 => self.missed_between_images += sequence - *seen,
            None => {}
        }
        *seen = sequence + 1;
        Ok(())
    }

    /// An image has gone for good.
    pub(crate) fn forget(&mut self, is_there: impl Fn(i64) -> bool) {
        self.images.retain(|&image, _| is_there(image));
    }
}

fn number<const N: usize>(message: &[u8], at: usize) -> Option<u64> {
    let mut bytes = [0; 8];
    bytes[..N].copy_from_slice(message.get(at..at + N)?);
    Some(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(origin: u64, sequence: u64) -> Vec<u8> {
        let mut buffer = Vec::new();
        write(7, origin, sequence, &mut buffer);
        buffer
    }

    #[test]
    fn messages_in_order_are_right_and_a_new_image_may_begin_later() {
        let mut checker = Checker::new(7);
        for (image, sequence) in [(1, 5), (1, 6), (2, 9), (2, 10)] {
            checker.take(image, &message(3, sequence));
        }
        assert_eq!(checker.errors, Vec::<String>::new());
        assert_eq!((checker.messages, checker.missed_between_images), (4, 2));
    }

    #[test]
    fn a_new_subscription_may_begin_anywhere_and_its_images_have_any_number() {
        let mut checker = Checker::new(7);
        checker.take(1, &message(3, 5));
        checker.begin();
        checker.take(2, &message(3, 4));
        checker.begin();
        checker.take(2, &message(4, 0));
        assert_eq!(checker.errors, Vec::<String>::new());
    }

    #[test]
    fn another_publication_may_go_on_in_a_shared_log_and_the_first_one_is_over_then() {
        let mut checker = Checker::new(7);
        for (origin, sequence) in [(3, 5), (4, 0), (4, 1)] {
            checker.take(1, &message(origin, sequence));
        }
        assert_eq!(checker.errors, Vec::<String>::new());
        checker.take(1, &message(3, 6));
        assert_eq!(checker.errors.len(), 1);
    }

    #[test]
    fn what_is_lost_repeated_garbled_short_or_of_another_stream_is_an_error() {
        let mut garbled = message(3, 1);
        let last = garbled.len() - 1;
        garbled[last] ^= 1;
        let mut foreign = Vec::new();
        write(8, 3, 1, &mut foreign);
        for (what, image, second) in [
            ("lost", 1, message(3, 2)),
            ("repeated", 1, message(3, 0)),
            ("repeated in a new image", 2, message(3, 0)),
            ("garbled", 1, garbled),
            ("short", 1, message(3, 1)[..20].to_vec()),
            ("missing at the beginning of another publication", 1, message(4, 1)),
            ("of another flow", 1, foreign),
        ] {
            let mut checker = Checker::new(7);
            checker.take(1, &message(3, 0));
            checker.take(image, &second);
            assert_eq!((checker.errors.len(), checker.messages), (1, 1), "{what}");
        }
    }
}
