//! What the numbers of a stream mean: who waits, and for whom.

use std::io::{self, Write};

use serde::Serialize;

use crate::{
    snapshot::{History, Image, Mark, Publication, Snapshot, Subscriber},
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

    /// Of a publication, with what went before.
    pub(super) fn of_publication(snapshot: &Snapshot, history: &History, now: &Publication) -> Self {
        let is_limited = now.window() <= 0;
        if is_limited && !now.is_received() {
            let who = if now.sender.is_some() { "receiver" } else { "subscriber" };
            return Self::of(vec![format!("publisher waits for a {who}: there is none")], "");
        }
        let mut words = Vec::new();
        if let Some(sender) = &now.sender {
            let unsent = sender.backlog(now.position);
            let still = history.still(Mark::Sender(now.registration_id)).filter(|_| unsent > 0);
            if is_limited {
                words.push("publisher waits for the sender".to_owned());
            }
            // A window that the next frame does not fit is full, too.
            if sender.window() <= 0 || (still.is_some() && unsent > sender.window()) {
                let (receivers, left) = (now.receivers(), sender.window().max(0));
                let since = still.map_or_else(String::new, |still| format!(", {still}"));
                words.push(format!(
                    "sender waits for {receivers}: its window is full ({left} bytes left{since})"
                ));
            } else if let Some(still) = still {
                words.push(format!("sender has not moved {still}, though {unsent} bytes wait to be sent"));
            }
        }
        let slowest = now.subscribers.iter().min_by_key(|subscriber| subscriber.position);
        if let Some(slowest) = slowest.filter(|_| is_limited) {
            words.push(format!("publisher waits for {}", subscriber_words(snapshot, history, slowest)));
        }
        Self::of(words, "nobody waits")
    }

    /// Of an image, with what went before.
    pub(super) fn of_image(snapshot: &Snapshot, history: &History, now: &Image) -> Self {
        let mut words = Vec::new();
        if now.waits_for_loss(history) {
            words.push(format!(
                "receiver waits for lost frames within the next {} bytes; NAKs sent so far: {}",
                now.missing(),
                now.naks_sent
            ));
        }
        for subscriber in &now.subscribers {
            let behind = now.position.get().wrapping_sub(subscriber.position.get());
            if behind > 0 && history.still(Mark::from(subscriber)).is_some() {
                let who = subscriber_words(snapshot, history, subscriber);
                words.push(format!("receiver waits for {who}, {behind} bytes behind"));
            }
        }
        Self::of(words, "nobody waits")
    }

    pub(super) fn print(&self, output: &mut dyn Write) -> io::Result<()> {
        self.words.iter().try_for_each(|words| writeln!(output, "  => {}", text::line(words)))?;
        writeln!(output)
    }
}

fn subscriber_words(snapshot: &Snapshot, history: &History, subscriber: &Subscriber) -> String {
    let client = snapshot.client_name(subscriber.client_id);
    let still = history.still(Mark::from(subscriber));
    let still = still.map_or_else(String::new, |still| format!(", which has not moved {still}"));
    format!("subscriber {} of client {client}{still}", subscriber.registration_id)
}
