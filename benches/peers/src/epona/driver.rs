//! Our media driver on the caller's thread.

use super::failed;
use crate::party::{self, DriverSettings, PartyError, Result};
use epona_client::{Mtu, TermLength};
use epona_media_driver::{
    Context, InvokedDriver,
    clock::{Clock, SystemClock},
    config::ThreadingMode,
};
use std::path::Path;

/// A driver in INVOKER mode, with a directory of its own that goes when it does.
#[derive(Debug)]
pub struct EponaDriver {
    driver: InvokedDriver,
    clock: SystemClock,
}

fn context(dir: &Path, settings: &DriverSettings) -> Result<Context> {
    let mut context = Context::default();
    context.directory.path = dir.to_owned();
    context.directory.delete_on_start = true;
    context.directory.delete_on_shutdown = true;
    context.threads.mode = ThreadingMode::Invoker;
    context.buffers.term_length = term_length(settings.term_length)?;
    context.buffers.ipc_term_length = term_length(settings.ipc_term_length)?;
    context.buffers.ipc_publication_window = settings.ipc_window;
    context.buffers.sparse_term_files = true;
    context.buffers.storage_checks = false;
    context.network.mtu = mtu(settings.mtu)?;
    context.network.ipc_mtu = mtu(settings.mtu)?;
    context.network.socket_receive_buffer = settings.socket_buffer;
    context.network.socket_send_buffer = settings.socket_buffer;
    context.network.initial_window = settings.window;
    Ok(context)
}

fn term_length(bytes: usize) -> Result<TermLength> {
    let length = i64::try_from(bytes).ok().and_then(|bytes| TermLength::new(bytes).ok());
    length.ok_or_else(|| refused("term length", bytes))
}

fn mtu(bytes: usize) -> Result<Mtu> {
    i64::try_from(bytes).ok().and_then(|bytes| Mtu::new(bytes).ok()).ok_or_else(|| refused("MTU", bytes))
}

fn refused(what: &str, bytes: usize) -> PartyError {
    failed(format!("{what} of {bytes} bytes"))
}

impl party::InvokedDriver for EponaDriver {
    fn launch(dir: &Path, settings: &DriverSettings) -> Result<Self> {
        // Before the driver's own, so that its first turn is not in its past.
        let clock = SystemClock::new();
        let driver = InvokedDriver::launch(context(dir, settings)?).map_err(failed)?;
        Ok(Self { driver, clock })
    }

    #[inline]
    fn do_work(&mut self) -> usize {
        self.driver.do_work(self.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stock_settings_are_our_defaults() {
        let Context { buffers, network, .. } = Context::default();
        let defaults = DriverSettings {
            mtu: network.mtu.get() as usize,
            window: network.initial_window,
            ipc_window: buffers.ipc_publication_window,
            socket_buffer: network.socket_receive_buffer,
            term_length: buffers.term_length.get() as usize,
            ipc_term_length: buffers.ipc_term_length.get() as usize,
        };
        assert_eq!(defaults, DriverSettings::STOCK);
    }
}
