//! Round trips that are measured, and those of others that are answered.

use super::*;

#[test]
fn round_trip_requests_for_this_receiver_or_all_are_answered() {
    let (mut world, _) = World::with_image();
    for (receiver_id, flags, answers) in [
        (RECEIVER, RttmFlags::REPLY, 1),
        (ReceiverId::new(0), RttmFlags::REPLY, 1),
        (ReceiverId::new(5), RttmFlags::REPLY, 0),
        (RECEIVER, RttmFlags::NONE, 0),
    ] {
        let request = Rttm {
            flags,
            session_id: SESSION,
            stream_id: STREAM,
            echo_timestamp: 5,
            reception_delta: 9,
            receiver_id,
        };
        let sent = world.hear(&rttm_bytes(request));
        assert_eq!(sent.len(), answers, "{request:?}");
        for answer in sent {
            let expected =
                Rttm { flags: RttmFlags::NONE, reception_delta: 0, receiver_id: RECEIVER, ..request };
            assert_eq!(Rttm::parse(&answer).unwrap(), expected);
        }
    }
}

#[test]
fn round_trips_are_measured_when_congestion_control_wants_them() {
    let mut world = World::new();
    world.round_trips = Some(RoundTripTimer::new(ms(10)));
    let (state, sent) = world.add_image(0, true);
    let request = Rttm {
        flags: RttmFlags::REPLY,
        session_id: SESSION,
        stream_id: STREAM,
        echo_timestamp: world.now.get(),
        reception_delta: 0,
        receiver_id: RECEIVER,
    };
    assert_eq!((rttm_requests(&sent), state.round_trip()), (vec![request], None), "at once");
    assert_eq!(rttm_requests(&world.after(ms(40))), [], "four round trips later at the earliest");
    assert_eq!(rttm_requests(&world.after(ms(1))).len(), 1);
    world.after(ms(9));
    let answer = request.reply(2_000_000);
    world.hear(&rttm_bytes(answer));
    assert_eq!(
        state.round_trip(),
        Some(ms(48)),
        "from the request that it answers, less what the sender took"
    );
    assert_eq!(rttm_requests(&world.after(ms(4 * 48))), []);
    assert_eq!(rttm_requests(&world.after(ms(1))).len(), 1);
}

#[test]
fn a_round_trip_that_got_shorter_is_measured_sooner_also_of_an_image_that_was_quiet_for_long() {
    let mut world = World::new();
    world.round_trips = Some(RoundTripTimer::new(ms(1)));
    let (_, sent) = world.add_image(0, true);
    let answer = |request: &Rttm| rttm_bytes(request.reply(0));
    world.after(ms(100));
    world.hear(&answer(&rttm_requests(&sent)[0]));
    let sent = world.after(ms(401));
    (0..1000).for_each(|_| assert_eq!(rttm_requests(&world.after(ms(0))), []));
    world.hear(&answer(&rttm_requests(&sent)[0]));
    assert_eq!(rttm_requests(&world.after(ms(5))).len(), 1);
}

#[test]
fn answers_for_others_or_that_make_no_sense_measure_nothing() {
    let mut world = World::new();
    world.round_trips = Some(RoundTripTimer::new(ms(10)));
    let (state, _) = world.add_image(0, true);
    let answer = Rttm {
        flags: RttmFlags::NONE,
        session_id: SESSION,
        stream_id: STREAM,
        echo_timestamp: world.now.get() - 1,
        reception_delta: 0,
        receiver_id: RECEIVER,
    };
    let future = world.now.get() + 1_000_000_000;
    for (answer, invalid) in [
        (Rttm { receiver_id: ReceiverId::new(5), ..answer }, 0),
        (Rttm { session_id: SessionId::new(99), ..answer }, 0),
        (Rttm { echo_timestamp: future, ..answer }, 1),
        (Rttm { reception_delta: 1_000_000, ..answer }, 2),
    ] {
        world.hear(&rttm_bytes(answer));
        assert_eq!((state.round_trip(), world.invalid()), (None, invalid), "{answer:?}");
    }
    world.hear(&rttm_bytes(Rttm { receiver_id: ReceiverId::new(0), ..answer }));
    assert_eq!(state.round_trip(), Some(Duration::from_nanos(1)));
}

#[test]
fn round_trips_are_not_measured_of_a_source_that_is_gone() {
    let mut world = World::new();
    world.round_trips = Some(RoundTripTimer::new(ms(10)));
    world.add_image(0, true);
    assert_eq!(rttm_requests(&world.after(ms(4999))).len(), 1);
    assert_eq!(rttm_requests(&world.after(ms(5001))), []);
}
