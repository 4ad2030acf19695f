//! The lock-free structures under every interleaving, and every reordering their memory orderings allow, that loom
//! finds within a few preemptions. Run with
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p epona-protocol --release --test loom
//! ```
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use core::time::Duration;
use std::sync::Arc;

use epona_protocol::{
    broadcast::{self, CopyReceiver, ReceiveError, Transmitter},
    counters::{
        AtomicCounter, Confirmation, CountersManager, CountersReader, METADATA_RECORD_LENGTH, NewCounter,
        VALUE_RECORD_LENGTH,
    },
    error_log::{self, DistinctErrorLog},
    loss_report::{self, LossReport},
    memory::AtomicView,
    ring_buffer::{Consumer, TRAILER_LENGTH, WriteError, mpsc, spsc},
    seq_slot::{ChangeNumber, SeqSlot},
    signals::Signals,
    types::{CounterId, CounterTypeId, EpochMillis, SessionId, StreamId},
};
use loom::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Smallest capacity that takes messages of 8 bytes.
const CAPACITY: usize = 64;
const TAIL: usize = CAPACITY + 128;
const HEAD_CACHE: usize = CAPACITY + 256;
const HEAD: usize = CAPACITY + 384;

/// Runs the model under every schedule with up to so many preemptions.
///
/// Loom remembers one last access of a word. A load and a compare-exchange behind it, as in a claim of the tail, hide
/// an earlier load by another thread: models let the thread that only loads run second.
fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}

/// A ring buffer that has run for a while: head and tail at the given positions.
fn ring(head: i64, tail: i64) -> AtomicView {
    let view = AtomicView::allocate(CAPACITY + TRAILER_LENGTH);
    view.put_i64(TAIL, tail);
    view.put_i64(HEAD, head);
    view.put_i64(HEAD_CACHE, head);
    view
}

fn read(consumer: &mut Consumer, into: &mut Vec<(i32, Vec<u8>)>) {
    consumer.read(10, |id, payload| into.push((id, payload.to_vec())));
}

fn sorted(mut messages: Vec<(i32, Vec<u8>)>) -> Vec<(i32, Vec<u8>)> {
    messages.sort();
    messages
}

/// Two producers and the consumer at once; each producer writes once.
fn two_producers(head: i64, tail: i64) {
    let view = ring(head, tail);
    let producers = [1, 2].map(|id| {
        let producer = mpsc::Producer::new(view.clone()).unwrap();
        thread::spawn(move || producer.write(id, &[id as u8; 8]))
    });
    let mut consumer = Consumer::new(view).unwrap();
    let mut messages = Vec::new();
    read(&mut consumer, &mut messages);
    let written: Vec<_> = producers.into_iter().map(|producer| producer.join().unwrap()).collect();
    read(&mut consumer, &mut messages);
    read(&mut consumer, &mut messages);
    let expected: Vec<_> = [1_u8, 2]
        .into_iter()
        .zip(written)
        .filter_map(|(id, result)| result.ok().map(|()| (i32::from(id), vec![id; 8])))
        .collect();
    assert!(!expected.is_empty(), "there is room for one at least");
    assert_eq!(sorted(messages), expected);
    assert_eq!((consumer.size(), consumer.corrupt_records()), (0, 0));
}

#[test]
fn two_producers_lose_nothing() {
    explore(3, || two_producers(0, 0));
}

#[test]
fn two_producers_lose_nothing_over_the_end_of_the_buffer() {
    explore(3, || two_producers(56, 56));
}

