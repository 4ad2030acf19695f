//! The two ends of a stream, whoever made them: a publication or a subscription with a client of its own.

use super::{Maker, STREAM, client};
use epona_peers::{
    aeron::AeronClient,
    epona::EponaClient,
    party::{Client, ImageEvent, Offer, Publication, PublicationErrorEvent, Result, Sharing, Subscription},
    process::DriverProcess,
    transfer,
};

/// Fragments taken by one poll.
const FRAGMENT_LIMIT: usize = 16;

/// The publishing end.
pub(crate) trait Publisher {
    /// One duty cycle of its client.
    fn turn(&mut self);
    fn offer(&mut self, message: &[u8]) -> Offer;
    fn is_connected(&self) -> bool;
    fn session_id(&self) -> i32;
    fn registration_id(&self) -> i64;
    fn term_length(&self) -> usize;
    /// Adds a destination to a publication with `control-mode=manual`.
    fn add_destination(&mut self, channel: &str);
    /// Closes the publication; its client lives on.
    fn close(&mut self);
    /// Revokes the publication; its client lives on.
    fn revoke(&mut self);
    fn take_publication_errors(&mut self) -> Vec<PublicationErrorEvent>;
}

/// The subscribing end; keeps what it receives.
pub(crate) trait Subscriber {
    /// One duty cycle of its client; the subscription is not polled.
    fn turn(&mut self);
    /// Polls once.
    fn poll(&mut self);
    /// Whole messages received so far.
    fn messages(&self) -> &[Vec<u8>];
    fn image_count(&self) -> usize;
    /// Adds a destination to a subscription with `control-mode=manual`.
    fn add_destination(&mut self, channel: &str);
    /// Closes the subscription; its client lives on.
    fn close(&mut self);
    fn reject(&mut self, session_id: i32, reason: &str) -> Result<()>;
    fn resolved_channel(&self) -> Option<String>;
    fn take_image_events(&mut self) -> Vec<ImageEvent>;
}

pub(crate) type AnyPublisher = Box<dyn Publisher>;
pub(crate) type AnySubscriber = Box<dyn Subscriber>;

struct PublishingEnd<C: Client> {
    publication: Option<C::Publication>,
    client: C,
}

struct SubscribingEnd<C: Client> {
    subscription: Option<C::Subscription>,
    client: C,
    messages: Vec<Vec<u8>>,
}

/// Adds an exclusive publication on `driver` through a client made by `maker`.
pub(crate) fn publisher(maker: Maker, driver: &DriverProcess, channel: &str) -> AnyPublisher {
    try_publisher(maker, driver, channel).unwrap_or_else(|error| panic!("publication {channel}: {error}"))
}

/// As [`publisher`], where the driver may refuse.
pub(crate) fn try_publisher(maker: Maker, driver: &DriverProcess, channel: &str) -> Result<AnyPublisher> {
    fn add<C: Client + 'static>(driver: &DriverProcess, channel: &str) -> Result<AnyPublisher> {
        let mut client: C = client(driver);
        let publication = client.add_publication(channel, STREAM, Sharing::Exclusive, &mut || ())?;
        Ok(Box::new(PublishingEnd { publication: Some(publication), client }))
    }
    match maker {
        Maker::Aeron => add::<AeronClient>(driver, channel),
        Maker::Epona => add::<EponaClient>(driver, channel),
    }
}

/// Adds a subscription on `driver` through a client made by `maker`.
pub(crate) fn subscriber(maker: Maker, driver: &DriverProcess, channel: &str) -> AnySubscriber {
    try_subscriber(maker, driver, channel).unwrap_or_else(|error| panic!("subscription {channel}: {error}"))
}

