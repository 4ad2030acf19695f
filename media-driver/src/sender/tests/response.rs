//! Requests and responses: who is told what, and where responses go.

use std::net::SocketAddr;

use epona_protocol::{
    frame::{ResponseSetup, response_setup},
    types::CorrelationId,
};

use super::*;

const SUBSCRIPTION: RegistrationId = RegistrationId::new(17);
const IMAGE: CorrelationId = CorrelationId::new(18);

fn request() -> World {
    World::with(Wish { response: ResponseRole::Request(SUBSCRIPTION), ..Wish::default() })
}

fn response() -> World {
    World::with(Wish { response: ResponseRole::Response(Some(IMAGE)), ..Wish::default() })
}

fn requester(port: u16) -> SocketAddr {
    ([10, 0, 0, 9], port).into()
}

fn elicit() -> Vec<u8> {
    let sm = StatusMessage::eliciting_setup(SESSION, STREAM, RECEIVER, None);
    let mut bytes = vec![0; status_message::TAGGED_LENGTH];
    let length = sm.emit(&mut bytes);
    bytes.truncate(length);
    bytes
}

impl World {
    fn hear_response_setup(&mut self, session_id: SessionId, length: usize) {
        let mut bytes = [0; response_setup::LENGTH];
        let frame = ResponseSetup { session_id, stream_id: STREAM, response_session_id: SessionId::new(-5) };
        frame.emit(&mut bytes);
        self.hear(&bytes[..length]);
    }

    /// What the conductor was told of response channels.
    fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(report) = self.reports.take() {
            told.push(match report {
                ConductorCommand::ResponseSetup { subscription, response_session_id } => {
                    format!("{subscription} is answered in {response_session_id}")
                }
                ConductorCommand::ResponseConnected(image) => format!("{image} is connected"),
                other => panic!("{other:?}"),
            });
        }
        told
    }
}

#[test]
fn only_a_request_says_in_its_setups_that_it_wants_a_response() {
    assert_eq!(setup(&request().after(ms(0))[0]).flags, SetupFlags::SEND_RESPONSE_SETUP);
    let mut response = response();
    response.hear_from(requester(5000), &elicit());
    assert_eq!(setup(&response.after(ms(0))[0]).flags, SetupFlags::NONE);
}

#[test]
fn a_response_setup_for_a_request_is_passed_on_with_the_subscription_that_it_names() {
    let mut world = request();
    world.hear_response_setup(SESSION, response_setup::LENGTH);
    assert_eq!(world.told(), ["17 is answered in -5"]);
    world.hear_response_setup(SessionId::new(1), response_setup::LENGTH);
    world.hear_response_setup(SESSION, response_setup::LENGTH - 1);
    assert_eq!(world.told().len(), 0, "of an unknown session, and too short");
    assert_eq!(world.system.invalid_packets.get(), 1);
}

#[test]
fn a_response_setup_for_what_is_no_request_is_ignored() {
    for mut world in [World::new(), response()] {
        world.hear_response_setup(SESSION, response_setup::LENGTH);
        assert_eq!((world.told().len(), world.system.invalid_packets.get()), (0, 0));
    }
}

#[test]
fn a_response_sends_nothing_until_it_is_asked_and_then_at_once_to_who_asked_last() {
    let mut world = response();
    for _ in 0..5 {
        assert_eq!(world.after(ms(101)), NOTHING);
    }
    world.wire.deliver(requester(5000), &elicit());
    world.turn();
    world.turn();
    let runs = world.wire.take_runs();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(runs[0].destination, Some(requester(5000)));
    assert!(Setup::parse(&runs[0].bytes).is_ok());

    world.hear_status(|_| {});
    world.hear_from(requester(6000), &elicit());
    world.wire.take();
    publish(&world.state.log, &[100]);
    world.turn();
    let runs = world.wire.take_runs();
    assert!(!runs.is_empty() && runs.iter().all(|run| run.destination == Some(requester(6000))), "{runs:?}");
}

#[test]
fn a_response_tells_of_its_first_live_receiver_each_time_it_had_none() {
    let mut world = response();
    world.hear_from(requester(5000), &elicit());
    assert_eq!(world.told().len(), 0, "asking is not receiving");
    world.hear_status(|_| {});
    world.hear_status(|_| {});
    assert_eq!(world.told(), ["18 is connected"]);
    world.hear_status(|sm| sm.flags = StatusMessageFlags::END_OF_STREAM);
    world.hear_status(|_| {});
    assert_eq!(world.told(), ["18 is connected"]);
}

#[test]
fn a_prototype_has_no_image_to_tell_of() {
    let mut world = World::with(Wish { response: ResponseRole::Response(None), ..Wish::default() });
    world.hear_from(requester(5000), &elicit());
    world.hear_status(|_| {});
    assert!(world.state.has_receivers());
    assert_eq!(world.told().len(), 0);
}
