//! Events in, lines out.

use std::{
    fs,
    io::{self, Write},
    sync::Mutex,
    time::Duration,
};

use epona_protocol::{
    command::{Command, ErrorCode, Event, Request},
    counters::AtomicCounter,
    frame::{self, DataFlags, DataHeader, ErrorFrame, Rttm, RttmFlags, StatusMessage, StatusMessageFlags},
    types::{ClientId, CounterId, EpochMillis, Now},
};
use proptest::prelude::*;

use super::{record::RecordView, *};
use crate::{duty_cycle::DutyCycle, name_resolution::driver::neighbors::Neighbors};

const NOW: Nanos = Nanos::new(12_000_000_345);
const STREAM: (SessionId, StreamId) = (SessionId::new(-7), StreamId::new(1001));
const CHANNEL: &str = "aeron:udp?endpoint=localhost:24325";

/// An output that keeps what is written, or fails.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<(String, bool)>>);

impl Paper {
    fn text(&self) -> String {
        self.0.lock().unwrap().0.clone()
    }

    fn set_broken(&self, is_broken: bool) {
        self.0.lock().unwrap().1 = is_broken;
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut paper = self.0.lock().unwrap();
        if paper.1 {
            return Err(io::Error::other("no room"));
        }
        paper.0.push_str(std::str::from_utf8(bytes).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A log of all events with its writer.
fn log_on(capacity: usize) -> (EventLog, EventLogger, Paper) {
    let (log, source) = EventLog::with_capacity(EventSet::parse("all").0, capacity);
    let paper = Paper::default();
    (log, EventLogger::new(source, Output::stream(paper.clone())), paper)
}

fn at(nanos: Nanos) -> Now {
    Now { nanos, epoch: EpochMillis::new(1_700_000_000_123) }
}

/// The one line that an event makes, without its time, which is always the same.
fn line(tell: impl FnOnce(&EventLog)) -> String {
    let (log, mut logger, paper) = log_on(1 << 20);
    tell(&log);
    assert_eq!(logger.do_work(at(NOW)), 1);
    let text = paper.text();
    let line = text.strip_suffix('\n').unwrap();
    assert!(!line.contains('\n'), "{text}");
    line.strip_prefix("[12.000000345] DRIVER: ").unwrap_or_else(|| panic!("{line}")).to_owned()
}

fn frame_line(event: DriverEvent, datagram: &[u8]) -> String {
    line(|log| log.frame(event, Some(([10, 0, 0, 1], 40_123).into()), datagram, datagram.len(), NOW))
}

fn command_line(client_id: i64, request: Request<'_>) -> String {
    let command =
        Command { client_id: ClientId::new(client_id), correlation_id: CorrelationId::new(42), request };
    let mut bytes = Vec::new();
    command.encode(&mut bytes);
    line(|log| log.command_in(command.type_id(), &bytes, NOW))
}

fn event_line(event: &Event<'_>) -> String {
    let mut bytes = Vec::new();
    event.encode(&mut bytes);
    line(|log| log.command_out(event.type_id(), &bytes, NOW))
}

#[test]
fn the_log_starts_with_the_time_by_both_clocks() {
    let (_, mut logger, paper) = log_on(1 << 16);
    logger.on_start(at(NOW));
    let text = paper.text();
    assert!(
        text.starts_with(
            "[12.000000345] log started 2023-11-14 22:13:20.123+0000, enabled loggers: {DRIVER: version="
        ),
        "{text}"
    );
}

#[test]
fn datagrams_are_shown_by_their_first_frame() {
    let mut data = [0; 32];
    DataHeader {
        frame_length: 1408,
        flags: DataFlags::UNFRAGMENTED,
        is_padding: false,
        term_offset: TermOffset::new(64),
        session_id: STREAM.0,
        stream_id: STREAM.1,
        term_id: TermId::new(5),
        reserved_value: 0,
    }
    .emit(&mut data);
    assert_eq!(
        line(|log| log.frame(DriverEvent::FrameOut, None, &data, 1408, NOW)),
        "FRAME_OUT [32/1408]: address=unknown-address type=DATA flags=11000000 frameLength=1408 sessionId=-7 \
         streamId=1001 termId=5 termOffset=64"
    );
    let mut bytes = [0; frame::status_message::TAGGED_LENGTH];
    let length = StatusMessage {
        flags: StatusMessageFlags::NONE,
        session_id: STREAM.0,
        stream_id: STREAM.1,
        consumption_term_id: TermId::new(5),
        consumption_term_offset: TermOffset::new(96),
        receiver_window: 131_072,
        receiver_id: ReceiverId::new(9),
        group_tag: None,
    }
    .emit(&mut bytes);
    assert_eq!(
        frame_line(DriverEvent::FrameIn, &bytes[..length]),
        "FRAME_IN [36/36]: address=10.0.0.1:40123 type=SM flags=00000000 frameLength=36 sessionId=-7 streamId=1001 \
         termId=5 termOffset=96 receiverWindowLength=131072 receiverId=9"
    );
    let mut bytes = [0; frame::rttm::LENGTH];
    Rttm {
        flags: RttmFlags::REPLY,
        session_id: STREAM.0,
        stream_id: STREAM.1,
        echo_timestamp: 77,
        reception_delta: 0,
        receiver_id: ReceiverId::new(9),
    }
    .emit(&mut bytes);
    assert_eq!(
        frame_line(DriverEvent::FrameIn, &bytes),
        "FRAME_IN [40/40]: address=10.0.0.1:40123 type=RTT flags=10000000 frameLength=40 sessionId=-7 streamId=1001 \
         echoTimestampNs=77 receptionDelta=0 receiverId=9"
    );
}

#[test]
fn what_a_peer_wrote_stays_on_one_line() {
    let mut bytes = [0; frame::error::MAX_LENGTH];
    let length = ErrorFrame {
        session_id: STREAM.0,
        stream_id: STREAM.1,
        receiver_id: ReceiverId::new(9),
        group_tag: None,
        error_code: 13,
        text: b"no\n[1.0] DRIVER: \x1b[2J",
    }
    .emit(&mut bytes);
    let line = frame_line(DriverEvent::FrameIn, &bytes[..length]);
    assert!(line.ends_with("errorCode=13 errorMessage=\"no\\n[1.0] DRIVER: \\x1b[2J\""), "{line}");
    let channel = "aeron:udp?endpoint=a\r\nb";
    let line = command_line(1, Request::AddSubscription { stream_id: STREAM.1, channel });
    assert!(line.ends_with("channel=aeron:udp?endpoint=a..b"), "{line}");
}

#[test]
fn datagrams_that_make_no_sense_are_shown_as_far_as_they_do() {
    for (datagram, expected) in [
        (&[][..], "FRAME_IN [0/0]: address=10.0.0.1:40123 0 bytes"),
        (&[1, 2, 3], "FRAME_IN [3/3]: address=10.0.0.1:40123 3 bytes"),
        (
            &[8, 0, 0, 0, 1, 3, 0x77, 0],
            "FRAME_IN [8/8]: address=10.0.0.1:40123 type=unknown frame type (0x77) version=0x1 flags=00000011 \
             frameLength=8",
        ),
        (
            &[28, 0, 0, 0, 0, 0, 2, 0, 1],
            "FRAME_IN [9/9]: address=10.0.0.1:40123 type=NAK flags=00000000 frameLength=28",
        ),
    ] {
        assert_eq!(frame_line(DriverEvent::FrameIn, datagram), expected);
    }
}

/// DRV-17
#[test]
fn datagrams_and_commands_larger_than_a_record_are_cut() {
    let mut datagram = vec![0x5A; 65_000];
    datagram[..8].copy_from_slice(&[0, 0, 0, 0, 0, 0, 7, 0]);
    let line = frame_line(DriverEvent::FrameIn, &datagram);
    assert!(
        line.starts_with("FRAME_IN [8192/65000]: address=10.0.0.1:40123 type=RES flags=00000000"),
        "{line}"
    );
    let token = vec![1; 20_000];
    let line = command_line(1, Request::TerminateDriver { token: &token });
    assert!(line.starts_with("CMD_IN_TERMINATE_DRIVER [8192/20024]: "), "{line}");
    let long = "x".repeat(70_000);
    let line = self::line(|log| log.publication_removed(STREAM.0, STREAM.1, &long, NOW));
    assert!(
        line.starts_with("REMOVE_PUBLICATION_CLEANUP [4112/70016]: sessionId=-7 streamId=1001 channel=xxx")
    );
}

#[test]
fn commands_are_shown_with_their_fields() {
    let stream_id = STREAM.1;
    assert_eq!(
        command_line(3, Request::AddPublication { stream_id, channel: "aeron:ipc" }),
        "CMD_IN_ADD_PUBLICATION [37/37]: streamId=1001 clientId=3 correlationId=42 channel=aeron:ipc"
    );
    let registration_id = RegistrationId::new(8);
    assert_eq!(
        command_line(3, Request::RemovePublication { registration_id, revoke: true }),
        "CMD_IN_REMOVE_PUBLICATION [36/36]: registrationId=8 clientId=3 correlationId=42 revoke=true"
    );
    assert_eq!(
        command_line(3, Request::AddDestination { registration_id, channel: "c" }),
        "CMD_IN_ADD_DESTINATION [33/33]: registrationCorrelationId=8 clientId=3 correlationId=42 channel=c"
    );
    let line = line(|log| log.command_in(command_id::ADD_SUBSCRIPTION, &[1, 2, 3], NOW));
    assert!(line.starts_with("CMD_IN_ADD_SUBSCRIPTION [7/7]: "), "a malformed one too: {line}");
}

#[test]
fn what_clients_are_told_is_shown_with_its_fields() {
    let correlation_id = CorrelationId::new(42);
    assert_eq!(
        event_line(&Event::OperationSuccess { correlation_id }),
        "CMD_OUT_ON_OPERATION_SUCCESS [12/12]: correlationId=42"
    );
    assert_eq!(
        event_line(&Event::SubscriptionReady { correlation_id, channel_status_id: CounterId::new(50) }),
        "CMD_OUT_SUBSCRIPTION_READY [16/16]: correlationId=42 channelStatusCounterId=50"
    );
    let error =
        Event::Error { correlation_id, error_code: ErrorCode::UnknownSubscription, message: b"not here" };
    let line = event_line(&error);
    assert!(
        line.starts_with("CMD_OUT_ERROR [")
            && line
                .ends_with("offendingCommandCorrelationId=42 errorCode=UnknownSubscription message=not here"),
        "{line}"
    );
}

#[test]
fn streams_endpoints_and_names_are_shown_with_their_fields() {
    let range = Range { term_id: TermId::new(5), term_offset: TermOffset::new(96), length: 1408 };
    let address = "[::1]:40123".parse().unwrap();
    assert_eq!(
        line(|log| log.nak(DriverEvent::NakSent, address, STREAM, range, CHANNEL, NOW)),
        format!(
            "NAK_SENT [92/92]: address=[::1]:40123 sessionId=-7 streamId=1001 termId=5 termOffset=96 length=1408 \
             channel={CHANNEL}"
        )
    );
    assert_eq!(
        line(|log| log.resend(STREAM, range, CHANNEL, NOW)),
        format!(
            "RESEND [74/74]: sessionId=-7 streamId=1001 termId=5 termOffset=96 length=1408 channel={CHANNEL}"
        )
    );
    let states = (TetherState::Active, TetherState::Linger);
    assert_eq!(
        line(|log| log.tether(RegistrationId::new(8), STREAM.1, STREAM.0, states, NOW)),
        "UNTETHERED_SUBSCRIPTION_STATE_CHANGE [36/36]: subscriptionId=8 streamId=1001 sessionId=-7 ACTIVE -> LINGER"
    );
    let event = DriverEvent::FlowControlReceiverAdded;
    assert_eq!(
        line(|log| log.receiver(event, ReceiverId::new(9), 2, STREAM, CHANNEL, NOW)),
        format!(
            "FLOW_CONTROL_RECEIVER_ADDED [66/66]: receiverCount=2 receiverId=9 sessionId=-7 streamId=1001 \
             channel={CHANNEL}"
        )
    );
    let query = NameQuery { name: "host", parameter: "endpoint", is_re_resolution: true };
    assert_eq!(
        line(|log| log.resolved("default", query, Nanos::new(5), Some([10, 0, 0, 9].into()), NOW)),
        "NAME_RESOLUTION_RESOLVE [29/29]: resolver=default durationNs=5 name=host isReResolution=true \
         address=10.0.0.9"
    );
    let line = line(|log| log.resolved("default", query, Nanos::new(5), None, NOW));
    assert!(line.ends_with("address=unknown-address"), "{line}");
}

#[test]
fn events_that_are_not_enabled_are_not_logged() {
    let (log, source) = EventLog::with_capacity(EventSet::parse("RESEND").0, 1 << 16);
    let paper = Paper::default();
    let mut logger = EventLogger::new(source, Output::stream(paper.clone()));
    log.publication_removed(STREAM.0, STREAM.1, CHANNEL, NOW);
    log.command_in(command_id::CLIENT_KEEPALIVE, &[0; 16], NOW);
    log.frame(DriverEvent::FrameIn, None, &[], 0, NOW);
    assert_eq!((logger.do_work(at(NOW)), paper.text().as_str()), (0, ""));
    assert!(DriverEvent::ALL.iter().all(|event| !EventLog::off().is_on(*event)));
}

#[test]
fn events_that_do_not_fit_are_lost_and_counted_in_the_log() {
    let (log, mut logger, paper) = log_on(4096);
    let mut told = 0;
    while log.sink.as_ref().unwrap().lost.load(Ordering::Relaxed) < 3 {
        log.publication_removed(STREAM.0, STREAM.1, CHANNEL, NOW);
        told += 1;
    }
    logger.on_close(at(NOW));
    let text = paper.text();
    assert_eq!(text.matches("REMOVE_PUBLICATION_CLEANUP").count(), told - 3);
    assert_eq!(text.matches("GENERIC_MESSAGE [").count(), 1);
    assert!(text.contains("3 events were lost"), "{text}");
    log.publication_removed(STREAM.0, STREAM.1, CHANNEL, NOW);
    logger.do_work(at(NOW));
    assert_eq!(paper.text().matches("lost").count(), 1, "told once");
}

#[test]
fn events_of_many_threads_are_written_whole() {
    let (log, mut logger, paper) = log_on(1 << 20);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let log = log.clone();
            scope.spawn(move || {
                for at in 0..200 {
                    let (session, stream) = (SessionId::new(thread), StreamId::new(at));
                    log.publication_removed(session, stream, CHANNEL, NOW);
                }
            });
        }
    });
    logger.on_close(at(NOW));
    let text = paper.text();
    for thread in 0..4 {
        let of_thread = text.lines().filter(|line| line.contains(&format!("sessionId={thread} ")));
        let expected = |at: usize| format!("streamId={at} channel={CHANNEL}");
        assert!(of_thread.enumerate().map(|(at, line)| line.ends_with(&expected(at))).eq([true; 200]));
    }
}

