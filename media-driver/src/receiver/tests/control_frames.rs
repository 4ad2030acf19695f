//! What an image sends: status messages, NAKs, errors.

use super::*;

#[test]
fn a_scheduled_status_message_goes_out_once_and_the_latest_wins() {
    let (mut world, state) = World::with_image();
    world.after(ms(150));
    let status = |position| ScheduledStatus { position: Position::new(position), window: WINDOW };
    state.schedule_status_message(status(8224));
    state.schedule_status_message(status(TERM + 64));
    assert_eq!(positions(&world.after(ms(0))), [(TERM + 64, StatusMessageFlags::NONE)]);
    assert_eq!(world.after(ms(200)), NOTHING, "the timeout counts from the last one");
    assert_eq!(positions(&world.after(ms(1))), [(TERM + 64, StatusMessageFlags::NONE)]);
}

#[test]
fn what_the_conductor_reports_of_an_image_that_was_quiet_for_long_is_said_in_the_next_turn() {
    let gap = Gap { term_id: INITIAL_TERM, offset: TermOffset::new(64), length: 8192 };
    let reports: [fn(&ImageState, Gap); 3] = [
        |state, _| {
            state.schedule_status_message(ScheduledStatus { position: Position::ZERO, window: WINDOW })
        },
        |state, gap| state.report_gap(gap),
        |state, _| state.request_status_message(),
    ];
    let (mut world, state) = World::with_image();
    for report in reports.into_iter().cycle().take(9) {
        for _ in 0..1000 {
            assert_eq!(world.after(ms(0)), NOTHING);
        }
        report(&state, gap);
        assert_eq!(world.after(ms(0)).len(), 1);
    }
}

#[test]
fn an_image_that_was_quiet_for_long_is_rejected_at_once() {
    let (mut world, state) = World::with_image();
    (0..1000).for_each(|_| assert_eq!(world.after(ms(0)), NOTHING));
    world.command(ReceiverCommand::RejectImage(ENDPOINT, state.correlation_id, "too much".into()));
    assert_eq!(world.after(ms(1)).len(), 1);
}

#[test]
fn a_draining_image_says_in_every_status_message_that_it_has_finished() {
    let (mut world, state) = World::with_image();
    state.set_sending_eos();
    let sent: Vec<_> = (0..5).flat_map(|_| world.after(ms(201))).collect();
    assert_eq!(positions(&sent), [(0, StatusMessageFlags::END_OF_STREAM); 5]);
}

#[test]
fn status_messages_stop_when_the_source_has_been_silent_for_5_s() {
    let (mut world, _) = World::with_image();
    assert_eq!(world.after(ms(4999)).len(), 1);
    assert_eq!(world.after(ms(201)), NOTHING);
    world.hear(&heartbeat(0, DataFlags::UNFRAGMENTED));
    assert_eq!(world.after(ms(201)).len(), 1);
}

#[test]
fn a_revoked_image_tells_its_source_before_it_goes() {
    let (mut world, state) = World::with_image();
    world.hear(&heartbeat(0, DataFlags::HEARTBEAT_REVOKED));
    state.set_sending_eos();
    state.request_status_message();
    let sent = world.command(ReceiverCommand::RemoveImage(ENDPOINT, state.correlation_id));
    assert_eq!(positions(&sent), [(0, StatusMessageFlags::END_OF_STREAM)]);
}

#[test]
fn a_reported_gap_is_naked_once() {
    let (mut world, state) = World::with_image();
    let gap = Gap { term_id: INITIAL_TERM.next(), offset: TermOffset::new(64), length: 8192 };
    state.report_gap(gap);
    let sent = world.after(ms(0));
    assert_eq!(sent.iter().map(|b| Nak::parse(b).unwrap().into()).collect::<Vec<Gap>>(), [gap]);
    assert_eq!(world.after(ms(1)), NOTHING);
    state.report_gap(gap);
    assert_eq!(world.after(ms(0)).len(), 1, "reported again, asked for again");
    assert_eq!((world.system.naks_sent.get(), state.naks_sent.get()), (2, 2));
    state.set_end_of_stream(Position::ZERO, true);
    state.report_gap(gap);
    assert_eq!(world.after(ms(0)), NOTHING, "nothing is asked of a revoked stream");
}

