//! What receivers say, sense and nonsense.

use super::*;

#[test]
fn status_messages_are_accepted_from_half_a_term_behind_to_one_and_a_half_ahead() {
    let start = 4 * TERM;
    let (half, term) = (TERM / 2, TERM);
    for (position, is_accepted) in [
        (start - half, true),
        (start - half - 32, false),
        (start + term + half, true),
        (start + term + half + 32, false),
    ] {
        let mut world = World::with(Wish { start, ..Wish::default() });
        world.hear_status(|sm| {
            sm.consumption_term_id = INITIAL_TERM.wrapping_add((position / TERM) as i32);
            sm.consumption_term_offset = TermOffset::new((position % TERM) as i32);
        });
        assert_eq!(world.state.has_receivers(), is_accepted, "{position}");
        assert_eq!(world.system.status_messages_received.get(), 1);
        assert_eq!(world.system.status_messages_rejected.get(), i64::from(!is_accepted));
    }
}

#[test]
fn status_messages_with_impossible_fields_are_invalid_and_those_of_others_are_nothing() {
    let mut world = World::new();
    let half = TERM as i32 / 2;
    for (offset, window) in
        [(-32, 0), (TERM as i32, 0), (1, 0), (0, -1), (0, half + 1), (0, i32::MIN), (i32::MIN, i32::MAX)]
    {
        world.hear_status(|sm| {
            sm.consumption_term_offset = TermOffset::new(offset);
            sm.receiver_window = window;
        });
    }
    assert_eq!((world.system.invalid_packets.get(), world.system.status_messages_received.get()), (7, 0));
    world.hear_status(|sm| sm.session_id = SessionId::new(1));
    assert_eq!(world.system.status_messages_received.get(), 1, "counted whatever the session");
    assert!(!world.state.has_receivers());
}

#[test]
fn the_sender_limit_tells_when_the_last_status_message_came_that_counts_and_whose_set_it() {
    let mut world = World::new();
    let confirmed = |world: &World| world.state.sender_limit.confirmation();
    assert_eq!(confirmed(&world), None);
    world.connect(WINDOW);
    let first = Confirmation { at: world.epoch(), by: Some(([127, 0, 0, 1], 24_325).into()) };
    assert_eq!(confirmed(&world), Some(first));
    world.after(ms(150));
    world.hear_status(|sm| sm.consumption_term_id = INITIAL_TERM.wrapping_add(9));
    world.hear_status(|sm| sm.session_id = SessionId::new(1));
    assert_eq!(confirmed(&world), Some(first), "rejected, and of another stream");
    world.hear_status_from(([10, 0, 0, 1], 7).into(), |sm| sm.receiver_window = 0);
    let behind = Confirmation { at: world.epoch(), ..first };
    assert_eq!(confirmed(&world), Some(behind), "though it changed nothing");
}

#[test]
fn a_receiver_is_gone_after_5_s_of_silence_or_when_it_says_so() {
    let mut world = World::new();
    world.connect(WINDOW);
    world.after(ms(4999));
    assert!(world.state.has_receivers());
    world.after(ms(1));
    assert!(!world.state.has_receivers() && !world.state.has_received_unicast_eos());
    world.hear_status(|_| {});
    assert!(world.state.has_receivers());
    world.hear_status(|sm| sm.flags = StatusMessageFlags::END_OF_STREAM);
    assert!(!world.state.has_receivers() && world.state.has_received_unicast_eos());
    assert!(!world.state.log.metadata().is_connected());
}

#[test]
fn the_end_of_one_receiver_of_a_group_does_not_end_the_group() {
    let mut world = World::with(Wish { is_group: true, ..Wish::default() });
    world.hear_status(|_| {});
    world.hear_status(|sm| sm.receiver_id = ReceiverId::new(2));
    world.hear_status(|sm| sm.flags = StatusMessageFlags::END_OF_STREAM);
    assert!(world.state.has_receivers() && !world.state.has_received_unicast_eos());
}

#[test]
fn a_group_is_connected_once_flow_control_has_the_receivers_it_requires() {
    let options = GroupOptions { receiver_timeout: ms(5000), group_min_size: 1, rrwm: 4 };
    let flow_control = FlowControl::tagged(GroupTag::new(101), &options);
    let mut world = World::with(Wish { is_group: true, flow_control, ..Wish::default() });
    world.hear_status(|_| {});
    assert!(world.state.has_receivers() && !world.state.has_subscribers());
    assert!(!world.state.log.metadata().is_connected());
    world.hear_status(|sm| {
        sm.receiver_id = ReceiverId::new(2);
        sm.group_tag = Some(GroupTag::new(101));
    });
    assert!(world.state.log.metadata().is_connected());
}

#[test]
fn a_round_trip_request_is_answered_along_the_data_path_and_a_reply_is_not() {
    let mut world = World::new();
    world.connect(WINDOW);
    let mut request = Rttm {
        flags: RttmFlags::REPLY,
        session_id: SESSION,
        stream_id: STREAM,
        echo_timestamp: 12_345,
        reception_delta: 6,
        receiver_id: RECEIVER,
    };
    let mut bytes = [0; rttm::LENGTH];
    request.emit(&mut bytes);
    world.hear(&bytes);
    let answer = Rttm { flags: RttmFlags::NONE, reception_delta: 0, ..request };
    assert_eq!(world.wire.take().iter().map(|b| Rttm::parse(b).unwrap()).collect::<Vec<_>>(), [answer]);
    request.flags = RttmFlags::NONE;
    request.emit(&mut bytes);
    world.hear(&bytes);
    assert_eq!(world.wire.take(), NOTHING);
}

