//! Behaviour of the error log through its public interface.

use proptest::prelude::*;

use super::*;
use crate::{memory::AtomicView, types::EpochMillis};

const FIRST: EpochMillis = EpochMillis::new(1_700_000_000_100);
const LAST: EpochMillis = EpochMillis::new(1_700_000_000_500);

#[test]
fn bytes_are_those_of_the_reference() {
    // Shared-memory spec 14.10.
    let view = AtomicView::allocate(64);
    let mut log = DistinctErrorLog::new(view.clone());
    assert_eq!(log.record(-3, "(-3) unknown pub", FIRST), Observation::New);
    assert_eq!(log.record(-3, "(-3) unknown pub", LAST), Observation::Repeated);
    let mut expected = vec![0; 64];
    expected[..8].copy_from_slice(&[0x28, 0, 0, 0, 2, 0, 0, 0]);
    expected[8..16].copy_from_slice(&[0xf4, 0x69, 0xe5, 0xcf, 0x8b, 1, 0, 0]);
    expected[16..24].copy_from_slice(&[0x64, 0x68, 0xe5, 0xcf, 0x8b, 1, 0, 0]);
    expected[24..40].copy_from_slice(b"(-3) unknown pub");
    assert_eq!(view.to_vec(0, 64), expected);
}

#[test]
fn errors_differ_by_code_or_text() {
    let view = AtomicView::allocate(1024);
    let mut log = DistinctErrorLog::new(view.clone());
    assert_eq!(log.record(1, "a", FIRST), Observation::New);
    assert_eq!(log.record(2, "a", FIRST), Observation::New);
    assert_eq!(log.record(1, "ab", FIRST), Observation::New);
    assert_eq!(log.record(1, "a", LAST), Observation::Repeated);
    let seen: Vec<_> = entries(view.clone()).map(|entry| (entry.text, entry.observation_count)).collect();
    assert_eq!(seen, [("a".into(), 2), ("a".into(), 1), ("ab".into(), 1)]);
    let recent: Vec<_> = entries_since(view, LAST).collect();
    let expected = ErrorEntry {
        observation_count: 2,
        first_observation: FIRST,
        last_observation: LAST,
        text: "a".into(),
    };
    assert_eq!(recent, [expected]);
}

#[test]
fn a_full_log_still_counts_what_it_has() {
    let view = AtomicView::allocate(64);
    let mut log = DistinctErrorLog::new(view.clone());
    assert_eq!(log.record(1, "0123456789", FIRST), Observation::New);
    assert_eq!(log.record(2, "", FIRST), Observation::New);
    assert_eq!(log.record(3, "", FIRST), Observation::Full);
    assert_eq!(log.record(3, "", FIRST), Observation::Full);
    assert_eq!(log.record(1, "0123456789", LAST), Observation::Repeated);
    assert_eq!(entries(view).count(), 2);
}

proptest! {
    #[test]
    fn what_is_recorded_is_read_back(texts in prop::collection::vec("[a-c]{0,4}", 0..40)) {
        let view = AtomicView::allocate(4096);
        let mut log = DistinctErrorLog::new(view.clone());
        let mut model: Vec<(String, i32)> = Vec::new();
        for text in texts {
            let observation = log.record(0, &text, FIRST);
            match model.iter_mut().find(|(known, _)| *known == text) {
                Some((_, count)) => {
                    prop_assert_eq!(observation, Observation::Repeated);
                    *count += 1;
                }
                None => {
                    prop_assert_eq!(observation, Observation::New);
                    model.push((text, 1));
                }
            }
        }
        let seen: Vec<_> = entries(view).map(|entry| (entry.text, entry.observation_count)).collect();
        prop_assert_eq!(seen, model);
    }

    #[test]
    fn no_bytes_make_a_reader_panic_or_hang(
        bytes in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..256),
        length in prop_oneof![any::<i32>(), 0..300_i32],
    ) {
        let view = AtomicView::allocate(bytes.len());
        view.write(0, &bytes);
        if bytes.len() >= 4 {
            view.put_i32(0, length);
        }
        prop_assert!(entries(view).count() <= bytes.len() / HEADER_LENGTH);
    }
}
