use std::thread;

use epona_protocol::{
    broadcast::{CopyReceiver, ReceiveError, TRAILER_LENGTH, Transmitter},
    memory::AtomicView,
};

use super::{bytes, random, rounds};

const MESSAGES: usize = 5_000;

/// Receives until the last message: each is whole, in order, and missing ones are known to be.
fn receive(mut receiver: CopyReceiver, messages: &[Vec<u8>]) {
    let (mut next, mut is_lapped) = (1, false);
    while next < messages.len() {
        let mut last = None;
        match receiver.receive(|id, payload| last = Some((id as usize, payload.to_vec()))) {
            Ok(0) => thread::yield_now(),
            Ok(_) => {
                let (index, payload) = last.unwrap();
                assert!(index == next || (is_lapped && index > next), "{index} instead of {next}");
                assert!(payload == messages[index], "message {index} is not what was sent");
                (next, is_lapped) = (index + 1, false);
            }
            Err(error) => {
                assert_eq!(error, ReceiveError::Lapped);
                is_lapped = true;
            }
        }
    }
}

#[test]
fn receivers_get_whole_messages_in_order_or_learn_that_they_were_lapped() {
    rounds("broadcast", |seed| {
        let mut chance = random(seed, 0);
        let view = AtomicView::allocate((1 << chance.usize(7..13)) + TRAILER_LENGTH);
        let mut transmitter = Transmitter::new(view.clone()).unwrap();
        let longest = transmitter.max_message_length();
        // Message ids are positive: the first is never looked for.
        let messages: Vec<_> = (0..=MESSAGES).map(|_| bytes(&mut chance, longest)).collect();
        thread::scope(|scope| {
            for _ in 0..chance.usize(1..4) {
                let receiver = CopyReceiver::new(view.clone()).unwrap();
                let messages = &messages[..];
                scope.spawn(move || receive(receiver, messages));
            }
            for (id, message) in messages.iter().enumerate().skip(1) {
                transmitter.transmit(id as i32, message).unwrap();
                if chance.u8(..8) == 0 {
                    thread::yield_now();
                }
            }
        });
    });
}
