//! What makes an image: setups that come, or are asked for, and floods of them.

use super::*;

#[test]
fn data_of_an_unknown_session_elicits_a_setup_once_a_second_from_its_source() {
    let mut world = World::new();
    world.wire.deliver(source(), &data(0, 64));
    world.turn();
    let runs = world.wire.take_runs();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].destination, Some(source()));
    assert_eq!(
        StatusMessage::parse(&runs[0].bytes).unwrap(),
        StatusMessage::eliciting_setup(SESSION, STREAM, RECEIVER, None)
    );
    assert_eq!(world.hear(&data(64, 64)), NOTHING);
    world.after(ms(1000));
    assert_eq!(world.hear(&data(64, 64)), NOTHING, "it may still come");
    world.after(ms(1));
    assert_eq!(world.hear(&data(64, 64)).len(), 1, "the request has expired");
    assert_eq!(world.requests().len(), 0);
}

#[test]
fn nothing_is_elicited_for_other_streams_or_by_the_end_of_a_stream() {
    let mut world = World::new();
    let mut other = data(0, 64);
    let header = DataHeader { stream_id: StreamId::new(5), ..DataHeader::parse(&other).unwrap() };
    header.emit(&mut other);
    assert_eq!(world.hear(&other), NOTHING);
    assert_eq!(world.hear(&heartbeat(0, DataFlags::HEARTBEAT_EOS)), NOTHING);
    assert_eq!(world.hear(&heartbeat(0, DataFlags::UNFRAGMENTED)).len(), 1, "a heartbeat elicits");
    assert_eq!(world.invalid(), 0);
}

#[test]
fn a_setup_asks_for_one_image_until_that_has_failed() {
    let mut world = World::new();
    world.hear(&setup(|_| {}));
    world.hear(&setup(|_| {}));
    world.hear(&data(0, 64));
    let requests = world.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!((requests[0].source, requests[0].setup.session_id), (source(), SESSION));
    world.command(ReceiverCommand::ImageCreationFailed(ENDPOINT, STREAM, SESSION));
    world.hear(&setup(|_| {}));
    assert_eq!(world.requests().len(), 1);
}

#[test]
fn impossible_setups_are_invalid_and_ask_for_nothing() {
    let mut world = World::new();
    let changes: [fn(&mut Setup); 11] = [
        |s| s.term_length = 65_536 - 32,
        |s| s.term_length = -65_536,
        |s| s.term_length = 3 << 16,
        |s| s.term_offset = TermOffset::new(-32),
        |s| s.term_offset = TermOffset::new(TERM as i32),
        |s| s.term_offset = TermOffset::new(8),
        |s| s.mtu = 0,
        |s| s.mtu = 1400,
        |s| s.mtu = 65_536,
        |s| s.mtu = i32::MIN,
        |s| s.active_term_id = s.initial_term_id.wrapping_add(-1),
    ];
    for (count, change) in (1..).zip(changes) {
        world.hear(&setup(change));
        assert_eq!((world.requests().len(), world.invalid()), (0, count));
    }
    world.hear(&setup(|s| s.term_length = 1 << 30));
    assert_eq!((world.requests().len(), world.invalid()), (1, 11));
}

#[test]
fn a_removed_image_cools_down_until_it_may_rejoin_unless_its_stream_had_ended() {
    let (mut world, state) = World::with_image();
    world.command(ReceiverCommand::RemoveImage(ENDPOINT, state.correlation_id));
    assert!(matches!(world.reports.take(), Some(ConductorCommand::ImageReleased(_))));
    assert_eq!(world.hear(&data(0, 64)), NOTHING);
    world.hear(&setup(|_| {}));
    assert_eq!(world.requests().len(), 0);
    world.command(ReceiverCommand::AllowRejoin(ENDPOINT, STREAM, SESSION));
    assert_eq!(world.hear(&data(0, 64)).len(), 1);

    let (mut world, state) = World::with_image();
    world.hear(&heartbeat(0, DataFlags::HEARTBEAT_EOS));
    world.command(ReceiverCommand::RemoveImage(ENDPOINT, state.correlation_id));
    assert_eq!(world.hear(&data(0, 64)).len(), 1, "it may start again at once");
}

