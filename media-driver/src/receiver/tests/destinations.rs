//! Destinations that come and go, and the control frames that go back by them.

use super::*;
use crate::testing::SentRun;

const CONTROL: &str = "aeron:udp?endpoint=127.0.0.1:0|control=10.0.0.7:7777|control-mode=dynamic";
const GROUP: &str = "aeron:udp?endpoint=224.20.30.39:24325|interface=127.0.0.1";

/// A source of the second destination.
fn other() -> SocketAddr {
    ([10, 0, 0, 8], 6000).into()
}

fn address(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

/// Where frames were sent.
fn destinations(sent: &[SentRun]) -> Vec<Option<SocketAddr>> {
    sent.iter().map(|run| run.destination).collect()
}

/// The same, without requests for setups.
fn destinations_of_images(mut sent: Vec<SentRun>) -> Vec<Option<SocketAddr>> {
    sent.retain(|run| StatusMessage::parse(&run.bytes).unwrap().flags != StatusMessageFlags::SEND_SETUP);
    destinations(&sent)
}

impl World {
    /// A receiver with an endpoint that was opened for this channel, if that names an address.
    fn for_channel(text: &str) -> Self {
        let mut world = Self::new();
        world.command(ReceiverCommand::RemoveEndpoint(ENDPOINT));
        while world.reports.take().is_some() {}
        let destination = ReceiveDestination::new(
            DestinationIndex::FIRST,
            channel(text),
            world.wire.transport(),
            world.now,
        );
        world.commands.send(ReceiverCommand::AddEndpoint(Box::new(ReceiveEndpoint::new(
            ENDPOINT,
            RegistrationId::new(1),
            RECEIVER,
            None,
            Some(destination),
            Dispatcher::new(10, 42),
        ))));
        world
    }

    fn add_destination(&mut self, index: u32, text: &str) -> Wire {
        let wire = Wire::default();
        let index = DestinationIndex::new(index);
        let destination = ReceiveDestination::new(index, channel(text), wire.transport(), self.now);
        self.command(ReceiverCommand::AddDestination(ENDPOINT, Box::new(destination)));
        wire
    }

    fn remove_destination(&mut self, index: u32) {
        self.command(ReceiverCommand::RemoveDestination(ENDPOINT, DestinationIndex::new(index)));
    }

    /// A datagram arrives by another destination than the first.
    fn hear_by(&mut self, wire: &Wire, source: SocketAddr, bytes: &[u8]) {
        wire.deliver(source, bytes);
        while wire.has_incoming() {
            self.turn();
        }
        self.after(ms(0));
    }

    /// Forgets what was sent so far and waits for the next status messages; where they go by the first destination and
    /// by another one.
    fn status_messages_by(&mut self, wire: &Wire) -> [Vec<Option<SocketAddr>>; 2] {
        self.wire.take();
        wire.take();
        self.now = self.now + ms(201);
        self.turn();
        [self.wire.take_runs(), wire.take_runs()].map(destinations_of_images)
    }
}

#[test]
fn what_arrives_by_any_destination_fills_the_image() {
    let (mut world, state) = World::with_image();
    let wire = world.add_destination(1, "aeron:udp?endpoint=127.0.0.1:24326");
    world.hear(&data(0, 64));
    world.hear_by(&wire, other(), &data(64, 64));
    assert_eq!(state.high_water_mark.get(), 128);
}

#[test]
fn control_frames_go_by_every_destination_that_was_heard_to_its_own_source() {
    let (mut world, state) = World::with_image();
    let wire = world.add_destination(1, "aeron:udp?endpoint=127.0.0.1:24326");
    assert_eq!(world.status_messages_by(&wire), [vec![Some(source())], vec![]], "never heard");
    world.hear_by(&wire, other(), &data(0, 64));
    assert_eq!(world.status_messages_by(&wire), [vec![Some(source())], vec![Some(other())]]);
    assert_eq!(world.system.status_messages_sent.get(), 4, "one for each source");
    state.report_gap(Gap { term_id: INITIAL_TERM, offset: TermOffset::new(64), length: 64 });
    world.after(ms(0));
    assert_eq!((state.naks_sent.get(), destinations(&wire.take_runs())), (2, vec![Some(other())]));

    world.now = world.now + ms(4900);
    world.hear(&data(64, 64));
    assert_eq!(world.status_messages_by(&wire), [vec![Some(source())], vec![]], "silent for 5 s");
}

#[test]
fn a_control_address_that_the_channel_names_is_used_before_anything_was_heard() {
    for (channel, control) in [(CONTROL, "10.0.0.7:7777"), (GROUP, "224.20.30.40:24325")] {
        let (mut world, _) = World::with_image();
        let wire = world.add_destination(1, channel);
        let [_, by_control] = world.status_messages_by(&wire);
        assert_eq!(by_control, [address(control)], "{channel}");
        world.now = world.now + ms(5000);
        let [_, by_control] = world.status_messages_by(&wire);
        assert_eq!(by_control, [], "{channel}: nothing came");
        world.hear_by(&wire, other(), &data(0, 64));
        let [_, by_control] = world.status_messages_by(&wire);
        assert_eq!(by_control, [address(control)], "{channel}: not to the source");
    }
}

#[test]
fn a_receiver_announces_itself_to_explicit_control_at_once_and_every_second_while_there_is_interest() {
    let mut world = World::for_channel(CONTROL);
    let announcement = StatusMessage::eliciting_setup(SessionId::new(0), StreamId::new(0), RECEIVER, None);
    let sent = world.after(ms(0));
    assert_eq!(status_messages(&sent), [announcement], "before anybody subscribes");
    assert_eq!(world.after(ms(1001)), NOTHING, "nobody subscribes");
    world.command(ReceiverCommand::AddInterest(ENDPOINT, STREAM, None));
    for _ in 0..3 {
        assert_eq!(world.after(ms(1001)).len(), 1);
        assert_eq!(world.after(ms(1000)), NOTHING);
    }
    world.after(ms(1));
    let wire = world.add_destination(1, CONTROL);
    let runs = wire.take_runs();
    assert_eq!(destinations(&runs), [address("10.0.0.7:7777")]);
    assert_eq!(StatusMessage::parse(&runs[0].bytes).unwrap(), announcement);
    world.after(ms(1001));
    assert_eq!(wire.take().len(), 1);
    world.remove_destination(1);
    assert_eq!(world.after(ms(1001)).len(), 1, "the first one goes on");
    assert_eq!(wire.take(), NOTHING);
}

#[test]
fn interest_in_one_session_asks_for_its_setup_by_all_destinations_with_explicit_control() {
    let mut world = World::for_channel("aeron:udp?endpoint=127.0.0.1:24325");
    world.after(ms(0));
    let wires = [world.add_destination(1, CONTROL), world.add_destination(2, CONTROL)];
    wires.iter().for_each(|wire| drop(wire.take()));
    let sent = world.command(ReceiverCommand::AddInterest(ENDPOINT, STREAM, Some(SESSION)));
    assert_eq!(sent, NOTHING, "who is there is not known");
    for wire in wires {
        let asked = StatusMessage::eliciting_setup(SESSION, STREAM, RECEIVER, None);
        assert_eq!(status_messages(&wire.take()), [asked]);
    }
}

#[test]
fn a_removed_destination_is_given_back_and_takes_its_connection_along() {
    let (mut world, state) = World::with_image();
    let wire = world.add_destination(1, "aeron:udp?endpoint=127.0.0.1:24326");
    world.hear(&data(0, 64));
    world.hear_by(&wire, other(), &data(0, 64));
    world.after(ms(201));
    assert_eq!(state.log.metadata().active_transport_count(), 2);
    world.remove_destination(1);
    assert_eq!(state.log.metadata().active_transport_count(), 1, "at once");
    let Some(ConductorCommand::ReceiveDestinationReleased(ENDPOINT, destination)) = world.reports.take()
    else {
        panic!("not given back")
    };
    assert_eq!(destination.index(), DestinationIndex::new(1));
    assert_eq!(world.status_messages_by(&wire), [vec![Some(source())], vec![]]);
    wire.deliver(other(), &data(64, 64));
    world.after(ms(0));
    assert_eq!(state.high_water_mark.get(), 64, "nobody listens there");
    let again = world.add_destination(2, "aeron:udp?endpoint=127.0.0.1:24327");
    world.hear_by(&again, other(), &data(64, 64));
    assert_eq!(state.high_water_mark.get(), 128, "the place is used again");
}

#[test]
fn the_only_destination_can_go_and_another_one_take_its_place() {
    let (mut world, state) = World::with_image();
    world.remove_destination(0);
    assert_eq!(world.after(ms(201)), NOTHING, "there is nobody to tell");
    let wire = world.add_destination(1, "aeron:udp?endpoint=127.0.0.1:24326");
    world.hear_by(&wire, other(), &data(0, 64));
    assert_eq!(state.high_water_mark.get(), 64);
    assert_eq!(world.status_messages_by(&wire), [vec![], vec![Some(other())]]);
}

#[test]
fn a_session_that_was_asked_for_a_setup_by_a_destination_that_went_is_asked_again_by_another() {
    let mut world = World::new();
    assert_eq!(world.hear(&data(0, 64)).len(), 1);
    world.remove_destination(0);
    let wire = world.add_destination(1, "aeron:udp?endpoint=127.0.0.1:24326");
    world.after(ms(1001));
    world.hear_by(&wire, other(), &data(0, 64));
    let asked = wire.take_runs();
    assert_eq!(destinations(&asked), [Some(other())]);
    assert_eq!(StatusMessage::parse(&asked[0].bytes).unwrap().flags, StatusMessageFlags::SEND_SETUP);
}

#[test]
fn an_image_forgets_a_destination_that_went_while_it_was_made() {
    let mut world = World::new();
    let wire = world.add_destination(1, "aeron:udp?endpoint=127.0.0.1:24326");
    world.remove_destination(0);
    let (state, sent) = world.add_image(0, true);
    assert_eq!(sent, NOTHING, "its setup came by the first");
    world.hear_by(&wire, other(), &heartbeat(0, DataFlags::HEARTBEAT_EOS));
    assert!(state.is_end_of_stream(), "nothing more is expected from there");
}

#[test]
fn a_stream_has_ended_when_it_has_on_every_destination_and_where_it_went_farthest() {
    let (mut world, state) = World::with_image();
    let wire = world.add_destination(1, "aeron:udp?endpoint=127.0.0.1:24326");
    world.hear(&heartbeat(640, DataFlags::HEARTBEAT_EOS));
    assert!(!state.is_end_of_stream(), "the other one may still bring something");
    world.hear_by(&wire, other(), &data(0, 64));
    world.hear(&heartbeat(640, DataFlags::HEARTBEAT_EOS));
    assert!(!state.is_end_of_stream());
    world.hear_by(&wire, other(), &heartbeat(320, DataFlags::HEARTBEAT_EOS));
    assert!(state.is_end_of_stream());
    assert_eq!(state.log.metadata().end_of_stream_position(), Position::new(640));
}

#[test]
fn a_stream_that_has_ended_on_all_destinations_but_a_removed_one_has_ended() {
    let (mut world, state) = World::with_image();
    world.add_destination(1, "aeron:udp?endpoint=127.0.0.1:24326");
    world.hear(&heartbeat(64, DataFlags::HEARTBEAT_EOS));
    assert!(!state.is_end_of_stream());
    world.remove_destination(1);
    world.hear(&heartbeat(64, DataFlags::HEARTBEAT_EOS));
    assert!(state.is_end_of_stream());
}

#[test]
fn two_sources_behind_one_destination_are_one_stream_that_ends_with_either() {
    let (mut world, state) = World::with_image();
    world.wire.deliver(other(), &data(0, 64));
    world.hear(&data(0, 64));
    assert_eq!(world.system.flow_control_under_runs.get(), 0);
    world.wire.deliver(other(), &heartbeat(64, DataFlags::HEARTBEAT_EOS));
    world.after(ms(0));
    assert!(state.is_end_of_stream());
    world.hear(&heartbeat(64, DataFlags::HEARTBEAT_EOS));
    assert_eq!(state.log.metadata().end_of_stream_position(), Position::new(64));
}

#[test]
fn transports_count_as_active_while_they_were_heard_within_the_liveness_timeout() {
    let (mut world, state) = World::with_image();
    let wire = world.add_destination(1, "aeron:udp?endpoint=127.0.0.1:24326");
    let count = |world: &mut World| {
        world.hear(&heartbeat(0, DataFlags::UNFRAGMENTED));
        world.after(ms(201));
        state.log.metadata().active_transport_count()
    };
    assert_eq!(count(&mut world), 1, "the other was never heard");
    world.hear_by(&wire, other(), &heartbeat(0, DataFlags::UNFRAGMENTED));
    assert_eq!(count(&mut world), 2);
    world.after(ms(9000));
    assert_eq!(count(&mut world), 2);
    world.after(ms(1000));
    assert_eq!(count(&mut world), 1);
}

#[test]
fn a_transport_that_lags_stays_tracked_within_the_window_and_not_beyond() {
    let mut world = World::new();
    let (state, _) = world.add_image(TERM, true);
    let wire = world.add_destination(1, "aeron:udp?endpoint=127.0.0.1:24326");
    let window = i64::from(WINDOW);
    world.hear_by(&wire, other(), &data(TERM - window - 64, 32));
    assert_eq!(world.status_messages_by(&wire), [vec![Some(source())], vec![]], "too far behind");
    world.hear_by(&wire, other(), &data(TERM - window, 32));
    assert_eq!(world.status_messages_by(&wire), [vec![Some(source())], vec![Some(other())]]);
    assert_eq!((state.high_water_mark.get(), world.system.flow_control_under_runs.get()), (TERM, 2));
}

#[test]
fn control_frames_follow_a_control_address_whose_name_was_resolved_again() {
    let (mut world, _) = World::with_image();
    let wire = world.add_destination(1, CONTROL);
    let moved: SocketAddr = "10.0.0.5:7777".parse().unwrap();
    for destination in [0, 1].map(DestinationIndex::new) {
        let update =
            ReceiverCommand::UpdateControlAddress { endpoint: ENDPOINT, destination, address: moved };
        world.command(update);
    }
    assert_eq!(world.system.resolution_changes.get(), 1, "the first one has no name to resolve");
    assert_eq!(world.status_messages_by(&wire), [vec![Some(source())], vec![Some(moved)]]);
    world.after(ms(801));
    assert!(destinations(&wire.take_runs()).contains(&Some(moved)), "announcements follow too");
}

#[test]
fn a_destination_with_explicit_control_says_once_in_5_s_that_it_hears_nothing() {
    let now = Nanos::new(1);
    let mut silent =
        ReceiveDestination::new(DestinationIndex::FIRST, channel(CONTROL), Wire::default().transport(), now);
    assert!(silent.take_silent_peer(ENDPOINT, now + ms(5000)).is_none());
    assert!(silent.take_silent_peer(ENDPOINT, now + ms(5001)).is_some());
    assert!(silent.take_silent_peer(ENDPOINT, now + ms(5002)).is_none());
    silent.on_activity(now + ms(9000));
    assert!(
        silent.take_silent_peer(ENDPOINT, now + ms(14_000)).is_none()
            && silent.take_silent_peer(ENDPOINT, now + ms(14_001)).is_some()
    );
    let mut plain = ReceiveDestination::new(
        DestinationIndex::FIRST,
        channel("aeron:udp?endpoint=127.0.0.1:24325"),
        Wire::default().transport(),
        now,
    );
    assert!(plain.take_silent_peer(ENDPOINT, now + ms(60_000)).is_none(), "there is no name to resolve");
}

#[test]
fn a_group_whose_source_sends_farther_than_the_subscriber_answers_is_counted_when_its_setup_was_asked_for() {
    let elicited = |channel: &str, ttl: i32| {
        let mut world = World::for_channel(channel);
        world.command(ReceiverCommand::AddInterest(ENDPOINT, STREAM, None));
        assert_eq!(world.hear(&data(0, 64)).len(), 1, "asks for the setup");
        world.hear(&setup(|setup| setup.ttl = ttl));
        world.hear(&setup(|setup| setup.ttl = ttl));
        assert_eq!(world.requests().len(), 1);
        world.system.possible_ttl_asymmetry.get()
    };
    let with_ttl = format!("{GROUP}|ttl=4");
    for (channel, ttl, count) in [
        (with_ttl.as_str(), 5, 1),
        (&with_ttl, 4, 0),
        (&with_ttl, 0, 0),
        (&with_ttl, -1, 0),
        (GROUP, 1, 1),
        (GROUP, 0, 0),
        ("aeron:udp?endpoint=127.0.0.1:24325", 5, 0),
    ] {
        assert_eq!(elicited(channel, ttl), count, "{channel}, setup with {ttl}");
    }
    let mut unasked = World::for_channel(GROUP);
    unasked.command(ReceiverCommand::AddInterest(ENDPOINT, STREAM, None));
    unasked.hear(&setup(|setup| setup.ttl = 5));
    assert_eq!((unasked.requests().len(), unasked.system.possible_ttl_asymmetry.get()), (1, 0));
}
