//! Commands on their way from client to driver.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use epona_protocol::{
    memory::AtomicView,
    ring_buffer::{Consumer, TRAILER_LENGTH, mpsc::Producer},
};

/// One thread writes and reads, so what is measured is the work and not the cache lines that two cores exchange.
fn write_and_read(criterion: &mut Criterion) {
    let view = AtomicView::allocate(64 * 1024 + TRAILER_LENGTH);
    let (Ok(producer), Ok(mut consumer)) = (Producer::new(view.clone()), Consumer::new(view)) else {
        unreachable!("64 KiB is a capacity");
    };
    let command = [0; 64];
    criterion.bench_function("ring buffer, write and read 64 bytes", |b| {
        b.iter(|| {
            let written = producer.write(1, black_box(&command));
            let read = consumer.read(1, |_, bytes| {
                black_box(bytes);
            });
            (written, read)
        });
    });
}

criterion_group!(benches, write_and_read);
criterion_main!(benches);