#[test]
fn two_producers_lose_nothing_when_there_is_room_for_one() {
    explore(3, || {
        let view = ring(64, 112);
        // Three records of 16 bytes that are read already but for their last.
        view.put_i64(HEAD, 96);
        view.put_i32(36, 9);
        view.put_i32(32, 16);
        view.put_i64(HEAD_CACHE, 64);
        let producers = [1, 2].map(|id| {
            let producer = mpsc::Producer::new(view.clone()).unwrap();
            thread::spawn(move || producer.write(id, &[id as u8; 8]))
        });
        let mut consumer = Consumer::new(view).unwrap();
        let mut messages = Vec::new();
        read(&mut consumer, &mut messages);
        for producer in producers {
            producer.join().unwrap().unwrap();
        }
        read(&mut consumer, &mut messages);
        read(&mut consumer, &mut messages);
        let expected = vec![(1, vec![1; 8]), (2, vec![2; 8]), (9, vec![0; 8])];
        assert_eq!(sorted(messages), expected);
    });
}

#[test]
fn claims_are_seen_committed_or_not_at_all() {
    explore(3, || {
        let view = ring(0, 0);
        let producer = mpsc::Producer::new(view.clone()).unwrap();
        let claimant = thread::spawn(move || {
            let mut claim = producer.try_claim(1, 8).unwrap();
            claim.write(0, &[7; 8]);
            assert!(claim.commit());
            assert!(producer.try_claim(2, 8).unwrap().abort());
        });
        let mut consumer = Consumer::new(view).unwrap();
        let mut messages = Vec::new();
        read(&mut consumer, &mut messages);
        claimant.join().unwrap();
        read(&mut consumer, &mut messages);
        assert_eq!(messages, [(1, vec![7; 8])]);
        assert_eq!(consumer.size(), 0);
    });
}

#[test]
fn a_producer_that_died_before_its_length_is_unblocked_by_who_came_after() {
    explore(3, || {
        // The dead claim: 16 bytes whose length still reads zero.
        let view = ring(0, 16);
        let mut consumer = Consumer::new(view.clone()).unwrap();
        let driver = thread::spawn(move || {
            let mut messages = Vec::new();
            let unblocked = consumer.unblock();
            read(&mut consumer, &mut messages);
            (consumer, unblocked, messages)
        });
        mpsc::Producer::new(view).unwrap().write(1, &[7; 8]).unwrap();
        let (mut consumer, unblocked, mut messages) = driver.join().unwrap();
        assert!(unblocked || consumer.unblock());
        read(&mut consumer, &mut messages);
        assert_eq!((messages, consumer.size()), (vec![(1, vec![7; 8])], 0));
    });
}

#[test]
fn a_producer_that_died_over_its_claim_is_unblocked_while_others_write() {
    explore(3, || {
        let view = ring(0, 0);
        // Its stores of the length happened, its commit never will.
        core::mem::forget(mpsc::Producer::new(view.clone()).unwrap().try_claim(1, 8).unwrap());
        let producer = mpsc::Producer::new(view.clone()).unwrap();
        let alive = thread::spawn(move || producer.write(2, &[7; 8]).unwrap());
        let mut consumer = Consumer::new(view).unwrap();
        assert!(consumer.unblock());
        let mut messages = Vec::new();
        read(&mut consumer, &mut messages);
        alive.join().unwrap();
        read(&mut consumer, &mut messages);
        assert_eq!(messages, [(2, vec![7; 8])]);
        assert_eq!(consumer.size(), 0);
    });
}

#[test]
fn unblocking_never_cuts_a_record_that_is_being_written() {
    // The fence behind the negative length: without it the unblocker could see a payload behind a length of zero,
    // take its bytes for the next record's length, and cut the record in two.
    explore(3, || {
        let view = ring(0, 0);
        let mut consumer = Consumer::new(view.clone()).unwrap();
        let record = view.clone();
        let driver = thread::spawn(move || {
            if consumer.unblock() {
                assert_eq!(record.get_i32(0).abs(), 16, "given up whole, at its true length");
            }
        });
        mpsc::Producer::new(view).unwrap().write(1, &[7; 8]).unwrap();
        driver.join().unwrap();
    });
}

#[test]
fn correlation_ids_are_never_given_twice() {
    explore(3, || {
        let view = ring(0, 0);
        let producer = mpsc::Producer::new(view.clone()).unwrap();
        let other = thread::spawn(move || [0; 2].map(|_| producer.next_correlation_id().get()));
        let consumer = Consumer::new(view).unwrap();
        let mut ids = vec![consumer.next_correlation_id().get()];
        ids.extend(other.join().unwrap());
        ids.sort_unstable();
        assert_eq!(ids, [0, 1, 2]);
    });
}

