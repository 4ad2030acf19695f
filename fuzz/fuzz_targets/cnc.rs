//! A `cnc.dat` of any content, as tools meet it: all its sections are opened and read. The first two bytes of the input
//! are the length of the file, beyond the input all zero.
#![no_main]

use std::time::Duration;

use epona_fuzz::{Input, memory};
use epona_protocol::{
    broadcast::CopyReceiver,
    cnc::{Cnc, CncState, request_termination},
    counters::CountersReader,
    error_log,
    ring_buffer::Consumer,
    types::EpochMillis,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let length = usize::from(u16::from_le_bytes(input.take()));
    let view = memory(input.rest(), length);
    let CncState::Ready(cnc) = Cnc::check(view.clone()) else { return };
    let _ = (cnc.version(), cnc.length(), cnc.metadata().lengths.file_length(cnc.metadata().file_page_size));
    let _ = (cnc.driver_heartbeat(), cnc.is_driver_active(EpochMillis::new(0), Duration::from_secs(10)));
    let counters = CountersReader::new(cnc.counters_metadata(), cnc.counters_values());
    assert!(counters.iter().count() <= counters.capacity());
    assert!(error_log::entries(cnc.error_log()).count() <= length);
    let _ = CopyReceiver::new(cnc.to_clients()).map(|mut receiver| receiver.receive(|_, _| ()).is_ok());
    let _ = Consumer::new(cnc.to_driver()).map(|mut consumer| consumer.read(16, |_, _| ()));
    let _ = request_termination(Cnc::check(view.clone()), input.rest());
    let _ = Cnc::connect(view, EpochMillis::new(i64::MAX), Duration::ZERO);
});
