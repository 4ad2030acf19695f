//! `epona pong`: sends back every message that arrives, for `epona ping` to measure.

use std::cell::Cell;

use clap::Args;
use epona_client::{
    Action, ChannelUri, ControlledFragmentAssembler, ExclusivePublication, OfferError, Subscription,
};
use epona_media_driver::idle::IdleStrategy;

use crate::{
    client::{check_client, complete},
    common::{Stop, Stream, note},
    driver::DriverOptions,
    interrupt::Interrupt,
};

/// Send back every message that arrives, for `epona ping` to measure
#[derive(Args, Debug)]
#[command(after_help = "Example, on another host than `epona ping`:
  epona pong --channel 'aeron:udp?endpoint=0.0.0.0:20123' --pong-channel 'aeron:udp?endpoint=PINGHOST:20124'")]
pub(crate) struct Options {
    /// Where messages come from
    #[arg(long, value_name = "URI", default_value = "aeron:udp?endpoint=localhost:20123")]
    channel: ChannelUri,

    /// Where they go back to
    #[arg(long, value_name = "URI", default_value = "aeron:udp?endpoint=localhost:20124")]
    pong_channel: ChannelUri,

    /// Stream that messages come on
    #[arg(long, value_name = "ID", default_value_t = 1002, allow_negative_numbers = true)]
    stream: i32,

    /// Stream that they go back on
    #[arg(long, value_name = "ID", default_value_t = 1003, allow_negative_numbers = true)]
    pong_stream: i32,

    #[command(flatten)]
    driver: DriverOptions,
}

/// Echoes until Ctrl-C, which is how it is meant to end.
///
/// # Errors
/// When there is no driver, or it refuses a channel, or it ends.
pub(crate) fn run(options: &Options, interrupt: &Interrupt) -> Result<(), Stop> {
    let from = Stream { channel: &options.channel, id: options.stream };
    let to = Stream { channel: &options.pong_channel, id: options.pong_stream };

    let connected = options.driver.connect(from.channel, interrupt)?;
    let aeron = &connected.aeron;
    let mut subscription =
        complete(aeron.add_subscription_async(&from.channel.to_string(), from.id)?, interrupt)?;
    let mut publication =
        complete(aeron.add_exclusive_publication_async(&to.channel.to_string(), to.id)?, interrupt)?;
    note(&format!("Sending back what arrives on {from}, to {to}. Ctrl-C ends."));

    let mut idle = IdleStrategy::default();
    echo(&mut subscription, &mut publication, |fragments| {
        idle.idle(fragments);
        check_client(aeron)?;
        Ok(!interrupt.is_raised())
    })
}

/// Sends back every message for as long as `turn` says so; `turn` is told how many fragments the last poll brought.
///
/// # Errors
/// When a message can never be sent back, and those of `turn`.
pub(crate) fn echo(
    subscription: &mut Subscription,
    publication: &mut ExclusivePublication,
    mut turn: impl FnMut(usize) -> Result<bool, Stop>,
) -> Result<(), Stop> {
    let refused: Cell<Option<OfferError>> = Cell::new(None);
    let mut assembler = ControlledFragmentAssembler::new(|message, _| match publication.offer(message) {
        Ok(_) => Action::Continue,
        // Nobody is left to read the answer.
        Err(OfferError::NotConnected) => Action::Continue,
        // The same message comes again with the next poll.
        Err(error) if error.is_temporary() => Action::Abort,
        Err(error) => {
            refused.set(Some(error));
            Action::Break
        }
    });
    let mut fragments = 0;
    while turn(fragments)? {
        fragments =
            subscription.controlled_poll(|payload, header| assembler.on_fragment(payload, header), 10);
        if let Some(error) = refused.get() {
            return Err(error.into());
        }
    }
    Ok(())
}
