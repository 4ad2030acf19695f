//! What the numbers of a stream mean: who waits, and for whom.

use std::io::{self, Write};

use epona_protocol::types::Position;
use serde::Serialize;

use crate::{
    snapshot::{Image, Publication, Snapshot, Subscriber},
    text,
};

/// Who waits for whom, in sentences.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    /// Whether somebody waits.
    pub(super) is_waiting: bool,
    pub(super) words: Vec<String>,
}

impl Verdict {
    fn of(words: Vec<String>, otherwise: &str) -> Self {
        let is_waiting = !words.is_empty();
        Self { is_waiting, words: if is_waiting { words } else { vec![otherwise.to_owned()] } }
    }

    /// Of a publication that was `before` a moment ago.
    pub(super) fn of_publication(
        snapshot: &Snapshot,
        before: Option<&Publication>,
        now: &Publication,
    ) -> Self {
        let mut words = Vec::new();
        let is_limited = now.window() <= 0;
        if let Some(sender) = &now.sender {
            let unsent = sender.backlog(now.position);
            let stands_still = unsent > 0 && before.is_some_and(|before| has_not_moved(before, now));
            if is_limited {
                words.push("publisher waits for the sender".to_owned());
            }
            // A window that the next frame does not fit is full, too.
            if sender.window() <= 0 || (stands_still && unsent > sender.window()) {
                let left = sender.window().max(0);
                words.push(format!(
                    "sender waits for {}: its window is full ({left} bytes left)",
                    now.receivers()
                ));
            } else if stands_still {
                words.push(format!("sender has not moved, though {unsent} bytes wait to be sent"));
            }
        }
        let slowest = now.subscribers.iter().min_by_key(|subscriber| subscriber.position);
        match slowest {
            Some(slowest) if is_limited => {
                let old = before.and_then(|before| old_position(&before.subscribers, slowest));
                words.push(format!("publisher waits for {}", subscriber_words(snapshot, slowest, old)));
            }
            None if is_limited && now.sender.is_none() => {
                words.push("publisher waits for a subscriber: there is none".to_owned());
            }
            _ => {}
        }
        Self::of(words, "nobody waits")
    }

    /// Of an image that was `before` a moment ago.
    pub(super) fn of_image(snapshot: &Snapshot, before: Option<&Image>, now: &Image) -> Self {
        let mut words = Vec::new();
        if now.missing() > 0 {
            words.push(format!(
                "receiver waits for lost frames within the next {} bytes; NAKs sent so far: {}",
                now.missing(),
                now.naks_sent
            ));
        }
        for subscriber in &now.subscribers {
            let behind = now.position.get().wrapping_sub(subscriber.position.get());
            let old = before.and_then(|before| old_position(&before.subscribers, subscriber));
            if behind > 0 && old == Some(subscriber.position) {
                let who = subscriber_words(snapshot, subscriber, old);
                words.push(format!("receiver waits for {who}, {behind} bytes behind"));
            }
        }
        Self::of(words, "nobody waits")
    }

    pub(super) fn print(&self, output: &mut impl Write) -> io::Result<()> {
        self.words.iter().try_for_each(|words| writeln!(output, "  => {}", text::line(words)))?;
        writeln!(output)
    }
}

fn has_not_moved(before: &Publication, now: &Publication) -> bool {
    let position = |publication: &Publication| publication.sender.map(|sender| sender.position);
    position(before) == position(now)
}

fn old_position(before: &[Subscriber], now: &Subscriber) -> Option<Position> {
    before.iter().find(|old| old.registration_id == now.registration_id).map(|old| old.position)
}

fn subscriber_words(snapshot: &Snapshot, subscriber: &Subscriber, old: Option<Position>) -> String {
    let client = snapshot.client_name(subscriber.client_id);
    let moves = if old == Some(subscriber.position) { ", which has not moved" } else { "" };
    format!("subscriber {} of client {client}{moves}", subscriber.registration_id)
}
