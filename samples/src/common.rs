//! What all commands share: options, how they talk to people, and how they end.

use std::{
    error::Error,
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use clap::ValueEnum;
use epona_client::ChannelUri;

/// Status of a command that was not understood, as clap has it.
pub(crate) const USAGE_STATUS: u8 = 2;

/// Status of a command that Ctrl-C ended before its work was done, as shells have it.
const INTERRUPTED_STATUS: u8 = 130;

/// How data is printed: for people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// Why a command ends before its work is done.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Somebody pressed Ctrl-C.
    Interrupted,
    /// Something went wrong.
    Failed(Box<dyn Error + Send + Sync>),
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Stop {
    /// Tells what went wrong, if anything did; the status to end with.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Interrupted => ExitCode::from(INTERRUPTED_STATUS),
            // Whoever read our output has seen enough: `epona sub | head`.
            Self::Failed(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
            Self::Failed(error) => {
                note(&format!("Error: {error}"));
                ExitCode::FAILURE
            }
        }
    }
}

fn is_broken_pipe(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Tells something that is not data, on standard error.
pub(crate) fn note(text: &str) {
    // Nobody to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "{text}");
}

/// One line out of clap's several about a command line that it did not understand.
pub(crate) fn usage_problem(problem: &clap::Error, program: &clap::Command) -> String {
    let text = problem.to_string();
    let words: Vec<&str> =
        text.lines().take_while(|line| !line.is_empty()).flat_map(str::split_whitespace).collect();
    let sentence = words.join(" ");
    let sentence = sentence.strip_prefix("error: ").unwrap_or("what to do was not said");
    let command = std::env::args().nth(1).filter(|name| program.find_subcommand(name).is_some());
    format!("Error: {sentence}; see `epona {}--help`", command.map(|name| name + " ").unwrap_or_default())
}

/// A stream of a channel, as commands speak of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream<'a> {
    pub(crate) channel: &'a ChannelUri,
    pub(crate) id: i32,
}

impl fmt::Display for Stream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} stream {}", self.channel, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_seen_enough_is_no_failure() {
        let pipe = Stop::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(format!("{:?}", pipe.report()), format!("{:?}", ExitCode::SUCCESS));
        let other = Stop::from(io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(format!("{:?}", other.report()), format!("{:?}", ExitCode::FAILURE));
    }
}
