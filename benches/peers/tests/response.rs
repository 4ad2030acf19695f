//! Response channels between every pairing of makers: who asks, on whose driver, and who answers, on whose driver.
//!
//! The rows with Aeron alone are the control: they prove the harness, not us.

mod common;

use common::{SEED, STREAM, client, driver, lossy, system_counter};
use epona_peers::{
    aeron::AeronClient,
    epona::EponaClient,
    net,
    party::{Client, DriverKind, ImageEvent, Publication, Sharing, Subscription},
    process::DriverProcess,
    transfer::{self, Plan},
};

/// Stream of responses.
const RESPONSES: i32 = STREAM + 1;

/// Terms that requests and responses each pass through.
const TERMS: usize = 3;

/// Channels of requests and of responses.
struct Channels {
    requests: String,
    responses: String,
}

impl Channels {
    fn udp() -> Self {
        let port = || net::free_port().expect("a free port");
        Self {
            requests: format!("aeron:udp?endpoint=127.0.0.1:{}|term-length=64k", port()),
            responses: format!("aeron:udp?control-mode=response|control=127.0.0.1:{}", port()),
        }
    }

    fn ipc() -> Self {
        Self {
            requests: "aeron:ipc?term-length=64k".to_owned(),
            responses: "aeron:ipc?control-mode=response".to_owned(),
        }
    }
}

/// A requester and a responder, each with its client.
struct World<R: Client, S: Client> {
    channels: Channels,
    requester: R,
    responder: S,
    server: S::Subscription,
}

/// A request that has arrived.
struct Request<R: Client> {
    publication: R::Publication,
    responses: R::Subscription,
    image: ImageEvent,
}

impl<R: Client, S: Client> World<R, S> {
    fn new(from: &DriverProcess, to: &DriverProcess, channels: Channels) -> Self {
        let (requester, mut responder): (R, S) = (client(from), client(to));
        let server = responder.add_subscription(&channels.requests, STREAM, &mut || ()).expect("requests");
        Self { channels, requester, responder, server }
    }

    fn request(&mut self, parameters: &str) -> Request<R> {
        let Self { channels, requester, responder, .. } = self;
        let mut turn = || {
            responder.do_work();
        };
        let on = format!("{}{parameters}", channels.responses);
        let responses = requester.add_subscription(&on, RESPONSES, &mut turn).expect("responses");
        let channel =
            format!("{}|response-correlation-id={}", channels.requests, responses.registration_id());
        let publication =
            requester.add_publication(&channel, STREAM, Sharing::Exclusive, &mut turn).expect("request");
        let mut come = Vec::new();
        let responder = std::cell::RefCell::new(responder);
        let mut turn = || {
            requester.do_work();
            responder.borrow_mut().do_work();
        };
        let has_come = || {
            come.extend(responder.borrow_mut().take_image_events());
            !come.is_empty()
        };
        transfer::until("an image of the request", &mut turn, has_come).unwrap();
        assert_eq!(come.len(), 1, "{come:?}");
        Request { publication, responses, image: come.remove(0) }
    }

    fn respond(
        &mut self,
        request: &Request<R>,
        parameters: &str,
    ) -> epona_peers::party::Result<S::Publication> {
        let Self { channels, requester, responder, .. } = self;
        let id = request.image.correlation_id;
        let channel =
            format!("{}|term-length=64k|response-correlation-id={id}{parameters}", channels.responses);
        responder.add_publication(&channel, RESPONSES, Sharing::Exclusive, &mut || {
            requester.do_work();
        })
    }

    /// Sends requests one way and responses the other, and checks every byte.
    fn exchange(&mut self, request: &mut Request<R>, response: &mut S::Publication) {
        let plan = Plan { seed: SEED, terms: TERMS, claim: false };
        let Self { requester, responder, server, .. } = self;
        let mut turn = transfer::turns(requester, responder);
        transfer::run(&plan, &mut request.publication, server, &mut turn).expect("requests");
        transfer::run(&plan, response, &mut request.responses, &mut turn).expect("responses");
        assert_eq!(request.responses.image_count(), 1);
    }
}

/// Two requesters in one client, each answered in a session of its own, in the order of their requests.
fn answered<R: Client, S: Client>(from: &DriverProcess, to: &DriverProcess, channels: Channels) {
    let mut world = World::<R, S>::new(from, to, channels);
    let mut first = world.request("");
    let second = world.request("");
    let mut response = world.respond(&first, "").expect("response");
    world.exchange(&mut first, &mut response);
    assert_eq!(second.responses.image_count(), 0, "nobody has answered the second");

    let other = world.respond(&second, "").expect("other response");
    let World { requester, responder, .. } = &mut world;
    let mut turn = transfer::turns(requester, responder);
    let is_connected = || other.is_connected() && second.responses.image_count() == 1;
    transfer::until("the second response connects", &mut turn, is_connected).unwrap();
    assert_ne!(other.session_id(), response.session_id());
    assert_eq!(first.responses.image_count(), 1, "and the first has nothing of it");
    drop(turn);

    drop(response);
    let World { requester, responder, .. } = &mut world;
    let mut turn = transfer::turns(requester, responder);
    transfer::until("the end of the first response", &mut turn, || first.responses.image_count() == 0)
        .unwrap();
    assert!(other.is_connected());
}