#[test]
fn one_producer_and_one_consumer_keep_their_order_over_the_end() {
    for start in [0, 48, 56] {
        explore(3, move || {
            let view = ring(start, start);
            let mut producer = spsc::Producer::new(view.clone()).unwrap();
            let writer = thread::spawn(move || {
                let mut written = 0;
                for id in 1..=4 {
                    match producer.write(id, &[id as u8; 8]) {
                        Ok(()) => written += 1,
                        Err(error) => {
                            assert_eq!(error, WriteError::Full);
                            break;
                        }
                    }
                }
                written
            });
            let mut consumer = Consumer::new(view).unwrap();
            let mut messages = Vec::new();
            read(&mut consumer, &mut messages);
            let written = writer.join().unwrap();
            read(&mut consumer, &mut messages);
            read(&mut consumer, &mut messages);
            let expected: Vec<_> = (1..=written).map(|id| (id, vec![id as u8; 8])).collect();
            assert!(written >= 3);
            assert_eq!(messages, expected);
        });
    }
}

/// A transmitter goes round the buffer while a receiver reads: what is handed on is whole, in order, or known lost.
fn transmit_while_receiving(start: i64, messages: i32) {
    let view = AtomicView::allocate(CAPACITY + broadcast::TRAILER_LENGTH);
    for field in [0, 8, 16] {
        view.put_i64(CAPACITY + field, start);
    }
    let mut transmitter = Transmitter::new(view.clone()).unwrap();
    let mut receiver = CopyReceiver::new(view).unwrap();
    // Two before the race, to be overwritten in it.
    for id in 1..=2 {
        transmitter.transmit(id, &[id as u8; 8]).unwrap();
    }
    let sender = thread::spawn(move || {
        for id in 3..=messages {
            transmitter.transmit(id, &[id as u8; 8]).unwrap();
        }
    });
    let (mut last, mut lost) = (0, false);
    let mut receive = |last: &mut i32| {
        let outcome = receiver.receive(|id, payload| {
            assert!(id > *last && (lost || id == *last + 1), "{id} after {last}");
            assert_eq!(payload, [id as u8; 8]);
            *last = id;
        });
        match outcome {
            Ok(count) => {
                lost = lost && count == 0;
                count > 0
            }
            Err(error) => {
                assert_eq!(error, ReceiveError::Lapped);
                lost = true;
                true
            }
        }
    };
    receive(&mut last);
    receive(&mut last);
    sender.join().unwrap();
    while receive(&mut last) {}
    assert_eq!(last, messages, "the latest is always there");
}

#[test]
fn a_message_is_received_whole_as_soon_as_it_can_be_seen() {
    explore(3, || {
        let view = AtomicView::allocate(CAPACITY + broadcast::TRAILER_LENGTH);
        let mut transmitter = Transmitter::new(view.clone()).unwrap();
        let mut receiver = CopyReceiver::new(view).unwrap();
        let seen = |id, payload: &[u8]| assert_eq!((id, payload), (1, [1; 8].as_slice()));
        let early = thread::spawn(move || {
            let early = receiver.receive(seen).unwrap();
            (receiver, early)
        });
        transmitter.transmit(1, &[1; 8]).unwrap();
        let (mut receiver, early) = early.join().unwrap();
        assert_eq!(early + receiver.receive(seen).unwrap(), 1);
    });
}

#[test]
fn a_lapped_receiver_never_sees_a_torn_message() {
    explore(2, || transmit_while_receiving(0, 5));
}

#[test]
fn a_receiver_lapped_at_the_padding_never_sees_a_torn_message() {
    explore(2, || transmit_while_receiving(40, 5));
}

