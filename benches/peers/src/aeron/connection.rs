//! The connection of a client to its driver, shared by everything that the client made.

use super::{NAME, c_path, check, last_error, text, text_of};
use crate::party::{ImageEvent, PartyError, PublicationErrorEvent, Result};
use rusteron_client::bindings as c;
use std::{
    cell::RefCell,
    ffi::{c_char, c_int, c_void},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    ptr,
    time::{Duration, Instant},
};

/// How long an operation of the driver may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the C library reported through its handlers.
#[derive(Default, Debug)]
pub(super) struct Reports {
    pub(super) images: Vec<ImageEvent>,
    pub(super) publication_errors: Vec<PublicationErrorEvent>,
    pub(super) errors: Vec<String>,
}

/// The C client; shared by everything it made, closed when the last of it goes.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: *mut c::aeron_t,
    context: *mut c::aeron_context_t,
    pub(super) reports: Box<RefCell<Reports>>,
}

unsafe extern "C" fn on_error(clientd: *mut c_void, code: c_int, message: *const c_char) {
    // SAFETY: `clientd` is the box of `Connection::reports` (A3), the message a C string.
    let (reports, message) = unsafe { (&*clientd.cast::<RefCell<Reports>>(), text(message)) };
    reports.borrow_mut().errors.push(format!("({code}) {message}"));
}

unsafe extern "C" fn on_publication_error(
    clientd: *mut c_void,
    values: *mut c::aeron_publication_error_values_t,
) {
    // SAFETY: `clientd` is the box of `Connection::reports` (A3); the values are live during the call, and may be unaligned.
    let (reports, values, message) = unsafe {
        let message = ptr::addr_of!((*values).error_message).cast();
        let values = ptr::read_unaligned(values);
        let length = usize::try_from(values.error_message_length).unwrap_or(0);
        (&*clientd.cast::<RefCell<Reports>>(), values, text_of(message, length))
    };
    reports.borrow_mut().publication_errors.push(PublicationErrorEvent {
        registration_id: values.registration_id,
        session_id: values.session_id,
        stream_id: values.stream_id,
        group_tag: values.group_tag,
        source: source_address(&values),
        error_code: values.error_code,
        message,
    });
}

/// Address types are 1 for IPv4 and 2 for IPv6. Source: shared-memory spec 10.5.
fn source_address(values: &c::aeron_publication_error_values_t) -> Option<SocketAddr> {
    let address = values.source_address;
    let ip = match values.address_type {
        1 => Ipv4Addr::new(address[0], address[1], address[2], address[3]).into(),
        2 => Ipv6Addr::from(address).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, values.source_port))
}

impl Connection {
    /// Connects with a conductor that is invoked.
    pub(super) fn open(dir: &Path, driver_timeout: Duration) -> Result<Self> {
        let reports = Box::<RefCell<Reports>>::default();
        let mut context = ptr::null_mut();
        // SAFETY: writes a new context through a valid pointer.
        check(unsafe { c::aeron_context_init(&mut context) }, "client context")?;
        let mut this = Self { client: ptr::null_mut(), context, reports };
        let dir = c_path(dir)?;
        let timeout = u64::try_from(driver_timeout.as_millis()).unwrap_or(u64::MAX);
        let clientd = ptr::from_ref(&*this.reports).cast_mut().cast();
        // SAFETY: the context is live (A1); strings are copied; `clientd` outlives the client (A3).
        unsafe {
            check(c::aeron_context_set_dir(context, dir.as_ptr()), "dir")?;
            check(c::aeron_context_set_use_conductor_agent_invoker(context, true), "invoker")?;
            check(c::aeron_context_set_driver_timeout_ms(context, timeout), "driver timeout")?;
            check(c::aeron_context_set_error_handler(context, Some(on_error), clientd), "error handler")?;
            check(
                c::aeron_context_set_publication_error_frame_handler(
                    context,
                    Some(on_publication_error),
                    clientd,
                ),
                "publication error handler",
            )?;
            check(c::aeron_init(&mut this.client, context), "client init")?;
            check(c::aeron_start(this.client), "client start")?;
        }
        Ok(this)
    }

    /// One duty cycle of the conductor.
    pub(super) fn do_work(&self) -> usize {
        // SAFETY: the client is live (A1) and used by this thread only (A4).
        let work = unsafe { c::aeron_main_do_work(self.client) };
        usize::try_from(work).unwrap_or(0)
    }

    /// Waits for an asynchronous operation: `poll` answers as the C poll functions do.
    pub(super) fn await_completion(
        &self,
        what: &str,
        turn: &mut dyn FnMut(),
        mut poll: impl FnMut() -> c_int,
    ) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match poll() {
                0 => {}
                code if code < 0 => return Err(last_error(what)),
                _ => return Ok(()),
            }
            if Instant::now() > deadline {
                return Err(PartyError {
                    party: NAME,
                    message: format!("{what}: no answer from the driver within {PATIENCE:?}"),
                });
            }
            self.do_work();
            turn();
            std::thread::yield_now();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: both are live or NULL (A1, A2), closed once, the client before its context.
        unsafe {
            if !self.client.is_null() {
                c::aeron_close(self.client);
            }
            c::aeron_context_close(self.context);
        }
    }
}
