//! Events on their way from the driver to its clients.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use epona_protocol::{
    broadcast::{CopyReceiver, TRAILER_LENGTH, Transmitter},
    memory::AtomicView,
};

/// One thread transmits and receives, so what is measured is the work and not the cache lines that two cores exchange.
fn transmit_and_receive(criterion: &mut Criterion) {
    let view = AtomicView::allocate(64 * 1024 + TRAILER_LENGTH);
    let (Ok(mut transmitter), Ok(mut receiver)) = (Transmitter::new(view.clone()), CopyReceiver::new(view))
    else {
        unreachable!("64 KiB is a capacity");
    };
    let event = [0; 64];
    criterion.bench_function("broadcast, transmit and receive 64 bytes", |b| {
        b.iter(|| {
            let transmitted = transmitter.transmit(1, black_box(&event));
            let received = receiver.receive(|_, bytes| {
                black_box(bytes);
            });
            (transmitted, received)
        });
    });
}

criterion_group!(benches, transmit_and_receive);
criterion_main!(benches);
