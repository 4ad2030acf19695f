//! The error log and the loss report: one who adds entries, and readers; losses are counted by another thread, too.

use std::{
    collections::HashMap,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use epona_protocol::{
    error_log::{self, DistinctErrorLog, Observation},
    loss_report::{self, LossReport, LossReportHandle},
    memory::AtomicView,
    types::{EpochMillis, SessionId, StreamId},
};

use super::{random, rounds};

const RECORDS: i64 = 5_000;
const DISTINCT: u64 = 200;

/// Of error `number`: as long as chance had it.
fn text(number: u64) -> String {
    format!("({number}) ") + &"x".repeat(number as usize * 37 % 101)
}

/// What a reader may see of the errors at any time; how many there are.
fn look_at_errors(view: &AtomicView) -> usize {
    let mut count = 0;
    for entry in error_log::entries(view.clone()) {
        let number = entry.text[1..].split(')').next().unwrap().parse().unwrap();
        assert_eq!(entry.text, text(number));
        assert!(entry.first_observation.get() > 0 && entry.observation_count >= 0);
        count += 1;
    }
    count
}

#[test]
fn errors_are_read_whole_while_they_are_recorded_and_all_are_counted() {
    rounds("errors", |seed| {
        let view = AtomicView::allocate(64 * 1024);
        let has_ended = AtomicBool::new(false);
        let mut counts = HashMap::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut before = 0;
                while !has_ended.load(Ordering::Acquire) {
                    let count = look_at_errors(&view);
                    assert!(count >= before, "an entry has gone");
                    before = count;
                }
            });
            let (mut log, mut chance) = (DistinctErrorLog::new(view.clone()), random(seed, 0));
            for time in 1..=RECORDS {
                let number = chance.u64(..DISTINCT);
                let observation = log.record(number as i32, &text(number), EpochMillis::new(time));
                let count = counts.entry(text(number)).or_insert(0);
                *count += 1;
                assert_eq!(observation, if *count == 1 { Observation::New } else { Observation::Repeated });
            }
            has_ended.store(true, Ordering::Release);
        });
        let read = error_log::entries(view).map(|entry| (entry.text, entry.observation_count)).collect();
        assert_eq!(counts, read);
    });
}

/// Counts losses on the entries that it is sent until there are no more; how much.
fn observe(entries: &mpsc::Receiver<LossReportHandle>, seed: u64) -> i64 {
    let (mut known, mut total, mut chance) = (Vec::<LossReportHandle>::new(), 0, random(seed, 1));
    for entry in entries {
        known.push(entry);
        for _ in 0..20 {
            let bytes = chance.i64(1..100);
            known[chance.usize(..known.len())].observe(bytes, EpochMillis::new(2));
            total += bytes;
        }
    }
    total
}

/// What a reader may see of the losses at any time; how many bytes they are.
fn look_at_losses(view: &AtomicView) -> i64 {
    let mut total = 0;
    for (index, entry) in loss_report::entries(view.clone()).enumerate() {
        let number = text(index as u64);
        assert_eq!((entry.channel, entry.source), (number.clone(), number));
        assert_eq!(entry.session_id, SessionId::new(index as i32));
        assert!(entry.observation_count >= 1 && entry.total_bytes_lost >= entry.observation_count);
        total += entry.total_bytes_lost;
    }
    total
}

#[test]
fn losses_are_read_whole_while_two_threads_count_them_and_all_are_counted() {
    rounds("losses", |seed| {
        let view = AtomicView::allocate(128 * 1024);
        let has_ended = AtomicBool::new(false);
        let (queue, entries) = mpsc::channel();
        let total = thread::scope(|scope| {
            scope.spawn(|| {
                let mut before = 0;
                while !has_ended.load(Ordering::Acquire) {
                    let total = look_at_losses(&view);
                    assert!(total >= before, "losses were forgotten");
                    before = total;
                }
            });
            let observer = scope.spawn(move || observe(&entries, seed));
            let (mut report, mut chance, mut total) = (LossReport::new(view.clone()), random(seed, 0), 0);
            for number in 0..DISTINCT {
                let bytes = chance.i64(1..100);
                let name = text(number);
                let (session_id, stream_id) = (SessionId::new(number as i32), StreamId::new(1));
                let entry = report
                    .create_entry(bytes, EpochMillis::new(1), session_id, stream_id, &name, &name)
                    .unwrap();
                queue.send(entry.clone()).unwrap();
                entry.observe(bytes, EpochMillis::new(3));
                total += 2 * bytes;
            }
            drop(queue);
            total += observer.join().unwrap();
            has_ended.store(true, Ordering::Release);
            total
        });
        assert_eq!(look_at_losses(&view), total);
        let observations: i64 = loss_report::entries(view).map(|entry| entry.observation_count).sum();
        assert_eq!(observations, DISTINCT as i64 * 22);
    });
}
