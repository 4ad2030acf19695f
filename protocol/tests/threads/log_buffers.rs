//! A log with publishers, and a subscriber that cleans behind itself and lets them go on, as a driver would.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    thread,
};

use epona_protocol::{
    frame::DataFlags,
    logbuffer::{
        LogBuffers, LogKind, LogParameters, TermReader,
        appender::{ConcurrentAppender, ExclusiveAppender, Refusal},
        clean,
    },
    types::{Mtu, Position, RegistrationId, TermLength},
};
use fastrand::Rng;

use super::{bytes, random, rounds};

const EACH: u32 = 2_000;
const MTU: i64 = 1408;
const WINDOW: i64 = 32 * 1024;
const LONGEST: usize = 4_000;

fn log() -> LogBuffers {
    let kind = LogKind::ConcurrentPublication;
    let mtu = Mtu::new(MTU).unwrap();
    LogBuffers::on_heap(&LogParameters::new(kind, RegistrationId::new(7), mtu, TermLength::MIN))
}

/// Begins with its publisher and number.
fn message(publisher: u8, number: u32, random: &mut Rng, longest: usize) -> Vec<u8> {
    let mut message = vec![publisher];
    message.extend(number.to_le_bytes());
    message.extend(bytes(random, longest - message.len()));
    message
}

/// The next message of each publisher, made again from the same chance.
struct Expected {
    publishers: Vec<(Rng, u32)>,
}

impl Expected {
    fn new(seed: u64, publishers: u8) -> Self {
        Self { publishers: (0..publishers).map(|publisher| (random(seed, publisher.into()), 0)).collect() }
    }

    fn check(&mut self, message_read: &[u8]) {
        let (random, number) = &mut self.publishers[usize::from(message_read[0])];
        let expected = message(message_read[0], *number, random, LONGEST);
        assert!(message_read == expected, "not message {number} of publisher {}", message_read[0]);
        *number += 1;
    }

    fn is_complete(&self) -> bool {
        self.publishers.iter().all(|(_, number)| *number == EACH)
    }
}

/// Reads until all publishers have said everything; `limit` follows the position, and what was read is zeroed.
fn subscribe(log: &LogBuffers, limit: &AtomicI64, mut expected: Expected, mut chance: Rng) {
    let geometry = log.geometry();
    let (mut position, mut assembled) = (Position::ZERO, Vec::new());
    while !expected.is_complete() {
        let (term, start) = (log.term_at(position), geometry.term_offset(position));
        let mut reader = TermReader::new(term, start);
        let read = reader.read(chance.usize(1..20), |fragment| {
            if fragment.flags().contains(DataFlags::BEGIN) {
                assert!(assembled.is_empty(), "a message without an end");
            }
            assembled.extend_from_slice(fragment.payload());
            if fragment.flags().contains(DataFlags::END) {
                expected.check(&assembled);
                assembled.clear();
            }
        });
        let length = reader.offset().get() - start.get();
        clean(term, start, length);
        position = position + i64::from(length);
        limit.store(position.get() + WINDOW, Ordering::Release);
        if read == 0 {
            thread::yield_now();
        }
    }
}

/// Tries until it is in.
fn insist(limit: &AtomicI64, mut offer: impl FnMut(Position) -> Result<Position, Refusal>) {
    loop {
        match offer(Position::new(limit.load(Ordering::Acquire))) {
            Ok(_) => return,
            Err(Refusal::AdminAction | Refusal::BackPressured | Refusal::NotConnected) => thread::yield_now(),
            Err(refusal) => panic!("{refusal}"),
        }
    }
}

#[test]
fn many_publishers_lose_nothing_and_keep_their_order() {
    rounds("many publishers", |seed| {
        let (log, limit) = (log(), AtomicI64::new(WINDOW));
        let mut chance = random(seed, 100);
        let publishers = chance.u8(1..5);
        thread::scope(|scope| {
            let appender = ConcurrentAppender::new(log.clone()).unwrap();
            for publisher in 0..publishers {
                let (appender, limit) = (appender.clone(), &limit);
                scope.spawn(move || {
                    let (mut content, mut chance) = (random(seed, publisher.into()), random(seed, 200));
                    for number in 0..EACH {
                        let message = message(publisher, number, &mut content, LONGEST);
                        let fits_frame = message.len() <= appender.max_payload_length() as usize;
                        insist(limit, |limit| match chance.u8(..4) {
                            0 => appender.offer_batch(&[&message], limit).map(|batch| batch.position),
                            1 => appender.offer_parts(&[&message[..1], &message[1..]], limit),
                            2 if fits_frame => appender.claim(message.len(), limit).map(|mut claim| {
                                claim.copy_from_slice(&message);
                                claim.commit()
                            }),
                            _ => appender.offer(&message, limit),
                        });
                        if chance.u8(..8) == 0 {
                            insist(limit, |limit| appender.claim(9, limit).map(|claim| claim.position()));
                        }
                    }
                });
            }
            subscribe(&log, &limit, Expected::new(seed, publishers), chance);
        });
    });
}

#[test]
fn an_exclusive_publisher_loses_nothing_and_keeps_its_order() {
    rounds("exclusive publisher", |seed| {
        let (log, limit) = (log(), AtomicI64::new(WINDOW));
        thread::scope(|scope| {
            let mut appender = ExclusiveAppender::new(log.clone()).unwrap();
            let limit = &limit;
            scope.spawn(move || {
                let (mut content, mut chance) = (random(seed, 0), random(seed, 200));
                for number in 0..EACH {
                    let message = message(0, number, &mut content, LONGEST);
                    let fits_frame = message.len() <= appender.max_payload_length() as usize;
                    insist(limit, |limit| match chance.u8(..4) {
                        0 => appender.offer_batch(&[&message], limit).map(|batch| batch.position),
                        1 => appender.offer_parts(&[&message[..1], &message[1..]], limit),
                        2 if fits_frame => appender.claim(message.len(), limit).map(|mut claim| {
                            claim.copy_from_slice(&message);
                            claim.commit()
                        }),
                        _ => appender.offer(&message, limit),
                    });
                    match chance.u8(..16) {
                        0 => insist(limit, |limit| appender.claim(9, limit).map(|claim| claim.position())),
                        1 => insist(limit, |limit| appender.append_padding(100, limit)),
                        _ => {}
                    }
                }
            });
            subscribe(&log, limit, Expected::new(seed, 1), random(seed, 100));
        });
    });
}
