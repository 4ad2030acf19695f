//! Offers, claims, padding and blocks, and what ends a term and a stream.

use epona_protocol::{
    frame::{DataFlags, frame_type},
    logbuffer::{
        LogBuffers, LogKind, LogParameters, RawTail, StartPosition, TermReader,
        appender::{Batch, BlockError, ConcurrentAppender, ExclusiveAppender, Refusal},
        unblock_log,
    },
    memory::AtomicView,
    types::{Position, TermId, TermOffset},
};

use crate::support::{FAR, MTU, TERM, at, frame, frame_bytes, log, log_near_end, messages, parameters};

/// Both appenders behind one face, for what they have in common.
enum Appender {
    Concurrent(ConcurrentAppender),
    Exclusive(ExclusiveAppender),
}

impl Appender {
    fn both(make_log: impl Fn() -> LogBuffers) -> [(Self, LogBuffers); 2] {
        let (one, other) = (make_log(), make_log());
        [
            (Self::Concurrent(ConcurrentAppender::new(one.clone()).unwrap()), one),
            (Self::Exclusive(ExclusiveAppender::new(other.clone()).unwrap()), other),
        ]
    }

    fn offer(&mut self, message: &[u8], limit: Position) -> Result<Position, Refusal> {
        match self {
            Self::Concurrent(appender) => appender.offer(message, limit),
            Self::Exclusive(appender) => appender.offer(message, limit),
        }
    }

    fn offer_batch(&mut self, messages: &[&[u8]], limit: Position) -> Result<Batch, Refusal> {
        match self {
            Self::Concurrent(appender) => appender.offer_batch(messages, limit),
            Self::Exclusive(appender) => appender.offer_batch(messages, limit),
        }
    }

    fn append(
        &mut self,
        message: &[u8],
        reserved_value: impl FnMut(&AtomicView, TermOffset, i32) -> i64,
    ) -> Result<Position, Refusal> {
        match self {
            Self::Concurrent(appender) => appender.append(message, FAR, reserved_value),
            Self::Exclusive(appender) => appender.append(message, FAR, reserved_value),
        }
    }

    fn offer_parts(&mut self, parts: &[&[u8]]) -> Result<Position, Refusal> {
        match self {
            Self::Concurrent(appender) => appender.offer_parts(parts, FAR),
            Self::Exclusive(appender) => appender.offer_parts(parts, FAR),
        }
    }

    fn position(&self) -> Position {
        match self {
            Self::Concurrent(appender) => appender.position(),
            Self::Exclusive(appender) => appender.position(),
        }
    }
}

#[test]
fn an_offer_returns_the_position_of_its_end() {
    for (mut appender, log) in Appender::both(log) {
        assert_eq!(appender.offer(b"hello", FAR), Ok(Position::new(64)));
        assert_eq!(appender.offer(b"", FAR), Ok(Position::new(96)));
        assert_eq!(appender.position(), Position::new(96));
        assert_eq!(log.producer_position(), Position::new(96));
        assert_eq!(messages(log.term(0), 0), [b"hello".to_vec(), vec![]]);
        let first = frame(log.term(0), 0);
        assert_eq!((first.version(), first.flags()), (0, DataFlags::UNFRAGMENTED));
        assert_eq!(first.session_id(), log.session_id());
        assert_eq!((first.stream_id(), first.term_offset()), (log.stream_id(), at(0)));
    }
}

#[test]
fn a_long_message_becomes_fragments() {
    let message: Vec<u8> = (0..3000_u32).map(|index| index as u8).collect();
    for (mut appender, log) in Appender::both(log) {
        assert_eq!(appender.offer(&message, FAR), Ok(Position::new(3104)));
        let fragments: Vec<_> = TermReader::new(log.term(0), at(0)).collect();
        let flags: Vec<_> = fragments.iter().map(|fragment| fragment.flags()).collect();
        assert_eq!(flags, [DataFlags::BEGIN, DataFlags::NONE, DataFlags::END]);
        assert_eq!(
            fragments.iter().map(|fragment| fragment.frame_length()).collect::<Vec<_>>(),
            [1408, 1408, 280]
        );
        assert_eq!(fragments.concat_payloads(), message);
    }
}

trait ConcatPayloads {
    fn concat_payloads(&self) -> Vec<u8>;
}

impl ConcatPayloads for Vec<epona_protocol::logbuffer::Fragment<'_>> {
    fn concat_payloads(&self) -> Vec<u8> {
        self.iter().flat_map(|fragment| fragment.payload().to_vec()).collect()
    }
}

