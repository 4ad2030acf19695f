//! What arrives for an image: data, heartbeats, the end of a stream.

use proptest::prelude::*;

use super::*;

#[test]
fn a_new_image_tells_its_join_position_and_window_at_once_and_repeats_it_every_200_ms() {
    let mut world = World::new();
    let (_, first) = world.add_image(4096, true);
    let sm = &status_messages(&first)[0];
    assert_eq!((sm.receiver_window, sm.receiver_id, sm.group_tag), (WINDOW, RECEIVER, None));
    assert_eq!(positions(&first), [(4096, StatusMessageFlags::NONE)]);
    for _ in 0..3 {
        assert_eq!(world.after(ms(200)), NOTHING);
        assert_eq!(world.after(Duration::from_nanos(1)), first);
    }
    assert_eq!(world.system.status_messages_sent.get(), 4);
}

#[test]
fn data_is_stored_as_it_came_and_raises_the_high_water_mark_also_out_of_order() {
    let (mut world, state) = World::with_image();
    let (first, second) = (data(0, 100), data(128, 64));
    world.hear(&second);
    assert_eq!(state.high_water_mark.get(), 192);
    world.hear(&first);
    assert_eq!(state.high_water_mark.get(), 192);
    assert_eq!(state.log.term(0).to_vec(0, 192), [first, second].concat());
    world.hear(&data(128, 128));
    assert_eq!(state.log.term(0).get_i32(128), 64, "what is there stays");
    assert_eq!(world.system.bytes_received.get(), 128 + 64 + 128);
}

#[test]
fn data_beyond_half_a_term_ahead_is_an_over_run_and_behind_the_consumption_an_under_run() {
    let mut world = World::new();
    let (state, _) = world.add_image(TERM, true);
    world.hear(&data(TERM + TERM / 2 - 64, 64));
    assert_eq!(world.system.flow_control_over_runs.get(), 0);
    world.hear(&data(TERM + TERM / 2 - 32, 64));
    world.hear(&heartbeat(TERM + TERM / 2 + 32, DataFlags::UNFRAGMENTED));
    assert_eq!(
        (world.system.flow_control_over_runs.get(), state.high_water_mark.get()),
        (2, TERM + TERM / 2)
    );
    world.hear(&data(TERM - 64, 64));
    world.hear(&heartbeat(0, DataFlags::UNFRAGMENTED));
    assert_eq!((world.system.flow_control_under_runs.get(), world.system.heartbeats_received.get()), (1, 1));
    state.schedule_status_message(ScheduledStatus { position: Position::new(TERM + 64), window: WINDOW });
    world.after(ms(0));
    world.hear(&heartbeat(32, DataFlags::UNFRAGMENTED));
    assert_eq!(world.system.flow_control_under_runs.get(), 2, "more than a term behind");
    assert_eq!(world.invalid(), 0);
}

#[test]
fn what_is_behind_the_consumption_does_not_keep_an_image_alive() {
    let mut world = World::new();
    let (state, _) = world.add_image(TERM, true);
    let joined = state.time_of_last_packet();
    world.after(ms(100));
    world.hear(&data(TERM - 64, 64));
    world.hear(&setup(|_| {}));
    assert_eq!(state.time_of_last_packet(), joined);
    world.hear(&heartbeat(TERM, DataFlags::UNFRAGMENTED));
    assert_eq!(state.time_of_last_packet(), world.now);
}

#[test]
fn a_heartbeat_ahead_of_the_data_raises_the_high_water_mark() {
    let (mut world, state) = World::with_image();
    world.hear(&heartbeat(640, DataFlags::UNFRAGMENTED));
    assert_eq!((state.high_water_mark.get(), world.system.heartbeats_received.get()), (640, 1));
    assert_eq!(state.log.term(0).get_i32(0), 0);
}

/// Whether the log has nothing but zeroes between two positions.
fn is_empty(state: &ImageState, from: i64, to: i64) -> bool {
    (from..to).step_by(8).all(|at| state.log.term_at(Position::new(at)).get_i64((at % TERM) as usize) == 0)
}

