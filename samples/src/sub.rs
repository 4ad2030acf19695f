//! `epona sub`: prints the messages of a stream.

use std::{
    cell::{Cell, RefCell},
    io::{self, BufWriter, Write},
};

use clap::Args;
use epona_client::{ChannelUri, FragmentAssembler, Header, ImageHandlers};
use epona_media_driver::idle::IdleStrategy;
use serde::Serialize;

use crate::{
    client::{check_client, complete},
    common::{Format, Stop, Stream, note},
    driver::DriverOptions,
    interrupt::Interrupt,
};

/// Fragments taken by one poll.
const FRAGMENT_LIMIT: usize = 64;

/// Print the messages of a stream, one on each line
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  epona sub
  epona sub --channel 'aeron:udp?endpoint=224.20.30.39:40456|interface=localhost' --stream 7 --messages 10
  epona sub --channel aeron:ipc --format json")]
pub(crate) struct Options {
    /// Where messages come from
    #[arg(long, value_name = "URI", default_value = "aeron:udp?endpoint=localhost:20121")]
    channel: ChannelUri,

    /// Stream that messages come on
    #[arg(long, value_name = "ID", default_value_t = 1001, allow_negative_numbers = true)]
    stream: i32,

    /// How many messages to print before ending; without it, all until Ctrl-C
    #[arg(long, value_name = "N")]
    messages: Option<u64>,

    /// How to print them
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    #[command(flatten)]
    driver: DriverOptions,
}

/// Prints until there were enough messages, or until Ctrl-C, which is how it is meant to end.
///
/// # Errors
/// When there is no driver, or it refuses the channel, or it ends; when standard output cannot be written.
pub(crate) fn run(options: &Options, interrupt: &Interrupt) -> Result<(), Stop> {
    let stream = Stream { channel: &options.channel, id: options.stream };
    let connected = options.driver.connect(stream.channel, interrupt)?;
    let aeron = &connected.aeron;
    let handlers = ImageHandlers::new()
        .on_available(|image| {
            note(&format!("{} session {}: joined", image.source_identity(), image.session_id()))
        })
        .on_unavailable(|image| {
            note(&format!("{} session {}: ended", image.source_identity(), image.session_id()))
        });
    let adding = aeron.add_subscription_with_async(&stream.channel.to_string(), stream.id, handlers)?;
    let mut subscription = complete(adding, interrupt)?;
    note(&format!("Subscribed to {stream}. Ctrl-C ends."));

    let left = Cell::new(options.messages.unwrap_or(u64::MAX));
    let written: Cell<io::Result<()>> = Cell::new(Ok(()));
    let output = RefCell::new(BufWriter::new(io::stdout().lock()));
    let mut assembler = FragmentAssembler::new(|message, header| {
        left.set(left.get().saturating_sub(1));
        if let Err(error) = print(&mut *output.borrow_mut(), options.format, message, header) {
            written.set(Err(error));
        }
    });
    let mut idle = IdleStrategy::default();
    while left.get() > 0 && !interrupt.is_raised() {
        // A fragment is at most one message, so no more messages arrive than are wanted.
        let limit = usize::try_from(left.get()).unwrap_or(usize::MAX).min(FRAGMENT_LIMIT);
        let fragments = subscription.poll(|payload, header| assembler.on_fragment(payload, header), limit);
        written.replace(Ok(()))?;
        if fragments == 0 {
            output.borrow_mut().flush()?;
            check_client(aeron)?;
        }
        idle.idle(fragments);
    }
    output.borrow_mut().flush()?;
    Ok(())
}

/// A message as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    session: i32,
    stream: i32,
    /// Where the stream is after this message, in bytes.
    position: i64,
    length: usize,
    /// The message as text; what is not UTF-8 in it is replaced.
    text: &'a str,
}

/// Prints one message on a line of its own.
fn print(output: &mut impl Write, format: Format, message: &[u8], header: &Header<'_>) -> io::Result<()> {
    let text = String::from_utf8_lossy(message);
    match format {
        Format::Text => output.write_all(text.as_bytes())?,
        Format::Json => {
            let line = Line {
                session: header.session_id().get(),
                stream: header.stream_id().get(),
                position: header.position().get(),
                length: message.len(),
                text: &text,
            };
            serde_json::to_writer(&mut *output, &line)?;
        }
    }
    output.write_all(b"\n")
}
