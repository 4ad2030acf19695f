//! Waiting for keys without outliving the terminal.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use ratatui::crossterm::event;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

/// Waits for a key, a signal or the end of `patience`; `false` once the terminal is gone.
///
/// Crossterm reads the end of a terminal that was closed again and again, without ever coming back.
///
/// # Errors
/// When the operating system refuses.
pub(crate) fn await_key(patience: Duration) -> io::Result<bool> {
    let input = io::stdin();
    if !input.is_terminal() {
        // Keys then come from the controlling terminal, which crossterm opens by itself.
        event::poll(patience)?;
        return Ok(true);
    }
    let mut inputs = [PollFd::new(&input, PollFlags::IN)];
    let timeout = Timespec::try_from(patience).map_err(io::Error::other)?;
    match poll(&mut inputs, Some(&timeout)) {
        // A window that changed its size, or somebody who asked for the end.
        Err(Errno::INTR) => Ok(true),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(!inputs[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)),
    }
}