#[test]
fn whatever_arrives_after_three_terms_nothing_is_seen_of_them() {
    let (mut world, state) = World::with_image();
    let consume = |world: &mut World, position| {
        state.schedule_status_message(ScheduledStatus { position: Position::new(position), window: WINDOW });
        world.after(ms(0));
    };
    for position in (0..3 * TERM).step_by(1024) {
        world.hear(&data(position, 1024));
        consume(&mut world, position + 1024);
    }
    let start = 3 * TERM;
    assert!(is_empty(&state, start, start + 8), "the image ends here");
    world.hear(&data(start + 4096, 64));
    assert!(is_empty(&state, start, start + 4096), "a gap");
    assert!(is_empty(&state, start + 4160, start + 4168));
    world.hear(&heartbeat(start + 8192, DataFlags::UNFRAGMENTED));
    assert!(is_empty(&state, start + 4160, start + 8200), "a lost tail");
    world.hear(&data(start + 8000, 1024));
    assert!(is_empty(&state, start + 9024, start + 9032), "a frame that reaches beyond");
    assert_eq!(state.log.term(0).get_i32(9032), 0xABAB_ABAB_u32 as i32, "no more is zeroed than is needed");
    assert_eq!((world.invalid(), world.system.flow_control_over_runs.get()), (0, 0));
}

/// The bytes of a frame in the first term of an image whose terms are longer than [`TERM`].
fn far_away(position: i64, make: impl FnOnce(i64) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = make(0);
    bytes[8..12].copy_from_slice(&(position as i32).to_le_bytes());
    bytes
}

/// Longest gap that is zeroed at once.
const REACH: i64 = 4 << 20;

/// An image in terms of eight times [`REACH`], which are full of what was there before.
fn in_long_terms(world: &mut World) -> Arc<ImageState> {
    let log = image_log_of(TermLength::new(8 * REACH).unwrap());
    log.term(0).write(8, &vec![0x5A; 4 * REACH as usize - 8]);
    world.add_image_in(log, 0, true).0
}

#[test]
fn a_gap_too_long_to_zero_at_once_is_crossed_by_several_datagrams_and_nobody_sees_that() {
    let mut world = World::new();
    let state = in_long_terms(&mut world);
    let frames: [&dyn Fn(i64) -> Vec<u8>; 2] =
        [&|at| data(at, 64), &|at| heartbeat(at, DataFlags::HEARTBEAT_EOS)];
    let position = 2 * REACH + 64;
    for (turn, zeroed) in [REACH, 2 * REACH].into_iter().enumerate() {
        world.hear(&far_away(position, frames[turn]));
        assert_eq!(state.high_water_mark.get(), 0, "no frame ends there");
        assert!(state.log.term(0).to_vec(0, zeroed as usize + 8).iter().all(|byte| *byte == 0), "{zeroed}");
        assert_eq!(world.system.flow_control_over_runs.get(), turn as i64 + 1);
    }
    assert!(!state.is_end_of_stream(), "it is not known to be complete");
    // A frame across the end of what is zeroed, and one behind it.
    world.hear(&far_away(2 * REACH - 64, |at| data(at, 128)));
    assert_eq!(
        (state.high_water_mark.get(), state.log.term(0).get_i64(2 * REACH as usize + 64)),
        (position, 0)
    );
    world.hear(&far_away(position, frames[0]));
    assert_eq!(
        (state.high_water_mark.get(), state.log.term(0).get_i32(position as usize)),
        (position + 64, 64)
    );
    assert_eq!(state.log.term(0).get_i64(position as usize + 64), 0);
    assert_eq!(world.system.flow_control_over_runs.get(), 2);
}

#[test]
fn padding_that_begins_among_what_is_there_has_no_more_zeroed_than_other_gaps() {
    let mut world = World::new();
    let state = in_long_terms(&mut world);
    world.hear(&data(0, 128));
    let mut padding = data(64, 32);
    padding[..4].copy_from_slice(&(2 * REACH as i32).to_le_bytes());
    padding[6] = 0;
    world.hear(&padding);
    assert_eq!((state.high_water_mark.get(), world.system.flow_control_over_runs.get()), (128, 1));
}

