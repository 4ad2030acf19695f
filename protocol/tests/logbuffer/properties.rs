//! Appending, sending, receiving and reading against simple models.

use epona_protocol::{
    frame::{DataFlags, frame_type},
    logbuffer::{
        Availability, LogBuffers, LogKind, TermReader,
        appender::{ConcurrentAppender, ExclusiveAppender, Refusal},
        insert, scan_for_availability, scan_for_gap, scan_run,
    },
    memory::AtomicView,
    types::Position,
};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::support::{FAR, MTU, TERM, at, parameters, put_frame};

/// Reads whole messages from a position on, as an assembler would.
struct Subscriber {
    position: Position,
    partial: Vec<u8>,
    messages: Vec<Vec<u8>>,
}

impl Subscriber {
    fn new() -> Self {
        Self { position: Position::ZERO, partial: Vec::new(), messages: Vec::new() }
    }

    /// Reads one term's worth and cleans it when it is done.
    fn poll(&mut self, log: &LogBuffers) {
        let offset = log.geometry().term_offset(self.position);
        let mut reader = TermReader::new(log.term_at(self.position), offset);
        for fragment in reader.by_ref() {
            self.partial.extend(fragment.payload());
            if fragment.flags().contains(DataFlags::END) {
                self.messages.push(core::mem::take(&mut self.partial));
            }
        }
        if reader.offset() == at(TERM) {
            log.term_at(self.position).zero(0, TERM as usize);
        }
        self.position = self.position + i64::from(reader.offset() - offset);
    }
}

/// Offers until it is in; the log always takes a message after it rotated.
fn insist(mut offer: impl FnMut() -> Result<Position, Refusal>) -> Position {
    match offer() {
        Err(Refusal::AdminAction) => offer().unwrap(),
        result => result.unwrap(),
    }
}

/// Frames with lengths of a real stream, from the start of a term; returns (offset, length, type).
fn layout(lengths: &[(i32, bool)]) -> Vec<(i32, i32, u16)> {
    let mut offset = 0;
    let mut frames = Vec::new();
    for (length, is_padding) in lengths {
        let aligned = (length + 31) / 32 * 32;
        if offset + aligned > TERM {
            break;
        }
        let kind = if *is_padding { frame_type::PAD } else { frame_type::DATA };
        frames.push((offset, *length, kind));
        offset += aligned;
    }
    frames
}

fn term_with(frames: &[(i32, i32, u16)]) -> AtomicView {
    let term = AtomicView::allocate(TERM as usize);
    for (offset, length, kind) in frames {
        put_frame(&term, *offset, *length, *kind);
    }
    term
}