/// As [`subscriber`], where the driver may refuse.
pub(crate) fn try_subscriber(maker: Maker, driver: &DriverProcess, channel: &str) -> Result<AnySubscriber> {
    fn add<C: Client + 'static>(driver: &DriverProcess, channel: &str) -> Result<AnySubscriber> {
        let mut client: C = client(driver);
        let subscription = client.add_subscription(channel, STREAM, &mut || ())?;
        Ok(Box::new(SubscribingEnd { subscription: Some(subscription), client, messages: Vec::new() }))
    }
    match maker {
        Maker::Aeron => add::<AeronClient>(driver, channel),
        Maker::Epona => add::<EponaClient>(driver, channel),
    }
}

impl<C: Client> PublishingEnd<C> {
    fn open(&self) -> &C::Publication {
        self.publication.as_ref().expect("the publication is open")
    }
}

impl<C: Client> Publisher for PublishingEnd<C> {
    fn turn(&mut self) {
        self.client.do_work();
    }

    fn offer(&mut self, message: &[u8]) -> Offer {
        self.publication.as_mut().expect("the publication is open").offer(message)
    }

    fn is_connected(&self) -> bool {
        self.open().is_connected()
    }

    fn session_id(&self) -> i32 {
        self.open().session_id()
    }

    fn registration_id(&self) -> i64 {
        self.open().original_registration_id()
    }

    fn term_length(&self) -> usize {
        self.open().term_length()
    }

    fn add_destination(&mut self, channel: &str) {
        let publication = self.publication.as_ref().expect("the publication is open");
        self.client.add_destination(publication, channel, &mut || ()).expect("a destination");
    }

    fn close(&mut self) {
        self.publication = None;
    }

    fn revoke(&mut self) {
        self.publication.take().expect("the publication is open").revoke();
    }

    fn take_publication_errors(&mut self) -> Vec<PublicationErrorEvent> {
        self.client.take_publication_errors()
    }
}

impl<C: Client> SubscribingEnd<C> {
    fn open(&self) -> &C::Subscription {
        self.subscription.as_ref().expect("the subscription is open")
    }
}

impl<C: Client> Subscriber for SubscribingEnd<C> {
    fn turn(&mut self) {
        self.client.do_work();
    }

    fn poll(&mut self) {
        let messages = &mut self.messages;
        if let Some(subscription) = &mut self.subscription {
            subscription.poll_messages(FRAGMENT_LIMIT, |message| messages.push(message.to_vec()));
        }
    }

    fn messages(&self) -> &[Vec<u8>] {
        &self.messages
    }

    fn image_count(&self) -> usize {
        self.open().image_count()
    }

    fn add_destination(&mut self, channel: &str) {
        let Self { subscription, client, .. } = self;
        let subscription = subscription.as_mut().expect("the subscription is open");
        let mut turn = || {
            client.do_work();
        };
        subscription.add_destination(channel, &mut turn).expect("a destination");
    }

    fn close(&mut self) {
        self.subscription = None;
    }

    fn reject(&mut self, session_id: i32, reason: &str) -> Result<()> {
        self.subscription.as_mut().expect("the subscription is open").reject(session_id, reason)
    }

    fn resolved_channel(&self) -> Option<String> {
        self.open().resolved_channel()
    }

    fn take_image_events(&mut self) -> Vec<ImageEvent> {
        self.client.take_image_events()
    }
}

/// Repeats `step` until it says so, or fails with `what` after two minutes.
#[track_caller]
pub(crate) fn eventually(what: &str, step: impl FnMut() -> bool) {
    transfer::until(what, &mut || (), step).unwrap_or_else(|fault| panic!("{fault}"));
}

/// Gives turns until the publication is connected and every subscriber has its image.
#[track_caller]
pub(crate) fn connect(publisher: &mut AnyPublisher, subscribers: &mut [&mut AnySubscriber]) {
    eventually("connected", || {
        publisher.turn();
        subscribers.iter_mut().for_each(|subscriber| subscriber.turn());
        publisher.is_connected() && subscribers.iter().all(|subscriber| subscriber.image_count() > 0)
    });
}

