//! Datagrams from the network, from the first check to the term buffer. The first 8 bytes of the input are where the
//! datagram claims to stand and how long the segments of a coalesced receive are; the datagram follows.
#![no_main]

use epona_fuzz::Input;
use epona_protocol::{
    frame::{self, Frame, data},
    logbuffer::{TermReader, insert},
    memory::AtomicView,
    types::{TermLength, TermOffset},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let offset = TermOffset::new(input.i32());
    let segment = input.i32() as usize;
    let datagram = input.rest();
    match frame::decode(datagram) {
        Ok(Frame::Data(view)) => {
            assert!(view.payload().len() <= datagram.len());
            let _ = (view.to_frame(), view.is_heartbeat(), view.is_padding());
            receive(datagram, segment, offset);
            receive(datagram, segment, view.term_offset());
        }
        Ok(Frame::Nak(nak)) => drop(nak.to_frame().validate(TermLength::MIN)),
        Ok(Frame::StatusMessage(sm)) => {
            let _ = (sm.to_frame().validate(TermLength::MIN), sm.group_tag(), sm.has_unknown_feedback());
        }
        Ok(Frame::Error(error)) => drop(error.to_frame().map(|error| error.emit(&mut [0; 2048]))),
        Ok(Frame::Setup(setup)) => drop(setup.to_frame().validate()),
        Ok(Frame::Rttm(rttm)) => drop(rttm.to_frame().reply(segment as i64)),
        Ok(Frame::Resolution(resolution)) => assert!(resolution.entries().count() <= datagram.len()),
        Ok(Frame::ResponseSetup(setup)) => drop(setup.to_frame()),
        Ok(Frame::Ignored) | Err(_) => {}
    }
});

/// What is found valid must be read back from the term as it was counted.
fn receive(datagram: &[u8], segment: usize, offset: TermOffset) {
    let Ok(packet) = data::validate_packet(datagram, offset, TermLength::MIN) else { return };
    assert!(offset + packet.in_term <= TermOffset::new(TermLength::MIN.get()));
    let term = AtomicView::allocate(TermLength::MIN.bytes());
    assert!(packet.is_heartbeat() || insert(&term, offset, datagram));
    let end = offset + packet.in_term;
    assert!(TermReader::bounded(&term, offset, end).count() <= packet.frames as usize);
    if let Ok(run) = data::validate_run(datagram, segment, offset, TermLength::MIN) {
        assert!(run.bytes <= datagram.len() && run.in_term <= packet.in_term);
        assert!(run.frames <= packet.frames && run.datagrams >= 1);
    }
}
