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