/// The datagrams that frames make, as (offset, length, padding), in the plainest way.
fn model_datagrams(frames: &[(i32, i32, u16)], mtu: i32) -> Vec<(i32, i32, i32)> {
    let mut datagrams: Vec<(i32, i32, i32)> = Vec::new();
    let mut is_open = false;
    for (offset, length, kind) in frames {
        let aligned = (length + 31) / 32 * 32;
        let sent = if *kind == frame_type::PAD { 32 } else { aligned };
        match datagrams.last_mut() {
            Some(last) if is_open && last.1 + sent <= mtu => {
                last.1 += sent;
                last.2 = aligned - sent;
            }
            _ => datagrams.push((*offset, sent, aligned - sent)),
        }
        is_open = aligned == sent;
    }
    datagrams
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_appended_is_read_in_order(lengths in vec(0..8193_usize, 1..60), exclusive in any::<bool>()) {
        let log = LogBuffers::on_heap(&parameters(LogKind::ConcurrentPublication));
        let concurrent = ConcurrentAppender::new(log.clone()).unwrap();
        let mut owner = ExclusiveAppender::new(log.clone()).unwrap();
        let mut subscriber = Subscriber::new();
        let messages: Vec<Vec<u8>> =
            lengths.iter().enumerate().map(|(index, length)| vec![index as u8; *length]).collect();
        for message in &messages {
            let position = insist(|| {
                if exclusive { owner.offer(message, FAR) } else { concurrent.offer(message, FAR) }
            });
            prop_assert_eq!(position, log.producer_position());
            subscriber.poll(&log);
            subscriber.poll(&log);
            prop_assert_eq!(position, subscriber.position);
        }
        prop_assert_eq!(subscriber.messages, messages);
    }

    #[test]
    fn any_order_of_arrival_rebuilds_the_term(
        lengths in vec(0..3000_usize, 1..30),
        order in vec(any::<Index>(), 1..60),
        cut in any::<Index>(),
    ) {
        let sent = LogBuffers::on_heap(&parameters(LogKind::ConcurrentPublication));
        let appender = ConcurrentAppender::new(sent.clone()).unwrap();
        for (index, length) in lengths.iter().enumerate() {
            let _ = appender.offer(&vec![index as u8 + 1; *length], FAR);
        }
        let mut datagrams = Vec::new();
        let mut offset = 0;
        while let Availability::Datagram { length, padding } = scan_for_availability(sent.term(0), at(offset), MTU) {
            datagrams.push((at(offset), sent.term(0).to_vec(offset as usize, length as usize)));
            offset += length + padding;
        }
        let received = LogBuffers::on_heap(&parameters(LogKind::Image));
        let term = received.term(0);
        let limit = at(offset);
        for index in &order {
            let (offset, bytes) = &datagrams[index.index(datagrams.len())];
            insert(term, *offset, bytes);
        }
        // What is still missing is asked for gap by gap; every gap starts and ends at a datagram.
        let mut rounds = 0;
        while let Some(gap) = scan_for_gap(term, at(0), limit).gap {
            rounds += 1;
            prop_assert!(rounds <= datagrams.len());
            let missing: Vec<_> = datagrams
                .iter()
                .filter(|datagram| datagram.0 >= gap.offset && datagram.0.get() < gap.offset.get() + gap.length)
                .collect();
            prop_assert_eq!(missing[0].0, gap.offset);
            let resent = cut.index(missing.len()) + 1;
            for (offset, bytes) in &missing[..resent] {
                prop_assert!(insert(term, *offset, bytes), "a gap holds nothing yet");
            }
        }
        prop_assert_eq!(term.to_vec(0, TERM as usize), sent.term(0).to_vec(0, TERM as usize));
    }

    #[test]
    fn gaps_match_the_model(present in vec(any::<bool>(), 1..200), from in any::<Index>(), limit in any::<Index>()) {
        let frames: Vec<_> = present.iter().enumerate().map(|(slot, there)| (slot as i32 * 64, *there)).collect();
        let term = AtomicView::allocate(TERM as usize);
        for (offset, there) in &frames {
            if *there {
                put_frame(&term, *offset, 40, frame_type::DATA);
            }
        }
        let (from, limit) = (from.index(frames.len()), limit.index(frames.len() + 1));
        let scan = scan_for_gap(&term, at(from as i32 * 64), at(limit as i32 * 64));
        let first_missing = (from..limit).find(|slot| !present[*slot]);
        match (first_missing, scan.gap) {
            (None, None) => prop_assert_eq!(scan.rebuilt_to, at(from.max(limit) as i32 * 64)),
            (Some(slot), Some(gap)) => {
                let end = (slot..limit).find(|slot| present[*slot]).unwrap_or(limit);
                prop_assert_eq!((gap.offset, gap.length), (at(slot as i32 * 64), (end - slot) as i32 * 64));
                prop_assert_eq!(scan.rebuilt_to, gap.offset);
            }
            (model, found) => prop_assert!(false, "{model:?} {found:?}"),
        }
    }

    #[test]
    fn datagrams_and_runs_match_the_model(
        lengths in vec((prop_oneof![32..1409_i32, Just(96), Just(1408)], prop::bool::weighted(0.1)), 0..120),
        max_datagrams in 1..70_usize,
    ) {
        let frames = layout(&lengths);
        let term = term_with(&frames);
        let expected = model_datagrams(&frames, MTU);
        let mut offset = 0;
        let mut found = Vec::new();
        while let Availability::Datagram { length, padding } = scan_for_availability(&term, at(offset), MTU) {
            found.push((offset, length, padding));
            offset += length + padding;
        }
        prop_assert_eq!(&found, &expected);

        let mut offset = 0;
        let mut from_runs = Vec::new();
        loop {
            let run = scan_run(&term, at(offset), TERM, MTU, max_datagrams);
            if run.datagrams == 0 {
                break;
            }
            prop_assert!(run.datagrams <= max_datagrams && !run.blocked);
            for datagram in 0..run.datagrams as i32 {
                let start = datagram * run.segment;
                let length = run.segment.min(run.length - start);
                let is_last = datagram == run.datagrams as i32 - 1;
                prop_assert!(length > 0 && (is_last || length == run.segment));
                from_runs.push((offset + start, length, if is_last { run.padding } else { 0 }));
            }
            offset += run.advance();
        }
        prop_assert_eq!(from_runs, expected);
    }
}
