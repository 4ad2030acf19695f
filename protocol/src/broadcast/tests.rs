//! Behaviour of broadcast buffers through their public interface.

use proptest::prelude::*;

use super::*;
use crate::memory::AtomicView;

const CAPACITY: usize = 1024;

fn region(capacity: usize) -> AtomicView {
    AtomicView::allocate(capacity + TRAILER_LENGTH)
}

fn pair(capacity: usize) -> (AtomicView, Transmitter, CopyReceiver) {
    let view = region(capacity);
    (view.clone(), Transmitter::new(view.clone()).unwrap(), CopyReceiver::new(view).unwrap())
}

/// Places all counters of the trailer at a position, as after a long run.
fn place(view: &AtomicView, capacity: usize, position: i64) {
    for field in [0, 8, 16] {
        view.put_i64(capacity + field, position);
    }
}

fn receive(receiver: &mut CopyReceiver) -> Result<Option<(i32, Vec<u8>)>, ReceiveError> {
    let mut message = None;
    let count = receiver.receive(|msg_type_id, payload| message = Some((msg_type_id, payload.to_vec())))?;
    assert_eq!(count, usize::from(message.is_some()));
    Ok(message)
}

#[test]
fn bytes_are_those_of_the_reference() {
    // Shared-memory spec 14.6: ON_COUNTER_READY(5, 46), ON_SUBSCRIPTION_READY(9, 53).
    let (view, mut transmitter, _) = pair(CAPACITY);
    transmitter.transmit(0x0f08, &[5, 0, 0, 0, 0, 0, 0, 0, 46, 0, 0, 0]).unwrap();
    transmitter.transmit(0x0f07, &[9, 0, 0, 0, 0, 0, 0, 0, 53, 0, 0, 0]).unwrap();
    let mut expected = vec![0; CAPACITY + TRAILER_LENGTH];
    expected[..20].copy_from_slice(&[0x14, 0, 0, 0, 8, 0x0f, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 46, 0, 0, 0]);
    expected[24..44].copy_from_slice(&[0x14, 0, 0, 0, 7, 0x0f, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 53, 0, 0, 0]);
    expected[0x400] = 48;
    expected[0x408] = 48;
    expected[0x410] = 24;
    assert_eq!(view.to_vec(0, view.len()), expected);
}

#[test]
fn every_receiver_gets_every_message() {
    let (view, mut transmitter, mut first) = pair(CAPACITY);
    let mut second = CopyReceiver::new(view).unwrap();
    assert_eq!(receive(&mut first), Ok(None));
    transmitter.transmit(1, b"one").unwrap();
    transmitter.transmit(2, b"").unwrap();
    for receiver in [&mut first, &mut second] {
        assert_eq!(receive(receiver), Ok(Some((1, b"one".to_vec()))));
        assert_eq!(receive(receiver), Ok(Some((2, vec![]))));
        assert_eq!(receive(receiver), Ok(None));
    }
}

#[test]
fn a_new_receiver_starts_with_the_latest_message() {
    let (view, mut transmitter, _) = pair(CAPACITY);
    transmitter.transmit(1, b"old").unwrap();
    transmitter.transmit(2, b"latest").unwrap();
    let mut receiver = CopyReceiver::new(view).unwrap();
    assert_eq!(receive(&mut receiver), Ok(Some((2, b"latest".to_vec()))));
    assert_eq!(receive(&mut receiver), Ok(None));
}

#[test]
fn a_message_that_does_not_fit_before_the_end_goes_to_the_start() {
    let (view, mut transmitter, _) = pair(128);
    place(&view, 128, 120);
    let mut receiver = CopyReceiver::new(view.clone()).unwrap();
    transmitter.transmit(5, &[1; 16]).unwrap();
    assert_eq!((view.get_i32(120), view.get_i32(124)), (8, PADDING_MSG_TYPE_ID));
    assert_eq!((view.get_i64(128), view.get_i64(136), view.get_i64(144)), (152, 152, 128));
    assert_eq!(receive(&mut receiver), Ok(Some((5, vec![1; 16]))));
    assert_eq!(receive(&mut receiver), Ok(None));
}

#[test]
fn messages_that_can_never_be_sent_are_refused() {
    let (view, mut transmitter, _) = pair(CAPACITY);
    assert_eq!(transmitter.transmit(1, &[0; 129]), Err(TransmitError::TooLong { length: 129, max: 128 }));
    assert_eq!(transmitter.transmit(0, b""), Err(TransmitError::InvalidTypeId(0)));
    assert_eq!(view.to_vec(0, view.len()), vec![0; view.len()]);
    assert!(transmitter.transmit(1, &[0; 128]).is_ok());
}

#[test]
fn only_powers_of_two_are_capacities() {
    for length in [0, 127, 128, TRAILER_LENGTH + 24] {
        let view = AtomicView::allocate(length);
        assert_eq!(Transmitter::new(view.clone()).unwrap_err(), CapacityError { length });
        assert!(CopyReceiver::new(view).is_err());
    }
}

