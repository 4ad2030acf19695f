//! An application that subscribes.

use std::{
    cell::RefCell,
    ops::RangeInclusive,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use epona_client::{
    Action, Aeron, ClientError, ControlledFragmentAssembler, FragmentAssembler, Header, Image, ImageHandlers,
    Pending, Subscription,
};
use epona_protocol::types::{Nanos, Position, RegistrationId, SessionId, StreamId};

use crate::{
    Violation,
    applications::destinations::{Destinations, Removal},
    applications::stamps,
    applications::turn::{Phase, Turn, fill_in},
    ensure,
    fault::FaultKind,
    feature::Feature,
    invariants::ledger::{Ledger, Place},
    scenario,
    trace::{Event, Who},
};

/// How long an application waits before it asks again for what was refused.
const RETRY: Duration = Duration::from_millis(200);

/// How long a driver may keep what a client had that is gone: longer than its liveness timeout and all lingering.
const CLEARED: Duration = Duration::from_secs(30);

pub(crate) struct Subscriber {
    place: Place,
    host: usize,
    spec: scenario::Subscriber,
    state: State,
    destinations: Destinations,
    assembler: Assembler,
    inbox: Inbox,
    images: ImageEvents,
    seed: u64,
    delivered: usize,
    acts_at: Nanos,
    /// Until when what it had before may be in its way.
    cleared_at: Nanos,
}

/// What is left of a subscriber whose client died.
pub(crate) struct Remains {
    _state: State,
}

enum State {
    Waiting,
    Adding(Pending<Subscription>),
    AddingDestinations(Subscription),
    Open(Subscription),
    Closed,
}

type Handler = Box<dyn FnMut(&[u8], &Header<'_>)>;
type ControlledHandler = Box<dyn FnMut(&[u8], &Header<'_>) -> Action>;

enum Assembler {
    Plain(FragmentAssembler<Handler>),
    Controlled(ControlledFragmentAssembler<ControlledHandler>),
}

/// A message as it arrived.
struct Arrival {
    session: SessionId,
    stream: StreamId,
    position: Position,
    /// What the publisher, or a driver that stamps what it receives, left in the header.
    reserved: i64,
    payload: Vec<u8>,
}

/// Filled by handlers during a poll, emptied after it.
type Inbox = Rc<RefCell<Vec<Arrival>>>;

/// Filled by the client's conductor, emptied in the subscriber's turn.
type ImageEvents = Arc<Mutex<Vec<ImageEvent>>>;

#[derive(Clone, Copy)]
struct ImageEvent {
    session: SessionId,
    correlation: RegistrationId,
    available: bool,
    joined: Position,
    position: Position,
}

impl Subscriber {
    /// `host` is that of its client; `seed` decides when a controlled poll breaks off.
    pub(crate) fn new(place: Place, host: usize, spec: scenario::Subscriber, seed: u64) -> Self {
        let inbox = Inbox::default();
        let assembler = assembler(&spec, &inbox, seed);
        Self {
            place,
            host,
            destinations: Destinations::new(&spec.destinations),
            spec,
            state: State::Waiting,
            assembler,
            inbox,
            images: ImageEvents::default(),
            seed,
            delivered: 0,
            acts_at: Nanos::new(i64::MIN),
            cleared_at: Nanos::new(i64::MIN),
        }
    }

    pub(crate) const fn spec(&self) -> &scenario::Subscriber {
        &self.spec
    }

    pub(crate) const fn place(&self) -> Place {
        self.place
    }

    pub(crate) const fn host(&self) -> usize {
        self.host
    }

    /// Whether the publications of a host can reach it.
    pub(crate) const fn hears(&self, host: usize) -> bool {
        !self.spec.is_spy || self.host == host
    }

    pub(crate) const fn is_registered(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    pub(crate) const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// How many images it has.
    pub(crate) fn images(&self) -> usize {
        match &self.state {
            State::Open(subscription) => subscription.image_count(),
            _ => 0,
        }
    }

    /// Stands still.
    pub(crate) fn pause(&mut self, until: Nanos) {
        self.acts_at = self.acts_at.max(until);
    }

    /// Adds the subscription, or looks whether it is there.
    pub(crate) fn register(
        &mut self,
        aeron: &Aeron,
        stream: &scenario::Stream,
        turn: &mut Turn<'_>,
    ) -> Result<usize, Violation> {
        if turn.now.nanos < self.acts_at {
            return Ok(0);
        }
        match self.try_register(aeron, stream, turn) {
            Ok(work) => Ok(work),
            Err(error) => {
                let is_excused = turn.is_excused(&[self.host]) || turn.now.nanos < self.cleared_at;
                ensure!(is_excused, "a subscription was refused: {error}");
                // It may have had images already, while its destinations were added.
                let cleared_at = self.cleared_at;
                drop(self.start_anew(turn));
                self.cleared_at = cleared_at;
                self.acts_at = turn.now.nanos + RETRY;
                Ok(1)
            }
        }
    }

    fn try_register(
        &mut self,
        aeron: &Aeron,
        stream: &scenario::Stream,
        turn: &mut Turn<'_>,
    ) -> Result<usize, ClientError> {
        match &mut self.state {
            State::Waiting => {
                let prefix = if self.spec.is_spy { "aeron-spy:" } else { "" };
                let Some(channel) = fill_in(&self.spec.channel, turn.known) else { return Ok(0) };
                let channel = channel.replacen("aeron:", &format!("{prefix}aeron:"), 1);
                let pending =
                    aeron.add_subscription_with_async(&channel, stream.stream_id, self.handlers())?;
                self.state = State::Adding(pending);
                Ok(1)
            }
            State::Adding(pending) => {
                let Some(subscription) = pending.poll()? else { return Ok(0) };
                self.destinations.add_all(&subscription)?;
                self.state = State::AddingDestinations(subscription);
                self.await_destinations(turn)
            }
            State::AddingDestinations(_) => self.await_destinations(turn),
            State::Open(_) | State::Closed => Ok(0),
        }
    }

    /// Is ready to receive once all destinations are there.
    fn await_destinations(&mut self, turn: &mut Turn<'_>) -> Result<usize, ClientError> {
        let State::AddingDestinations(subscription) = std::mem::replace(&mut self.state, State::Waiting)
        else {
            return Ok(0);
        };
        let work = self.destinations.step(&subscription)?;
        if !self.destinations.is_settled() {
            self.state = State::AddingDestinations(subscription);
            return Ok(work);
        }
        let id = subscription.registration_id().to_string();
        turn.known.insert(self.placeholder("subscription"), id);
        turn.known.insert(self.placeholder("tag"), scenario::tag(self.place).to_string());
        self.state = State::Open(subscription);
        turn.record(Event::Added { who: self.who(), session: None });
        Ok(1)
    }

    fn placeholder(&self, what: &str) -> String {
        format!("{{{what} {}.{}}}", self.place.0, self.place.1)
    }

    fn handlers(&self) -> ImageHandlers {
        let events = |available| {
            let images = Arc::clone(&self.images);
            move |image: &Image| {
                images.lock().unwrap_or_else(PoisonError::into_inner).push(ImageEvent {
                    session: image.session_id(),
                    correlation: image.correlation_id(),
                    available,
                    joined: image.join_position(),
                    position: image.position(),
                });
            }
        };
        ImageHandlers::new().on_available(events(true)).on_unavailable(events(false))
    }

    /// Polls once, and checks what came.
    pub(crate) fn poll(&mut self, expected: StreamId, turn: &mut Turn<'_>) -> Result<usize, Violation> {
        let mut work = self.take_image_events(turn)? + self.change_destinations(turn)?;
        if turn.now.nanos < self.acts_at {
            return Ok(work);
        }
        let (who, place) = (self.who(), self.place);
        let port = self.placeholder("port");
        let State::Open(subscription) = &mut self.state else { return Ok(work) };
        if self.spec.channel.ends_with(":0") && !turn.known.contains_key(&port) {
            let resolved = subscription.try_resolve_channel_endpoint_port();
            if let Some((_, number)) = resolved.as_deref().and_then(|channel| channel.rsplit_once(':')) {
                ensure!(
                    !self.spec.has_port_of_range || is_one_of(&scenario::RECEIVER_PORTS, number),
                    "{who} has port {number}, which is not of the receivers' range"
                );
                if self.spec.has_port_of_range {
                    turn.figures.features.count(Feature::ReceiverPortRange);
                }
                turn.known.insert(port, number.to_owned());
            }
        }
        work += match &mut self.assembler {
            Assembler::Plain(assembler) => subscription
                .poll(|payload, header| assembler.on_fragment(payload, header), self.spec.fragment_limit),
            Assembler::Controlled(assembler) => subscription.controlled_poll(
                |payload, header| assembler.on_fragment(payload, header),
                self.spec.fragment_limit,
            ),
        };
        for Arrival { session, stream, position, reserved, payload } in self.inbox.take() {
            ensure!(stream == expected, "{who} of stream {expected} got a message of stream {stream}");
            ensure!(
                self.spec.session.is_none_or(|only| only == session.get()),
                "{who} asked for session {:?} and got {session}",
                self.spec.session
            );
            let stamped = stamps::places(&self.spec.stamps, payload.len());
            let (number, sent_at) = turn.ledger.delivered(place, session, position, &payload, &stamped)?;
            let is_stamped = self.spec.stamps.iter().any(|stamp| stamp.offset.is_none());
            // A spy may read what is not sent yet.
            let is_as_it_should = (reserved != 0) == is_stamped || (self.spec.is_spy && reserved == 0);
            ensure!(is_as_it_should, "{who} got a message with {reserved} for a reserved value");
            if !self.spec.is_spy {
                stamps::check(&self.spec.stamps, (reserved, &payload), sent_at, turn)?;
            }
            self.delivered += 1;
            if self.spec.channel.contains("=[ff02:") {
                turn.figures.features.count(Feature::Ipv6Multicast);
            }
            let took = turn.now.nanos.since(sent_at);
            turn.figures.slowest_delivery = turn.figures.slowest_delivery.max(took);
            turn.figures.delivered += 1;
            turn.figures.checks += 3;
            turn.record(Event::Delivered { who, session, number, position });
        }
        let images = subscription.images();
        ensure!(
            self.spec.most_images.is_none_or(|most| images.len() <= most),
            "{who} has {} images, more than its driver lets a stream have",
            images.len()
        );
        for image in images {
            turn.ledger.image_at(place, image.session_id(), image.position())?;
            turn.figures.checks += 1;
        }
        self.reject(turn);
        Ok(work)
    }

    /// Takes its first source away, or adds it again.
    pub(crate) fn send_destination_away(&mut self, away: Option<Removal>) {
        self.destinations.send_away(away);
    }

    fn change_destinations(&mut self, turn: &Turn<'_>) -> Result<usize, Violation> {
        let State::Open(subscription) = &self.state else { return Ok(0) };
        match self.destinations.step(subscription) {
            Ok(work) => Ok(work),
            Err(error) => {
                // A receiver that stands still has yet to let go of the socket that the source had before.
                let is_early = error.to_string().contains("address in use");
                ensure!(is_early || turn.is_excused(&[self.host]), "a source could not be changed: {error}");
                self.destinations.start_anew();
                Ok(1)
            }
        }
    }

    /// Rejects its image, once, when it has had enough.
    fn reject(&mut self, turn: &mut Turn<'_>) {
        let State::Open(subscription) = &mut self.state else { return };
        if turn.phase != Phase::Running || self.spec.rejects_after.is_none_or(|after| self.delivered < after)
        {
            return;
        }
        if let Some(image) = subscription.images().first()
            && image.reject("enough of it").is_ok()
        {
            self.spec.rejects_after = None;
            turn.figures.faults.count(FaultKind::ImageRejection);
            turn.ledger.rejected(self.place, image.session_id());
        }
    }

    /// Takes note of images that came or went; of those whose publisher has not heard of itself yet, later.
    fn take_image_events(&mut self, turn: &mut Turn<'_>) -> Result<usize, Violation> {
        let mut events = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        if events.is_empty() {
            return Ok(0);
        }
        let (known, unknown): (Vec<_>, Vec<_>) =
            events.drain(..).partition(|event| turn.ledger.knows(self.place, event.session));
        *events = unknown;
        for &ImageEvent { session, correlation, available, joined, position } in &known {
            turn.record(Event::Image { who: self.who(), session, available, position });
            if available {
                turn.known.insert(self.placeholder("image"), correlation.to_string());
                turn.ledger.joined(self.place, session, joined, self.spec.is_lossy)?;
            } else {
                let publisher = turn.ledger.host(self.place, session).unwrap_or(self.host);
                let is_excused = turn.is_excused(&[self.host, publisher])
                    || self.spec.is_untethered
                    || self.spec.is_left_behind;
                turn.ledger.left(self.place, session, is_excused)?;
            }
            turn.figures.checks += 1;
        }
        Ok(known.len())
    }

    /// Whether it has heard of a session that nobody knows.
    pub(crate) fn has_unknown_images(&self, ledger: &Ledger) -> bool {
        let events = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().any(|event| !ledger.knows(self.place, event.session))
    }

    pub(crate) fn close(&mut self, turn: &mut Turn<'_>) {
        if !self.is_closed() {
            self.state = State::Closed;
            turn.record(Event::Closed(self.who()));
        }
    }

    /// Its client is gone: starts anew with the next one.
    pub(crate) fn start_anew(&mut self, turn: &mut Turn<'_>) -> Remains {
        if self.is_closed() {
            return Remains { _state: State::Closed };
        }
        turn.record(Event::Closed(self.who()));
        turn.ledger.forget(self.place);
        for what in ["subscription", "tag", "image", "port"] {
            turn.known.remove(&self.placeholder(what));
        }
        self.destinations.start_anew();
        self.inbox = Inbox::default();
        self.assembler = assembler(&self.spec, &self.inbox, self.seed);
        self.images = ImageEvents::default();
        self.acts_at = Nanos::new(i64::MIN);
        self.cleared_at = turn.now.nanos + CLEARED;
        Remains { _state: std::mem::replace(&mut self.state, State::Waiting) }
    }

    const fn who(&self) -> Who {
        Who::Subscriber(self.place.0, self.place.1)
    }
}

/// Whether a text is a port of a range.
pub(super) fn is_one_of(ports: &RangeInclusive<u16>, text: &str) -> bool {
    text.parse().is_ok_and(|port| ports.contains(&port))
}

fn assembler(spec: &scenario::Subscriber, inbox: &Inbox, seed: u64) -> Assembler {
    let inbox = Rc::clone(inbox);
    if spec.controlled {
        Assembler::Controlled(ControlledFragmentAssembler::new(capricious(inbox, seed)))
    } else {
        Assembler::Plain(FragmentAssembler::new(Box::new(move |payload, header| {
            inbox.borrow_mut().push(Arrival::of(payload, header));
        })))
    }
}

impl Arrival {
    fn of(payload: &[u8], header: &Header<'_>) -> Self {
        Self {
            session: header.session_id(),
            stream: header.stream_id(),
            position: header.position(),
            reserved: header.reserved_value(),
            payload: payload.to_vec(),
        }
    }
}

/// A handler that takes most messages, and now and then breaks off after one or wants it again.
fn capricious(inbox: Inbox, seed: u64) -> ControlledHandler {
    let mut random = fastrand::Rng::with_seed(seed);
    Box::new(move |payload, header| {
        let action = match random.u8(..16) {
            0 => return Action::Abort,
            1 => Action::Break,
            2 => Action::Commit,
            _ => Action::Continue,
        };
        inbox.borrow_mut().push(Arrival::of(payload, header));
        action
    })
}
