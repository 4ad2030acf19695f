//! Behaviour of ring buffers through their public interface.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::{memory::AtomicView, types::EpochMillis};

const CAPACITY: usize = 1024;
const TAIL: usize = 128;
const HEAD_CACHE: usize = 256;
const HEAD: usize = 384;

fn region(capacity: usize) -> AtomicView {
    AtomicView::allocate(capacity + TRAILER_LENGTH)
}

fn pair(capacity: usize) -> (AtomicView, mpsc::Producer, Consumer) {
    let view = region(capacity);
    (view.clone(), mpsc::Producer::new(view.clone()).unwrap(), Consumer::new(view).unwrap())
}

/// Places head, head cache and tail, as after a long run.
fn place(view: &AtomicView, capacity: usize, head: i64, tail: i64) {
    view.put_i64(capacity + HEAD, head);
    view.put_i64(capacity + HEAD_CACHE, head);
    view.put_i64(capacity + TAIL, tail);
}

fn read_all(consumer: &mut Consumer) -> Vec<(i32, Vec<u8>)> {
    let mut messages = Vec::new();
    // Twice: one read ends at the physical end of the buffer.
    for _ in 0..2 {
        consumer.read(usize::MAX, |msg_type_id, payload| messages.push((msg_type_id, payload.to_vec())));
    }
    messages
}

#[test]
fn bytes_are_those_of_the_reference() {
    // Shared-memory spec 14.3: ADD_PUBLICATION and CLIENT_CLOSE, three ids drawn, one heartbeat.
    let (view, producer, consumer) = pair(CAPACITY);
    let ids = [0; 3].map(|_| producer.next_correlation_id().get());
    assert_eq!(ids, [0, 1, 2]);
    let mut add_publication = Vec::new();
    add_publication.extend(1_i64.to_le_bytes());
    add_publication.extend(2_i64.to_le_bytes());
    add_publication.extend(1001_i32.to_le_bytes());
    add_publication.extend(9_i32.to_le_bytes());
    add_publication.extend(b"aeron:ipc");
    producer.write(1, &add_publication).unwrap();
    let mut claim = producer.try_claim(0x0b, 16).unwrap();
    claim.write(0, &1_i64.to_le_bytes());
    claim.write(8, &(-1_i64).to_le_bytes());
    assert!(claim.commit());
    consumer.set_heartbeat(EpochMillis::new(1_700_000_000_123));

    let mut expected = vec![0; CAPACITY + TRAILER_LENGTH];
    expected[..8].copy_from_slice(&[0x29, 0, 0, 0, 1, 0, 0, 0]);
    expected[8..41].copy_from_slice(&add_publication);
    expected[0x30..0x38].copy_from_slice(&[0x18, 0, 0, 0, 0x0b, 0, 0, 0]);
    expected[0x38..0x40].copy_from_slice(&1_i64.to_le_bytes());
    expected[0x40..0x48].copy_from_slice(&[0xff; 8]);
    expected[0x480] = 0x48;
    expected[0x600] = 3;
    expected[0x680..0x688].copy_from_slice(&[0x7b, 0x68, 0xe5, 0xcf, 0x8b, 1, 0, 0]);
    assert_eq!(view.to_vec(0, view.len()), expected);
    assert_eq!(producer.consumer_heartbeat(), EpochMillis::new(1_700_000_000_123));
    assert_eq!((producer.size(), consumer.size()), (72, 72));
}

#[test]
fn consumed_space_is_zero_again() {
    let (view, producer, mut consumer) = pair(CAPACITY);
    producer.write(7, b"hello").unwrap();
    assert_eq!(read_all(&mut consumer), [(7, b"hello".to_vec())]);
    assert_eq!(view.to_vec(0, CAPACITY), [0; CAPACITY]);
    assert_eq!((consumer.size(), consumer.consumer_position(), consumer.producer_position()), (0, 16, 16));
}

#[test]
fn only_powers_of_two_are_capacities() {
    for length in [0, 767, 768, TRAILER_LENGTH + 4, TRAILER_LENGTH + 24, 1023] {
        assert_eq!(mpsc::Producer::new(AtomicView::allocate(length)).unwrap_err(), CapacityError { length });
        assert!(Consumer::new(AtomicView::allocate(length)).is_err());
        assert!(spsc::Producer::new(AtomicView::allocate(length)).is_err());
    }
    assert_eq!(pair(MIN_CAPACITY).1.max_message_length(), 0);
    assert_eq!(pair(CAPACITY).1.max_message_length(), 128);
}

