//! Response channels: telling sources in which session they are answered, and asking for the setups of responses.

use epona_protocol::frame::ResponseSetup;

use super::*;

const RESPONSE: SessionId = SessionId::new(-5);

/// Which of the datagrams are response setups and which status messages.
fn kinds(sent: &[Vec<u8>]) -> Vec<&'static str> {
    let kind = |bytes: &Vec<u8>| match ResponseSetup::parse(bytes) {
        Ok(frame) => {
            let expected =
                ResponseSetup { session_id: SESSION, stream_id: STREAM, response_session_id: RESPONSE };
            assert_eq!(frame, expected);
            "setup"
        }
        Err(_) => {
            StatusMessage::parse(bytes).unwrap();
            "status"
        }
    };
    sent.iter().map(kind).collect()
}

/// A receiver that subscribes to nothing on a channel.
fn on_channel(text: &str) -> World {
    let mut world = World::new();
    world.command(ReceiverCommand::RemoveEndpoint(ENDPOINT));
    let destination =
        ReceiveDestination::new(DestinationIndex::new(0), channel(text), world.wire.transport(), world.now);
    world.command(ReceiverCommand::AddEndpoint(Box::new(ReceiveEndpoint::new(
        ENDPOINT,
        RegistrationId::new(1),
        RECEIVER,
        None,
        Some(destination),
        Dispatcher::new(10, 42),
    ))));
    world.wire.take();
    world
}

#[test]
fn a_response_setup_goes_before_each_status_message_that_time_demands() {
    let (mut world, state) = World::with_image();
    state.response_session.set(RESPONSE);
    assert_eq!(world.after(ms(100)), NOTHING);
    state.request_status_message();
    assert_eq!(kinds(&world.after(ms(0))), ["setup", "status"]);
    assert_eq!(kinds(&world.after(ms(201))), ["setup", "status"]);
    let status = ScheduledStatus { position: Position::new(64), window: WINDOW };
    state.schedule_status_message(status);
    assert_eq!(kinds(&world.after(ms(50))), ["status"], "consumption demands this one");
    state.response_session.clear();
    assert_eq!(kinds(&world.after(ms(201))), ["status"]);
}

#[test]
fn an_image_that_is_rejected_tells_of_no_response() {
    let (mut world, state) = World::with_image();
    state.response_session.set(RESPONSE);
    world.command(ReceiverCommand::RejectImage(ENDPOINT, CorrelationId::new(1), "no".into()));
    let sent = world.after(ms(201));
    assert!(!sent.is_empty() && sent.iter().all(|bytes| ErrorFrame::parse(bytes).is_ok()), "{sent:?}");
}

#[test]
fn the_setup_of_one_session_is_asked_for_where_the_channel_says_and_again_on_demand() {
    let control: SocketAddr = ([127, 0, 0, 1], 24_331).into();
    let mut world = on_channel("aeron:udp?control-mode=response|control=127.0.0.1:24331");
    let commands = [
        ReceiverCommand::AddInterest(ENDPOINT, STREAM, Some(RESPONSE)),
        ReceiverCommand::RequestSetup(ENDPOINT, STREAM, RESPONSE),
    ];
    for command in commands {
        world.commands.send(command);
        world.turn();
        let runs = world.wire.take_runs();
        assert_eq!(runs.len(), 1, "{runs:?}");
        assert_eq!(runs[0].destination, Some(control));
        assert_eq!(
            StatusMessage::parse(&runs[0].bytes).unwrap(),
            StatusMessage::eliciting_setup(RESPONSE, STREAM, RECEIVER, None)
        );
    }
    let any_session = ReceiverCommand::AddInterest(ENDPOINT, StreamId::new(5), None);
    assert_eq!(world.command(any_session), NOTHING, "no session to ask for");
}

#[test]
fn nobody_is_asked_where_the_channel_does_not_say_whom() {
    let mut world = on_channel("aeron:udp?endpoint=127.0.0.1:24331");
    assert_eq!(world.command(ReceiverCommand::AddInterest(ENDPOINT, STREAM, Some(RESPONSE))), NOTHING);
    assert_eq!(world.command(ReceiverCommand::RequestSetup(ENDPOINT, STREAM, RESPONSE)), NOTHING);
}