#[test]
fn an_error_frame_is_told_once_until_its_receiver_reports_again() {
    let mut world = World::new();
    let frame = ErrorFrame {
        session_id: SESSION,
        stream_id: STREAM,
        receiver_id: RECEIVER,
        group_tag: None,
        error_code: 13,
        text: b"no thanks",
    };
    let mut bytes = [0; error::MAX_LENGTH];
    let length = frame.emit(&mut bytes);
    let told = |world: &mut World| {
        world.hear(&bytes[..length]);
        world.reports.take().is_some_and(|report| {
            let ConductorCommand::PublicationError(report) = report else { panic!("{report:?}") };
            assert_eq!((report.message.as_slice(), report.receiver_id), (&b"no thanks"[..], RECEIVER));
            true
        })
    };
    assert!(!told(&mut world), "it is no receiver of ours");
    world.connect(WINDOW);
    assert!(told(&mut world) && !world.state.has_receivers());
    assert!(!told(&mut world));
    world.hear_status(|_| {});
    assert!(told(&mut world));
    assert_eq!(world.system.error_frames_received.get(), 4);
}

#[test]
fn several_control_frames_of_one_read_are_all_handled_and_own_data_is_ignored() {
    let mut world = World::new();
    let source = ([127, 0, 0, 1], 24_325).into();
    let mut bytes = [0; status_message::TAGGED_LENGTH];
    for receiver in 0..3 {
        let sm = StatusMessage::eliciting_setup(SESSION, STREAM, ReceiverId::new(receiver), None);
        let length = sm.emit(&mut bytes);
        world.wire.deliver(source, &bytes[..length]);
    }
    let mut data = vec![0; 2048];
    DataHeader { frame_length: 2048, ..DataHeader::parse(&heartbeat()).unwrap() }.emit(&mut data);
    world.wire.deliver(source, &data);
    world.turn();
    assert_eq!((world.system.status_messages_received.get(), world.system.invalid_packets.get()), (3, 0));
}

fn heartbeat() -> Vec<u8> {
    let mut bytes = vec![0; 32];
    DataHeader::heartbeat(SESSION, STREAM, INITIAL_TERM, TermOffset::ZERO, DataFlags::UNFRAGMENTED)
        .emit(&mut bytes);
    bytes
}

#[test]
fn control_frames_are_read_at_the_sixth_busy_turn_at_the_latest() {
    let mut world = World::with(Wish { messages_per_send: 1, mtu: 64, ..Wish::default() });
    world.connect(WINDOW);
    publish(&world.state.log, &[0; 40]);
    world.after(ms(0));
    let before = world.system.status_messages_received.get();
    for turn in 1..=6 {
        let sm = StatusMessage::eliciting_setup(SESSION, STREAM, RECEIVER, None);
        let mut bytes = [0; status_message::TAGGED_LENGTH];
        let length = sm.emit(&mut bytes);
        world.wire.deliver(([127, 0, 0, 1], 1).into(), &bytes[..length]);
        world.turn();
        let read = world.system.status_messages_received.get() - before;
        if read > 0 {
            return;
        }
        assert!(turn < 6, "not read in six turns");
    }
}

#[test]
fn random_datagrams_never_stop_the_sender_and_harm_no_stream() {
    let mut world = World::new();
    world.connect(WINDOW);
    let mut random = fastrand::Rng::with_seed(7);
    let mut templates = Vec::new();
    let mut bytes = [0; status_message::TAGGED_LENGTH];
    let sm = StatusMessage::eliciting_setup(SESSION, STREAM, RECEIVER, None);
    let length = sm.emit(&mut bytes);
    templates.push(bytes[..length].to_vec());
    for kind in [2_u8, 3, 4, 5, 6, 7, 10, 11, 200] {
        let mut frame = vec![0; 44];
        (frame[0], frame[6]) = (44, kind);
        frame[8..12].copy_from_slice(&SESSION.get().to_le_bytes());
        frame[12..16].copy_from_slice(&STREAM.get().to_le_bytes());
        templates.push(frame);
    }
    for _ in 0..20_000 {
        let mut frame = templates[random.usize(..templates.len())].clone();
        for _ in 0..random.usize(0..8) {
            // The identity stays, so that the frame gets as far as it can.
            let at = random.usize(16..frame.len());
            frame[at] = [0, 0xFF, 0x80, random.u8(..)][random.usize(..4)];
        }
        frame.truncate(random.usize(frame.len() / 2..=frame.len()));
        world.wire.deliver(([10, 0, 0, 1], 9).into(), &frame);
        world.after(Duration::from_micros(1));
        while world.reports.take().is_some() {}
    }
    assert!(world.system.invalid_packets.get() > 0);
    world.now = world.now + ms(6000);
    world.turn();
    let position = world.position();
    publish(&world.state.log, &[100]);
    world.hear_status(|sm| sm.receiver_window = WINDOW);
    world.after(ms(1));
    assert_eq!(world.position(), position + 160);
}
