//! Counters: moved with every message, allocated with every stream, read by those who look.

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use epona_protocol::{
    counters::{AtomicCounter, CountersManager, METADATA_RECORD_LENGTH, NewCounter, VALUE_RECORD_LENGTH},
    memory::AtomicView,
    types::{CounterTypeId, EpochMillis},
};

/// As many counters as a driver with some hundred streams has.
const COUNT: usize = 1024;

const NOW: EpochMillis = EpochMillis::new(0);

fn manager() -> CountersManager {
    CountersManager::new(
        AtomicView::allocate(COUNT * METADATA_RECORD_LENGTH),
        AtomicView::allocate(COUNT * VALUE_RECORD_LENGTH),
        Duration::ZERO,
    )
}

fn allocate(manager: &mut CountersManager) -> AtomicCounter {
    let new = NewCounter {
        type_id: CounterTypeId::new(1000),
        key: &[7; 24],
        label: b"pub-pos (sampled): 7 1001 1001 aeron:udp?endpoint=localhost:20121",
        registration_id: 7,
        owner_id: 8,
        reference_id: 9,
    };
    let Ok(counter) = manager.allocate(NOW, &new) else { unreachable!("there is room") };
    counter
}

fn move_a_position(criterion: &mut Criterion) {
    let counter = allocate(&mut manager());
    criterion.bench_function("counter, set with release", |b| {
        b.iter(|| black_box(&counter).set_release(black_box(64)));
    });
    criterion.bench_function("counter, propose a maximum", |b| {
        b.iter(|| black_box(&counter).propose_max(black_box(64)));
    });
}

fn allocate_and_free(criterion: &mut Criterion) {
    let mut manager = manager();
    criterion.bench_function("counter, allocate and free", |b| {
        b.iter(|| {
            let counter = allocate(&mut manager);
            manager.free(counter.id(), NOW)
        });
    });
}

fn read_all(criterion: &mut Criterion) {
    let mut manager = manager();
    for _ in 0..COUNT {
        allocate(&mut manager);
    }
    let reader = manager.reader();
    let mut group = criterion.benchmark_group("counters");
    group.throughput(Throughput::Elements(COUNT as u64));
    group.bench_function("read all", |b| b.iter(|| reader.iter().map(|counter| counter.value).sum::<i64>()));
}

criterion_group!(benches, move_a_position, allocate_and_free, read_all);
criterion_main!(benches);
