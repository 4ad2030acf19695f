//! Data: what goes out, how far, and what happens when the socket does not take it.

use super::*;

/// The sequence of `unicast` in the recordings of the reference driver: sizes of datagrams and flags of their frames.
#[test]
fn messages_of_many_lengths_become_the_datagrams_that_the_reference_driver_sends() {
    let mut world = World::with(Wish { messages_per_send: 1, ..Wish::default() });
    world.connect(WINDOW);
    publish(&world.state.log, &[0]);
    let mut sent = world.after(ms(1));
    for length in [5, 100, 1376, 5000] {
        publish(&world.state.log, &[length]);
        for _ in 0..4 {
            sent.extend(world.after(ms(1)));
        }
    }
    let seen: Vec<_> = sent
        .iter()
        .map(|datagram| {
            let header = DataHeader::parse(datagram).unwrap();
            (datagram.len(), header.frame_length, header.flags.get())
        })
        .collect();
    assert_eq!(
        seen,
        [
            (32, 32, 0xC0),
            (64, 37, 0xC0),
            (160, 132, 0xC0),
            (1408, 1408, 0xC0),
            (1408, 1408, 0x80),
            (1408, 1408, 0x00),
            (1408, 1408, 0x00),
            (928, 904, 0x40),
        ]
    );
    assert_eq!(world.position(), 6816);
}

#[test]
fn datagrams_of_equal_size_go_out_as_one_run_straight_from_the_term() {
    let mut world = World::new();
    world.connect(WINDOW);
    publish(&world.state.log, &[1376, 1376, 1376, 200, 1376]);
    world.now = world.now + ms(1);
    world.turn();
    let runs = world.wire.take_runs();
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].segment_size, runs[0].destination), (1408, None));
    assert_eq!(runs[0].bytes, world.term_bytes(0, 3 * 1408 + 256));
    assert_eq!((world.position(), world.system.bytes_sent.get()), (3 * 1408 + 256, 3 * 1408 + 256 + 32));
}

#[test]
fn small_messages_share_a_datagram_up_to_the_mtu() {
    let mut world = World::new();
    world.connect(WINDOW);
    publish(&world.state.log, &[600; 5]);
    let lengths: Vec<_> = world.after(ms(1)).iter().map(Vec::len).collect();
    assert_eq!(lengths, [1280, 1280, 640]);
}

#[test]
fn data_stops_exactly_at_the_sender_limit_and_back_pressure_counts_once() {
    let mut world = World::new();
    world.connect(1024);
    publish(&world.state.log, &[480; 4]);
    assert_eq!(world.after(ms(1)), [world.term_bytes(0, 1024)]);
    world.hear_status(|sm| sm.receiver_window = 2048);
    world.after(ms(1));
    assert_eq!(world.position(), 2048);
    assert_eq!(world.back_pressure.get(), 1, "between the two windows");
    publish(&world.state.log, &[480]);
    for _ in 0..3 {
        world.after(ms(1));
        assert_eq!((world.back_pressure.get(), world.system.sender_flow_control_limits.get()), (2, 2));
    }
    // 511 more bytes do not hold another frame of 512.
    world.hear_status(|sm| sm.receiver_window = 2048 + 511);
    world.after(ms(1));
    assert_eq!(world.position(), 2048);
    world.hear_status(|sm| sm.receiver_window = 2048 + 512);
    world.after(ms(1));
    assert_eq!(world.position(), 2560);
}

#[test]
fn a_window_that_a_batch_uses_up_is_back_pressure_only_at_the_next_turn() {
    let mut world = World::new();
    world.connect(2048);
    publish(&world.state.log, &[992]);
    world.after(ms(1));
    publish(&world.state.log, &[992, 992]);
    world.after(ms(1));
    assert_eq!((world.position(), world.back_pressure.get()), (2048, 0));
    world.after(ms(1));
    world.after(ms(1));
    assert_eq!(world.back_pressure.get(), 1);
}

#[test]
fn nothing_counts_as_back_pressure_before_data_was_sent_once() {
    let mut world = World::new();
    publish(&world.state.log, &[480]);
    world.after(ms(1));
    assert_eq!(world.back_pressure.get(), 0);
}

