//! A responder and three requesters; each requester hears the answers to its own requests and no others.
//!
//! ```text
//! cargo run -p epona-client --example request_response -- [REQUESTS RESPONSES]      two times HOST:PORT
//! ```
#![allow(clippy::print_stdout, dead_code, reason = "a program, and a module of its test")]

use std::{collections::HashMap, error::Error, thread};

use epona_client::{Action, Aeron, ChannelUriBuilder, Context, ControlMode, Publication, Subscription};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Polls requests, and answers each in the session of who asked.
struct Responder<'a> {
    aeron: &'a Aeron,
    requests: Subscription,
    responses: ChannelUriBuilder,
    publications: HashMap<i32, Publication>,
}

impl Responder<'_> {
    fn poll(&mut self) -> Outcome<usize> {
        for image in self.requests.images() {
            let session = image.session_id().get();
            if !self.publications.contains_key(&session) {
                let channel =
                    self.responses.clone().response_correlation_id(image.correlation_id()).build()?;
                self.publications.insert(session, self.aeron.add_publication(&channel.to_string(), 1002)?);
            }
        }
        let publications = &self.publications;
        let answer = |request: &[u8], header: &epona_client::Header<'_>| {
            let answer = request.to_ascii_uppercase();
            let publication = publications.get(&header.session_id().get());
            // A request that cannot be answered yet comes again with the next poll.
            match publication.map(|publication| publication.offer(&answer)) {
                Some(Ok(_)) => Action::Continue,
                Some(Err(_)) | None => Action::Abort,
            }
        };
        Ok(self.requests.controlled_poll(answer, 10))
    }
}

/// Asks with `names`, one requester each; what each was answered.
pub(crate) fn run(aeron: &Aeron, requests: &str, responses: &str, names: &[&str]) -> Outcome<Vec<String>> {
    let responses = ChannelUriBuilder::udp().control_mode(ControlMode::Response).control(responses);
    let requests = ChannelUriBuilder::udp().endpoint(requests);
    let mut responder = Responder {
        aeron,
        requests: aeron.add_subscription(&requests.clone().build()?.to_string(), 1001)?,
        responses: responses.clone(),
        publications: HashMap::new(),
    };
    let mut answers = Vec::new();
    for name in names {
        let mut subscription = aeron.add_subscription(&responses.clone().build()?.to_string(), 1002)?;
        let channel = requests.clone().response_correlation_id(subscription.registration_id()).build()?;
        let publication = aeron.add_publication(&channel.to_string(), 1001)?;
        while publication.offer(format!("hello from {name}").as_bytes()).is_err() {
            thread::yield_now();
        }
        while subscription.poll(|text, _| answers.push(String::from_utf8_lossy(text).into_owned()), 1) == 0 {
            responder.poll()?;
            thread::yield_now();
        }
    }
    answers.iter().for_each(|answer| println!("{answer}"));
    Ok(answers)
}

fn main() -> Outcome<()> {
    let mut ends = std::env::args().skip(1);
    let requests = ends.next().unwrap_or_else(|| String::from("localhost:20121"));
    let responses = ends.next().unwrap_or_else(|| String::from("localhost:20122"));
    let aeron = Aeron::connect(Context::new().client_name("request response"))?;
    run(&aeron, &requests, &responses, &["ada", "grace", "edsger"]).map(|_| ())
}
