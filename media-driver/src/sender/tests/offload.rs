//! What the sender makes of a kernel that cuts up runs of datagrams, and of one that ceases to.

use super::*;

const LENGTHS: [usize; 8] = [1376; 8];

fn offloaded(destinations: Option<Destinations>) -> World {
    let mut world = World::with(Wish { offload: Offload::On, destinations, ..Wish::default() });
    world.connect(WINDOW);
    world
}

#[test]
fn a_turn_takes_more_datagrams_than_the_setting_says_as_long_as_the_kernel_cuts_up_runs() {
    let mut world = offloaded(None);
    publish(&world.state.log, &LENGTHS);
    assert_eq!(world.after(ms(1)).len(), 8);
    world.wire.set_offload(Offload::Refused(OffloadRefusal { code: 5, has_worked: true }));
    publish(&world.state.log, &LENGTHS);
    assert_eq!(world.after(ms(1)).len(), 8, "the turn in which it is refused");
    publish(&world.state.log, &LENGTHS);
    assert_eq!(world.after(ms(1)).len(), 4);
}

#[test]
fn a_refusal_is_told_to_the_conductor_once() {
    let destination = ManualDestination {
        registration_id: RegistrationId::new(3),
        name: "127.0.0.1:24325".into(),
        address: Some(([127, 0, 0, 1], 24_325).into()),
    };
    let mut destinations = Destinations::manual(AtomicCounter::detached());
    destinations.add(destination, Nanos::default());
    for destinations in [None, Some(destinations)] {
        let mut world = offloaded(destinations);
        publish(&world.state.log, &LENGTHS);
        world.after(ms(1));
        assert!(world.reports.take().is_none());
        let refusal = OffloadRefusal { code: 5, has_worked: true };
        world.wire.set_offload(Offload::Refused(refusal));
        for _ in 0..3 {
            publish(&world.state.log, &[100]);
            world.after(ms(1));
        }
        let told = world.reports.take();
        assert!(
            matches!(told, Some(ConductorCommand::OffloadRefused { refusal: told, .. }) if told == refusal),
            "{told:?}"
        );
        assert!(world.reports.take().is_none());
    }
}