/// Message `number` of a stream: its number, then bytes that follow from it; several lengths.
pub(crate) fn message(number: u32) -> Vec<u8> {
    let length = 4 + (number as usize * 37) % 1200;
    let mut message = number.to_le_bytes().to_vec();
    message.resize(length, number as u8);
    message
}

/// Numbers of messages, which are as [`message`] makes them.
#[track_caller]
pub(crate) fn numbers(messages: &[Vec<u8>]) -> Vec<u32> {
    messages
        .iter()
        .map(|received| {
            let number = u32::from_le_bytes(received[..4].try_into().expect("four bytes"));
            assert!(*received == message(number), "message {number} was changed on its way");
            number
        })
        .collect()
}

/// Everything from the first message on, and nothing twice.
#[track_caller]
pub(crate) fn assert_complete(subscriber: &AnySubscriber, count: u32) {
    assert_eq!(numbers(subscriber.messages()), (0..count).collect::<Vec<_>>());
}

/// Publishes messages `numbers` and has every subscriber receive each of them, in order and unchanged, after what it
/// received before.
#[track_caller]
pub(crate) fn exchange(
    publisher: &mut AnyPublisher,
    subscribers: &mut [&mut AnySubscriber],
    wanted: std::ops::Range<u32>,
) {
    let before: Vec<_> = subscribers.iter().map(|subscriber| subscriber.messages().len()).collect();
    let mut next = wanted.start;
    eventually("every subscriber has received every message", || {
        publisher.turn();
        if next < wanted.end && matches!(publisher.offer(&message(next)), Offer::Sent(_)) {
            next += 1;
        }
        for subscriber in subscribers.iter_mut() {
            subscriber.turn();
            subscriber.poll();
        }
        let all = wanted.len();
        subscribers
            .iter()
            .zip(&before)
            .all(|(subscriber, before)| subscriber.messages().len() >= before + all)
    });
    for (subscriber, before) in subscribers.iter().zip(before) {
        assert_eq!(numbers(&subscriber.messages()[before..]), wanted.clone().collect::<Vec<_>>());
    }
}

/// Publishes while `fast` polls and `slow` does not, until `enough` messages are sent or the publisher is held back with
/// nothing left on its way; how many messages were sent.
#[track_caller]
pub(crate) fn publish_past(
    from: &DriverProcess,
    publication: &mut AnyPublisher,
    fast: &mut AnySubscriber,
    slow: &mut AnySubscriber,
    enough: u32,
) -> u32 {
    let mut sent = 0;
    let mut status_messages = None;
    eventually("enough is sent, or the publisher is held back", || {
        match publication.offer(&message(sent)) {
            Offer::Sent(_) => sent += 1,
            Offer::BackPressured => {
                // Held back for good: both receivers have spoken several times since, and nothing has moved.
                let now = (sent, super::system_counter(from, "Status Messages received"));
                match status_messages {
                    Some((at, heard)) if at == sent && now.1 > heard + 8 => return true,
                    Some((at, _)) if at == sent => {}
                    _ => status_messages = Some(now),
                }
            }
            Offer::AdminAction => {}
            other => panic!("message {sent}: {other:?}"),
        }
        publication.turn();
        fast.turn();
        fast.poll();
        slow.turn();
        sent == enough
    });
    sent
}

/// Offers messages until each is sent; the stream's position after the last.
#[track_caller]
pub(crate) fn publish_all(
    publisher: &mut AnyPublisher,
    wanted: std::ops::Range<u32>,
    turn: &mut dyn FnMut(),
) -> i64 {
    let (mut next, mut position) = (wanted.start, 0);
    eventually("everything is sent", || {
        publisher.turn();
        turn();
        if let Offer::Sent(end) = publisher.offer(&message(next)) {
            (next, position) = (next + 1, end);
        }
        next == wanted.end
    });
    position
}