#[test]
fn exactly_full_fragments_have_no_empty_one_after_them() {
    for (mut appender, log) in Appender::both(log) {
        assert_eq!(appender.offer(&[1; 2752], FAR), Ok(Position::new(2816)));
        assert_eq!(frame(log.term(0), 1408).flags(), DataFlags::END);
    }
}

#[test]
fn parts_are_gathered_across_fragments() {
    let message: Vec<u8> = (0..4000_u32).map(|index| (index / 3) as u8).collect();
    let parts = [&message[..1], &[], &message[1..1500], &message[1500..3999], &message[3999..], &[]];
    for (mut appender, log) in Appender::both(log) {
        appender.offer_parts(&parts).unwrap();
        appender.offer_parts(&[b"ab", b"c"]).unwrap();
        appender.offer_parts(&[]).unwrap();
        let fragments: Vec<_> = TermReader::new(log.term(0), at(0)).collect();
        assert_eq!(fragments[..3].to_vec().concat_payloads(), message);
        assert_eq!((fragments[3].payload(), fragments[4].payload()), (&b"abc"[..], &b""[..]));
    }
}

#[test]
fn each_frame_gets_its_own_reserved_value() {
    let supply = |term: &AtomicView, offset: TermOffset, length: i32| {
        assert!(term.get_i32(offset.index()) < 0, "asked before the frame is committed");
        i64::from(offset.get()) * 10_000 + i64::from(length)
    };
    let (one, other) = (log(), log());
    ConcurrentAppender::new(one.clone()).unwrap().append(&[7; 2000][..], FAR, supply).unwrap();
    ExclusiveAppender::new(other.clone()).unwrap().append(&[7; 2000][..], FAR, supply).unwrap();
    for log in [one, other] {
        let values: Vec<_> =
            TermReader::new(log.term(0), at(0)).map(|frame| frame.reserved_value()).collect();
        assert_eq!(values, [1408, 14_080_000 + 656]);
    }
}

#[test]
fn the_limit_refuses_by_connection() {
    for (mut appender, log) in Appender::both(log) {
        assert_eq!(appender.offer(b"a", Position::ZERO), Err(Refusal::NotConnected));
        log.metadata().set_connected(true);
        assert_eq!(appender.offer(b"a", Position::ZERO), Err(Refusal::BackPressured));
        assert_eq!(appender.offer(b"a", Position::new(1)), Ok(Position::new(64)), "may pass the limit");
        assert_eq!(appender.offer(b"a", Position::new(64)), Err(Refusal::BackPressured));
        assert_eq!(log.producer_position(), Position::new(64));
    }
}

#[test]
fn messages_longer_than_an_eighth_of_the_term_are_refused() {
    for (mut appender, log) in Appender::both(log) {
        assert!(appender.offer(&[0; 8192], FAR).is_ok());
        assert_eq!(appender.offer(&[0; 8193], FAR), Err(Refusal::TooLong { length: 8193, max: 8192 }));
        assert_eq!(log.producer_position(), appender.position());
    }
}

#[test]
fn a_trip_pads_the_term_and_rotates_as_in_the_spec() {
    for (mut appender, log) in Appender::both(|| log_near_end(0, 0, 64)) {
        assert_eq!(appender.offer(&[1; 100], FAR), Err(Refusal::AdminAction));
        let padding = frame(log.term(0), 65_472);
        assert_eq!((padding.frame_length(), padding.frame_type()), (64, frame_type::PAD));
        assert_eq!((padding.flags(), padding.term_offset()), (DataFlags::UNFRAGMENTED, at(65_472)));
        assert_eq!(log.metadata().tail(1).get(), 0x1_0000_0000);
        assert_eq!(log.metadata().tail(0).get(), 65_632);
        assert_eq!(log.metadata().active_term_count(), 1);
        assert_eq!(appender.offer(&[1; 100], FAR), Ok(Position::new(65_696)));
        assert_eq!(frame(log.term(1), 0).term_id(), TermId::new(1));
    }
}