fn udp<R: Client, S: Client>(from: DriverKind, to: DriverKind) {
    answered::<R, S>(&driver(from, &[]), &driver(to, &[]), Channels::udp());
}

fn udp_with_loss<R: Client, S: Client>(from: DriverKind, to: DriverKind) {
    answered::<R, S>(&driver(from, &lossy(SEED)), &driver(to, &lossy(SEED + 1)), Channels::udp());
}

fn ipc<R: Client, S: Client>(on: DriverKind) {
    let driver = driver(on, &[]);
    answered::<R, S>(&driver, &driver, Channels::ipc());
}

/// The requester wants another session than it is answered in: recorded by its driver, and nothing comes.
fn another_session<R: Client, S: Client>(from: DriverKind, to: DriverKind) {
    let (from, to) = (driver(from, &[]), driver(to, &[]));
    let mut world = World::<R, S>::new(&from, &to, Channels::udp());
    let willing = world.request("|session-id=77");
    let unwilling = world.request("|session-id=88");
    let _mismatch = world.respond(&unwilling, "|session-id=99").expect("a response");
    let _match = world.respond(&willing, "|session-id=77").expect("a response");
    let World { requester, responder, .. } = &mut world;
    let mut turn = transfer::turns(requester, responder);
    let is_settled = || willing.responses.image_count() == 1 && system_counter(&from, "Errors") == 1;
    transfer::until("one connects, the other fails", &mut turn, is_settled).unwrap();
    assert_eq!(unwilling.responses.image_count(), 0);
}

/// Over IPC the response itself is refused.
fn another_session_over_ipc<R: Client, S: Client>(on: DriverKind) {
    let driver = driver(on, &[]);
    let mut world = World::<R, S>::new(&driver, &driver, Channels::ipc());
    let mut request = world.request("|session-id=88");
    assert!(world.respond(&request, "|session-id=99").is_err());
    let mut response = world.respond(&request, "|session-id=88").expect("a response");
    world.exchange(&mut request, &mut response);
}

/// What the responder may not answer.
fn nothing_to_answer<R: Client, S: Client>(from: DriverKind, to: DriverKind) {
    let (from, to) = (driver(from, &[]), driver(to, &[]));
    let mut world = World::<R, S>::new(&from, &to, Channels::udp());
    let request = world.request("");
    let World { channels, requester, responder, .. } = &mut world;
    let mut add = |parameters: &str| {
        let channel = format!("{}{parameters}", channels.responses);
        let mut turn = || {
            requester.do_work();
        };
        responder
            .add_publication(&channel, RESPONSES, Sharing::Concurrent, &mut turn)
            .map(|made| made.term_length())
    };
    assert!(add("").is_err(), "no id");
    assert!(add("|response-correlation-id=123456789").is_err(), "of no image");
    assert_eq!(add("|response-correlation-id=prototype|term-length=1m").ok(), Some(65_536));
    assert!(add(&format!("|response-correlation-id={}", request.image.correlation_id)).is_ok());
}

/// The tests of one pairing: requester and its driver, the responder's driver and the responder.
macro_rules! pairing {
    ($name:ident: $requester:ty, $from:ident -> $to:ident, $responder:ty) => {
        mod $name {
            use super::*;

            #[test]
            fn each_request_is_answered_in_a_session_of_its_own() {
                udp::<$requester, $responder>(DriverKind::$from, DriverKind::$to);
            }

            #[test]
            fn each_request_is_answered_whatever_is_lost() {
                udp_with_loss::<$requester, $responder>(DriverKind::$from, DriverKind::$to);
            }

            #[test]
            fn a_response_in_another_session_is_not_received() {
                another_session::<$requester, $responder>(DriverKind::$from, DriverKind::$to);
            }

            #[test]
            fn only_images_that_ask_are_answered() {
                nothing_to_answer::<$requester, $responder>(DriverKind::$from, DriverKind::$to);
            }
        }
    };
}

/// The same over shared memory, where there is one driver.
macro_rules! ipc_pairing {
    ($name:ident: $requester:ty, $on:ident, $responder:ty) => {
        mod $name {
            use super::*;

            #[test]
            fn each_request_is_answered_in_a_session_of_its_own() {
                ipc::<$requester, $responder>(DriverKind::$on);
            }

            #[test]
            fn a_response_in_another_session_is_refused() {
                another_session_over_ipc::<$requester, $responder>(DriverKind::$on);
            }
        }
    };
}

pairing!(control: AeronClient, Aeron -> Aeron, AeronClient);
ipc_pairing!(ipc_control: AeronClient, Aeron, AeronClient);
pairing!(our_clients_on_their_driver: EponaClient, Aeron -> Aeron, EponaClient);
pairing!(their_clients_on_our_driver: AeronClient, Epona -> Epona, AeronClient);
pairing!(theirs_asks_ours: AeronClient, Aeron -> Epona, EponaClient);
pairing!(ours_asks_theirs: EponaClient, Epona -> Aeron, AeronClient);
ipc_pairing!(their_ipc_clients_on_our_driver: AeronClient, Epona, AeronClient);
ipc_pairing!(our_ipc_clients_on_their_driver: EponaClient, Aeron, EponaClient);
ipc_pairing!(ours_and_theirs_over_ipc: EponaClient, Epona, AeronClient);
