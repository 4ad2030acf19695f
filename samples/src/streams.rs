//! `epona streams`: the positions of each stream, as StreamStat prints them.

use std::io::{self, Write};

use clap::Args;

use crate::{
    common::Stop,
    interrupt::Interrupt,
    look::{LookOptions, RefreshOptions, print_json},
    snapshot::Stream,
    text,
};

/// Print the positions of each stream, as StreamStat does
#[derive(Args, Debug)]
#[command(
    after_help = "A line names session, stream and channel, then each position as NAME:REGISTRATION-ID:VALUE.

Examples:
  epona streams
  epona streams --watch --delay 500ms
  epona streams --format json"
)]
pub(crate) struct Options {
    #[command(flatten)]
    refresh: RefreshOptions,

    #[command(flatten)]
    look: LookOptions,
}

/// Prints a line for each stream, once or until Ctrl-C.
///
/// # Errors
/// When there is no driver's directory; when standard output cannot be written.
pub(crate) fn run(options: &Options, interrupt: &Interrupt) -> Result<(), Stop> {
    options.refresh.run(&options.look, interrupt, |snapshot, output| {
        let streams = snapshot.streams();
        if options.look.is_json() {
            return print_json(output, &streams);
        }
        Ok(streams.iter().try_for_each(|stream| print_text(output, stream))?)
    })
}

/// Source: StreamStat.java, print.
fn print_text(output: &mut dyn Write, stream: &Stream) -> io::Result<()> {
    let channel = text::line(&stream.channel);
    write!(output, "sessionId={} streamId={} channel={channel} :", stream.session_id, stream.stream_id)?;
    for position in &stream.positions {
        let name = text::line(&position.name);
        write!(output, " {name}:{}:{}", position.registration_id, position.value)?;
    }
    writeln!(output)
}
