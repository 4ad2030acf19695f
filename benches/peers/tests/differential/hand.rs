//! A hand that writes commands into a driver's ring buffer, and an ear for what it tells its clients.

use crate::{
    frames::{self, Happening, INITIAL_TERM, OWN_SESSION, STREAM},
    picture::{Names, Picture},
    script::{Script, Step, Target},
    stranger::Stranger,
};
use epona_peers::{party::DriverKind, process::DriverProcess};
use epona_protocol::{
    broadcast::CopyReceiver,
    cnc::{Cnc, CncState},
    command::{Command, ErrorCode, Event, Request},
    counters::{CounterDescriptor, CountersReader, SystemCounter},
    logbuffer::LogBuffers,
    ring_buffer::mpsc::Producer,
    types::{ClientId, CorrelationId, CounterTypeId, Position, RegistrationId, StreamId},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

/// How long a driver may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where ids begin, so that none is like another number of a channel. The counter is in the trailer of the ring buffer.
/// Source: shared-memory spec, ring buffer trailer.
const FIRST_ID: i64 = 1 << 40;
const ID_COUNTER_OFFSET: usize = 512;

/// An id that nothing has.
const NOTHING: i64 = 0x0123_4567_89AB;

/// Counters that a stranger moves, and time alone does not.
const COUNTED: &[SystemCounter] = &[
    SystemCounter::NaksReceived,
    SystemCounter::HeartbeatsReceived,
    SystemCounter::RetransmitsSent,
    SystemCounter::RetransmittedBytes,
    SystemCounter::RetransmitOverflow,
    SystemCounter::FlowControlUnderRuns,
    SystemCounter::FlowControlOverRuns,
    SystemCounter::InvalidPackets,
    SystemCounter::LossGapFills,
    SystemCounter::PossibleTtlAsymmetry,
    SystemCounter::StatusMessagesReceived,
    SystemCounter::StatusMessagesRejected,
    SystemCounter::ErrorFramesReceived,
    SystemCounter::PublicationImagesRevoked,
    SystemCounter::ShortSends,
];

/// What a command brought.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// What clients were told until the next command was answered, by name.
    told: Vec<String>,
    /// Why it was refused, in the driver's words, which are its own.
    reason: Option<String>,
}

impl PartialEq for Answer {
    fn eq(&self, other: &Self) -> bool {
        self.told == other.told
    }
}

/// A driver, and a client of it that says what it likes.
pub(crate) struct Hand {
    process: DriverProcess,
    cnc: Cnc,
    producer: Producer,
    events: CopyReceiver,
    host: &'static str,
    group: &'static str,
    peer: &'static str,
    client: ClientId,
    names: Names,
    ids: BTreeMap<usize, i64>,
    /// Events that come when they come, with how often.
    later: BTreeMap<String, usize>,
    /// Subscriptions that are removed: whether images came or went before that is a race.
    removed: BTreeSet<String>,
    errors_before: i64,
    stranger: Option<Stranger>,
    /// What is counted because of the stranger, before it did anything.
    counted_before: Vec<i64>,
    offered: usize,
    stamp: i64,
}

impl Hand {
    pub(crate) fn of(process: DriverProcess) -> Self {
        let CncState::Ready(cnc) = Cnc::open(process.dir()).expect("a CnC file") else {
            panic!("the CnC file is not complete")
        };
        let (host, group, peer) = match process.kind() {
            DriverKind::Aeron => ("127.0.7.1", "224.20.7.1", "127.0.8.1"),
            DriverKind::Epona => ("127.0.7.2", "224.20.7.3", "127.0.8.2"),
        };
        let producer = Producer::new(cnc.to_driver()).expect("a ring buffer");
        cnc.to_driver().fetch_add_i64(producer.capacity() + ID_COUNTER_OFFSET, FIRST_ID);
        Self {
            producer,
            events: CopyReceiver::new(cnc.to_clients()).expect("a broadcast buffer"),
            client: ClientId::new(0),
            names: Names::new(process.dir(), [host, group, peer]),
            ids: BTreeMap::new(),
            later: BTreeMap::new(),
            removed: BTreeSet::new(),
            errors_before: 0,
            stranger: None,
            counted_before: Vec::new(),
            offered: 0,
            stamp: 0,
            process,
            cnc,
            host,
            group,
            peer,
        }
    }

    fn reader(&self) -> CountersReader {
        CountersReader::new(self.cnc.counters_metadata(), self.cnc.counters_values())
    }

    fn errors(&self) -> i64 {
        self.reader().value(SystemCounter::Errors.id()).expect("a counter of errors")
    }

