//! Which frames are stamped, where, and that nothing else changes.

use epona_protocol::types::TermLength;
use proptest::prelude::*;

use super::*;

const NOON: i64 = 0x1122_3344_5566_7788;

/// A turn that began at noon.
const NOW: Nanos = Nanos::new(NOON);

/// A frame of a type, with flags and so many bytes of payload, padded to its alignment; every byte behind the length,
/// flags and type is 0xEE.
fn frame(type_id: u16, flags: DataFlags, payload: usize) -> Vec<u8> {
    let length = 32 + payload;
    let mut bytes = vec![0xEE; length.next_multiple_of(32)];
    bytes[..4].copy_from_slice(&(length as i32).to_le_bytes());
    bytes[4] = 0;
    bytes[5] = flags.get();
    bytes[6..8].copy_from_slice(&type_id.to_le_bytes());
    bytes
}

fn receiving(offset: TimestampOffset) -> ReceiveTimestamps {
    ReceiveTimestamps {
        media: None,
        channel: Some(offset),
        time_of_day: TimeOfDay::Turn,
        datagram: Vec::new(),
    }
}

/// Where a datagram changed, in bytes; all changes must be the time.
fn stamped_at(before: &[u8], after: &[u8]) -> Vec<usize> {
    let mut places = Vec::new();
    let mut at = 0;
    while at < before.len() {
        if before[at] == after[at] {
            at += 1;
            continue;
        }
        assert_eq!(after[at..at + 8], NOON.to_le_bytes(), "at {at}");
        places.push(at);
        at += 8;
    }
    assert_eq!(before.len(), after.len());
    places
}

/// A datagram of all kinds of frames, and where its payload offset 4 and its reserved value are to be stamped.
fn mixed() -> (Vec<u8>, [Vec<usize>; 2]) {
    let (whole, first, more) = (DataFlags::UNFRAGMENTED, DataFlags::BEGIN, DataFlags::NONE);
    let frames = [
        frame(1, whole, 12),
        frame(1, whole, 11),
        frame(1, first, 96),
        frame(1, more, 96),
        frame(1, DataFlags::END, 96),
        frame(1, whole, 0),
        frame(0, whole, 32),
    ];
    let starts = [0, 64, 128, 256, 384, 512, 544];
    let datagram = frames.concat();
    assert_eq!(datagram.len(), 608);
    let payload = [starts[0], starts[2]].map(|start| start + 32 + 4).to_vec();
    let reserved = [starts[0], starts[1], starts[2], starts[5]].map(|start| start + 24).to_vec();
    (datagram, [payload, reserved])
}

#[test]
fn first_fragments_with_room_are_stamped_and_nothing_else_is() {
    let (datagram, places) = mixed();
    for (offset, expected) in
        [TimestampOffset::Payload(4), TimestampOffset::ReservedValue].into_iter().zip(places)
    {
        let mut stamps = receiving(offset);
        assert_eq!(stamped_at(&datagram, stamps.stamp(&datagram, None, NOW)), expected, "received {offset}");
        let term = AtomicView::allocate(TermLength::MIN.bytes());
        term.write(1024, &datagram);
        let sending = SendTimestamps { offset, time_of_day: TimeOfDay::Turn };
        sending.stamp(&term, 1024, datagram.len(), NOW);
        assert_eq!(stamped_at(&datagram, &term.to_vec(1024, datagram.len())), expected, "sent {offset}");
        assert!(term.to_vec(0, 1024).iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_time_of_the_socket_is_written_only_where_there_is_one() {
    let datagram = frame(1, DataFlags::UNFRAGMENTED, 64);
    let mut stamps = ReceiveTimestamps {
        media: Some(TimestampOffset::Payload(8)),
        channel: Some(TimestampOffset::ReservedValue),
        time_of_day: TimeOfDay::Turn,
        datagram: Vec::new(),
    };
    assert_eq!(stamped_at(&datagram, stamps.stamp(&datagram, None, NOW)), [24]);
    assert_eq!(stamped_at(&datagram, stamps.stamp(&datagram, Some(NOON), NOW)), [24, 40]);
}

#[test]
fn the_system_tells_the_time_of_day_whenever_the_turn_began() {
    assert!(TimeOfDay::System.read(NOW) > 1_600_000_000_000_000_000);
}

#[test]
fn heartbeats_stay_as_they_are() {
    let mut heartbeat = frame(1, DataFlags::UNFRAGMENTED, 0);
    heartbeat[..4].fill(0);
    let mut stamps = receiving(TimestampOffset::ReservedValue);
    assert_eq!(stamps.stamp(&heartbeat, None, NOW), heartbeat);
}

#[test]
fn channels_that_ask_for_nothing_have_no_stamps() {
    assert!(SendTimestamps::new(TimestampOffsets::default(), TimeOfDay::Turn).is_none());
    assert!(ReceiveTimestamps::new(TimestampOffsets::default(), TimeOfDay::Turn).is_none());
    let receive = TimestampOffsets { media_receive: Some(TimestampOffset::Payload(0)), ..Default::default() };
    assert!(
        ReceiveTimestamps::new(receive, TimeOfDay::Turn).is_some()
            && SendTimestamps::new(receive, TimeOfDay::Turn).is_none()
    );
    let send = TimestampOffsets { channel_send: Some(TimestampOffset::Payload(0)), ..Default::default() };
    assert!(
        SendTimestamps::new(send, TimeOfDay::Turn).is_some()
            && ReceiveTimestamps::new(send, TimeOfDay::Turn).is_none()
    );
}

proptest! {
    #[test]
    fn no_bytes_make_stamping_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        offset in any::<i32>(),
        start in 0_usize..64,
    ) {
        for offset in [TimestampOffset::Payload(offset), TimestampOffset::Payload(offset & 63), TimestampOffset::ReservedValue] {
            let length = receiving(offset).stamp(&bytes, None, NOW).len();
            prop_assert_eq!(length, bytes.len());
            let term = AtomicView::allocate(TermLength::MIN.bytes());
            term.write(64_000, &bytes);
            SendTimestamps { offset, time_of_day: TimeOfDay::Turn }.stamp(&term, 64_000 + 32 * (start / 32), 65_536, NOW);
        }
    }
}
