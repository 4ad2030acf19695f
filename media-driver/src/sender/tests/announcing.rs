//! Setups and heartbeats: how a publication makes itself known.

use super::*;

#[test]
fn a_setup_goes_out_at_once_and_every_100_ms_until_a_receiver_answers_and_no_heartbeat_before() {
    let mut world = World::with(Wish { start: 4096, ..Wish::default() });
    let first = world.after(ms(0));
    assert_eq!(first.len(), 1);
    assert_eq!(
        setup(&first[0]),
        Setup {
            flags: SetupFlags::NONE,
            term_offset: TermOffset::new(4096),
            session_id: SESSION,
            stream_id: STREAM,
            initial_term_id: INITIAL_TERM,
            active_term_id: INITIAL_TERM,
            term_length: TERM as i32,
            mtu: 1408,
            ttl: 0,
        }
    );
    for _ in 0..5 {
        assert_eq!(world.after(ms(100)), NOTHING);
        assert_eq!(world.after(Duration::from_nanos(1)), first);
    }
    world.hear_status(|sm| sm.consumption_term_offset = TermOffset::new(4096));
    assert_eq!(
        heartbeat_flags(&world.after(ms(0))),
        DataFlags::UNFRAGMENTED,
        "the first heartbeat is due at once"
    );
    assert!(world.state.has_receivers() && world.state.log.metadata().is_connected());
    assert_eq!(world.system.heartbeats_sent.get(), 1);
}

#[test]
fn a_group_says_so_in_its_setups() {
    let mut world = World::with(Wish { is_group: true, ..Wish::default() });
    assert_eq!(setup(&world.after(ms(0))[0]).flags, SetupFlags::GROUP);
}

#[test]
fn an_elicited_setup_repeats_every_100_ms_until_a_receiver_is_live() {
    let mut world = World::new();
    world.connect(WINDOW);
    world.hear_status(|sm| sm.flags = StatusMessageFlags::END_OF_STREAM);
    assert!(!world.state.has_receivers());
    world.hear_status(|sm| sm.flags = StatusMessageFlags::SEND_SETUP);
    world.wire.take();
    for _ in 0..3 {
        let sent = world.after(ms(101));
        assert_eq!(sent.iter().filter(|bytes| Setup::parse(bytes).is_ok()).count(), 1, "{sent:?}");
    }
    world.hear_status(|_| {});
    world.after(ms(101));
    let sent = world.after(ms(101));
    assert!(sent.iter().all(|bytes| Setup::parse(bytes).is_err()), "{sent:?}");
}

#[test]
fn a_publication_at_its_end_answers_no_request_for_a_setup() {
    let mut world = World::new();
    world.connect(WINDOW);
    world.state.set_end_of_stream();
    world.hear_status(|sm| sm.flags = StatusMessageFlags::SEND_SETUP);
    assert_eq!(heartbeat_flags(&world.after(ms(101))), DataFlags::HEARTBEAT_EOS);
    assert_eq!(world.system.status_messages_received.get(), 2);
}

#[test]
fn heartbeats_come_every_100_ms_and_tell_how_the_stream_ends() {
    let mut world = World::new();
    world.connect(WINDOW);
    assert_eq!(world.after(ms(100)), NOTHING);
    assert_eq!(heartbeat_flags(&world.after(Duration::from_nanos(1))), DataFlags::UNFRAGMENTED);
    world.state.set_end_of_stream();
    assert_eq!(heartbeat_flags(&world.after(ms(101))), DataFlags::HEARTBEAT_EOS);
    world.state.set_revoked();
    assert_eq!(heartbeat_flags(&world.after(ms(101))), DataFlags::HEARTBEAT_REVOKED);
}

#[test]
fn data_postpones_the_heartbeat_which_then_carries_the_sender_position() {
    let mut world = World::new();
    world.connect(WINDOW);
    world.now = world.now + ms(90);
    publish(&world.state.log, &[100]);
    assert_eq!(world.after(ms(0)), [world.term_bytes(0, 160)]);
    assert_eq!(world.after(ms(100)), NOTHING);
    let heartbeat = world.after(ms(1));
    assert_eq!(DataHeader::parse(&heartbeat[0]).unwrap().term_offset, TermOffset::new(160));
}