    /// A new client begins.
    pub(crate) fn begin(&mut self, script: &Script) {
        self.names = Names::new(self.process.dir(), [self.host, self.group, self.peer]);
        self.names.add_ports(&script.ports);
        self.client = ClientId::new(self.producer.next_correlation_id().get());
        self.names.add(self.client.get(), "client".to_owned());
        self.ids.clear();
        self.later.clear();
        self.removed.clear();
        self.errors_before = self.errors();
    }

    /// Opens a socket beside the driver, to speak with its streams.
    pub(crate) fn meet_a_stranger(&mut self, host_port: u16, peer_port: u16) {
        let host: IpAddr = self.host.parse().expect("an address");
        self.stranger = Some(Stranger::new(self.peer, peer_port, SocketAddr::new(host, host_port)));
        self.counted_before = self.counted();
        self.offered = 0;
    }

    pub(crate) fn leave_the_stranger(&mut self) {
        self.stranger = None;
    }

    fn counted(&self) -> Vec<i64> {
        let reader = self.reader();
        COUNTED.iter().map(|counter| reader.value(counter.id()).expect("a system counter")).collect()
    }

    /// Lets something happen, and waits until the driver has taken notice.
    pub(crate) fn happen(&mut self, happening: &Happening) {
        match happening {
            Happening::ToReceiver(frame) => {
                self.send_to_receiver(frame);
                // Whatever the driver said before it read that is on its way now.
                self.send_to_receiver(&[0; 4]);
                self.with_stranger(Stranger::forget);
            }
            Happening::ToSender(frame) | Happening::Elicit(frame) => {
                self.with_stranger(Stranger::forget);
                self.with_stranger(|stranger| stranger.send_to_sender(frame));
                self.stamp += 1;
                let (stamp, request) = (self.stamp, frames::echo_request(self.stamp));
                self.with_stranger(|stranger| stranger.send_to_sender(&request));
                self.with_stranger(|stranger| stranger.await_echo(stamp));
                if matches!(happening, Happening::Elicit(_)) {
                    self.with_stranger(Stranger::await_setup);
                }
            }
            Happening::Offer(length) => self.offer(*length),
            Happening::Read => self.read(),
        }
    }

    fn with_stranger(&mut self, act: impl FnOnce(&mut Stranger)) {
        act(self.stranger.as_mut().expect("a stranger"));
    }

    fn send_to_receiver(&mut self, frame: &[u8]) {
        let received = |this: &Self| this.reader().value(SystemCounter::BytesReceived.id()).unwrap_or(0);
        let before = received(self);
        self.with_stranger(|stranger| stranger.send_to_receiver(frame));
        let deadline = Instant::now() + PATIENCE;
        while received(self) < before + frame.len() as i64 {
            assert!(Instant::now() < deadline, "never received: {frame:?}");
            std::thread::yield_now();
        }
    }

    /// Appends a message to the publication as its client would, without asking for the limit.
    fn offer(&mut self, length: usize) {
        let path = self.process.dir().join(format!("publications/{}.logbuffer", self.ids[&1]));
        let log = LogBuffers::open(&path).expect("the publication's log");
        let (frame_length, offset) = (length + 32, self.offered);
        self.offered += frame_length.next_multiple_of(32);
        let mut frame = Vec::new();
        frame.extend([0, 0, 0, 0, 0, 0xC0, 1, 0]);
        [offset as i32, OWN_SESSION, STREAM, INITIAL_TERM]
            .iter()
            .for_each(|word| frame.extend(word.to_le_bytes()));
        frame.extend([0; 8]);
        frame.resize(frame_length, 0xAB);
        log.term(0).write(offset, &frame);
        let tail = i64::from(INITIAL_TERM) << 32 | self.offered as i64;
        log.metadata().view().put_i64_release(0, tail);
        log.term(0).put_i32_release(offset, frame_length as i32);
    }

    /// Moves the subscribers to where their images are complete.
    fn read(&self) {
        let reader = self.reader();
        let counters: Vec<_> = reader.iter().collect();
        for image in counters.iter().filter(|counter| counter.type_id == CounterTypeId::RECEIVER_POSITION) {
            let of_image = |counter: &&_| {
                let counter: &CounterDescriptor = counter;
                counter.type_id == CounterTypeId::SUBSCRIBER_POSITION
                    && counter.reference_id == image.registration_id
            };
            for subscriber in counters.iter().filter(of_image) {
                if let Some(position) = reader.writable(subscriber.id) {
                    position.set_release(image.value);
                }
            }
        }
    }