#[test]
fn padding_that_is_overwritten_while_it_is_read_leads_nobody_astray() {
    const CAPACITY: usize = 256;
    explore(3, || {
        let view = AtomicView::allocate(CAPACITY + broadcast::TRAILER_LENGTH);
        for field in [0, 8, 16] {
            view.put_i64(CAPACITY + field, 184);
        }
        // Left from an earlier round, behind the beginning of the padding: a record that nobody sent now.
        view.put_i32(248, 8);
        view.put_i32(252, 99);
        let mut transmitter = Transmitter::new(view.clone()).unwrap();
        let mut receiver = CopyReceiver::new(view).unwrap();
        transmitter.transmit(1, &[0; 32]).unwrap();
        assert_eq!(receiver.receive(|id, _| assert_eq!(id, 1)), Ok(1));
        // Padding of 32 bytes to the end of the buffer, then five records from its beginning.
        for id in 2..=6 {
            transmitter.transmit(id, &[0; 32]).unwrap();
        }
        let reader = thread::spawn(move || receiver.receive(|id, _| assert_eq!(id, 2)));
        // What lands on the padding looks like padding too, of a length that leads to that record.
        let mut payload = [0; 32];
        payload[16..24].copy_from_slice(&[24, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        transmitter.transmit(7, &payload).unwrap();
        let outcome = reader.join().unwrap();
        assert!([Ok(1), Err(ReceiveError::Lapped)].contains(&outcome), "{outcome:?}");
    });
}

const REUSE: Duration = Duration::from_millis(1);

fn counters() -> (CountersManager, CountersReader) {
    let metadata = AtomicView::allocate(METADATA_RECORD_LENGTH);
    let values = AtomicView::allocate(VALUE_RECORD_LENGTH);
    let manager = CountersManager::new(metadata.clone(), values.clone(), REUSE);
    (manager, CountersReader::new(metadata, values))
}

/// A counter whose label, over several words, and type say which registration they belong to.
fn allocate(manager: &mut CountersManager, registration_id: i64) -> CounterId {
    let label = registration_id.to_string().repeat(12);
    let new = NewCounter {
        type_id: CounterTypeId::new(1000 + registration_id as i32),
        key: &[],
        label: label.as_bytes(),
        registration_id,
        owner_id: 0,
        reference_id: 0,
    };
    manager.allocate(EpochMillis::new(registration_id * 10), &new).unwrap().id()
}

#[test]
fn a_reader_never_mixes_two_lives_of_a_counter() {
    explore(2, || {
        let (mut manager, reader) = counters();
        let id = allocate(&mut manager, 1);
        let driver = thread::spawn(move || {
            assert!(manager.free(id, EpochMillis::new(11)));
            assert_eq!(allocate(&mut manager, 2), id);
        });
        if let Some(label) = reader.label(id) {
            assert!(["1", "2"].map(|digit| digit.repeat(12)).contains(&label), "{label}");
        }
        driver.join().unwrap();
        assert_eq!(reader.find(CounterTypeId::new(1002), 2), Some(id));
    });
}

#[test]
fn a_new_counter_is_seen_whole_or_not_at_all() {
    explore(3, || {
        let (mut manager, reader) = counters();
        let driver = thread::spawn(move || {
            allocate(&mut manager, 1);
        });
        if let Some(counter) = reader.iter().next() {
            assert_eq!((counter.type_id, counter.label.as_str()), (CounterTypeId::new(1001), "111111111111"));
        }
        driver.join().unwrap();
        assert_eq!(reader.iter().count(), 1);
    });
}

#[test]
fn a_confirmation_is_read_whole_while_it_is_written() {
    explore(2, || {
        let counter = AtomicCounter::detached();
        let of =
            |at: i64| Confirmation { at: EpochMillis::new(at), by: Some(([10, 0, 0, 1], at as u16).into()) };
        counter.confirm(of(1));
        let reader = {
            let counter = counter.clone();
            thread::spawn(move || {
                if let Some(seen) = counter.confirmation() {
                    assert_eq!(seen, of(seen.at.get()));
                }
            })
        };
        counter.confirm(of(2));
        reader.join().unwrap();
        assert_eq!(counter.confirmation(), Some(of(2)));
    });
}

#[test]
fn an_error_is_read_whole_while_it_is_recorded() {
    explore(3, || {
        let view = AtomicView::allocate(64);
        let mut log = DistinctErrorLog::new(view.clone());
        let driver = thread::spawn(move || {
            let _ = log.record(1, "oops", EpochMillis::new(5));
            let _ = log.record(1, "oops", EpochMillis::new(6));
        });
        if let Some(entry) = error_log::entries(view.clone()).next() {
            assert_eq!((entry.text.as_str(), entry.first_observation), ("oops", EpochMillis::new(5)));
            assert!((0..=2).contains(&entry.observation_count));
        }
        driver.join().unwrap();
        assert_eq!(error_log::entries(view).next().unwrap().observation_count, 2);
    });
}

#[test]
fn a_loss_is_read_whole_while_it_is_recorded_and_losses_of_two_threads_add_up() {
    explore(3, || {
        let view = AtomicView::allocate(64);
        let now = EpochMillis::new;
        let reader = {
            let view = view.clone();
            thread::spawn(move || {
                if let Some(entry) = loss_report::entries(view).next() {
                    assert_eq!((entry.channel.as_str(), entry.source.as_str()), ("c", "s"));
                    assert_eq!((entry.session_id, entry.first_observation), (SessionId::new(7), now(1)));
                    assert!((1..=3).contains(&entry.observation_count) && entry.total_bytes_lost >= 5);
                }
            })
        };
        let (session_id, stream_id) = (SessionId::new(7), StreamId::new(8));
        let mut report = LossReport::new(view.clone());
        let ours = report.create_entry(5, now(1), session_id, stream_id, "c", "s").unwrap();
        let theirs = ours.clone();
        let other = thread::spawn(move || theirs.observe(3, now(3)));
        ours.observe(2, now(2));
        other.join().unwrap();
        reader.join().unwrap();
        let entry = loss_report::entries(view).next().unwrap();
        assert_eq!((entry.observation_count, entry.total_bytes_lost), (3, 10));
    });
}

#[test]
fn a_report_is_read_whole_once_and_never_an_older_one_after_it() {
    explore(4, || {
        let slot = Arc::new(SeqSlot::default());
        let reader = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                let (mut seen, mut last) = (ChangeNumber::default(), 0);
                for _ in 0..2 {
                    if let Some((first, second)) = slot.read_newer(&mut seen) {
                        assert_eq!(first, -second);
                        assert!(first > last, "{first} after {last}");
                        last = first;
                    }
                }
                (seen, last)
            })
        };
        slot.write(1, -1);
        slot.write(2, -2);
        let (mut seen, last) = reader.join().unwrap();
        assert_eq!(slot.read_newer(&mut seen), (last < 2).then_some((2, -2)));
    });
}

/// The listener hears a stream, lets it rest while the other thread has news again, and looks at it as it should.
#[test]
fn no_news_is_missed_by_a_listener_whose_stream_comes_to_rest() {
    explore(3, || {
        let mut signals = Signals::default();
        let signal = signals.signal(7);
        signal.raise();
        signals.take(|_| {});
        let news = Arc::new(AtomicUsize::new(0));
        let teller = {
            let news = Arc::clone(&news);
            thread::spawn(move || {
                for count in 1..=2 {
                    news.store(count, Ordering::Relaxed);
                    signal.raise();
                }
            })
        };
        signals.rest(7);
        let mut seen = news.load(Ordering::Relaxed);
        signals.take(|_| seen = news.load(Ordering::Relaxed));
        teller.join().unwrap();
        signals.take(|_| seen = news.load(Ordering::Relaxed));
        // Heard and not at rest: it would be looked at anyway.
        let mut is_heard = true;
        signals.signal(7).raise();
        signals.take(|_| is_heard = false);
        assert!(seen == 2 || is_heard);
    });
}