#[test]
fn a_rejected_image_sends_errors_instead_of_status_messages_and_ignores_its_stream() {
    let (mut world, state) = World::with_image();
    world.command(ReceiverCommand::RejectImage(ENDPOINT, state.correlation_id, "too much".into()));
    for _ in 0..3 {
        let sent = world.after(ms(201));
        assert_eq!(sent.len(), 1);
        let error = ErrorFrame::parse(&sent[0]).unwrap();
        assert_eq!((error.text, error.error_code, error.receiver_id), (&b"too much"[..], 13, RECEIVER));
    }
    let alive = state.time_of_last_packet();
    world.hear(&data(0, 64));
    world.hear(&heartbeat(64, DataFlags::HEARTBEAT_EOS));
    assert_eq!((state.time_of_last_packet(), state.high_water_mark.get()), (alive, 0));
    assert!(!state.is_end_of_stream());
    assert!(world.system.error_frames_sent.get() >= 3);
}

#[test]
fn an_image_that_was_replaced_is_silent_about_its_end() {
    let (mut world, older) = World::with_image();
    world.command(ReceiverCommand::RemoveInterest(ENDPOINT, STREAM, None));
    world.command(ReceiverCommand::AddInterest(ENDPOINT, STREAM, None));
    world.hear(&setup(|_| {}));
    assert_eq!(world.requests().len(), 1);
    older.set_sending_eos();
    let (_, first) = world.add_image(64, true);
    assert_eq!(positions(&first), [(64, StatusMessageFlags::NONE)]);
    assert_eq!(positions(&world.after(ms(201))), [(64, StatusMessageFlags::NONE)]);
}

#[test]
fn a_refused_control_frame_is_an_error_and_not_a_short_send() {
    let (mut world, _) = World::with_image();
    world.wire.refuse(true);
    world.after(ms(201));
    assert!(matches!(world.reports.take(), Some(ConductorCommand::Error(_))));
    assert_eq!(world.system.short_sends.get(), 0);
    world.wire.refuse(false);
    world.wire.accept_only(Some(0));
    world.after(ms(201));
    assert!(world.reports.take().is_none());
    assert_eq!(world.system.short_sends.get(), 1);
}

/// Ten turns each of which brings data; what was sent meanwhile.
fn ten_busy_turns(world: &mut World) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    for _ in 0..10 {
        world.wire.deliver(source(), &data(64, 64));
        world.turn();
        sent.extend(world.wire.take());
    }
    sent
}

#[test]
fn slow_work_is_done_at_the_tenth_busy_turn_at_the_latest() {
    let mut world = World::new();
    world.round_trips = Some(RoundTripTimer::new(ms(10)));
    let (state, _) = world.add_image(0, true);
    world.after(ms(0));

    state.report_gap(Gap { term_id: INITIAL_TERM, offset: TermOffset::ZERO, length: 64 });
    assert_eq!(ten_busy_turns(&mut world).iter().filter(|bytes| Nak::parse(bytes).is_ok()).count(), 1, "NAK");

    state.schedule_status_message(ScheduledStatus { position: Position::new(64), window: WINDOW });
    let sent = ten_busy_turns(&mut world);
    assert_eq!(sent.iter().filter(|bytes| StatusMessage::parse(bytes).is_ok()).count(), 1, "status message");

    world.now = world.now + ms(41);
    assert_eq!(rttm_requests(&ten_busy_turns(&mut world)).len(), 1, "round-trip request");

    let (other, unknown) = (StreamId::new(5), |session| {
        let mut bytes = data(0, 64);
        let header = DataHeader::parse(&bytes).unwrap();
        DataHeader { stream_id: StreamId::new(5), session_id: SessionId::new(session), ..header }
            .emit(&mut bytes);
        bytes
    });
    world.commands.send(ReceiverCommand::AddInterest(ENDPOINT, other, None));
    ten_busy_turns(&mut world);
    world.wire.deliver(source(), &unknown(1));
    assert_eq!(ten_busy_turns(&mut world).len(), 1, "the command was taken: a setup is asked for");
    world.wire.deliver(source(), &unknown(1));
    assert_eq!(ten_busy_turns(&mut world), NOTHING, "it may still come");

    // The image falls silent too, so that nothing else is sent.
    state.set_end_of_stream(Position::new(128), true);
    world.now = world.now + ms(1001);
    ten_busy_turns(&mut world);
    world.wire.deliver(source(), &unknown(1));
    let sent = ten_busy_turns(&mut world);
    let asks = |bytes: &&Vec<u8>| {
        StatusMessage::parse(bytes).is_ok_and(|sm| sm.flags == StatusMessageFlags::SEND_SETUP)
    };
    assert_eq!(sent.iter().filter(asks).count(), 1, "the request has expired");
}