#[test]
fn messages_that_can_never_be_written_are_refused() {
    let (view, producer, _) = pair(CAPACITY);
    assert_eq!(producer.write(1, &[0; 129]), Err(WriteError::TooLong { length: 129, max: 128 }));
    assert_eq!(producer.write(0, b""), Err(WriteError::InvalidTypeId(0)));
    assert_eq!(producer.try_claim(-1, 8).unwrap_err(), WriteError::InvalidTypeId(-1));
    assert_eq!(view.to_vec(0, view.len()), vec![0; view.len()]);
    assert!(producer.write(1, &[0; 128]).is_ok());
}

#[test]
fn a_full_buffer_takes_messages_again_once_read() {
    let (_, producer, mut consumer) = pair(64);
    for _ in 0..4 {
        producer.write(1, &[9; 8]).unwrap();
    }
    assert_eq!(producer.write(1, &[9; 8]), Err(WriteError::Full));
    assert_eq!(consumer.read(1, |_, _| {}), 1);
    assert_eq!(producer.write(2, &[9; 8]), Ok(()));
    assert_eq!(producer.write(2, b""), Err(WriteError::Full));
}

#[test]
fn a_record_wraps_only_when_all_of_it_fits_at_the_start() {
    let (view, producer, mut consumer) = pair(64);
    place(&view, 64, 56, 56);
    producer.write(1, &[7; 8]).unwrap();
    assert_eq!((view.get_i32(56), view.get_i32(60)), (8, PADDING_MSG_TYPE_ID));
    assert_eq!(view.get_i32(0), 16);
    assert_eq!(consumer.read(10, |_, _| {}), 0, "a read ends at the physical end");
    assert_eq!(consumer.read(10, |_, _| {}), 1);

    for (head, fits) in [(64 + 8, false), (64 + 16, true)] {
        let (view, producer, _) = pair(64);
        place(&view, 64, head, 120);
        assert_eq!(producer.write(1, &[7; 8]).is_ok(), fits);
        assert_eq!(view.get_i64(64 + TAIL), if fits { 144 } else { 120 });
        assert_eq!(view.get_i32(56) != 0, fits, "a refused write leaves nothing behind");
    }
}

#[test]
fn a_stale_head_cache_is_refreshed_before_giving_up() {
    let (view, producer, _) = pair(64);
    place(&view, 64, 0, 64);
    view.put_i64(64 + HEAD, 16);
    assert_eq!(producer.write(1, &[1; 8]), Ok(()));
    assert_eq!(view.get_i64(64 + HEAD_CACHE), 16);
}

#[test]
fn padding_without_a_message_behind_it_is_skipped() {
    // What a Java producer leaves when its wrapped record does not fit at the start: shared-memory spec 3.3.
    let (view, producer, mut consumer) = pair(64);
    place(&view, 64, 48, 64);
    view.put_i32(52, PADDING_MSG_TYPE_ID);
    view.put_i32_release(48, 16);
    assert_eq!(consumer.read(10, |_, _| panic!("padding is no message")), 0);
    assert_eq!((consumer.consumer_position(), view.get_i32(48)), (64, 0));
    producer.write(3, b"x").unwrap();
    assert_eq!(read_all(&mut consumer), [(3, b"x".to_vec())]);
}

#[test]
fn an_uncommitted_claim_stops_the_reader_and_an_aborted_one_is_skipped() {
    let (_, producer, mut consumer) = pair(CAPACITY);
    let claim = producer.try_claim(1, 4).unwrap();
    assert_eq!(claim.length(), 4);
    producer.write(2, b"after").unwrap();
    assert_eq!(read_all(&mut consumer), []);
    assert!(claim.abort());
    drop(producer.try_claim(3, 0).unwrap());
    assert_eq!(read_all(&mut consumer), [(2, b"after".to_vec())]);
    assert_eq!(consumer.size(), 0);
}

#[test]
#[should_panic(expected = "reach outside a claim")]
fn writing_past_a_claim_panics() {
    let (_, producer, _) = pair(CAPACITY);
    producer.try_claim(1, 4).unwrap().write(2, &[0; 3]);
}

#[test]
fn the_handler_decides_what_becomes_of_a_message() {
    use ReadAction::{Abort, Break, Commit, Continue};
    let run = |actions: &[ReadAction]| {
        let (view, producer, mut consumer) = pair(CAPACITY);
        for id in 1..=4 {
            producer.write(id, &[0; 8]).unwrap();
        }
        let (mut turn, mut heads) = (0, Vec::new());
        let count = consumer.controlled_read(10, |id, _| {
            assert_eq!(id, turn + 1);
            heads.push(view.get_i64(CAPACITY + HEAD));
            turn += 1;
            actions[turn as usize - 1]
        });
        (count, heads, consumer.consumer_position())
    };
    assert_eq!(run(&[Continue; 4]), (4, vec![0, 0, 0, 0], 64));
    assert_eq!(run(&[Continue, Abort]), (1, vec![0, 0], 16));
    assert_eq!(run(&[Abort]), (0, vec![0], 0));
    assert_eq!(run(&[Continue, Break]), (2, vec![0, 0], 32));
    assert_eq!(run(&[Continue, Commit, Continue, Abort]), (3, vec![0, 0, 32, 32], 48));
}