#[test]
fn a_file_that_is_long_enough_is_put_aside_under_a_free_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.log");
    fs::write(folder.path().join("events.log.1"), "somebody's").unwrap();
    let (log, source) = EventLog::with_capacity(EventSet::parse("all").0, 1 << 16);
    let mut logger = EventLogger::new(source, Output::file(&path, 1000).unwrap());
    logger.on_start(at(NOW));
    for _ in 0..20 {
        log.publication_removed(STREAM.0, STREAM.1, CHANNEL, NOW);
        logger.do_work(at(NOW));
    }
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("events.log.1"), "somebody's");
    let (aside, current) = (read("events.log.2"), read("events.log"));
    assert!((1000..1200).contains(&aside.len()), "{}", aside.len());
    for text in [&aside, &current] {
        assert!(text.starts_with("[12.000000345] log started") && text.ends_with('\n'), "{text}");
    }
    let files = fs::read_dir(folder.path()).unwrap().count();
    let events = |name: &str| read(name).matches("REMOVE_PUBLICATION_CLEANUP").count();
    let aside: usize = (2..files).map(|number| events(&format!("events.log.{number}"))).sum();
    assert_eq!(aside + events("events.log"), 20);
}

#[test]
fn no_file_is_longer_than_it_may_be_by_more_than_a_line_however_much_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.log");
    let (log, source) = EventLog::with_capacity(EventSet::parse("all").0, 1 << 16);
    let mut logger = EventLogger::new(source, Output::file(&path, 1000).unwrap());
    logger.on_start(at(NOW));
    for _ in 0..200 {
        log.publication_removed(STREAM.0, STREAM.1, CHANNEL, NOW);
    }
    logger.on_close(at(NOW));
    let mut events = 0;
    for file in fs::read_dir(folder.path()).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let longest = text.lines().map(|line| line.len() + 1).max().unwrap();
        assert!(text.len() < 1000 + longest, "{} bytes", text.len());
        events += text.matches("REMOVE_PUBLICATION_CLEANUP").count();
    }
    assert_eq!(events, 200, "and nothing is lost");
}