#[test]
fn a_second_trip_of_the_same_term_pads_nothing() {
    let log = log_near_end(0, 0, 64);
    let appender = ConcurrentAppender::new(log.clone()).unwrap();
    appender.offer(&[1; 100], FAR).unwrap_err();
    // Another publisher that loaded the count before the rotation finds the old tail.
    log.metadata().set_active_term_count(0);
    assert_eq!(appender.offer(&[1; 100], FAR), Err(Refusal::AdminAction));
    assert_eq!(log.metadata().tail(1).get(), 0x1_0000_0000, "the rotation is not repeated");
    assert_eq!(log.metadata().active_term_count(), 1, "but completed");
    assert_eq!(frame(log.term(0), 65_472).frame_length(), 64);
}

#[test]
fn a_message_that_fills_the_term_exactly_is_no_trip() {
    for (mut appender, log) in Appender::both(|| log_near_end(0, 0, 64)) {
        assert_eq!(appender.offer(&[1; 32], FAR), Ok(Position::new(65_536)));
        assert_eq!(log.metadata().active_term_count(), 0);
        assert_eq!(appender.offer(&[1; 32], FAR), Err(Refusal::AdminAction));
        assert_eq!(appender.offer(&[1; 32], FAR), Ok(Position::new(65_600)));
        assert_eq!(messages(log.term(0), 65_472).len(), 1, "no padding in a full term");
    }
}

#[test]
fn rotation_goes_on_around_the_wrap_of_term_ids() {
    for (mut appender, log) in Appender::both(|| log_near_end(i32::MAX - 1, 0, 0)) {
        for term in 1..=7 {
            assert_eq!(appender.offer(b"x", FAR), Err(Refusal::AdminAction));
            assert_eq!(appender.offer(b"x", FAR), Ok(Position::new(term * 65_536 + 64)));
            let count = log.metadata().active_term_count();
            assert_eq!(i64::from(count), term);
            let index = log.geometry().partition_index(appender.position());
            assert_eq!(frame(log.term(index), 0).term_id(), TermId::new(i32::MAX - 1).wrapping_add(count));
            // Stands for the driver cleaning behind the consumers, and for a publisher filling the term.
            log.term(index).zero(0, TERM as usize);
            if let Appender::Concurrent(_) = appender {
                log.metadata().advance_tail(index, TERM - 64);
            } else {
                appender = Appender::Exclusive(refilled(&log, index));
            }
        }
    }
}

fn refilled(log: &LogBuffers, index: usize) -> ExclusiveAppender {
    log.metadata().advance_tail(index, TERM - 64);
    ExclusiveAppender::new(log.clone()).unwrap()
}

fn log_at_the_last_term(before_end: i32) -> LogBuffers {
    log_near_end(3, i32::MAX, before_end)
}

#[test]
fn the_last_term_ends_the_stream() {
    for (mut appender, log) in Appender::both(|| log_at_the_last_term(128)) {
        let end = log.geometry().max_position();
        assert_eq!(appender.offer(&[1; 32], FAR), Ok(end - 64));
        assert_eq!(appender.offer(&[1; 64], FAR), Err(Refusal::MaxPositionExceeded));
        assert_eq!(appender.offer(&[1; 32], FAR), Err(Refusal::MaxPositionExceeded));
        assert_eq!(log.metadata().active_term_count(), i32::MAX, "the log does not rotate");
        assert_eq!(frame(log.term(log.geometry().partition_index(end - 64)), TERM - 64).frame_length(), 64);
    }
}

#[test]
fn back_pressure_at_the_end_of_the_stream_counts_header_and_alignment() {
    for (mut appender, log) in Appender::both(|| log_at_the_last_term(128)) {
        log.metadata().set_connected(true);
        let limit = log.producer_position();
        assert_eq!(appender.offer(&[1; 64], limit), Err(Refusal::BackPressured));
        assert_eq!(appender.offer(&[1; 65], limit), Err(Refusal::MaxPositionExceeded));
    }
}

#[test]
fn a_damaged_tail_is_refused() {
    let log = log();
    log.metadata().set_tail(0, RawTail::new(TermId::new(0), at(33)));
    let appender = ConcurrentAppender::new(log).unwrap();
    assert_eq!(appender.offer(b"a", FAR), Err(Refusal::Corrupt));
}

#[test]
fn a_publisher_waits_while_another_rotates() {
    let log = log();
    log.metadata().set_active_term_count(1);
    let appender = ConcurrentAppender::new(log).unwrap();
    assert_eq!(appender.offer(b"a", FAR), Err(Refusal::AdminAction));
}