#[test]
fn the_end_of_a_stream_is_told_to_conductor_and_clients_and_revoking_counts() {
    let (mut world, state) = World::with_image();
    world.hear(&heartbeat(640, DataFlags::HEARTBEAT_EOS));
    assert!(state.is_end_of_stream() && !state.is_revoked());
    assert_eq!(state.log.metadata().end_of_stream_position(), Position::new(640));
    world.hear(&heartbeat(640, DataFlags::HEARTBEAT_REVOKED));
    assert!(!state.is_revoked(), "a stream that has ended cannot be revoked any more");

    let (mut world, state) = World::with_image();
    world.hear(&heartbeat(640, DataFlags::HEARTBEAT_REVOKED));
    world.hear(&heartbeat(640, DataFlags::HEARTBEAT_REVOKED));
    assert!(state.is_end_of_stream() && state.is_revoked() && state.log.metadata().is_revoked());
    assert_eq!(world.system.publication_images_revoked.get(), 1);
}

#[test]
fn a_gap_of_an_unreliable_stream_is_filled_with_padding() {
    let mut world = World::new();
    let (state, _) = world.add_image(0, false);
    world.hear(&data(640, 64));
    state.report_gap(Gap { term_id: INITIAL_TERM, offset: TermOffset::ZERO, length: 640 });
    assert_eq!(world.after(ms(0)), NOTHING);
    let padding = DataHeader::parse(&state.log.term(0).to_vec(0, 32)).unwrap();
    assert_eq!((padding.is_padding, padding.frame_length), (true, 640));
    assert_eq!((world.system.loss_gap_fills.get(), world.system.naks_sent.get()), (1, 0));
    world.hear(&data(0, 64));
    assert_eq!(state.log.term(0).get_i32(0), 640, "late data is ignored");
}

/// Bytes of each datagram but the last of those that arrive as one.
const SEGMENT: i32 = 96;

/// What may arrive among datagrams of [`SEGMENT`] bytes, at a multiple of that.
fn any_datagram() -> impl Strategy<Value = Vec<u8>> {
    let position = (0..700_i64).prop_map(|at| at * i64::from(SEGMENT));
    prop_oneof![
        12 => position.clone().prop_map(|at| data(at, SEGMENT)),
        2 => position.clone().prop_map(|at| data(at, 33)),
        1 => position.clone().prop_map(|at| heartbeat(at, DataFlags::UNFRAGMENTED)),
        1 => position.prop_map(|at| data(at + 16, SEGMENT)),
        1 => Just(vec![0; 7]),
    ]
}

/// Datagrams in a row, cut short where one is missing or comes twice, and what may come among them.
fn any_arrivals() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let row = (0..600_i64, 1..20_i64).prop_map(|(from, count)| {
        (from..from + count).map(|at| data(at * i64::from(SEGMENT), SEGMENT)).collect()
    });
    let one = any_datagram().prop_map(|datagram| vec![datagram]);
    proptest::collection::vec(prop_oneof![3 => row, 1 => one], 1..20)
        .prop_map(|parts: Vec<Vec<_>>| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn datagrams_that_arrive_as_one_are_stored_as_if_they_had_arrived_one_by_one(arrivals in any_arrivals()) {
        let (mut singly, single) = World::with_image();
        let (mut together, coalesced) = World::with_image();
        let mut run = Vec::new();
        for datagram in &arrivals {
            singly.hear(datagram);
            // The kernel ends what it puts together with a datagram that is shorter, and never adds a longer one.
            run.extend_from_slice(datagram);
            if datagram.len() < SEGMENT as usize || run.len() > 60_000 {
                together.hear_coalesced(&std::mem::take(&mut run), SEGMENT as usize);
            }
        }
        together.hear_coalesced(&run, SEGMENT as usize);
        let term = |state: &ImageState, at| state.log.term(at).to_vec(0, TERM as usize);
        for at in 0..3 {
            prop_assert!(term(&single, at) == term(&coalesced, at), "term {} differs", at);
        }
        prop_assert_eq!(single.high_water_mark.get(), coalesced.high_water_mark.get());
        let counts = |world: &World| {
            let system = &world.system;
            [
                world.invalid(),
                system.flow_control_over_runs.get(),
                system.flow_control_under_runs.get(),
                system.heartbeats_received.get(),
                system.bytes_received.get(),
            ]
        };
        prop_assert_eq!(counts(&singly), counts(&together));
    }
}
