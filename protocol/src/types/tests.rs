//! Vectors of wire spec 12.21 and shared-memory spec 14.11.

use super::*;

fn geometry(initial: i32, length: i64) -> TermGeometry {
    TermGeometry::new(TermId::new(initial), TermLength::new(length).unwrap())
}

#[test]
fn positions_match_the_spec() {
    assert_eq!(geometry(5, 65536).position(TermId::new(7), TermOffset::new(4096)), Position::new(135_168));
    let wrapped = geometry(i32::MAX, 65536);
    assert_eq!(wrapped.position(TermId::new(i32::MIN), TermOffset::new(64)), Position::new(65_600));
    assert_eq!(wrapped.term_id(Position::new(65_600)), TermId::new(i32::MIN));
    assert_eq!(wrapped.term_offset(Position::new(65_600)), TermOffset::new(64));
    assert_eq!(wrapped.partition_index(Position::new(65_600)), 1);
    let far = geometry(0x1234_5678, 65536);
    assert_eq!(far.position(TermId::new(0x1234_567c), TermOffset::new(192)), Position::new(262_336));
    assert_eq!(far.max_position(), Position::new(140_737_488_355_328));
}

#[test]
fn positions_and_terms_convert_both_ways() {
    for length in [65_536, 1 << 24, 1 << 30] {
        let geometry = geometry(i32::MAX - 1, length);
        for position in [0, 32, length - 32, length, length * 5 + 96] {
            let position = Position::new(position);
            let (id, offset) = (geometry.term_id(position), geometry.term_offset(position));
            assert_eq!(geometry.position(id, offset), position);
        }
    }
}

#[test]
fn only_powers_of_two_in_range_are_term_lengths() {
    for bad in [-1, 0, 65_535, 65_537, 32_768, 1 << 31, 3 << 20, i64::MAX] {
        assert_eq!(TermLength::new(bad), Err(TermLengthError(bad)));
    }
    for (length, message) in
        [(65_536, 8192), (1 << 24, 2_097_152), (1 << 26, 8_388_608), (1 << 30, 16_777_216)]
    {
        assert_eq!(TermLength::new(length).unwrap().max_message_length(), message);
    }
}

#[test]
fn only_multiples_of_32_in_range_are_mtus() {
    for bad in [-32, 0, 32, 33, 1400, 65_505, 65_536] {
        assert_eq!(Mtu::new(bad), Err(MtuError(bad)));
    }
    assert_eq!(Mtu::new(1408).unwrap().max_payload_length(), 1376);
    assert!(Mtu::new(65_504).is_ok() && Mtu::new(64).is_ok());
}

#[test]
fn frame_starts_are_aligned_and_inside_the_term() {
    let length = TermLength::MIN;
    for (offset, expected) in
        [(0, true), (32, true), (65_504, true), (65_536, false), (-32, false), (31, false)]
    {
        assert_eq!(TermOffset::new(offset).is_frame_start_in(length), expected, "{offset}");
    }
}