#[test]
fn a_claim_is_seen_when_committed_and_skipped_when_dropped() {
    let log = log();
    let appender = ConcurrentAppender::new(log.clone()).unwrap();
    let mut claim = appender.claim(5, FAR).unwrap();
    claim.copy_from_slice(b"hello");
    claim.set_reserved_value(42);
    assert_eq!(claim.reserved_value(), 42);
    assert_eq!(messages(log.term(0), 0).len(), 0);
    assert_eq!(log.term(0).get_i32(0), -37);
    assert_eq!((claim.position(), claim.commit()), (Position::new(64), Position::new(64)));
    drop(appender.claim(100, FAR).unwrap());
    appender.claim(0, FAR).unwrap().abort();
    let mut flagged = appender.claim(1, FAR).unwrap();
    flagged.set_flags(DataFlags::BEGIN);
    flagged.commit();
    assert_eq!(messages(log.term(0), 0), [b"hello".to_vec(), vec![0]]);
    assert_eq!(frame(log.term(0), 0).reserved_value(), 42);
    let aborted = frame(log.term(0), 64);
    assert_eq!((aborted.frame_type(), aborted.frame_length()), (frame_type::PAD, 132));
    assert_eq!(frame(log.term(0), 256).flags(), DataFlags::BEGIN);
}

#[test]
fn a_claim_must_fit_one_frame() {
    let max = MTU - 32;
    let log = log();
    let mut appender = ExclusiveAppender::new(log.clone()).unwrap();
    let refused = appender.claim(max as usize + 1, FAR).map(|claim| claim.position());
    assert_eq!(refused, Err(Refusal::TooLong { length: max as usize + 1, max }));
    let mut claim = appender.claim(max as usize, FAR).unwrap();
    claim.fill(9);
    claim.commit();
    assert_eq!(messages(log.term(0), 0), [vec![9; max as usize]]);
}

#[test]
fn appended_padding_is_skipped() {
    let log = log();
    let mut appender = ExclusiveAppender::new(log.clone()).unwrap();
    assert_eq!(appender.append_padding(100, FAR), Ok(Position::new(160)));
    appender.offer(b"after", FAR).unwrap();
    assert_eq!(messages(log.term(0), 0), [b"after"]);
    let max = 8192 / 1376 * 1408 + 32 + 1312;
    assert_eq!(
        appender.append_padding(max as usize + 1, FAR).unwrap_err(),
        Refusal::TooLong { length: max as usize + 1, max }
    );
    assert!(appender.append_padding(max as usize, FAR).is_ok());
}

#[test]
fn a_block_of_frames_goes_in_as_it_is() {
    let log = log();
    let mut appender = ExclusiveAppender::new(log.clone()).unwrap();
    appender.offer(b"first", FAR).unwrap();
    let block = [frame_bytes(64, 1, b"second"), frame_bytes(128, 1, &[3; 40])].concat();
    assert_eq!(appender.offer_block(&block, FAR), Ok(Position::new(224)));
    assert_eq!(messages(log.term(0), 0), [b"first".to_vec(), b"second".to_vec(), vec![3; 40]]);
    assert_eq!(log.producer_position(), Position::new(224));
}

#[test]
fn a_block_that_does_not_belong_here_is_refused() {
    let log = log();
    log.metadata().set_connected(true);
    let mut appender = ExclusiveAppender::new(log.clone()).unwrap();
    let fitting = frame_bytes(0, 1, b"x");
    assert_eq!(appender.offer_block(&fitting, Position::ZERO), Err(Refusal::BackPressured.into()));
    assert_eq!(appender.offer_block(&[], FAR), Err(BlockError::NotFrames { length: 0 }));
    assert_eq!(appender.offer_block(&fitting[..63], FAR), Err(BlockError::NotFrames { length: 63 }));
    let long = vec![0; TERM as usize + 32];
    let crossing = BlockError::CrossesTerm { length: TERM as usize + 32, remaining: TERM };
    assert_eq!(appender.offer_block(&long, FAR), Err(crossing));
    for (at, field) in
        [(8, "term offset"), (12, "session id"), (16, "stream id"), (20, "term id"), (6, "type")]
    {
        let mut block = fitting.clone();
        block[at] ^= 1;
        let error = appender.offer_block(&block, FAR).unwrap_err();
        assert!(matches!(error, BlockError::Mismatch { field: found, .. } if found == field), "{error}");
    }
    assert_eq!(log.producer_position(), Position::ZERO);
    assert!(appender.offer_block(&fitting, FAR).is_ok());
}

