//! One seeded exchange: messages of planned lengths from a publication to a subscription, every byte checked.

use crate::party::{Client, Offer, Publication, Subscription};
use std::time::{Duration, Instant};

/// How long an exchange may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(120);

/// Fragments taken by one poll.
const FRAGMENT_LIMIT: usize = 16;

/// The messages of one exchange; the same seed gives the same messages.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Source of lengths and content.
    pub seed: u64,
    /// How many terms the stream passes through at least.
    pub terms: usize,
    /// Whether messages that fit one fragment are claimed and filled in place, instead of offered.
    pub claim: bool,
}

/// What an exchange amounted to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Messages sent and received.
    pub messages: usize,
    /// Position of the publication at the end, bytes.
    pub position: i64,
}

/// Lengths worth trying for a publication: nothing, alignment edges, one fragment, several, the maximum.
fn edge_lengths(max_payload: usize, max_message: usize) -> Vec<usize> {
    let mut lengths = vec![0, 1, 31, 32, 33, 63, 64, max_payload - 1, max_payload, max_payload + 1];
    lengths.extend([2 * max_payload, 2 * max_payload + 1, max_message - 1, max_message]);
    lengths.retain(|&length| length <= max_message);
    lengths
}

/// The content of message `index`: its bytes follow from the seed and nothing else.
fn message(seed: u64, index: usize, length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_add((index as u64).wrapping_mul(0x9e37_79b9)));
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

/// The next length: every edge in turn first, then any length, short ones more often.
fn next_length(random: &mut fastrand::Rng, index: usize, edges: &[usize], max_message: usize) -> usize {
    match edges.get(index) {
        Some(&length) => length,
        None if random.u8(..4) > 0 => random.usize(..=300),
        None => random.usize(..=max_message),
    }
}

/// Runs the exchange on this thread, calling `turn` to give everybody else theirs.
///
/// # Errors
/// A sentence that names the message at fault: refused, lost, changed, out of order, or stuck.
pub fn run<P: Publication, S: Subscription>(
    plan: &Plan,
    publication: &mut P,
    subscription: &mut S,
    turn: &mut dyn FnMut(),
) -> Result<Outcome, String> {
    let deadline = Instant::now() + PATIENCE;
    await_connection(publication, subscription, turn, deadline)?;

    let max_message = publication.max_message_length();
    let edges = edge_lengths(publication.max_payload_length(), max_message);
    let end = (plan.terms * publication.term_length()) as i64;
    let mut random = fastrand::Rng::with_seed(plan.seed);
    let mut position = 0;
    let mut sent = Vec::new();
    let mut received = 0;
    let mut fault = None;
    let mut pending = None;
    while position < end || received < sent.len() || pending.is_some() {
        if pending.is_none() && position < end {
            let length = next_length(&mut random, sent.len(), &edges, max_message);
            pending = Some(message(plan.seed, sent.len(), length));
        }
        if let Some(next) = &pending {
            match append(plan, publication, next) {
                Offer::Sent(new_position) => {
                    position = new_position;
                    sent.push(next.len());
                    pending = None;
                }
                Offer::BackPressured | Offer::AdminAction => {}
                other => {
                    return Err(format!("message {} of {} bytes: {other:?}", sent.len(), next.len()));
                }
            }
        }
        subscription.poll_messages(FRAGMENT_LIMIT, |body| {
            if fault.is_none() {
                fault = compare(plan.seed, received, &sent, body);
            }
            received += 1;
        });
        turn();
        if let Some(fault) = fault {
            return Err(fault);
        }
        if Instant::now() > deadline {
            return Err(format!(
                "stuck: {received} of {} messages received, position {position} of {end}",
                sent.len()
            ));
        }
    }
    Ok(Outcome { messages: sent.len(), position })
}

fn await_connection<P: Publication, S: Subscription>(
    publication: &P,
    subscription: &S,
    turn: &mut dyn FnMut(),
    deadline: Instant,
) -> Result<(), String> {
    while !publication.is_connected() || subscription.image_count() == 0 {
        turn();
        std::thread::yield_now();
        if Instant::now() > deadline {
            return Err(format!(
                "never connected: publication {}, images {}",
                publication.is_connected(),
                subscription.image_count()
            ));
        }
    }
    Ok(())
}

fn append<P: Publication>(plan: &Plan, publication: &mut P, message: &[u8]) -> Offer {
    if plan.claim && message.len() <= publication.max_payload_length() {
        publication.try_claim(message.len(), &mut |body| body.copy_from_slice(message))
    } else {
        publication.offer(message)
    }
}

/// `None` when message `index` is what was sent.
fn compare(seed: u64, index: usize, sent: &[usize], body: &[u8]) -> Option<String> {
    let Some(&length) = sent.get(index) else {
        return Some(format!("message {index} of {} bytes was never sent", body.len()));
    };
    if body.len() != length {
        return Some(format!("message {index} has {} bytes, {length} were sent", body.len()));
    }
    let expected = message(seed, index, length);
    let at = expected.iter().zip(body).position(|(sent, received)| sent != received)?;
    Some(format!("message {index} of {length} bytes differs from byte {at}"))
}

/// Gives turns to `clients` until `done`, or fails after two minutes with `what`.
///
/// # Errors
/// `what` did not come true in time.
pub fn until(what: &str, turn: &mut dyn FnMut(), mut done: impl FnMut() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        turn();
        std::thread::yield_now();
        if Instant::now() > deadline {
            return Err(format!("not within {PATIENCE:?}: {what}"));
        }
    }
    Ok(())
}

/// Two clients' turns as one closure.
pub fn turns<'a, A: Client, B: Client>(one: &'a mut A, other: &'a mut B) -> impl FnMut() + 'a {
    || {
        one.do_work();
        other.do_work();
    }
}