#[test]
fn the_limit_counts_messages_and_not_padding() {
    let (_, producer, mut consumer) = pair(CAPACITY);
    drop(producer.try_claim(9, 0).unwrap());
    for id in 1..=3 {
        producer.write(id, b"").unwrap();
    }
    let mut seen = Vec::new();
    assert_eq!(consumer.read(2, |id, _| seen.push(id)), 2);
    assert_eq!(consumer.read(0, |id, _| seen.push(id)), 0);
    assert_eq!(seen, [1, 2]);
}

#[test]
fn unblocking_gives_up_a_claim_that_was_never_committed() {
    let (_, producer, mut consumer) = pair(CAPACITY);
    let claim = producer.try_claim(1, 20).unwrap();
    producer.write(2, b"alive").unwrap();
    assert!(consumer.unblock());
    assert_eq!(read_all(&mut consumer), [(2, b"alive".to_vec())]);
    assert!(!claim.commit(), "who comes back from the dead is told");
    assert!(!consumer.unblock(), "an empty buffer has nothing to unblock");
}

#[test]
fn unblocking_gives_up_space_whose_claimant_never_wrote_a_length() {
    for head in [0, 64, 960] {
        // The dead claim of 40 bytes, a living record of 16 behind it.
        let (view, producer, mut consumer) = pair(CAPACITY);
        place(&view, CAPACITY, head, head + 40);
        producer.write(5, b"alive").unwrap();
        assert!(consumer.unblock());
        assert_eq!(view.get_i32(head as usize), 40);
        assert_eq!(read_all(&mut consumer), [(5, b"alive".to_vec())]);
    }
}

#[test]
fn unblocking_does_nothing_without_proof_of_a_death() {
    let (view, producer, mut consumer) = pair(CAPACITY);
    place(&view, CAPACITY, 0, 40);
    assert!(!consumer.unblock(), "nothing behind the claim says how long it is");
    view.put_i64(CAPACITY + TAIL, 0);
    producer.write(1, b"x").unwrap();
    assert!(!consumer.unblock(), "a committed record blocks nobody");
    place(&view, CAPACITY, 1000, 1048);
    view.zero(0, CAPACITY);
    assert!(!consumer.unblock(), "the scan ends at the physical end");
}

#[test]
fn unblocking_works_in_a_full_buffer() {
    let (view, _, mut consumer) = pair(64);
    place(&view, 64, 16, 80);
    view.put_i32(16, -16);
    assert!(consumer.unblock());
    assert_eq!((view.get_i32(16), view.get_i32(20)), (16, PADDING_MSG_TYPE_ID));
    view.put_i32(16, 0);
    view.put_i32(48, -16);
    assert!(consumer.unblock());
    assert_eq!(view.get_i32(16), 32);
}

#[test]
fn records_that_make_no_sense_are_dropped_and_counted() {
    for (length, msg_type_id) in [(3, 1), (CAPACITY as i32 + 8, 1), (i32::MAX, 1), (200, 1), (2000, -1)] {
        let (view, producer, mut consumer) = pair(CAPACITY);
        producer.write(1, &[0; 8]).unwrap();
        producer.write(2, &[0; 8]).unwrap();
        view.put_i32(4, msg_type_id);
        view.put_i32(0, length);
        assert_eq!(read_all(&mut consumer), []);
        assert_eq!((consumer.corrupt_records(), consumer.size()), (1, 0));
        producer.write(3, b"on it goes").unwrap();
        assert_eq!(read_all(&mut consumer), [(3, b"on it goes".to_vec())]);
    }
}

#[test]
fn threads_lose_nothing_and_keep_their_order() {
    const EACH: u32 = 5_000;
    let (_, producer, mut consumer) = pair(256);
    std::thread::scope(|scope| {
        for id in 1..=2 {
            let producer = producer.clone();
            scope.spawn(move || {
                for sequence in 0..EACH {
                    let payload = [sequence.to_le_bytes(); 5].concat();
                    while producer.write(id, &payload[..4 + (sequence % 17) as usize]).is_err() {
                        std::thread::yield_now();
                    }
                }
            });
        }
        let mut next = [0, 0];
        while next != [EACH, EACH] {
            let read = consumer.read(10, |id, payload| {
                let expected = &mut next[id as usize - 1];
                let pattern = [expected.to_le_bytes(); 5].concat();
                assert_eq!(payload, &pattern[..4 + (*expected % 17) as usize]);
                *expected += 1;
            });
            if read == 0 {
                std::thread::yield_now();
            }
        }
    });
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Claim { length: usize, commit: bool },
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..=32_usize).prop_map(Step::Write),
        2 => (0..=32_usize, any::<bool>()).prop_map(|(length, commit)| Step::Claim { length, commit }),
        3 => (1..6_usize).prop_map(Step::Read),
    ]
}

