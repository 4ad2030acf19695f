//! The to-driver ring buffer as a broken client left it: consuming, unblocking, and writing behind it. The first 24
//! bytes of the input are head, cached head and tail; the records follow.
#![no_main]

use epona_fuzz::{Input, memory};
use epona_protocol::{
    command::Command,
    ring_buffer::{Consumer, ReadAction, TRAILER_LENGTH, mpsc},
};
use libfuzzer_sys::fuzz_target;

const CAPACITY: usize = 1024;
const TAIL: usize = CAPACITY + 128;
const HEAD_CACHE: usize = CAPACITY + 256;
const HEAD: usize = CAPACITY + 384;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let positions = [HEAD, HEAD_CACHE, TAIL].map(|field| (field, input.i64()));
    let records = &input.rest()[..input.rest().len().min(CAPACITY)];
    let view = memory(records, CAPACITY + TRAILER_LENGTH);
    for (field, position) in positions {
        view.put_i64(field, position);
    }
    let mut consumer = Consumer::new(view.clone()).expect("a valid capacity");
    let producer = mpsc::Producer::new(view).expect("a valid capacity");
    for round in 0..4 {
        let messages = consumer.read(CAPACITY, |type_id, payload| {
            assert!(payload.len() <= CAPACITY / 8);
            let _ = Command::parse(type_id, payload);
        });
        assert!(messages <= CAPACITY / 8);
        consumer.unblock();
        consumer.controlled_read(8, |type_id, _| match type_id.rem_euclid(4) {
            0 => ReadAction::Abort,
            1 => ReadAction::Break,
            2 => ReadAction::Commit,
            _ => ReadAction::Continue,
        });
        let _ = producer.write(1, &[round; 100]);
        let _ = (producer.size(), consumer.size());
    }
});
