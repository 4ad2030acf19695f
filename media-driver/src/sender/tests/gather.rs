//! What several publications have to send goes out together.

use epona_protocol::logbuffer::clean;

use super::*;

const STREAMS: [i32; 2] = [2001, 2002];

/// A world of three busy publications on one endpoint, with the other two.
fn three(offload: Offload) -> (World, [Arc<NetworkPublicationState>; 2]) {
    let mut world = World::with(Wish { offload, ..Wish::default() });
    world.connect(WINDOW);
    let others = STREAMS.map(|stream| world.add_stream(stream));
    world.wire.take_calls();
    (world, others)
}

/// Stream, offset and length of each datagram.
fn places(sent: &[Vec<u8>]) -> Vec<(i32, i32, usize)> {
    let place = |bytes: &Vec<u8>| {
        let header = DataHeader::parse(bytes).unwrap();
        (header.stream_id.get(), header.term_offset.get(), bytes.len())
    };
    sent.iter().map(place).collect()
}

#[test]
fn datagrams_of_one_length_lie_side_by_side_and_those_of_a_stream_keep_their_order() {
    for offload in [Offload::Off, Offload::On] {
        let (mut world, others) = three(offload);
        publish(&world.state.log, &[1376, 1376, 200]);
        publish(&others[0].log, &[1376, 100]);
        publish(&others[1].log, &[200]);
        let mut sent = places(&world.after(ms(1)));
        assert_eq!(world.wire.take_calls(), 1);
        assert!(sent.iter().map(|place| place.2).eq([1408, 1408, 1408, 256, 256, 160]), "{sent:?}");
        sent.sort_by_key(|(stream, ..)| *stream);
        let expected = [
            (STREAM.get(), 0, 1408),
            (STREAM.get(), 1408, 1408),
            (STREAM.get(), 2816, 256),
            (STREAMS[0], 0, 1408),
            (STREAMS[0], 1408, 160),
            (STREAMS[1], 0, 256),
        ];
        assert_eq!(sent, expected);
        let positions = [&world.state, &others[0], &others[1]].map(|state| state.sender_position.get());
        assert_eq!(positions, [3072, 1568, 256]);
        assert_eq!(world.after(ms(1)), NOTHING);
    }
}

#[test]
fn what_a_short_send_leaves_is_sent_again_and_nothing_else() {
    let (mut world, others) = three(Offload::On);
    publish(&world.state.log, &[1376, 200]);
    publish(&others[0].log, &[1376, 200]);
    world.wire.accept_only(Some(3));
    let first = places(&world.after(ms(1)));
    assert_eq!(world.system.short_sends.get(), 1);
    assert_eq!(world.position() + others[0].sender_position.get(), 2 * 1408 + 256);
    world.wire.accept_only(None);
    assert_eq!(places(&world.after(ms(1))), first[3..]);
    assert_eq!((world.position(), others[0].sender_position.get()), (1664, 1664));
    assert_eq!(world.system.bytes_sent.get(), 2 * 1664 + 3 * 32, "with the first heartbeats");
}

#[test]
fn publications_that_the_socket_takes_nothing_of_still_lose_their_receivers() {
    let (mut world, others) = three(Offload::On);
    world.wire.refuse(true);
    publish(&world.state.log, &[100]);
    publish(&others[0].log, &[100]);
    world.after(ms(5001));
    assert!(!world.state.has_receivers() && !others[0].has_receivers());
}

#[test]
fn what_lies_behind_a_busy_publication_may_be_cleaned() {
    let (mut world, _) = three(Offload::Off);
    world.after(ms(1));
    for _ in 0..20 {
        let start = Position::new(world.position());
        publish(&world.state.log, &[1376]);
        world.after(Duration::from_micros(1));
        assert_eq!(world.position(), start.get() + 1408);
        clean(world.state.log.term_at(start), world.state.geometry.term_offset(start), 1408);
    }
}