/// Full is justified when the record does not fit, or does not fit in one piece.
fn may_be_full(size: usize, payload: usize) -> bool {
    let required = (payload + HEADER_LENGTH).next_multiple_of(8);
    size + 2 * required > 256
}

proptest! {
    #[test]
    fn many_to_one_behaves_as_a_queue(start in 0..64_i64, steps in prop::collection::vec(step(), 1..200)) {
        let (view, producer, mut consumer) = pair(256);
        place(&view, 256, start * 8, start * 8);
        let mut model = VecDeque::new();
        for (sequence, step) in steps.into_iter().enumerate() {
            let (id, payload) = (sequence as i32 + 1, vec![sequence as u8; 32]);
            match step {
                Step::Write(length) => match producer.write(id, &payload[..length]) {
                    Ok(()) => model.push_back((id, payload[..length].to_vec())),
                    Err(error) => {
                        prop_assert_eq!(error, WriteError::Full);
                        prop_assert!(may_be_full(producer.size(), length));
                    }
                },
                Step::Claim { length, commit } => if let Ok(mut claim) = producer.try_claim(id, length) {
                    claim.write(0, &payload[..length]);
                    if commit {
                        prop_assert!(claim.commit());
                        model.push_back((id, payload[..length].to_vec()));
                    } else {
                        prop_assert!(claim.abort());
                    }
                },
                Step::Read(limit) => {
                    let mut read = Vec::new();
                    prop_assert_eq!(consumer.read(limit, |id, payload| read.push((id, payload.to_vec()))), read.len());
                    prop_assert!(read.len() <= limit);
                    for message in read {
                        prop_assert_eq!(Some(message), model.pop_front());
                    }
                }
            }
        }
        prop_assert_eq!(read_all(&mut consumer), Vec::from(model));
        prop_assert_eq!(consumer.size(), 0);
        prop_assert_eq!(view.to_vec(0, 256), vec![0; 256]);
    }

    #[test]
    fn one_to_one_behaves_as_a_queue(start in 0..64_i64, steps in prop::collection::vec(step(), 1..200)) {
        let view = region(256);
        place(&view, 256, start * 8, start * 8);
        let mut producer = spsc::Producer::new(view.clone()).unwrap();
        let mut consumer = Consumer::new(view.clone()).unwrap();
        let mut model = VecDeque::new();
        for (sequence, step) in steps.into_iter().enumerate() {
            let (id, payload) = (sequence as i32 + 1, vec![sequence as u8; 32]);
            match step {
                Step::Write(length) | Step::Claim { length, .. } => match producer.write(id, &payload[..length]) {
                    Ok(()) => model.push_back((id, payload[..length].to_vec())),
                    Err(error) => {
                        prop_assert_eq!(error, WriteError::Full);
                        prop_assert!(may_be_full(producer.size(), length));
                    }
                },
                Step::Read(limit) => {
                    consumer.read(limit, |id, payload| {
                        assert_eq!(Some((id, payload.to_vec())), model.pop_front());
                    });
                }
            }
        }
        prop_assert_eq!(read_all(&mut consumer), Vec::from(model));
        prop_assert_eq!(view.to_vec(0, 256), vec![0; 256]);
    }

    #[test]
    fn no_bytes_make_any_verb_panic_or_hang(
        bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(0xff), any::<u8>()], 256 + TRAILER_LENGTH),
        positions in prop::array::uniform3(prop_oneof![any::<i64>(), -64..1024_i64]),
    ) {
        let (view, producer, mut consumer) = pair(256);
        view.write(0, &bytes);
        view.put_i64(256 + TAIL, positions[0]);
        view.put_i64(256 + HEAD, positions[1]);
        view.put_i64(256 + HEAD_CACHE, positions[2]);
        for _ in 0..4 {
            let _ = producer.write(1, &[1; 17]);
            let _ = producer.try_claim(2, 9).map(mpsc::Claim::commit);
            let _ = spsc::Producer::new(view.clone()).unwrap().write(3, &[3; 12]);
            consumer.read(3, |_, payload| assert!(payload.len() <= 32));
            consumer.unblock();
            prop_assert!(consumer.size() <= 256);
        }
    }
}