#[test]
fn a_flood_of_made_up_sessions_is_bounded_and_reported_once_a_second() {
    let mut world = World::new();
    let mut packet = data(0, 64);
    let mut elicited = 0;
    for session in 0..20_000 {
        let header =
            DataHeader { session_id: SessionId::new(session), ..DataHeader::parse(&packet).unwrap() };
        header.emit(&mut packet);
        elicited += world.hear(&packet).len();
    }
    assert_eq!((elicited, world.invalid()), (8192, 0));
    let errors = std::iter::from_fn(|| world.reports.take()).count();
    assert_eq!(errors, 1);
    world.after(ms(1001));
    let header = DataHeader { session_id: SESSION, ..DataHeader::parse(&packet).unwrap() };
    header.emit(&mut packet);
    assert_eq!(world.hear(&packet).len(), 1, "the flood is over");
}

#[test]
fn a_flood_of_made_up_sessions_with_setups_of_their_own_is_bounded_too() {
    let mut world = World::new();
    let mut packet = data(0, 64);
    let mut elicited = 0;
    for session in (0..20_000).map(SessionId::new) {
        DataHeader { session_id: session, ..DataHeader::parse(&packet).unwrap() }.emit(&mut packet);
        elicited += world.hear(&packet).len();
        world.hear(&setup(|setup| setup.session_id = session));
        // The conductor makes none of these images.
        for request in world.requests() {
            let session = request.setup.session_id;
            world.command(ReceiverCommand::ImageCreationFailed(ENDPOINT, STREAM, session));
        }
    }
    assert_eq!((elicited, world.invalid()), (16 * 1024, 0));
    world.after(ms(1001));
    assert_eq!(world.hear(&data(0, 64)).len(), 1, "the flood is over");
}

#[test]
fn sessions_beyond_the_limit_of_a_stream_are_reported_once_a_second() {
    let mut world = World::new();
    for session in 0..1000 {
        world.hear(&setup(|setup| setup.session_id = SessionId::new(session)));
    }
    let mut reports = (0, 0);
    while let Some(report) = world.reports.take() {
        match report {
            ConductorCommand::CreateImage(_) => reports.0 += 1,
            ConductorCommand::Error(_) => reports.1 += 1,
            _ => {}
        }
    }
    assert_eq!(reports, (10, 1), "images as many as the limit, and one word about the others");
    world.after(ms(1000));
    world.hear(&setup(|setup| setup.session_id = SessionId::new(5000)));
    assert!(matches!(world.reports.take(), Some(ConductorCommand::Error(_))));
    assert_eq!(world.invalid(), 0);
}

#[test]
fn random_datagrams_never_stop_the_receiver_and_harm_no_stream() {
    let (mut world, state) = World::with_image();
    let mut random = fastrand::Rng::with_seed(11);
    let pad = {
        let mut bytes = data(0, 32);
        let header =
            DataHeader { is_padding: true, frame_length: 4096, ..DataHeader::parse(&bytes).unwrap() };
        header.emit(&mut bytes);
        bytes
    };
    let templates = [data(0, 64), [data(0, 64), data(64, 64)].concat(), pad, setup(|_| {})];
    for _ in 0..20_000 {
        let mut frame = templates[random.usize(..templates.len())].clone();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..frame.len());
            // The identity stays, so that the frame gets as far as it can; its data stays out of the stream's way.
            if !(12..20).contains(&at) {
                frame[at] = [0, 0xFF, 0x80, random.u8(..)][random.usize(..4)];
            }
        }
        frame.truncate(random.usize(frame.len() / 2..=frame.len()));
        world.wire.deliver(source(), &frame);
        world.now = world.now + Duration::from_micros(1);
        world.turn();
        world.wire.take();
        while world.reports.take().is_some() {}
    }
    assert!(world.invalid() > 0);
    let position = state.join_position.get() + TERM / 2;
    assert!(state.high_water_mark.get() <= position, "nothing moves it past what may be received");
    state.schedule_status_message(ScheduledStatus { position: Position::new(position), window: WINDOW });
    world.after(ms(201));
    let packet = data(position, 64);
    world.hear(&packet);
    assert_eq!(state.log.term(0).to_vec(position as usize, 64), packet);
}
