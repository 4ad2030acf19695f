//! Behaviour of the loss report through its public interface.

use proptest::prelude::*;

use super::*;
use crate::{
    memory::AtomicView,
    types::{EpochMillis, SessionId, StreamId},
};

const FIRST: EpochMillis = EpochMillis::new(1_700_000_000_100);
const LAST: EpochMillis = EpochMillis::new(1_700_000_000_500);

fn create(report: &mut LossReport, channel: &str, source: &str) -> Option<LossReportHandle> {
    report.create_entry(64, FIRST, SessionId::new(-7), StreamId::new(3), channel, source)
}

#[test]
fn losses_add_up_on_their_entry() {
    let view = AtomicView::allocate(1024);
    let mut report = LossReport::new(view.clone());
    let first = create(&mut report, "aeron:udp?endpoint=h:1", "10.0.0.1:99").unwrap();
    create(&mut report, "aeron:udp?endpoint=h:2", "").unwrap();
    first.observe(100, LAST);
    let read: Vec<_> = entries(view).collect();
    let expected = LossReportEntry {
        observation_count: 2,
        total_bytes_lost: 164,
        first_observation: FIRST,
        last_observation: LAST,
        session_id: SessionId::new(-7),
        stream_id: StreamId::new(3),
        channel: "aeron:udp?endpoint=h:1".into(),
        source: "10.0.0.1:99".into(),
    };
    assert_eq!(read[0], expected);
    assert_eq!((read.len(), read[1].observation_count, read[1].source.as_str()), (2, 1, ""));
}

#[test]
fn a_full_report_takes_no_more_entries() {
    let mut report = LossReport::new(AtomicView::allocate(128));
    assert!(create(&mut report, "c", "s").is_some());
    assert!(create(&mut report, &"c".repeat(40), "s").is_none(), "needs 128 bytes, has 64");
    assert!(create(&mut report, "c", "s").is_some());
    assert!(create(&mut report, "", "").is_none());
}

proptest! {
    #[test]
    fn entries_of_any_lengths_are_stepped_over_rightly(
        texts in prop::collection::vec(("[a-z]{0,70}", "[0-9]{0,20}"), 1..12),
    ) {
        let view = AtomicView::allocate(4096);
        let mut report = LossReport::new(view.clone());
        for (channel, source) in &texts {
            create(&mut report, channel, source).unwrap();
        }
        let read: Vec<_> = entries(view).map(|entry| (entry.channel, entry.source)).collect();
        prop_assert_eq!(read, texts);
    }

    #[test]
    fn no_bytes_make_a_reader_panic_or_hang(
        bytes in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..512),
        length in prop_oneof![any::<i32>(), 0..300_i32],
    ) {
        let view = AtomicView::allocate(bytes.len());
        view.write(0, &bytes);
        if bytes.len() >= 48 {
            view.put_i64(0, 1);
            view.put_i32(40, length);
        }
        prop_assert!(entries(view).count() <= bytes.len() / 48);
    }
}