#[test]
fn a_block_after_a_full_term_rotates_by_itself() {
    let log = log_near_end(0, 0, 0);
    let mut appender = ExclusiveAppender::new(log.clone()).unwrap();
    let mut block = frame_bytes(0, 1, b"next");
    block[20] = 1;
    assert_eq!(appender.offer_block(&block, FAR), Ok(Position::new(65_600)));
    assert_eq!(log.metadata().active_term_count(), 1);
    let last = log_near_end(3, i32::MAX, 0);
    let mut appender = ExclusiveAppender::new(last).unwrap();
    assert_eq!(appender.offer_block(&block, FAR), Err(Refusal::MaxPositionExceeded.into()));
}

#[test]
fn an_exclusive_appender_starts_where_the_log_does() {
    let start = StartPosition { term_id: TermId::new(-2), term_offset: at(96) };
    let parameters = LogParameters {
        initial_term_id: TermId::new(-4),
        start: Some(start),
        ..parameters(LogKind::ExclusivePublication)
    };
    let log = LogBuffers::on_heap(&parameters);
    let mut appender = ExclusiveAppender::new(log.clone()).unwrap();
    assert_eq!((appender.term_id(), appender.term_offset()), (TermId::new(-2), at(96)));
    assert_eq!(appender.offer(b"a", FAR), Ok(Position::new(2 * 65_536 + 160)));
    assert_eq!(frame(log.term(2), 96).term_id(), TermId::new(-2));
}

/// A batch of messages that hold their numbers, each of a length of its own.
fn numbered(count: u8) -> Vec<Vec<u8>> {
    (0..count).map(|number| vec![number; usize::from(number) * 7 % 90]).collect()
}

#[test]
fn a_batch_is_appended_as_its_messages_one_by_one_would_be() {
    let messages_ = numbered(20);
    let batch: Vec<&[u8]> = messages_.iter().map(Vec::as_slice).collect();
    for ((mut one_by_one, expected), (mut at_once, log)) in
        Appender::both(log).into_iter().zip(Appender::both(log))
    {
        let mut end = Position::ZERO;
        for message in &batch {
            end = one_by_one.offer(message, FAR).unwrap();
        }
        assert_eq!(at_once.offer_batch(&batch, FAR), Ok(Batch { messages: 20, position: end }));
        let bytes = end.get() as usize;
        assert_eq!(log.term(0).to_vec(0, bytes), expected.term(0).to_vec(0, bytes));
        assert_eq!(at_once.offer_batch(&[], FAR), Ok(Batch { messages: 0, position: end }));
    }
}

#[test]
fn a_batch_stops_before_the_limit_and_says_how_far_it_came() {
    for (mut appender, log) in Appender::both(log) {
        let limit = Position::new(65);
        let batch = appender.offer_batch(&[b"a", b"b", b"c"], limit);
        assert_eq!(batch, Ok(Batch { messages: 2, position: Position::new(128) }), "as offers one by one");
        assert_eq!(messages(log.term(0), 0), [b"a", b"b"]);
        assert_eq!(appender.offer_batch(&[b"c"], limit), Err(Refusal::NotConnected));
    }
}

#[test]
fn a_batch_stops_at_the_end_of_the_term_and_goes_on_in_the_next() {
    for (mut appender, log) in Appender::both(|| log_near_end(7, 1, 3 * 64)) {
        let five: [&[u8]; 5] = [b"1", b"2", b"3", b"4", b"5"];
        let begin = appender.position();
        let batch = appender.offer_batch(&five, FAR).unwrap();
        assert_eq!((batch.messages, batch.position), (3, begin + 3 * 64));
        assert_eq!(appender.offer_batch(&five[3..], FAR), Err(Refusal::AdminAction));
        let batch = appender.offer_batch(&five[3..], FAR).unwrap();
        assert_eq!((batch.messages, batch.position), (2, begin + 5 * 64));
        let next = log.geometry().partition_index(begin + 3 * 64);
        assert_eq!(messages(log.term(next), 0), [b"4", b"5"]);
    }
}

#[test]
fn a_long_message_in_a_batch_goes_out_alone_and_one_too_long_is_refused() {
    let long = vec![7; MTU as usize];
    for (mut appender, log) in Appender::both(log) {
        let batch = [b"short".as_slice(), &long, b"short"];
        assert_eq!(appender.offer_batch(&batch, FAR).unwrap().messages, 1);
        assert_eq!(appender.offer_batch(&batch[1..], FAR).unwrap().messages, 1);
        assert_eq!(appender.offer_batch(&batch[2..], FAR).unwrap().messages, 1);
        let flags: Vec<_> = TermReader::new(log.term(0), at(0)).map(|fragment| fragment.flags()).collect();
        let whole = DataFlags::UNFRAGMENTED;
        assert_eq!(flags, [whole, DataFlags::BEGIN, DataFlags::END, whole]);
        let huge = vec![0; TERM as usize];
        assert!(matches!(appender.offer_batch(&[&huge], FAR), Err(Refusal::TooLong { .. })));
    }
}

