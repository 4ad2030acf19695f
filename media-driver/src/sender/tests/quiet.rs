//! A publication on which nothing goes on is only looked at, and misses nothing by that.

use super::*;

/// Enough turns for a publication to be quiet.
fn rest(world: &mut World) {
    for _ in 0..1000 {
        assert!(world.after(ms(0)).is_empty());
    }
}

#[test]
fn a_quiet_publication_sends_in_the_turn_after_it_was_published_on() {
    let mut world = World::new();
    world.connect(WINDOW);
    for _ in 0..3 {
        rest(&mut world);
        publish(&world.state.log, &[100]);
        assert_eq!(world.after(ms(0)).len(), 1);
    }
}

#[test]
fn a_quiet_publication_sends_heartbeats_at_their_interval_or_little_later() {
    let mut world = World::new();
    world.connect(WINDOW);
    world.after(ms(200));
    for _ in 0..5 {
        rest(&mut world);
        assert!(world.after(ms(100)).is_empty());
        // With those of others, a little later.
        assert_eq!(world.after(ms(9)).len(), 1);
    }
}

#[test]
fn a_quiet_publication_loses_its_silent_receiver_after_the_connection_timeout() {
    let mut world = World::new();
    world.connect(WINDOW);
    rest(&mut world);
    world.after(ms(4999));
    assert!(world.state.has_receivers());
    world.after(ms(1));
    assert!(!world.state.has_receivers());
}

#[test]
fn a_quiet_publication_sends_a_setup_to_who_asks_and_a_resend_to_who_misses_something() {
    let mut world = World::new();
    world.connect(WINDOW);
    publish(&world.state.log, &[100]);
    assert_eq!(world.after(ms(0)).len(), 1);
    world.now = world.now + ms(50);
    rest(&mut world);
    world.hear_nak(INITIAL_TERM, 0, 160);
    assert_eq!(world.wire.take().len(), 1);
    rest(&mut world);
    world.now = world.now + ms(50) + Duration::from_nanos(1);
    world.hear_status(|sm| sm.flags = StatusMessageFlags::SEND_SETUP);
    let sent = world.after(ms(0));
    assert!(sent.iter().any(|datagram| Setup::parse(datagram).is_ok()), "{sent:?}");
}

#[test]
fn heartbeats_of_idle_streams_go_out_together_each_once() {
    let mut world = World::new();
    world.connect(WINDOW);
    for stream in 1..=99 {
        world.add_stream(2000 + stream);
    }
    world.after(ms(200));
    rest(&mut world);
    world.wire.take_calls();
    let bytes = world.system.bytes_sent.get();
    let heartbeats = world.after(ms(109));
    assert_eq!((heartbeats.len(), world.wire.take_calls()), (100, 2));
    assert_eq!(world.system.bytes_sent.get() - bytes, 3200);
    let streams: std::collections::HashSet<_> =
        heartbeats.iter().map(|bytes| DataHeader::parse(bytes).unwrap().stream_id).collect();
    assert_eq!(streams.len(), 100);
    assert!(world.after(ms(100)).is_empty());
}

#[test]
fn heartbeats_that_the_socket_has_no_room_for_are_a_short_send_and_come_again() {
    let mut world = World::new();
    world.connect(WINDOW);
    world.after(ms(200));
    world.wire.accept_only(Some(0));
    let bytes = world.system.bytes_sent.get();
    world.after(ms(109));
    assert_eq!((world.system.short_sends.get(), world.system.bytes_sent.get()), (1, bytes));
    world.wire.accept_only(None);
    world.wire.take();
    assert_eq!(world.after(ms(109)).len(), 1);
}
