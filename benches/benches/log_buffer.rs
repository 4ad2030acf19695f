//! Messages on their way through a log: appended, scanned by the sender, read by the subscriber.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use epona_protocol::{
    logbuffer::{
        LogBuffers, LogKind, LogParameters, TermReader, appender::ExclusiveAppender, clean, insert,
        scan_for_gap, scan_run,
    },
    types::{Mtu, Position, RegistrationId, TermLength, TermOffset},
};

const TERM_LENGTH: i32 = 1024 * 1024;

fn log() -> LogBuffers {
    let (Ok(mtu), Ok(term_length)) = (Mtu::new(1408), TermLength::new(i64::from(TERM_LENGTH))) else {
        unreachable!("both are in range");
    };
    let log = LogBuffers::on_heap(&LogParameters::new(
        LogKind::ExclusivePublication,
        RegistrationId::new(1),
        mtu,
        term_length,
    ));
    // The first touch of a page costs more than what is written into it.
    clean(log.term(0), TermOffset::ZERO, TERM_LENGTH);
    log
}

/// One term filled with messages of `length` bytes; how many there was room for.
fn fill(log: &LogBuffers, length: usize) -> u64 {
    let Ok(mut appender) = ExclusiveAppender::new(log.clone()) else { unreachable!("the MTU is valid") };
    let message = vec![7; length];
    let mut messages = 0;
    while appender.offer(black_box(&message), Position::MAX).is_ok() {
        messages += 1;
    }
    messages
}

fn append(criterion: &mut Criterion) {
    for length in [32, 1344] {
        let mut group = criterion.benchmark_group(format!("append {length} bytes"));
        group.throughput(Throughput::Elements(fill(&log(), length)));
        group.bench_function("one term", |b| {
            b.iter_batched(
                log,
                |log| {
                    fill(&log, length);
                    log
                },
                criterion::BatchSize::PerIteration,
            );
        });
    }
}

fn scan(criterion: &mut Criterion) {
    for length in [32, 1344] {
        let log = log();
        let messages = fill(&log, length);
        let term = log.term(0);
        let mut group = criterion.benchmark_group(format!("scan {length} bytes"));
        group.throughput(Throughput::Elements(messages));
        group.bench_function("for datagrams", |b| {
            b.iter(|| {
                let mut offset = TermOffset::ZERO;
                while offset.get() < TERM_LENGTH {
                    let run = scan_run(black_box(term), offset, TERM_LENGTH, 1408, 64);
                    if run.datagrams == 0 {
                        break;
                    }
                    offset = offset + run.advance();
                }
                offset
            });
        });
        group.bench_function("for gaps", |b| {
            b.iter(|| scan_for_gap(black_box(term), TermOffset::ZERO, TermOffset::new(TERM_LENGTH)));
        });
    }
}

/// What the receiver does: datagrams, one after the other, into the term of an image.
fn rebuild(criterion: &mut Criterion) {
    for length in [32, 1344] {
        let sent = log();
        fill(&sent, length);
        let run = scan_run(sent.term(0), TermOffset::ZERO, TERM_LENGTH, 1408, 1);
        let datagram = sent.term(0).to_vec(0, run.length as usize);
        let datagrams = TERM_LENGTH as usize / datagram.len();
        let mut group = criterion.benchmark_group(format!("insert datagrams of {length} byte messages"));
        group.throughput(Throughput::Elements(datagrams as u64));
        group.bench_function("one term", |b| {
            b.iter_batched(
                log,
                |log| {
                    for at in 0..datagrams {
                        let offset = TermOffset::new((at * datagram.len()) as i32);
                        insert(log.term(0), offset, black_box(&datagram));
                    }
                    log
                },
                criterion::BatchSize::PerIteration,
            );
        });
    }
}

/// What a subscriber does.
fn read(criterion: &mut Criterion) {
    for length in [32, 1344] {
        let log = log();
        let messages = fill(&log, length);
        let mut group = criterion.benchmark_group(format!("read {length} bytes"));
        group.throughput(Throughput::Elements(messages));
        group.bench_function("one term", |b| {
            b.iter(|| {
                let mut bytes = 0;
                let mut reader = TermReader::new(black_box(log.term(0)), TermOffset::ZERO);
                reader.read(usize::MAX, |fragment| bytes += fragment.payload().len());
                bytes
            });
        });
    }
}

fn cleaning(criterion: &mut Criterion) {
    let log = log();
    let mut group = criterion.benchmark_group("clean");
    group.throughput(Throughput::Bytes(TERM_LENGTH as u64));
    group.bench_function("one term", |b| {
        b.iter(|| clean(black_box(log.term(0)), TermOffset::ZERO, TERM_LENGTH))
    });
}

criterion_group!(benches, append, scan, rebuild, read, cleaning);
criterion_main!(benches);
