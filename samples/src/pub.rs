//! `epona pub`: publishes lines of standard input, or generated messages.

use std::{
    io::{self, BufRead},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use clap::Args;
use epona_client::{ChannelUri, ExclusivePublication, OfferError};
use epona_media_driver::idle::IdleStrategy;

use crate::{
    client::{check_client, complete},
    common::{Stop, Stream, note},
    driver::{Connected, DriverOptions},
    interrupt::Interrupt,
    look::{duration, pause},
};

/// Lines read ahead of the subscriber.
const LINES_AHEAD: usize = 1024;

/// How often Ctrl-C is looked for while standard input has nothing to say.
const INPUT_PATIENCE: Duration = Duration::from_millis(50);

/// Publish lines of standard input, or generated messages
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  echo hello | epona pub
  epona pub --channel 'aeron:udp?endpoint=HOST:20121' --messages 1000000 --length 32
  epona pub --channel aeron:ipc --stream 7 < lines.txt")]
pub(crate) struct Options {
    /// Where messages go
    #[arg(long, value_name = "URI", default_value = "aeron:udp?endpoint=localhost:20121")]
    channel: ChannelUri,

    /// Stream that messages go on
    #[arg(long, value_name = "ID", default_value_t = 1001, allow_negative_numbers = true)]
    stream: i32,

    /// Generate this many numbered messages instead of reading lines
    #[arg(long, value_name = "N")]
    messages: Option<u64>,

    /// Length of each generated message, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 32, requires = "messages")]
    length: usize,

    /// How long a media driver inside this process stays after the last message, to send again what was lost
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    linger: Duration,

    #[command(flatten)]
    driver: DriverOptions,
}

/// Waits for a subscriber, then publishes everything.
///
/// # Errors
/// When there is no driver, or it refuses the channel, or it ends; when a message is too long; on Ctrl-C.
pub(crate) fn run(options: &Options, interrupt: &Interrupt) -> Result<(), Stop> {
    let stream = Stream { channel: &options.channel, id: options.stream };
    let connected = options.driver.connect(stream.channel, interrupt)?;
    let adding = connected.aeron.add_exclusive_publication_async(&stream.channel.to_string(), stream.id)?;
    let publication = complete(adding, interrupt)?;
    if options.messages.is_some() {
        check_length(&publication, options.length)?;
    }

    let mut publisher = Publisher { publication, connected: &connected, stream, interrupt };
    publisher.await_subscriber()?;
    let count = match options.messages {
        Some(count) => publisher.publish_generated(count, options.length)?,
        None => publisher.publish_lines()?,
    };
    drop(publisher);
    note(&format!("Published {count} messages."));
    if connected.driver.is_some() {
        pause(options.linger, interrupt)?;
    }
    Ok(())
}

/// Refuses messages that the stream can never take, before anybody waits for them.
fn check_length(publication: &ExclusivePublication, length: usize) -> Result<(), OfferError> {
    let (max, term_length) = (publication.max_message_length(), publication.term_length().bytes());
    if length > max { Err(OfferError::MessageTooLong { length, max, term_length }) } else { Ok(()) }
}

struct Publisher<'a> {
    publication: ExclusivePublication,
    connected: &'a Connected,
    stream: Stream<'a>,
    interrupt: &'a Interrupt,
}

impl Publisher<'_> {
    fn await_subscriber(&self) -> Result<(), Stop> {
        if self.publication.is_connected() {
            return Ok(());
        }
        note(&format!("Waiting for a subscriber to {}. Ctrl-C ends.", self.stream));
        let mut idle = IdleStrategy::default();
        while !self.publication.is_connected() {
            self.check()?;
            idle.idle(0);
        }
        note("A subscriber is there.");
        Ok(())
    }

    fn publish_generated(&mut self, count: u64, length: usize) -> Result<u64, Stop> {
        let mut message = vec![0; length];
        for number in 1..=count {
            generate(&mut message, number);
            self.publish(&message)?;
        }
        Ok(count)
    }

    fn publish_lines(&mut self) -> Result<u64, Stop> {
        let lines = read_lines();
        let mut count = 0;
        loop {
            match lines.recv_timeout(INPUT_PATIENCE) {
                Ok(line) => self.publish(&line?)?,
                Err(RecvTimeoutError::Timeout) => {
                    self.check()?;
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(count),
            }
            count += 1;
        }
    }

    /// Offers a message until it is taken.
    fn publish(&mut self, message: &[u8]) -> Result<(), Stop> {
        let mut idle = IdleStrategy::default();
        loop {
            match self.publication.offer(message) {
                Ok(_) => return self.interrupt.check(),
                Err(OfferError::NotConnected) => self.await_subscriber()?,
                Err(OfferError::BackPressured | OfferError::AdminAction) => idle.idle(0),
                Err(error) => {
                    check_client(&self.connected.aeron)?;
                    return Err(error.into());
                }
            }
            self.interrupt.check()?;
        }
    }

    fn check(&self) -> Result<(), Stop> {
        self.interrupt.check()?;
        check_client(&self.connected.aeron)
    }
}

/// Reads lines on a thread of its own, since reading standard input cannot be interrupted.
fn read_lines() -> Receiver<io::Result<Vec<u8>>> {
    let (sender, lines) = mpsc::sync_channel(LINES_AHEAD);
    thread::spawn(move || {
        for line in io::stdin().lock().split(b'\n') {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Fills a message with its number and, behind it, the alphabet; what does not fit is cut off.
fn generate(message: &mut [u8], number: u64) {
    let text = format!("{number} ");
    let alphabet = (b'a'..=b'z').cycle();
    for (byte, value) in message.iter_mut().zip(text.bytes().chain(alphabet)) {
        *byte = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generated(number: u64, length: usize) -> String {
        let mut message = vec![0; length];
        generate(&mut message, number);
        String::from_utf8(message).unwrap()
    }

    #[test]
    fn generated_messages_are_numbered_and_of_the_length_asked_for() {
        assert_eq!(generated(7, 8), "7 abcdef");
        assert_eq!(generated(12345, 3), "123");
        assert_eq!(generated(1, 0), "");
        assert!(generated(1, 60).ends_with("xyzabcdef"));
    }
}