#[test]
fn a_receiver_that_falls_a_buffer_behind_is_told_and_goes_on_with_the_latest() {
    let (_, mut transmitter, mut receiver) = pair(64);
    for id in 1..=3 {
        transmitter.transmit(id, &[0; 8]).unwrap();
    }
    assert_eq!(receive(&mut receiver).unwrap().unwrap().0, 1);
    for id in 4..=6 {
        transmitter.transmit(id, &[0; 8]).unwrap();
    }
    assert_eq!(receive(&mut receiver), Err(ReceiveError::Lapped));
    assert_eq!(receiver.lapped_count(), 1);
    assert_eq!(receive(&mut receiver).unwrap().unwrap().0, 6);
    assert_eq!(receive(&mut receiver), Ok(None));
}

#[test]
fn a_message_overwritten_while_it_is_copied_is_thrown_away() {
    let (view, mut transmitter, _) = pair(64);
    let mut receiver = Receiver::new(view).unwrap();
    transmitter.transmit(1, &[1; 8]).unwrap();
    let record = receiver.receive_next().unwrap().unwrap();
    assert_eq!((record.msg_type_id, record.length), (1, 8));
    for _ in 0..4 {
        transmitter.transmit(2, &[2; 8]).unwrap();
    }
    let mut copy = [0; 8];
    receiver.copy_payload(&record, &mut copy);
    assert_eq!(receiver.validate(&record), Err(ReceiveError::Lapped));
    assert_eq!(receiver.lapped_count(), 1);
}

#[test]
fn records_that_make_no_sense_are_reported_and_skipped() {
    for length in [0, -8, 7, 65, i32::MAX, 8 + 9] {
        let (view, mut transmitter, mut receiver) = pair(64);
        transmitter.transmit(1, &[1; 8]).unwrap();
        view.put_i32(0, length);
        assert_eq!(receive(&mut receiver), Err(ReceiveError::Corrupt { index: 0, length }));
        transmitter.transmit(2, b"x").unwrap();
        assert_eq!(receive(&mut receiver), Ok(Some((2, b"x".to_vec()))));
    }
}

#[test]
fn a_threaded_receiver_never_sees_a_torn_message() {
    const MESSAGES: u32 = 20_000;
    let (_, mut transmitter, mut receiver) = pair(512);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for sequence in 1..=MESSAGES {
                let length = 1 + sequence as usize % 16;
                transmitter.transmit(sequence as i32, &[sequence as u8; 16][..length]).unwrap();
                if sequence % 8 == 0 {
                    std::thread::yield_now();
                }
            }
        });
        let mut last = 0;
        while last < MESSAGES {
            match receive(&mut receiver) {
                Ok(None) => std::thread::yield_now(),
                Ok(Some((id, payload))) => {
                    let sequence = id as u32;
                    assert!(sequence > last);
                    last = sequence;
                    assert_eq!(payload, &[sequence as u8; 16][..1 + sequence as usize % 16]);
                }
                Err(error) => assert_eq!(error, ReceiveError::Lapped),
            }
        }
    });
}

proptest! {
    #[test]
    fn receivers_see_all_messages_in_order_or_learn_of_their_loss(
        start in 0..32_i64,
        steps in prop::collection::vec((any::<bool>(), 0..=32_usize), 1..200),
    ) {
        let (view, mut transmitter, _) = pair(256);
        place(&view, 256, start * 8);
        let mut receiver = CopyReceiver::new(view).unwrap();
        let (mut sent, mut next) = (Vec::new(), 0);
        for (send, length) in steps {
            if send {
                let id = sent.len() as i32 + 1;
                transmitter.transmit(id, &vec![id as u8; length]).unwrap();
                sent.push((id, vec![id as u8; length]));
                continue;
            }
            match receive(&mut receiver) {
                Ok(None) => prop_assert_eq!(next, sent.len()),
                Ok(Some(message)) => {
                    prop_assert_eq!(&message, &sent[next]);
                    next += 1;
                }
                Err(error) => {
                    prop_assert_eq!(error, ReceiveError::Lapped);
                    let behind: usize = sent[next..].iter().map(|(_, payload)| payload.len() + 8 + 7).sum();
                    prop_assert!(behind + 40 > 256, "lapped only a buffer behind");
                    next = sent.len() - 1;
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_any_verb_panic_or_hang(
        bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(0xff), any::<u8>()], 128),
        positions in prop::array::uniform3(prop_oneof![any::<i64>(), -64..512_i64]),
    ) {
        let (view, mut transmitter, mut early) = pair(128);
        view.write(0, &bytes);
        for (field, position) in positions.into_iter().enumerate() {
            view.put_i64(128 + 8 * field, position);
        }
        let mut late = CopyReceiver::new(view).unwrap();
        for _ in 0..4 {
            let _ = early.receive(|_, payload| assert!(payload.len() <= 16));
            let _ = late.receive(|_, payload| assert!(payload.len() <= 16));
        }
        transmitter.transmit(1, &[1; 16]).unwrap();
        let _ = early.receive(|_, _| {});
        let _ = late.receive(|_, _| {});
    }
}
