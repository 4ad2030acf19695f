//! A term that a broken publisher or network wrote, under all readers, the rebuilder and the cleaner. The first 12
//! bytes of the input are an offset, a limit and an MTU; the term follows.
#![no_main]

use epona_fuzz::{Input, memory};
use epona_protocol::{
    logbuffer::{
        Action, Fragment, TermReader, clean, insert, scan_block, scan_for_availability, scan_for_gap,
        scan_run,
    },
    memory::AtomicView,
    types::TermOffset,
};
use libfuzzer_sys::fuzz_target;

/// Shorter than any term of a stream, for speed: readers go by the memory they are given.
const LENGTH: i32 = 4096;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let (offset, limit, mtu) = (TermOffset::new(input.i32()), TermOffset::new(input.i32()), input.i32());
    let term = memory(input.rest(), LENGTH as usize);
    read(&term, TermOffset::ZERO, TermOffset::new(LENGTH), 1408);
    read(&term, offset, limit, mtu);
    insert(&term, offset, input.rest());
    insert(&term, limit, &[1; 64]);
    clean(&term, offset, mtu);
    read(&term, offset, limit, mtu);
});

fn read(term: &AtomicView, offset: TermOffset, limit: TermOffset, mtu: i32) {
    let mut reader = TermReader::bounded(term, offset, limit);
    let mut payload = 0;
    let fragments = reader.read(usize::MAX, |fragment| payload += fragment.payload().len());
    assert!(fragments <= 128 && payload < LENGTH as usize);
    let decide = |fragment: Fragment<'_>| match fragment.flags().get() % 4 {
        0 => Action::Abort,
        1 => Action::Break,
        2 => Action::Commit,
        _ => Action::Continue,
    };
    let end = TermOffset::new(LENGTH);
    TermReader::new(term, offset).read_controlled(64, decide, |committed| assert!(committed <= end));
    if let Some(block) = scan_block(term, offset, mtu) {
        assert!(block.next_offset() <= end && block.bytes().len() == block.length() as usize);
    }
    let run = scan_run(term, offset, limit.get(), mtu, 64);
    assert!(run.length == 0 || (run.length <= limit.get() && run.advance() <= end - offset));
    let _ = scan_for_availability(term, offset, mtu);
    if let Some(gap) = scan_for_gap(term, offset, limit).gap {
        assert!(gap.length > 0 && gap.offset + gap.length <= end);
    }
}
