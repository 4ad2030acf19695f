//! Memory that a broken process wrote: nothing panics, hangs or reaches outside.

use epona_protocol::{
    logbuffer::{
        Gap, LogBuffers, LogKind, RawTail, TermReader,
        appender::{ConcurrentAppender, ExclusiveAppender},
        clean, fill_gap, insert, rotate, scan_block, scan_for_availability, scan_for_gap, scan_run,
        unblock_log,
    },
    memory::AtomicView,
    types::{Position, TermId, TermOffset},
};
use proptest::{collection::vec, prelude::*};

use crate::support::{FAR, TERM, at, parameters};

/// Lengths that a frame can or cannot have, all sorts of both.
fn any_length() -> impl Strategy<Value = i32> {
    prop_oneof![
        any::<i32>(),
        -200..200_i32,
        (0..=TERM).prop_map(|length| length - 100),
        Just(i32::MIN),
        Just(i32::MAX),
        Just(i32::MAX - 31),
    ]
}

fn any_offset() -> impl Strategy<Value = i32> {
    prop_oneof![any::<i32>(), (0..=TERM / 32).prop_map(|slot| slot * 32), Just(TERM - 32), Just(-32)]
}

fn fill(term: &AtomicView, slots: &[(i32, i32, u16)]) {
    for (slot, length, kind) in slots {
        let offset = slot * 32;
        term.put_i32(offset as usize, *length);
        term.put_u16(offset as usize + 6, *kind);
    }
}

fn read_everything(log: &LogBuffers, offset: TermOffset, limit: TermOffset) {
    let term = log.term(0);
    let mut bytes = 0;
    for fragment in TermReader::bounded(term, offset, limit) {
        assert!(fragment.next_offset() <= at(TERM));
        bytes += fragment.payload().len();
    }
    assert!(bytes < TERM as usize);
    if let Some(block) = scan_block(term, offset, limit.get()) {
        assert!(block.bytes().len() <= TERM as usize);
    }
    let run = scan_run(term, offset, limit.get(), 1408, 64);
    assert!(run.length == 0 || run.advance() <= TERM - offset.get());
    let _ = scan_for_availability(term, offset, limit.get());
    let scan = scan_for_gap(term, offset, limit);
    if let Some(gap) = scan.gap {
        assert!(gap.length > 0 && gap.offset.get() + gap.length <= TERM);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn garbage_frames_are_the_end_of_data(
        slots in vec((0..TERM / 32, any_length(), 0..3_u16), 0..40),
        first in any_length(),
        offset in any_offset(),
        limit in any_offset(),
    ) {
        let log = LogBuffers::on_heap(&parameters(LogKind::ConcurrentPublication));
        fill(log.term(0), &slots);
        log.term(0).put_i32(0, first);
        read_everything(&log, at(offset), at(limit));
        read_everything(&log, at(0), at(TERM));
        let _ = fill_gap(&log, TermId::new(limit), Gap { offset: at(offset), length: first });
        insert(log.term(0), at(offset), &[1; 64]);
        clean(log.term(0), at(offset), first);
    }

    #[test]
    fn garbage_metadata_refuses_or_appends_but_never_panics(
        tails in any::<[i64; 3]>(),
        count in prop_oneof![any::<i32>(), 0..5_i32],
        aligned in any::<bool>(),
        initial_matches in any::<bool>(),
        blocked in any::<i64>(),
        length in 0..8193_usize,
    ) {
        let log = LogBuffers::on_heap(&parameters(LogKind::ConcurrentPublication));
        let metadata = log.metadata();
        for (index, mut tail) in tails.into_iter().enumerate() {
            if aligned {
                tail &= 0x7FFF_FFFF_0001_FFE0;
            }
            if initial_matches {
                tail = (tail & 0xFFFF_FFFF) | (i64::from(count) << 32);
            }
            metadata.set_tail(index, RawTail::from_raw(tail));
        }
        metadata.set_active_term_count(count);
        let message = vec![1; length];
        let appender = ConcurrentAppender::new(log.clone()).unwrap();
        let mut exclusive = ExclusiveAppender::new(log.clone()).unwrap();
        for _ in 0..3 {
            let _ = appender.offer(&message, FAR);
            let _ = appender.claim(length % 1377, FAR).map(|claim| claim.commit());
            let _ = exclusive.offer(&message, FAR);
            let _ = exclusive.append_padding(length, Position::new(blocked));
            let _ = exclusive.offer_block(&message, FAR);
        }
        unblock_log(&log, Position::new(blocked));
        rotate(metadata, count, TermId::new(count));
        let _ = log.producer_position();
    }
}
