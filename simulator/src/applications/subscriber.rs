//! An application that subscribes.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
};

use epona_client::{
    Action, Aeron, Block, ClientError, ControlledFragmentAssembler, FragmentAssembler, Header, Image,
    ImageHandlers, Pending, Subscription,
};
use epona_protocol::types::{Nanos, Position, RegistrationId, SessionId, StreamId};

use crate::{
    Violation,
    applications::arrival::Arrival,
    applications::blocks::BlockReader,
    applications::destinations::{Destinations, Removal},
    applications::ports::is_one_of,
    applications::publisher::Publisher,
    applications::stamps,
    applications::turn::{CLEARED, Phase, RETRY, Turn, fill_in},
    ensure,
    fault::FaultKind,
    feature::Feature,
    invariants::ledger::{Delivery, Ledger, Place},
    scenario::{self, Polls},
    trace::{Event, Who},
};

/// Longest block that it asks for, in bytes: some of the longest frames of any scenario.
const BLOCK_LENGTH: usize = 8192;

pub(crate) struct Subscriber {
    place: Place,
    host: usize,
    spec: scenario::Subscriber,
    state: State,
    destinations: Destinations,
    assembler: Assembler,
    inbox: Inbox,
    images: ImageEvents,
    /// Sessions whose images ended because their source was removed, and may come back.
    unlinked: BTreeSet<SessionId>,
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
    Blocks(BlockReader),
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
    /// Whether it is of a publication of the same driver, without a socket.
    is_link: bool,
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
            unlinked: BTreeSet::new(),
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

    /// Whether the publication of a publisher can reach it.
    pub(crate) fn hears(&self, publisher: &Publisher) -> bool {
        let is_near = self.host == publisher.host();
        (!self.spec.is_spy || is_near) && publisher.spec().heard_at.is_none_or(|only| only == self.host)
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

    /// Sessions and ids of its images.
    pub(crate) fn image_ids(&mut self) -> Vec<(SessionId, RegistrationId)> {
        let State::Open(subscription) = &mut self.state else { return Vec::new() };
        subscription.images().iter().map(|image| (image.session_id(), image.correlation_id())).collect()
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
        let work = self.destinations.step(&subscription, turn.now.nanos)?;
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
                    is_link: image.source_identity() == "aeron:ipc",
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
            Assembler::Blocks(reader) => {
                let read = |image: &mut Image| {
                    let geometry = image.geometry();
                    let deliver = |arrival| self.inbox.borrow_mut().push(arrival);
                    let mut outcome = Ok(());
                    let on_block =
                        |block: &Block<'_>| outcome = reader.on_block(block.bytes(), geometry, deliver);
                    let length = image.block_poll(on_block, BLOCK_LENGTH);
                    outcome.map(|()| length)
                };
                subscription.images().iter_mut().map(read).sum::<Result<usize, Violation>>()?
            }
        };
        for arrival in self.inbox.take() {
            self.take(&arrival, expected, turn)?;
        }
        let State::Open(subscription) = &mut self.state else { return Ok(work) };
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

    /// Checks a message that has arrived.
    fn take(&mut self, arrival: &Arrival, expected: StreamId, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let (who, spec) = (self.who(), &self.spec);
        let Arrival { session, stream, position, reserved, ref payload } = *arrival;
        ensure!(stream == expected, "{who} of stream {expected} got a message of stream {stream}");
        ensure!(
            spec.session.is_none_or(|only| only == session.get()),
            "{who} asked for session {:?} and got {session}",
            spec.session
        );
        let stamped = stamps::places(&spec.stamps, payload.len());
        let delivery = turn.ledger.delivered(self.place, session, position, payload, &stamped)?;
        let Delivery { number, sent_at, missed, .. } = delivery;
        let is_stamped = spec.stamps.iter().any(|stamp| stamp.offset.is_none());
        // A spy may read what is not sent yet.
        let is_as_it_should =
            (is_stamped && (reserved != 0 || spec.is_spy)) || (!is_stamped && reserved == delivery.reserved);
        ensure!(is_as_it_should, "{who} got a message with {reserved} for a reserved value");
        if !spec.is_spy {
            stamps::check(&spec.stamps, (reserved, payload), sent_at, turn)?;
        }
        self.delivered += 1;
        turn.known.entry(self.placeholder("message")).or_insert_with(|| number.to_string());
        let is_shown = |feature: &&Feature| **feature != Feature::LossyGroup || missed > 0;
        spec.shows.iter().filter(is_shown).for_each(|feature| turn.figures.features.count(*feature));
        for feature in turn.ledger.shown_by(self.place, session) {
            turn.figures.features.count(*feature);
        }
        if !is_stamped && reserved != 0 {
            turn.figures.features.count(Feature::ReservedValue);
        }
        let took = turn.now.nanos.since(sent_at);
        turn.figures.slowest_delivery = turn.figures.slowest_delivery.max(took);
        turn.figures.delivered += 1;
        turn.figures.checks += 3;
        turn.record(Event::Delivered { who, session, number, position });
        Ok(())
    }

    /// Takes its first source away, or adds it again.
    pub(crate) fn send_destination_away(&mut self, away: Option<Removal>) {
        self.destinations.send_away(away);
    }

    fn change_destinations(&mut self, turn: &Turn<'_>) -> Result<usize, Violation> {
        let State::Open(subscription) = &self.state else { return Ok(0) };
        match self.destinations.step(subscription, turn.now.nanos) {
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
        for &ImageEvent { session, correlation, available, is_link, joined, position } in &known {
            turn.record(Event::Image { who: self.who(), session, available, position });
            if available {
                turn.known.insert(self.placeholder("image"), correlation.to_string());
                // A spy may have read what is not sent yet, and starts again where its publication is sent.
                if self.unlinked.remove(&session) && turn.ledger.forget_image(self.place, session) {
                    turn.figures.features.count(Feature::LinkedDestinationReturn);
                }
                turn.ledger.joined(self.place, session, joined, self.spec.is_lossy)?;
            } else {
                let is_unlinked = is_link && self.destinations.ends_links(turn.now.nanos);
                if is_unlinked {
                    self.unlinked.insert(session);
                }
                let publisher = turn.ledger.host(self.place, session).unwrap_or(self.host);
                let is_excused = turn.is_excused(&[self.host, publisher])
                    || is_unlinked
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
        for what in ["subscription", "tag", "image", "port", "message"] {
            turn.known.remove(&self.placeholder(what));
        }
        self.destinations.start_anew();
        self.inbox = Inbox::default();
        self.assembler = assembler(&self.spec, &self.inbox, self.seed);
        self.images = ImageEvents::default();
        self.unlinked.clear();
        self.acts_at = Nanos::new(i64::MIN);
        self.cleared_at = turn.now.nanos + CLEARED;
        Remains { _state: std::mem::replace(&mut self.state, State::Waiting) }
    }

    const fn who(&self) -> Who {
        Who::Subscriber(self.place.0, self.place.1)
    }
}

fn assembler(spec: &scenario::Subscriber, inbox: &Inbox, seed: u64) -> Assembler {
    let inbox = Rc::clone(inbox);
    match spec.polls {
        Polls::Plain => Assembler::Plain(FragmentAssembler::new(Box::new(move |payload, header| {
            inbox.borrow_mut().push(Arrival::of(payload, header));
        }))),
        Polls::Controlled => Assembler::Controlled(ControlledFragmentAssembler::new(capricious(inbox, seed))),
        Polls::Blocks => Assembler::Blocks(BlockReader::default()),
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