#[test]
fn a_batch_whose_publisher_died_is_unblocked_frame_by_frame() {
    let log = log();
    let appender = ConcurrentAppender::new(log.clone()).unwrap();
    appender.offer_batch(&[b"first", b"second", b"third"], FAR).unwrap();
    // As it stands when all but the first are committed, and the third has not been begun.
    log.term(0).put_i32(0, -37);
    log.term(0).zero(128, 64);
    assert!(unblock_log(&log, Position::ZERO));
    assert_eq!(messages(log.term(0), 0), [b"second"]);
    assert_eq!(frame(log.term(0), 0).frame_type(), frame_type::PAD);
    assert!(!unblock_log(&log, Position::new(128)), "nothing is known of how long the rest is");
    appender.offer(b"fourth", FAR).unwrap();
    assert!(unblock_log(&log, Position::new(128)));
    assert_eq!(messages(log.term(0), 0), [b"second".as_slice(), b"fourth"]);
}

#[test]
fn a_supplier_that_panics_leaves_padding_in_place_of_its_message() {
    let long = vec![7; 3 * MTU as usize];
    for message in [b"hello".as_slice(), &long] {
        for (mut appender, log) in Appender::both(log) {
            let mut frames = 0;
            let panics = std::panic::AssertUnwindSafe(|| {
                let _ = appender.append(message, |_, _, _| {
                    frames += 1;
                    // In a fragment amid the message, where there are several.
                    assert!(frames < 2 && message.len() > 5, "no reserved value");
                    0
                });
            });
            assert!(std::panic::catch_unwind(panics).is_err());
            let end = appender.position();
            appender.offer(b"next", FAR).unwrap();
            let mut reader = TermReader::new(log.term(0), at(0));
            let read: Vec<_> =
                reader.by_ref().map(|fragment| (fragment.offset(), fragment.flags())).collect();
            let next = (TermOffset::new(end.get() as i32), DataFlags::UNFRAGMENTED);
            assert_eq!(read.last(), Some(&next), "the stream goes on");
            assert_eq!(reader.offset().get(), end.get() as i32 + 64);
            assert!(read.iter().all(|(_, flags)| !flags.contains(DataFlags::END) || *flags == next.1));
        }
    }
}

#[test]
fn a_claim_that_was_unblocked_meanwhile_changes_nothing_any_more() {
    let log = log();
    let appender = ConcurrentAppender::new(log.clone()).unwrap();
    let mut late = appender.claim(5, FAR).unwrap();
    late.copy_from_slice(b"hello");
    let dropped = appender.claim(5, FAR).unwrap();
    appender.offer(b"next", FAR).unwrap();
    for blocked in [0, 64] {
        assert!(unblock_log(&log, Position::new(blocked)));
    }
    let padded = log.term(0).to_vec(0, 128);
    late.set_flags(DataFlags::BEGIN);
    late.set_reserved_value(7);
    assert_eq!(late.commit(), Position::new(64));
    drop(dropped);
    assert_eq!(log.term(0).to_vec(0, 128), padded);
    assert_eq!(messages(log.term(0), 0), [b"next"]);
}

#[test]
fn a_claim_held_until_its_place_is_another_frames_leaves_that_alone() {
    let log = log();
    let appender = ConcurrentAppender::new(log.clone()).unwrap();
    let late = appender.claim(5, FAR).unwrap();
    assert_eq!(late.position(), Position::new(64));
    // Three terms on: cleaned, and claimed for a frame of the same length.
    log.term(0).zero(0, 64);
    log.metadata().set_tail(0, RawTail::new(log.geometry().initial_term_id().wrapping_add(3), at(0)));
    log.metadata().set_active_term_count(3);
    let other = appender.claim(5, FAR).unwrap();
    let bytes = log.term(0).to_vec(0, 64);
    late.commit();
    assert_eq!(log.term(0).to_vec(0, 64), bytes);
    other.commit();
    assert_eq!(frame(log.term(0), 0).frame_length(), 37);
}
