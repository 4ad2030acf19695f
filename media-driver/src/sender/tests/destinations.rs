//! Several destinations: what each gets, what one that fails costs. Acceptance lines MDC-02, MDC-11, MDC-12, EOS-07.

use epona_protocol::types::StreamId;

use super::*;
use crate::sender::destinations::{DESTINATION_TIMEOUT, MAX_LEARNED_DESTINATIONS, ManualDestination};

fn address(host: u8) -> SocketAddr {
    ([10, 0, 0, host], 24_326).into()
}

fn receiver(host: u8) -> ReceiverId {
    ReceiverId::new(host.into())
}

/// A publication with destinations, and how many those are.
fn world(make: impl FnOnce(AtomicCounter) -> Destinations) -> (World, AtomicCounter) {
    let count = AtomicCounter::detached();
    let destinations = Some(make(count.clone()));
    (World::with(Wish { is_group: true, destinations, ..Wish::default() }), count)
}

/// A publication with manual destinations on hosts 1 and 2, whose ids are 101 and 102 and whose receivers report.
fn connected() -> World {
    let (mut world, count) = world(Destinations::manual);
    for host in 1..=2 {
        world.commands.send(SenderCommand::AddDestination {
            endpoint: SendEndpointId::new(0),
            destination: ManualDestination {
                registration_id: RegistrationId::new(100 + i64::from(host)),
                name: format!("host-{host}:24326").into(),
                address: Some(address(host)),
            },
        });
    }
    world.turn();
    assert_eq!(count.get(), 2);
    for host in 1..=2 {
        world.hear_status_from(address(host), |sm| sm.receiver_id = receiver(host));
    }
    world.after(ms(0));
    world
}

/// Who was sent what since the last call.
fn sent(world: &World) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut sent: Vec<_> =
        world.wire.take_runs().into_iter().map(|run| (run.destination.unwrap(), run.bytes)).collect();
    sent.sort();
    sent
}

fn error_frame(receiver_id: ReceiverId) -> Vec<u8> {
    let frame = ErrorFrame {
        session_id: SESSION,
        stream_id: STREAM,
        receiver_id,
        group_tag: None,
        error_code: 13,
        text: b"no",
    };
    let mut bytes = [0; error::MAX_LENGTH];
    let length = frame.emit(&mut bytes);
    bytes[..length].to_vec()
}

#[test]
fn data_and_what_is_sent_again_go_to_every_destination() {
    let mut world = connected();
    let heartbeats = world.system.bytes_sent.get();
    publish(&world.state.log, &[1376, 1376]);
    world.turn();
    let both = |world: &World, offset, length| {
        [1, 2].map(|host| (address(host), world.term_bytes(offset, length))).to_vec()
    };
    assert_eq!(sent(&world), both(&world, 0, 2816), "one run of two datagrams each");
    assert_eq!(world.position(), 2816);
    assert_eq!(world.system.bytes_sent.get() - heartbeats, 2816, "of the stream, however many get it");
    world.hear_nak(INITIAL_TERM, 1408, 1408);
    assert_eq!(sent(&world), both(&world, 1408, 1408));
    assert_eq!((world.system.retransmits_sent.get(), world.system.short_sends.get()), (1, 0));
}

#[test]
fn setups_and_heartbeats_go_to_every_destination_and_setups_tell_of_a_group() {
    let mut world = connected();
    world.after(ms(101));
    let heartbeats = {
        world.after(ms(101));
        world.hear_status_from(address(1), |sm| sm.flags = StatusMessageFlags::SEND_SETUP);
        world.now = world.now + ms(101);
        world.turn();
        sent(&world)
    };
    let to: Vec<_> = heartbeats.iter().map(|(to, bytes)| (*to, bytes.len())).collect();
    let expected = [1, 2].map(|host| [(address(host), 32), (address(host), 40)]).concat();
    let mut to_sorted = to;
    to_sorted.sort_unstable();
    assert_eq!(to_sorted, expected);
    let setups = heartbeats.iter().filter(|(_, bytes)| bytes.len() == 40);
    assert!(setups.map(|(_, bytes)| setup(bytes)).all(|setup| setup.flags.contains(SetupFlags::GROUP)));
}

#[test]
fn a_destination_that_fails_is_reported_and_counted_and_the_stream_goes_on() {
    let mut world = connected();
    world.wire.block(address(1), Some(io::ErrorKind::NetworkUnreachable));
    publish(&world.state.log, &[1376]);
    world.turn();
    assert_eq!(sent(&world), [(address(2), world.term_bytes(0, 1408))]);
    assert_eq!((world.position(), world.system.short_sends.get()), (1408, 1));
    let Some(ConductorCommand::Error(error)) = world.reports.take() else { panic!("no error was reported") };
    assert!(error.message.contains("10.0.0.1:24326"), "{error}");
}

#[test]
fn a_stream_that_no_destination_takes_waits() {
    let mut world = connected();
    for host in 1..=2 {
        world.wire.block(address(host), None);
    }
    publish(&world.state.log, &[1376]);
    world.turn();
    assert_eq!((world.position(), world.system.short_sends.get()), (0, 1));
}

#[test]
fn without_destinations_the_stream_goes_on_as_far_as_flow_control_lets_it() {
    let (mut world, _) = world(Destinations::manual);
    world.hear_status(|_| {});
    publish(&world.state.log, &[1376]);
    world.turn();
    assert_eq!((world.position(), world.system.short_sends.get()), (1408, 0));
    assert_eq!(world.wire.take(), NOTHING);
}

