//! Messages to send and to check, and ports to send them to.

use std::cell::Cell;

use epona_client::{FragmentAssembler, Header, OfferError, Publication, Subscription};

use crate::process::until;

/// Bytes that tell one message from the next.
pub(crate) fn message(number: usize, length: usize) -> Vec<u8> {
    (0..length).map(|i| (number * 31 + i) as u8).collect()
}

/// Offers until taken.
#[track_caller]
pub(crate) fn offer(publication: &Publication, message: &[u8]) {
    until("the offer is taken", || match publication.offer(message) {
        Ok(_) => Some(()),
        Err(OfferError::NotConnected | OfferError::BackPressured | OfferError::AdminAction) => None,
        Err(error) => panic!("offer: {error}"),
    });
}

/// Sends and receives alternately, so that one thread is enough; checks every byte.
#[track_caller]
pub(crate) fn exchange(publication: &Publication, subscription: &mut Subscription, messages: usize) {
    const LENGTHS: [usize; 5] = [0, 1, 100, 1377, 8192];
    let length = |number: usize| LENGTHS[number % LENGTHS.len()];
    let received = Cell::new(0);
    let mut assembler = FragmentAssembler::new(|payload: &[u8], _: &Header<'_>| {
        let number = received.get();
        assert_eq!(payload, message(number, length(number)), "message {number}");
        received.set(number + 1);
    });
    let mut sent = 0;
    until("all messages exchanged", || {
        if sent < messages {
            match publication.offer(&message(sent, length(sent))) {
                Ok(_) => sent += 1,
                Err(error) if error.is_temporary() => {}
                Err(error) => panic!("offer {sent}: {error}"),
            }
        }
        subscription.poll(|fragment, header| assembler.on_fragment(fragment, header), 10);
        (received.get() == messages).then_some(())
    });
}

/// A port of the test's own.
pub(crate) fn free_port() -> u16 {
    crate::ports::free_port().unwrap()
}
