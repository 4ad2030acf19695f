//! A log whose tails and frames are anything: unblocking, filling gaps, rotating and appending. The first 52 bytes of
//! the input are three tails, the count of terms, a position, and a gap; the first term follows.
#![no_main]

use epona_fuzz::{Input, log};
use epona_protocol::{
    logbuffer::{
        Gap, RawTail, TermReader,
        appender::{ConcurrentAppender, ExclusiveAppender},
        fill_gap, rotate, unblock_log, unblock_term,
    },
    types::{Position, TermId, TermOffset},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let tails: [i64; 3] = core::array::from_fn(|_| input.i64());
    let (count, message_length) = (input.i32(), input.i32().unsigned_abs() as usize % 8193);
    let position = Position::new(input.i64());
    let gap = Gap { offset: TermOffset::new(input.i32()), length: input.i32() };
    let term_id = TermId::new(input.i32());
    let log = log(input.rest());
    for (index, tail) in tails.into_iter().enumerate() {
        log.metadata().set_tail(index, RawTail::from_raw(tail));
    }
    log.metadata().set_active_term_count(count);
    let _ = unblock_log(&log, position);
    let _ = unblock_term(&log, 0, gap.offset, log.metadata().tail(0));
    let _ = fill_gap(&log, term_id, gap);
    let message = vec![1; message_length];
    if let Ok(appender) = ConcurrentAppender::new(log.clone()) {
        let _ = appender.offer(&message, Position::MAX);
        let _ = appender.claim(message_length, position).map(|claim| claim.commit());
    }
    if let Ok(mut appender) = ExclusiveAppender::new(log.clone()) {
        let _ = appender.offer(&message, Position::MAX);
        let _ = appender.append_padding(message_length, position);
        let _ = appender.offer_block(input.rest(), Position::MAX);
    }
    rotate(log.metadata(), count, term_id);
    let _ = (log.producer_position(), log.metadata().active_tail());
    for index in 0..3 {
        assert!(TermReader::new(log.term(index), TermOffset::ZERO).count() <= 2048);
    }
});