    /// What anybody sees of the driver now.
    pub(crate) fn picture(&mut self) -> Picture {
        let mut told = Vec::new();
        self.listen(&mut |_, text| told.push(text));
        assert!(told.is_empty(), "told without being asked: {told:?}");
        let mut picture = Picture::of(&self.reader(), self.process.dir(), &mut self.names);
        picture.add("errors", self.errors() - self.errors_before);
        if let Some(stranger) = &mut self.stranger {
            stranger.heard().iter().for_each(|heard| picture.add("heard", heard));
            let counted = COUNTED.iter().zip(self.counted().into_iter().zip(&self.counted_before));
            counted.for_each(|(counter, (now, before))| picture.add(counter.label(), now - before));
        }
        for (event, times) in &self.later {
            if !self.removed.iter().any(|of| event.contains(&**of)) {
                picture.add(event, *times);
            }
        }
        picture
    }

    /// Sends a command until the driver has time for it, and waits for the answer.
    pub(crate) fn carry_out(&mut self, number: usize, step: &Step) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let id = self.producer.next_correlation_id();
            self.names.add(id.get(), format!("s{number}"));
            self.ids.insert(number, id.get());
            if let Step::RemoveSubscription { target: Target::Step(of) } = step {
                self.removed.insert(format!(" for s{of} "));
            } else if *step == Step::Close {
                self.removed.insert(" for s".to_owned());
            }
            self.send(step, id);
            let answer = self.answer(id);
            if !answer.told.iter().any(|told| told.contains("ResourceTemporarilyUnavailable")) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{step:?}: temporarily unavailable for {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn send(&self, step: &Step, correlation_id: CorrelationId) {
        let text = |channel: &str| {
            channel.replace("{host}", self.host).replace("{group}", self.group).replace("{peer}", self.peer)
        };
        let id = |target: &Target| match target {
            Target::Step(step) => RegistrationId::new(self.ids.get(step).copied().unwrap_or(NOTHING)),
            Target::Nothing => RegistrationId::new(NOTHING),
        };
        let stream_id = |stream: &i32| StreamId::new(*stream);
        let channel;
        let request = match step {
            Step::AddPublication { stream, channel: of } => {
                channel = text(of);
                Request::AddPublication { stream_id: stream_id(stream), channel: &channel }
            }
            Step::AddExclusivePublication { stream, channel: of } => {
                channel = text(of);
                Request::AddExclusivePublication { stream_id: stream_id(stream), channel: &channel }
            }
            Step::AddSubscription { stream, channel: of } => {
                channel = text(of);
                Request::AddSubscription { stream_id: stream_id(stream), channel: &channel }
            }
            Step::AddDestination { target, channel: of } => {
                channel = text(of);
                Request::AddDestination { registration_id: id(target), channel: &channel }
            }
            Step::RemoveDestination { target, channel: of } => {
                channel = text(of);
                Request::RemoveDestination { registration_id: id(target), channel: &channel }
            }
            Step::RemoveDestinationById { target, destination } => Request::RemoveDestinationById {
                registration_id: id(target),
                destination_registration_id: id(destination),
            },
            Step::AddReceiveDestination { target, channel: of } => {
                channel = text(of);
                Request::AddReceiveDestination { registration_id: id(target), channel: &channel }
            }
            Step::RemoveReceiveDestination { target, channel: of } => {
                channel = text(of);
                Request::RemoveReceiveDestination { registration_id: id(target), channel: &channel }
            }
            Step::AddCounter { type_id, key, label } => {
                Request::AddCounter { type_id: CounterTypeId::new(*type_id), key, label: label.as_bytes() }
            }
            Step::AddStaticCounter { type_id, key, label, registration_id } => Request::AddStaticCounter {
                registration_id: RegistrationId::new(*registration_id),
                type_id: CounterTypeId::new(*type_id),
                key,
                label: label.as_bytes(),
            },
            Step::RemovePublication { target, revoke } => {
                Request::RemovePublication { registration_id: id(target), revoke: *revoke }
            }
            Step::RemoveSubscription { target } => {
                Request::RemoveSubscription { registration_id: id(target) }
            }
            Step::RemoveCounter { target } => Request::RemoveCounter { registration_id: id(target) },
            Step::NextSession { stream } => Request::NextAvailableSessionId { stream_id: stream_id(stream) },
            Step::RejectImage { target, reason } => Request::RejectImage {
                image_id: CorrelationId::new(id(target).get()),
                position: Position::ZERO,
                reason: reason.as_bytes(),
            },
            Step::Close => Request::ClientClose,
        };
        self.write(Command { client_id: self.client, correlation_id, request });
    }

    fn write(&self, command: Command<'_>) {
        let mut record = Vec::new();
        command.encode(&mut record);
        self.producer.write(command.request.type_id(), &record).expect("room in the ring buffer");
    }

    /// Everything up to the answer to one more command, which comes after that to the one before.
    fn answer(&mut self, asked: CorrelationId) -> Answer {
        let marker = self.producer.next_correlation_id();
        let request = Request::NextAvailableSessionId { stream_id: StreamId::new(-1) };
        self.write(Command { client_id: self.client, correlation_id: marker, request });
        self.names.add(marker.get(), "marker".to_owned());
        let deadline = Instant::now() + PATIENCE;
        let mut answer = Answer { told: Vec::new(), reason: None };
        let mut done = false;
        while !done {
            assert!(Instant::now() < deadline, "no answer: {answer:?}");
            self.listen(&mut |event, text| match *event {
                Event::NextAvailableSessionId { correlation_id, .. } if correlation_id == marker => {
                    done = true;
                }
                Event::Error { correlation_id, message, .. } => {
                    assert_eq!(correlation_id, asked, "{text}");
                    answer.reason = Some(String::from_utf8_lossy(message).into_owned());
                    answer.told.push(text);
                }
                _ => answer.told.push(text),
            });
            std::thread::yield_now();
        }
        answer
    }

    /// Hands over what came because somebody asked; keeps the rest.
    fn listen(&mut self, heard: &mut dyn FnMut(&Event<'_>, String)) {
        let Self { events, names, later, .. } = self;
        loop {
            let received = events.receive(|type_id, bytes| {
                let event = Event::parse(type_id, bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
                let text = describe(&event, names);
                let comes_later = match &event {
                    Event::AvailableImage(image) => image.source_identity != "aeron:ipc",
                    Event::UnavailableImage { .. }
                    | Event::UnavailableCounter { .. }
                    | Event::PublicationError(_) => true,
                    _ => false,
                };
                if comes_later {
                    *later.entry(text).or_default() += 1;
                } else {
                    heard(&event, text);
                }
            });
            if received.expect("nothing is overwritten") == 0 {
                return;
            }
        }
    }
}

/// An event with names for numbers that each driver chooses.
fn describe(event: &Event<'_>, names: &mut Names) -> String {
    match *event {
        Event::Error { correlation_id, error_code, .. } => {
            let code = match error_code {
                ErrorCode::Other(code) => format!("code {code}"),
                known => format!("{known:?}"),
            };
            format!("error {code} for {}", names.id(correlation_id.get()))
        }
        Event::AvailableImage(image) => {
            let session = names.session(image.session_id.get());
            names.add_unknown(image.image_id.get(), || format!("image({session},{})", image.stream_id.get()));
            format!(
                "image {} of {session} on {} for {} from {} in {}, position {}",
                names.id(image.image_id.get()),
                image.stream_id.get(),
                names.id(image.subscription_id.get()),
                names.text(image.source_identity),
                names.text(image.log_file_name),
                presence(image.position_id.get()),
            )
        }
        Event::UnavailableImage { image_id, subscription_id, stream_id, channel } => format!(
            "no more image {} on {} for {} by {}",
            names.id(image_id.get()),
            stream_id.get(),
            names.id(subscription_id.get()),
            names.text(channel),
        ),
        Event::PublicationReady(ready) | Event::ExclusivePublicationReady(ready) => {
            let id = names.id(ready.correlation_id.get());
            names.add_session(ready.session_id.get(), format!("session-of-{id}"));
            format!(
                "publication {:#x} {id} of {} session {} stream {} in {}, limit {}, status {}",
                event.type_id(),
                names.id(ready.original_registration_id.get()),
                names.session(ready.session_id.get()),
                ready.stream_id.get(),
                names.text(ready.log_file_name),
                presence(ready.limit_id.get()),
                presence(ready.channel_status_id.get()),
            )
        }
        Event::SubscriptionReady { correlation_id, channel_status_id } => {
            let status = presence(channel_status_id.get());
            format!("subscription {}, status {status}", names.id(correlation_id.get()))
        }
        Event::OperationSuccess { correlation_id } => {
            format!("success of {}", names.id(correlation_id.get()))
        }
        Event::CounterReady { correlation_id, .. } => format!("counter {}", names.id(correlation_id.get())),
        Event::UnavailableCounter { registration_id, .. } => {
            format!("no more counter {}", names.id(registration_id.get()))
        }
        Event::StaticCounter { correlation_id, .. } => {
            format!("static counter {}", names.id(correlation_id.get()))
        }
        Event::ClientTimeout { client_id } => format!("timeout of {}", names.id(client_id.get())),
        Event::PublicationError(error) => {
            format!("publication error {:?} of {}", error.error_code, names.id(error.registration_id.get()))
        }
        Event::NextAvailableSessionId { correlation_id, .. } => {
            format!("a session for {}", names.id(correlation_id.get()))
        }
    }
}

/// Whether there is such a counter.
fn presence(counter: i32) -> &'static str {
    if counter == -1 { "none" } else { "present" }
}