#[test]
fn padding_at_the_end_of_a_term_needs_a_window_of_32_bytes_and_sends_its_header_alone() {
    let start = TERM - 1024;
    let mut world = World::with(Wish { start, ..Wish::default() });
    let at = TermOffset::new(start as i32);
    publish(&world.state.log, &[1376]);
    world.hear_status(|sm| {
        sm.consumption_term_offset = at;
        sm.receiver_window = 0;
    });
    world.after(ms(0));
    assert_eq!(world.position(), start);
    world.hear_status(|sm| {
        sm.consumption_term_offset = at;
        sm.receiver_window = 32;
    });
    let sent = world.after(ms(1));
    let header = DataHeader::parse(sent.last().unwrap()).unwrap();
    assert_eq!((sent.last().unwrap().len(), header.is_padding, header.frame_length), (32, true, 1024));
    assert_eq!(world.position(), TERM);
    world.hear_status(|sm| sm.consumption_term_id = INITIAL_TERM.next());
    let sent = world.after(ms(1));
    assert_eq!(DataHeader::parse(sent.last().unwrap()).unwrap().term_id, INITIAL_TERM.next());
}

#[test]
fn a_short_send_is_counted_and_the_whole_batch_is_sent_again() {
    let mut world = World::new();
    world.connect(WINDOW);
    publish(&world.state.log, &[1376, 1376, 200]);
    world.wire.accept_only(Some(1));
    let first = world.after(ms(1));
    assert_eq!((world.position(), world.system.short_sends.get()), (0, 1));
    world.wire.accept_only(None);
    assert_eq!(world.after(ms(1)), first);
    assert_eq!(world.position(), 3072);
}

#[test]
fn a_refused_send_is_an_error_and_not_a_short_send() {
    let mut world = World::new();
    world.connect(WINDOW);
    publish(&world.state.log, &[1376]);
    world.wire.refuse(true);
    world.after(ms(1));
    assert_eq!((world.position(), world.system.short_sends.get()), (0, 0));
    let Some(ConductorCommand::Error(error)) = world.reports.take() else { panic!("no error was reported") };
    assert!(error.message.contains("endpoint=127.0.0.1:24325"), "{error}");
    world.wire.refuse(false);
    world.after(ms(1));
    assert_eq!(world.position(), 1408);
}

/// The sequence of `rotation` in the recordings of the reference driver.
#[test]
fn a_term_ends_with_its_padding_in_the_datagram_of_the_last_frames() {
    let mut world = World::new();
    // A whole number of datagrams, so that none is cut short by it.
    let window = 25 * 1280;
    world.connect(window);
    publish(&world.state.log, &[600; 104]);
    let mut sent = Vec::new();
    while world.position() < TERM + 1280 {
        sent.extend(world.after(ms(1)));
        let (position, geometry) = (Position::new(world.position()), world.state.geometry);
        world.hear_status(|sm| {
            sm.consumption_term_id = geometry.term_id(position);
            sm.consumption_term_offset = geometry.term_offset(position);
            sm.receiver_window = window;
        });
        sent.extend(world.wire.take());
    }
    let lengths: Vec<_> = sent.iter().map(Vec::len).filter(|length| *length > 32).collect();
    let (term, next) = lengths.split_at(51);
    assert!(term[..50].iter().all(|length| *length == 1280), "{term:?}");
    assert_eq!((term[50], next), (1312, &[1280][..]));
    let padding = DataHeader::parse(&sent.iter().find(|bytes| bytes.len() == 1312).unwrap()[1280..]).unwrap();
    assert_eq!(
        (padding.is_padding, padding.frame_length, padding.flags, padding.term_offset.get()),
        (true, 256, DataFlags::UNFRAGMENTED, 65_280)
    );
}

#[test]
fn spies_that_simulate_a_connection_move_the_sender_on_without_a_receiver() {
    let mut world = World::with(Wish { ssc: true, ..Wish::default() });
    publish(&world.state.log, &[1376, 1376]);
    world.state.set_has_spies(true);
    world.state.propose_max_spy_position(Position::new(1408));
    world.after(ms(1));
    assert_eq!((world.position(), world.state.sender_limit.get()), (1408, 1408));
}

#[test]
fn a_position_that_another_process_overwrote_is_that_of_the_frame_before_it_and_never_negative() {
    let mut world = World::new();
    world.connect(WINDOW);
    publish(&world.state.log, &[100, 100]);
    for position in [95, -1, i64::MAX, i64::MIN] {
        world.state.sender_position.set_release(position);
        world.after(ms(101));
    }
    world.state.sender_position.set_release(0);
    assert!(!world.after(ms(101)).is_empty(), "it goes on");
}
