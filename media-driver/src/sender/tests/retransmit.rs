//! NAKs: what is sent again.

use super::*;

#[test]
fn a_nak_brings_exactly_the_missing_datagrams_once_per_linger() {
    let mut world = World::new();
    world.connect(WINDOW);
    publish(&world.state.log, &[1376, 1376, 1376]);
    world.after(ms(1));
    world.hear_nak(INITIAL_TERM, 1408, 1408);
    assert_eq!(world.wire.take(), [world.term_bytes(1408, 1408)]);
    world.hear_nak(INITIAL_TERM, 1408, 1408);
    assert_eq!(world.wire.take(), NOTHING, "it lingers");
    world.after(ms(11));
    world.hear_nak(INITIAL_TERM, 1408, 1408);
    assert_eq!(world.wire.take(), [world.term_bytes(1408, 1408)]);
    assert_eq!((world.naks.get(), world.system.naks_received.get()), (3, 3));
    assert_eq!((world.system.retransmits_sent.get(), world.system.retransmitted_bytes.get()), (2, 2816));
    assert_eq!(world.position(), 3 * 1408);
}

#[test]
fn naks_outside_what_was_sent_bring_nothing_and_impossible_ones_are_invalid() {
    let mut world = World::new();
    world.connect(1408);
    publish(&world.state.log, &[1376, 1376]);
    world.after(ms(1));
    assert_eq!(world.position(), 1408);
    for (term, offset) in [
        (INITIAL_TERM, 1408),
        (INITIAL_TERM.wrapping_add(-1), TERM as i32 - 32),
        (INITIAL_TERM.next(), 0),
        (INITIAL_TERM.wrapping_add(i32::MIN), 0),
        (INITIAL_TERM.wrapping_add(i32::MAX), TERM as i32 - 32),
    ] {
        world.hear_nak(term, offset, 32);
        assert_eq!(world.wire.take(), NOTHING, "{term} {offset}");
    }
    assert_eq!(world.system.invalid_packets.get(), 0);
    for (offset, length) in
        [(-32, 32), (TERM as i32, 32), (16, 32), (0, -1), (32, TERM as i32), (0, i32::MIN)]
    {
        world.hear_nak(INITIAL_TERM, offset, length);
    }
    assert_eq!((world.system.invalid_packets.get(), world.system.retransmits_sent.get()), (6, 0));
}

#[test]
fn a_nak_from_before_the_start_of_the_stream_brings_no_unsent_data() {
    let mut world = World::new();
    world.connect(1024);
    // The whole first term is written, and little of it sent; the term before it would lie in the same buffer.
    publish(&world.state.log, &[992; 64]);
    world.after(ms(1));
    assert_eq!(world.position(), 1024);
    world.hear_nak(INITIAL_TERM.wrapping_add(-1), TERM as i32 - 1024, 1024);
    assert_eq!(world.wire.take(), NOTHING);
}

#[test]
fn a_nak_across_padding_resends_its_header_and_stops_at_the_end_of_the_term() {
    let start = TERM - 2048;
    let mut world = World::with(Wish { start, ..Wish::default() });
    let at = start as i32;
    publish(&world.state.log, &[480, 1500]);
    world.hear_status(|sm| sm.consumption_term_offset = TermOffset::new(at));
    world.after(ms(1));
    world.after(ms(1));
    assert_eq!(world.position(), TERM + 1568);
    world.hear_nak(INITIAL_TERM, at, 2048);
    let lengths: Vec<_> = world.wire.take().iter().map(Vec::len).collect();
    assert_eq!(lengths, [512 + 32]);
    assert_eq!(world.system.retransmitted_bytes.get(), 2048);
}

#[test]
fn a_nak_of_a_group_beyond_the_ranges_that_linger_is_dropped_and_counted() {
    let mut world = World::with(Wish { is_group: true, ..Wish::default() });
    world.connect(WINDOW);
    publish(&world.state.log, &[0; 20]);
    for _ in 0..10 {
        world.after(ms(1));
    }
    for number in 0..18 {
        world.hear_nak(INITIAL_TERM, number * 32, 32);
    }
    assert_eq!(world.wire.take().len(), 16, "as many as the group may have");
    assert_eq!((world.system.retransmit_overflow.get(), world.system.retransmits_sent.get()), (2, 16));
    world.after(ms(11));
    world.hear_nak(INITIAL_TERM, 17 * 32, 32);
    assert_eq!(
        (world.wire.take().len(), world.system.retransmit_overflow.get()),
        (1, 2),
        "there is room again"
    );
}
