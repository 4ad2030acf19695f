use std::thread;

use epona_protocol::{
    memory::AtomicView,
    ring_buffer::{Consumer, TRAILER_LENGTH, WriteError, mpsc, spsc},
};
use fastrand::Rng;

use super::{bytes, random, rounds};

const EACH: usize = 2_000;

type Messages = Vec<Vec<u8>>;

/// Consumes until everybody has ended and nothing is left; messages by producer.
fn consume(
    view: AtomicView,
    mut random: Rng,
    producers: usize,
    have_ended: impl Fn() -> bool,
) -> Vec<Messages> {
    let mut consumer = Consumer::new(view).unwrap();
    let mut messages = vec![Messages::new(); producers];
    loop {
        let is_last = have_ended();
        let limit = random.usize(1..20);
        let read = consumer.read(limit, |id, payload| messages[id as usize - 1].push(payload.to_vec()));
        if read == 0 && is_last && consumer.size() == 0 {
            assert_eq!(consumer.corrupt_records(), 0);
            return messages;
        }
        if read == 0 {
            thread::yield_now();
        }
    }
}

/// Writes, or claims to commit or abort, as chance will have it; what is to be read.
fn produce(producer: &mpsc::Producer, id: i32, mut random: Rng) -> Messages {
    let mut sent = Messages::new();
    while sent.len() < EACH {
        let message = bytes(&mut random, producer.max_message_length());
        let outcome = match random.u8(..4) {
            0 | 1 => producer.write(id, &message).map(|()| true),
            commits => producer.try_claim(id, message.len()).map(|mut claim| {
                claim.write(0, &message);
                let commits = commits == 2;
                assert!(if commits { claim.commit() } else { claim.abort() });
                commits
            }),
        };
        match outcome {
            Ok(true) => sent.push(message),
            Ok(false) => {}
            Err(WriteError::Full) => thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
    sent
}

#[test]
fn many_producers_lose_nothing_and_keep_their_order() {
    rounds("many producers", |seed| {
        let mut chance = random(seed, 0);
        let (capacity, producers) = (1 << chance.usize(7..13), chance.usize(1..5));
        let view = AtomicView::allocate(capacity + TRAILER_LENGTH);
        thread::scope(|scope| {
            let threads: Vec<_> = (1..=producers)
                .map(|id| {
                    let producer = mpsc::Producer::new(view.clone()).unwrap();
                    scope.spawn(move || produce(&producer, id as i32, random(seed, id as u64)))
                })
                .collect();
            let have_ended = || threads.iter().all(thread::ScopedJoinHandle::is_finished);
            let read = consume(view.clone(), chance, producers, have_ended);
            let sent: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            assert!(read == sent, "other messages than were sent");
        });
    });
}

#[test]
fn one_producer_loses_nothing_and_keeps_its_order() {
    rounds("one producer", |seed| {
        let mut chance = random(seed, 0);
        let view = AtomicView::allocate((1 << chance.usize(7..13)) + TRAILER_LENGTH);
        let mut producer = spsc::Producer::new(view.clone()).unwrap();
        thread::scope(|scope| {
            let thread = scope.spawn(move || {
                let (mut chance, mut sent) = (random(seed, 1), Messages::new());
                while sent.len() < EACH {
                    let message = bytes(&mut chance, producer.max_message_length());
                    match producer.write(1, &message) {
                        Ok(()) => sent.push(message),
                        Err(WriteError::Full) => thread::yield_now(),
                        Err(error) => panic!("{error}"),
                    }
                }
                sent
            });
            let read = consume(view, chance, 1, || thread.is_finished());
            assert!(read == [thread.join().unwrap()], "other messages than were sent");
        });
    });
}
