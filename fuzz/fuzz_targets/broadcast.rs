//! The to-clients broadcast buffer as a broken driver left it: receiving, and transmitting behind it. The first 24
//! bytes of the input are tail intent, tail and latest; the records follow.
#![no_main]

use epona_fuzz::{Input, memory};
use epona_protocol::{
    broadcast::{CopyReceiver, Receiver, TRAILER_LENGTH, Transmitter},
    command::Event,
};
use libfuzzer_sys::fuzz_target;

const CAPACITY: usize = 1024;
const ROUNDS: usize = 8;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let positions: [i64; 3] = core::array::from_fn(|_| input.i64());
    let records = &input.rest()[..input.rest().len().min(CAPACITY)];
    let view = memory(records, CAPACITY + TRAILER_LENGTH);
    // The receivers start at what was the latest record then.
    view.put_i64(CAPACITY + 16, positions[2]);
    let mut copying = CopyReceiver::new(view.clone()).expect("a valid capacity");
    let mut receiver = Receiver::new(view.clone()).expect("a valid capacity");
    for (index, position) in positions.into_iter().enumerate() {
        view.put_i64(CAPACITY + 8 * index, position);
    }
    let mut transmitter = Transmitter::new(view).expect("a valid capacity");
    for round in 0..ROUNDS {
        let _ = copying.receive(|type_id, payload| {
            let _ = Event::parse(type_id, payload);
        });
        if let Ok(Some(record)) = receiver.receive_next() {
            let mut payload = vec![0; record.length];
            receiver.copy_payload(&record, &mut payload);
            let _ = receiver.validate(&record);
        }
        if round >= ROUNDS / 2 {
            let _ = transmitter.transmit(1, &[1; 100]);
        }
    }
});