#[test]
fn receivers_become_destinations_even_before_there_is_a_publication_for_them() {
    let (mut world, count) = world(Destinations::dynamic);
    let any = StatusMessage::eliciting_setup(SessionId::new(0), StreamId::new(0), receiver(1), None);
    let mut bytes = [0; status_message::LENGTH];
    any.emit(&mut bytes);
    world.hear_from(address(1), &bytes);
    assert_eq!((count.get(), world.state.has_receivers()), (1, false));
    world.after(ms(101));
    world.now = world.now + ms(101);
    world.turn();
    let sent = sent(&world);
    assert_eq!(sent.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [address(1)], "the setup goes there");
}

#[test]
fn status_messages_that_are_rejected_or_invalid_add_no_destination() {
    let (mut world, count) = world(Destinations::dynamic);
    world.hear_status(|sm| sm.consumption_term_id = INITIAL_TERM.wrapping_add(9));
    world.hear_status(|sm| sm.receiver_window = -1);
    assert_eq!(count.get(), 0);
    assert_eq!((world.system.status_messages_rejected.get(), world.system.invalid_packets.get()), (1, 1));
}

#[test]
fn receivers_beyond_the_room_for_destinations_are_counted_and_reported_once() {
    let (mut world, count) = world(Destinations::dynamic);
    let most = MAX_LEARNED_DESTINATIONS as i64;
    for id in 0..most + 3 {
        // No publication has this session: only destinations count.
        world.hear_status(|sm| (sm.session_id, sm.receiver_id) = (SessionId::new(1), ReceiverId::new(id)));
    }
    assert_eq!((count.get(), world.system.status_messages_rejected.get()), (most, 3));
    let Some(ConductorCommand::Error(error)) = world.reports.take() else { panic!("nothing was reported") };
    assert!(error.message.contains("127.0.0.1:24325") && error.message.contains("1024"), "{error}");
    assert!(world.reports.take().is_none());
}

#[test]
fn the_end_of_a_receiver_takes_it_out_of_flow_control_while_it_stays_a_destination_until_silent() {
    let count = AtomicCounter::detached();
    let options = GroupOptions { receiver_timeout: ms(5000), group_min_size: 0, rrwm: 4 };
    let mut world = World::with(Wish {
        is_group: true,
        flow_control: FlowControl::min(&options),
        destinations: Some(Destinations::dynamic(count.clone())),
        ..Wish::default()
    });
    for (host, window) in [(2, 1408), (1, WINDOW)] {
        world.hear_status_from(address(host), |sm| {
            (sm.receiver_id, sm.receiver_window) = (receiver(host), window);
        });
    }
    publish(&world.state.log, &[1376; 4]);
    world.after(ms(1));
    assert_eq!(world.position(), 1408, "the slowest one limits");
    world.hear_status_from(address(2), |sm| {
        (sm.receiver_id, sm.flags) = (receiver(2), StatusMessageFlags::END_OF_STREAM);
    });
    for _ in 0..3 {
        world.after(ms(1));
    }
    assert_eq!((world.position(), count.get()), (4 * 1408, 2));
    world.hear_status_from(address(1), |sm| sm.receiver_id = receiver(1));
    world.now = world.now + DESTINATION_TIMEOUT - ms(1);
    world.hear_status_from(address(1), |sm| sm.receiver_id = receiver(1));
    world.after(ms(200));
    assert_eq!(count.get(), 1);
    assert!(world.state.has_receivers() && !world.state.has_received_unicast_eos());
}

#[test]
fn an_error_frame_names_the_destination_of_its_receiver() {
    let mut world = connected();
    let told = |world: &mut World, host| {
        world.hear_from(address(host), &error_frame(receiver(host)));
        let Some(ConductorCommand::PublicationError(report)) = world.reports.take() else {
            panic!("nothing was reported")
        };
        report.destination_registration_id
    };
    assert_eq!(told(&mut world, 2), Some(RegistrationId::new(102)));
    world.hear_status_from(address(9), |sm| sm.receiver_id = receiver(9));
    assert_eq!(told(&mut world, 9), None, "a receiver of nobody's destination");
}

#[test]
fn commands_change_where_the_stream_goes() {
    let mut world = connected();
    let endpoint = SendEndpointId::new(0);
    let hosts = |world: &mut World| {
        world.after(ms(101));
        world.wire.take_runs();
        world.now = world.now + ms(101);
        world.turn();
        let mut hosts: Vec<_> = sent(world).into_iter().map(|(to, _)| to).collect();
        hosts.dedup();
        hosts
    };
    let moved =
        SenderCommand::UpdateDestination { endpoint, name: "host-1:24326".into(), address: address(7) };
    world.commands.send(moved);
    assert_eq!(hosts(&mut world), [address(2), address(7)]);
    assert_eq!(world.system.resolution_changes.get(), 1);
    let gone =
        SenderCommand::UpdateDestination { endpoint, name: "host-9:24326".into(), address: address(9) };
    world.commands.send(gone);
    assert_eq!(hosts(&mut world), [address(2), address(7)]);
    assert_eq!(world.system.resolution_changes.get(), 1, "nobody is sent anything elsewhere");
    world.commands.send(SenderCommand::RemoveDestinationById { endpoint, id: RegistrationId::new(102) });
    assert_eq!(hosts(&mut world), [address(7)]);
    let name = "host-1:24326".into();
    world.commands.send(SenderCommand::RemoveDestination { endpoint, name, address: None });
    assert_eq!(hosts(&mut world), []);
    let nobodys = SendEndpointId::new(7);
    world
        .commands
        .send(SenderCommand::RemoveDestinationById { endpoint: nobodys, id: RegistrationId::new(1) });
    assert_eq!(hosts(&mut world), []);
}
