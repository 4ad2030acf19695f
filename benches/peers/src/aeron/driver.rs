//! Aeron's media driver on the caller's thread.

use super::{NAME, c_path};
use crate::party::{DriverSettings, InvokedDriver, PartyError, Result};
use rusteron_media_driver::bindings as c;
use std::{
    ffi::{c_int, c_void},
    path::Path,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

/// A driver in INVOKER mode, with a directory of its own that goes when it does.
#[derive(Debug)]
pub struct AeronDriver {
    driver: *mut c::aeron_driver_t,
    context: *mut c::aeron_driver_context_t,
}

fn check(code: c_int, what: &str) -> Result<c_int> {
    if code >= 0 {
        return Ok(code);
    }
    // SAFETY: as for the client's message: thread-local, NUL-terminated, valid until the next C call.
    let message = unsafe { super::text(c::aeron_errmsg()) };
    Err(PartyError { party: NAME, message: format!("{what}: {message}") })
}

impl AeronDriver {
    /// A context with Aeron's defaults and the environment's settings.
    fn new_context() -> Result<Self> {
        let mut context = ptr::null_mut();
        // SAFETY: writes a new context through a valid pointer.
        check(unsafe { c::aeron_driver_context_init(&mut context) }, "driver context")?;
        Ok(Self { driver: ptr::null_mut(), context })
    }

    fn configure(&mut self, dir: &Path, settings: &DriverSettings) -> Result<()> {
        let dir = c_path(dir)?;
        let context = self.context;
        // SAFETY: the context is live (A1); the setters copy what they are given.
        let outcomes = unsafe {
            [
                ("dir", c::aeron_driver_context_set_dir(context, dir.as_ptr())),
                ("delete on start", c::aeron_driver_context_set_dir_delete_on_start(context, true)),
                ("delete on shutdown", c::aeron_driver_context_set_dir_delete_on_shutdown(context, true)),
                (
                    "threading mode",
                    c::aeron_driver_context_set_threading_mode(
                        context,
                        c::aeron_threading_mode_t::AERON_THREADING_MODE_INVOKER,
                    ),
                ),
                (
                    "term length",
                    c::aeron_driver_context_set_term_buffer_length(context, settings.term_length),
                ),
                (
                    "IPC term length",
                    c::aeron_driver_context_set_ipc_term_buffer_length(context, settings.ipc_term_length),
                ),
                ("sparse terms", c::aeron_driver_context_set_term_buffer_sparse_file(context, true)),
                ("storage checks", c::aeron_driver_context_set_perform_storage_checks(context, false)),
                ("MTU", c::aeron_driver_context_set_mtu_length(context, settings.mtu)),
                ("IPC MTU", c::aeron_driver_context_set_ipc_mtu_length(context, settings.mtu)),
                ("rcvbuf", c::aeron_driver_context_set_socket_so_rcvbuf(context, settings.socket_buffer)),
                ("sndbuf", c::aeron_driver_context_set_socket_so_sndbuf(context, settings.socket_buffer)),
                ("window", c::aeron_driver_context_set_rcv_initial_window_length(context, settings.window)),
                (
                    "IPC window",
                    c::aeron_driver_context_set_ipc_publication_term_window_length(
                        context,
                        settings.ipc_window,
                    ),
                ),
            ]
        };
        outcomes.into_iter().try_for_each(|(what, code)| check(code, what).map(drop))
    }

    fn start(&mut self) -> Result<()> {
        // SAFETY: the context is live and outlives the driver (closed after it, in `Drop`).
        check(unsafe { c::aeron_driver_init(&mut self.driver, self.context) }, "driver init")?;
        // SAFETY: the driver is live (A1); `true` leaves the main loop to the caller.
        check(unsafe { c::aeron_driver_start(self.driver, true) }, "driver start")?;
        Ok(())
    }
}

impl InvokedDriver for AeronDriver {
    fn launch(dir: &Path, settings: &DriverSettings) -> Result<Self> {
        let mut driver = Self::new_context()?;
        driver.configure(dir, settings)?;
        driver.start()?;
        Ok(driver)
    }

    #[inline]
    fn do_work(&mut self) -> usize {
        // SAFETY: the driver is live (A1) and used by this thread only (A4).
        let work = unsafe { c::aeron_driver_main_do_work(self.driver) };
        usize::try_from(work).unwrap_or(0)
    }
}

impl Drop for AeronDriver {
    fn drop(&mut self) {
        // SAFETY: both are live or NULL (A1), closed once, the driver before its context.
        unsafe {
            if !self.driver.is_null() {
                c::aeron_driver_close(self.driver);
            }
            c::aeron_driver_context_close(self.context);
        }
    }
}

unsafe extern "C" fn on_termination_request(state: *mut c_void) {
    // SAFETY: `state` is the flag of `run_until`, which outlives the driver (A3).
    unsafe { &*state.cast::<AtomicBool>() }.store(true, Ordering::Release);
}

/// Runs a driver that takes every setting from the environment, idling as it is told to, until `finished` says so or
/// a client requests its end.
///
/// # Errors
/// The C driver's refusal of a setting or of the directory.
pub fn run_until(mut finished: impl FnMut() -> bool) -> Result<()> {
    let requested = AtomicBool::new(false);
    let mut driver = AeronDriver::new_context()?;
    let state = ptr::from_ref(&requested).cast_mut().cast();
    // SAFETY: the context is live (A1); the flag is declared before the driver, so it outlives it (A3).
    let code = unsafe {
        c::aeron_driver_context_set_driver_termination_hook(
            driver.context,
            Some(on_termination_request),
            state,
        )
    };
    check(code, "termination hook")?;
    driver.start()?;
    while !finished() && !requested.load(Ordering::Acquire) {
        let work = driver.do_work();
        // SAFETY: the driver is live (A1).
        unsafe {
            c::aeron_driver_main_idle_strategy(driver.driver, c_int::try_from(work).unwrap_or(c_int::MAX));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stock_settings_are_aerons_defaults() -> Result<()> {
        let driver = AeronDriver::new_context()?;
        let context = driver.context;
        // SAFETY: the context is live (A1); the getters read it.
        let defaults = unsafe {
            DriverSettings {
                mtu: c::aeron_driver_context_get_mtu_length(context),
                window: c::aeron_driver_context_get_rcv_initial_window_length(context),
                ipc_window: c::aeron_driver_context_get_ipc_publication_term_window_length(context),
                socket_buffer: c::aeron_driver_context_get_socket_so_rcvbuf(context),
                term_length: c::aeron_driver_context_get_term_buffer_length(context),
                ipc_term_length: c::aeron_driver_context_get_ipc_term_buffer_length(context),
            }
        };
        assert_eq!(defaults, DriverSettings::STOCK);
        Ok(())
    }
}
