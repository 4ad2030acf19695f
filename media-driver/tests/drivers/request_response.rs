//! Requesters and a responder through a whole driver, each with a client of its own: how response channels are used.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use epona_client::{
    Action, Aeron, ChannelUriBuilder, ControlMode, ExclusivePublication, Image, ImageHandlers, OfferError,
    Publication, RegistrationId, SessionId, Subscription,
};

use crate::harness::{connect, free_port, launch, until};

const REQUESTS: i32 = 1001;
const RESPONSES: i32 = 1002;

/// Where requests go, and how responses come back.
#[derive(Clone)]
struct Channels {
    requests: ChannelUriBuilder,
    responses: ChannelUriBuilder,
}

impl Channels {
    fn udp() -> Self {
        let (endpoint, control) =
            (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
        let responses = ChannelUriBuilder::udp().control_mode(ControlMode::Response).control(&control);
        Self { requests: ChannelUriBuilder::udp().endpoint(&endpoint), responses }
    }

    fn ipc() -> Self {
        let responses = ChannelUriBuilder::ipc().control_mode(ControlMode::Response);
        Self { requests: ChannelUriBuilder::ipc(), responses }
    }
}

fn text(builder: &ChannelUriBuilder) -> String {
    builder.clone().build().unwrap().to_string()
}

/// Asks, and hears only its own answers.
struct Requester {
    requests: ExclusivePublication,
    responses: Subscription,
}

impl Requester {
    fn new(aeron: &Aeron, channels: &Channels) -> Self {
        let responses = aeron.add_subscription(&text(&channels.responses), RESPONSES).unwrap();
        let channel = channels.requests.clone().response_correlation_id(responses.registration_id());
        let requests = aeron.add_exclusive_publication(&text(&channel), REQUESTS).unwrap();
        Self { requests, responses }
    }

    fn ask(&mut self, question: &[u8]) {
        until("a request is taken", || match self.requests.offer(question) {
            Ok(_) => true,
            Err(OfferError::NotConnected | OfferError::BackPressured | OfferError::AdminAction) => false,
            Err(error) => panic!("{error}"),
        });
    }

    fn take_answer(&mut self) -> Option<Vec<u8>> {
        let mut answer = None;
        self.responses.poll(|bytes, _| answer = Some(bytes.to_vec()), 1);
        answer
    }
}

/// Answers every requester in a session of its own.
struct Responder<'a> {
    aeron: &'a Aeron,
    channels: Channels,
    requests: Subscription,
    new_images: Arc<Mutex<Vec<(SessionId, RegistrationId)>>>,
    answers: HashMap<SessionId, Publication>,
}

impl<'a> Responder<'a> {
    fn new(aeron: &'a Aeron, channels: Channels) -> Self {
        let new_images = Arc::<Mutex<Vec<_>>>::default();
        let come = Arc::clone(&new_images);
        let on_available =
            move |image: &Image| come.lock().unwrap().push((image.session_id(), image.correlation_id()));
        let handlers = ImageHandlers::new().on_available(on_available);
        let requests = aeron.add_subscription_with(&text(&channels.requests), REQUESTS, handlers).unwrap();
        Self { aeron, channels, requests, new_images, answers: HashMap::new() }
    }

    /// Adds a publication for each new requester, and answers each request by its bytes backwards.
    fn do_work(&mut self) {
        // Not in the loop's head, where the lock would be held while the client's conductor wants it.
        let new_images = std::mem::take(&mut *self.new_images.lock().unwrap());
        for (session, image) in new_images {
            let channel = self.channels.responses.clone().response_correlation_id(image);
            let answer = self.aeron.add_publication(&text(&channel), RESPONSES).unwrap();
            self.answers.insert(session, answer);
        }
        let answers = &self.answers;
        self.requests.controlled_poll(
            |bytes, header| {
                // Came since: its publication is there next time.
                let Some(publication) = answers.get(&header.session_id()) else { return Action::Abort };
                let answer: Vec<u8> = bytes.iter().rev().copied().collect();
                until("an answer is taken", || match publication.offer(&answer) {
                    Ok(_) => true,
                    Err(OfferError::NotConnected | OfferError::BackPressured | OfferError::AdminAction) => {
                        false
                    }
                    Err(error) => panic!("{error}"),
                });
                Action::Continue
            },
            10,
        );
    }
}

fn two_requesters_are_answered(channels: Channels) {
    let driver = launch();
    let (server, one, other) = (connect(&driver), connect(&driver), connect(&driver));
    let mut responder = Responder::new(&server, channels.clone());
    let mut requesters = [Requester::new(&one, &channels), Requester::new(&other, &channels)];
    for round in 0..100_u8 {
        for (number, requester) in requesters.iter_mut().enumerate() {
            requester.ask(&[number as u8, round, 7]);
        }
        for (number, requester) in requesters.iter_mut().enumerate() {
            let mut answer = None;
            until("an answer", || {
                responder.do_work();
                answer = requester.take_answer();
                answer.is_some()
            });
            assert_eq!(answer.unwrap(), [7, round, number as u8]);
        }
    }
    assert_eq!(responder.answers.len(), 2);
    for requester in &mut requesters {
        assert_eq!(requester.take_answer(), None, "nothing of the other's");
        assert_eq!(requester.responses.image_count(), 1);
    }
}

#[test]
fn over_udp_each_requester_hears_the_answers_to_its_own_requests() {
    two_requesters_are_answered(Channels::udp());
}

#[test]
fn over_ipc_each_requester_hears_the_answers_to_its_own_requests() {
    two_requesters_are_answered(Channels::ipc());
}
