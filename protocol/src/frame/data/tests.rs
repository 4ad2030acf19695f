//! Which datagrams are accepted, against datagrams built frame by frame.

use proptest::prelude::*;

use super::*;
use crate::types::{SessionId, StreamId, TermId, TermLength, align_frame};

const TERM: TermLength = TermLength::MIN;

fn header(offset: i32, frame_length: i32, is_padding: bool) -> DataHeader {
    DataHeader {
        frame_length,
        flags: DataFlags::UNFRAGMENTED,
        is_padding,
        term_offset: TermOffset::new(offset),
        session_id: SessionId::new(1),
        stream_id: StreamId::new(2),
        term_id: TermId::new(3),
        reserved_value: 0,
    }
}

/// Frames back to back from `offset` on.
fn packet(offset: i32, frame_lengths: &[i32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame_length in frame_lengths {
        let start = bytes.len();
        bytes.resize(start + align_frame(*frame_length) as usize, 0x55);
        header(offset + start as i32, *frame_length, false).emit(&mut bytes[start..]);
    }
    bytes
}

fn with_padding(mut bytes: Vec<u8>, offset: i32, frame_length: i32) -> Vec<u8> {
    let start = bytes.len();
    bytes.resize(start + LENGTH, 0);
    header(offset + start as i32, frame_length, true).emit(&mut bytes[start..]);
    bytes
}

fn validate(bytes: &[u8], offset: i32) -> Result<PacketLength, FrameError> {
    validate_packet(bytes, TermOffset::new(offset), TERM)
}

#[test]
fn padding_may_reach_beyond_its_datagram_up_to_the_end_of_the_term() {
    let bytes = with_padding(packet(64_000, &[640]), 64_000, 896);
    assert_eq!(validate(&bytes, 64_000), Ok(PacketLength { in_term: 1536, frames: 2 }));
    let bytes = with_padding(packet(64_000, &[640]), 64_000, 897);
    assert_eq!(validate(&bytes, 64_000), Err(FrameError::PastEndOfTerm));
}

#[test]
fn padding_that_skips_nothing_may_be_followed_by_frames() {
    let mut bytes = with_padding(packet(0, &[100]), 0, 32);
    bytes.extend(packet(160, &[64]));
    assert_eq!(validate(&bytes, 0), Ok(PacketLength { in_term: 224, frames: 3 }));
}

#[test]
fn a_term_may_be_filled_to_its_end_but_not_beyond() {
    assert_eq!(validate(&packet(65_504, &[32]), 65_504), Ok(PacketLength { in_term: 32, frames: 1 }));
    assert_eq!(validate(&packet(65_504, &[33]), 65_504), Err(FrameError::PastEndOfTerm));
}

#[test]
fn the_first_offset_must_be_a_frame_start_within_the_term() {
    for offset in [-32, 31, 65_536] {
        let bytes = packet(offset, &[32]);
        assert_eq!(validate(&bytes, offset), Err(FrameError::TermOffset), "{offset}");
    }
    assert_eq!(validate(&packet(32, &[32]), 0), Err(FrameError::TermOffset));
    // Heartbeats too must lie within the term.
    let mut heartbeat = [0; LENGTH];
    header(65_536, 0, false).emit(&mut heartbeat);
    assert_eq!(validate(&heartbeat, 65_536), Err(FrameError::TermOffset));
}

#[test]
fn only_a_bare_header_is_a_heartbeat() {
    let mut bytes = packet(0, &[64]);
    bytes[layout::FRAME_LENGTH] = 0;
    assert_eq!(validate(&bytes, 0), Err(FrameError::FrameLength));
    assert!(validate(&bytes[..LENGTH], 0).unwrap().is_heartbeat());
    assert_eq!(validate(&bytes[..LENGTH - 1], 0), Err(FrameError::TooShort));
}

#[test]
fn frames_shorter_than_their_header_are_refused() {
    for frame_length in [-32, -1, 1, 31] {
        let mut bytes = packet(0, &[64, 64]);
        header(64, frame_length, false).emit(&mut bytes[64..]);
        assert_eq!(validate(&bytes, 0), Err(FrameError::FrameLength), "{frame_length}");
    }
}

#[test]
fn bytes_after_the_last_frame_are_refused() {
    for count in 1..LENGTH {
        let mut bytes = packet(0, &[64, 32]);
        bytes.resize(bytes.len() + count, 0);
        assert_eq!(validate(&bytes, 0), Err(FrameError::UnalignedDatagram), "{count} bytes");
    }
    let mut bytes = packet(0, &[64, 32]);
    bytes.resize(bytes.len() + LENGTH, 0);
    assert_eq!(validate(&bytes, 0), Err(FrameError::FrameLength), "zeroes are no frame");
}

#[test]
fn a_frame_length_near_the_largest_integer_does_not_wrap() {
    for frame_length in [i32::MAX, i32::MAX - 31] {
        for is_padding in [false, true] {
            let mut bytes = packet(0, &[64]);
            header(0, frame_length, is_padding).emit(&mut bytes);
            assert_eq!(
                validate_packet(&bytes, TermOffset::ZERO, TermLength::MAX),
                Err(FrameError::PastEndOfTerm)
            );
        }
    }
}

#[test]
fn a_run_ends_where_the_stream_does_not_continue() {
    let run = |datagrams: &[Vec<u8>], segment: usize| {
        let run = validate_run(&datagrams.concat(), segment, TermOffset::ZERO, TERM).unwrap();
        (run.datagrams, run.bytes, run.in_term, run.frames)
    };
    let (a, b, c) = (packet(0, &[96, 100]), packet(224, &[200]), packet(448, &[32]));
    assert_eq!(run(&[a.clone(), b.clone(), c.clone()], 224), (3, 480, 480, 4));
    assert_eq!(run(&[a.clone(), c.clone()], 224), (1, 224, 224, 2), "a gap");
    assert_eq!(run(&[a.clone(), a.clone()], 224), (1, 224, 224, 2), "a duplicate");
    for ids in [layout::SESSION_ID, layout::STREAM_ID, layout::TERM_ID, layout::VERSION] {
        let mut other = b.clone();
        other[ids] ^= 1;
        assert_eq!(run(&[a.clone(), other], 224), (1, 224, 224, 2), "field at {ids}");
    }
    let mut malformed = b.clone();
    malformed[layout::TYPE] = 5;
    assert_eq!(run(&[a.clone(), malformed, c], 224), (1, 224, 224, 2), "another type");
    assert_eq!(run(&[a.clone(), b[..48].to_vec()], 224), (1, 224, 224, 2), "an unaligned datagram");
    let mut heartbeat = vec![0; LENGTH];
    header(224, 0, false).emit(&mut heartbeat);
    assert_eq!(run(&[a.clone(), heartbeat], 224), (1, 224, 224, 2), "a heartbeat");
    let skipping = with_padding(packet(224, &[192]), 224, 64);
    assert_eq!(run(&[a, skipping, packet(480, &[32])], 224), (2, 448, 480, 4), "padding");
    let mut first = vec![0; LENGTH];
    header(0, 0, false).emit(&mut first);
    assert_eq!(run(&[first, packet(0, &[32])], 32), (1, 32, 0, 0), "a heartbeat first");
}

#[test]
fn a_run_of_nothing_or_of_bad_segments_is_an_error() {
    assert_eq!(validate_run(&[], 64, TermOffset::ZERO, TERM), Err(FrameError::TooShort));
    assert_eq!(validate_run(&packet(0, &[64]), 0, TermOffset::ZERO, TERM), Err(FrameError::TooShort));
    assert_eq!(validate_run(&packet(0, &[64]), 32, TermOffset::ZERO, TERM), Err(FrameError::Truncated));
}

proptest! {
    #[test]
    fn any_frames_that_fit_are_accepted_and_any_fault_is_refused(
        frame_lengths in prop::collection::vec(32..1500_i32, 1..12),
        start in 0..1024_i32,
        faulty: prop::sample::Index,
        fault in 0..5,
    ) {
        let start = start * 32;
        let good = packet(start, &frame_lengths);
        let expected = PacketLength { in_term: good.len() as i32, frames: frame_lengths.len() as u32 };
        prop_assert_eq!(validate(&good, start), Ok(expected));

        let faulty = faulty.index(frame_lengths.len());
        let at = packet(0, &frame_lengths[..faulty]).len();
        let length = frame_lengths[faulty];
        let mut bad = good;
        match fault {
            0 => bad[at + layout::TERM_OFFSET] ^= 32,
            1 => bad[at + layout::TYPE] = 2,
            2 | 3 => {
                let wrong = if fault == 2 { length + 32 } else { 31 };
                header(start + at as i32, wrong, false).emit(&mut bad[at..]);
            }
            _ => bad.truncate(bad.len() - 32),
        }
        // A header alone cut off at the end takes its whole frame with it.
        prop_assume!(fault != 4 || align_frame(frame_lengths[frame_lengths.len() - 1]) > 32);
        prop_assert!(validate(&bad, start).is_err());
    }

    #[test]
    fn a_run_covers_what_one_by_one_validation_accepts(
        frame_lengths in prop::collection::vec(32..200_i32, 1..12),
        segment in 1..8_usize,
        flipped in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut bytes = packet(0, &frame_lengths);
        if let Some((index, bits)) = flipped {
            let index = index.index(bytes.len());
            bytes[index] ^= bits;
        }
        let segment = segment * 32;
        let ids = |datagram: &[u8]| (datagram[layout::SESSION_ID..layout::RESERVED_VALUE].to_vec(), datagram[layout::VERSION]);
        let (mut datagrams, mut taken, mut in_term) = (0, 0, 0);
        for datagram in bytes.chunks(segment) {
            let continues = datagrams == 0 || (taken == in_term as usize && ids(datagram) == ids(&bytes));
            match validate(datagram, in_term) {
                Ok(packet) if continues && (datagrams == 0 || !packet.is_heartbeat()) => {
                    datagrams += 1;
                    taken += datagram.len();
                    in_term += packet.in_term;
                }
                _ => break,
            }
        }
        match validate_run(&bytes, segment, TermOffset::ZERO, TERM) {
            Ok(run) => prop_assert_eq!((run.datagrams, run.bytes, run.in_term), (datagrams, taken, in_term)),
            Err(_) => prop_assert_eq!(datagrams, 0),
        }
    }

    #[test]
    fn no_bytes_make_validation_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        segment in 0..100_usize,
        offset in any::<i32>(),
        plausible: bool,
    ) {
        if plausible && bytes.len() >= LENGTH {
            bytes[1..4].fill(0);
            bytes[layout::TYPE..].iter_mut().take(2).for_each(|byte| *byte &= 1);
        }
        for offset in [offset, offset & 0xffe0, 0] {
            let offset = TermOffset::new(offset);
            if let Ok(packet) = validate_packet(&bytes, offset, TermLength::MAX) {
                prop_assert!(packet.in_term >= 0);
            }
            let _ = validate_run(&bytes, segment, offset, TermLength::MIN);
        }
    }
}