#[test]
fn a_neighbour_is_logged_at_the_time_when_it_is_heard_of_and_when_it_is_forgotten() {
    let (address, long_ago) = (([10, 0, 0, 2], 8050).into(), Nanos::new(5));
    let mut neighbors = Neighbors::new(Duration::from_secs(10), AtomicCounter::detached());
    let added = line(|log| {
        neighbors.events = log.clone();
        neighbors.tell(address, long_ago, true, NOW);
    });
    let removed = line(|log| {
        neighbors.events = log.clone();
        neighbors.expire(NOW);
    });
    assert!(
        added.starts_with("NAME_RESOLUTION_NEIGHBOR_ADDED [") && added.contains("10.0.0.2:8050"),
        "{added}"
    );
    assert!(
        removed.starts_with("NAME_RESOLUTION_NEIGHBOR_REMOVED [") && removed.contains("10.0.0.2:8050"),
        "{removed}"
    );
}

#[test]
fn lines_that_cannot_be_written_are_counted_and_the_next_that_can_tells() {
    let (log, mut logger, paper) = log_on(1 << 16);
    paper.set_broken(true);
    for _ in 0..3 {
        log.publication_removed(STREAM.0, STREAM.1, CHANNEL, NOW);
    }
    assert_eq!((logger.do_work(at(NOW)), paper.text().as_str()), (3, ""));
    paper.set_broken(false);
    log.publication_removed(STREAM.0, STREAM.1, CHANNEL, NOW);
    logger.do_work(at(NOW));
    logger.do_work(at(NOW));
    let text = paper.text();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.ends_with("GENERIC_MESSAGE [28/28]: 3 lines could not be written\n"), "{text}");
}

proptest! {
    #[test]
    fn no_record_and_no_datagram_panics(
        type_id in -1..70_i32,
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        frame_type in 0..16_u8,
    ) {
        if let Some(record) = RecordView::new(type_id, &bytes) {
            let _ = record.to_string();
        }
        let mut datagram = bytes.clone();
        if let Some(field) = datagram.get_mut(6) {
            *field = frame_type;
        }
        let (log, mut logger, _) = log_on(1 << 14);
        log.frame(DriverEvent::FrameIn, None, &datagram, datagram.len(), NOW);
        log.command_in(type_id, &bytes, NOW);
        log.command_out(type_id + event_id::ON_ERROR, &bytes, NOW);
        logger.on_close(at(NOW));
    }
}
