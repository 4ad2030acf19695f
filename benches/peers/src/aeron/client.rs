//! Aeron's client, its conductor invoked by the caller.

use super::{
    AeronCounter, AeronPublication, AeronSubscription, NAME, c_path, c_string, check, last_error,
    publication::Raw, text, text_of,
};
use crate::party::{Client, Destination, ImageEvent, PartyError, PublicationErrorEvent, Result, Sharing};
use rusteron_client::bindings as c;
use std::{
    cell::RefCell,
    ffi::{c_char, c_int, c_void},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    ptr,
    rc::Rc,
    time::{Duration, Instant},
};

/// How long an operation of the driver may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the C library reported through its handlers.
#[derive(Default, Debug)]
pub(super) struct Reports {
    pub(super) images: Vec<ImageEvent>,
    publication_errors: Vec<PublicationErrorEvent>,
    errors: Vec<String>,
}

/// The C client; shared by everything it made, closed when the last of it goes.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) client: *mut c::aeron_t,
    context: *mut c::aeron_context_t,
    pub(super) reports: Box<RefCell<Reports>>,
}

/// A client with an invoked conductor.
#[derive(Debug)]
pub struct AeronClient {
    pub(super) inner: Rc<Inner>,
}

unsafe extern "C" fn on_error(clientd: *mut c_void, code: c_int, message: *const c_char) {
    // SAFETY: `clientd` is the box of `Inner::reports` (A3), the message a C string.
    let (reports, message) = unsafe { (&*clientd.cast::<RefCell<Reports>>(), text(message)) };
    reports.borrow_mut().errors.push(format!("({code}) {message}"));
}

unsafe extern "C" fn on_publication_error(
    clientd: *mut c_void,
    values: *mut c::aeron_publication_error_values_t,
) {
    // SAFETY: `clientd` is the box of `Inner::reports` (A3); the values are live during the call, and may be unaligned.
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

impl AeronClient {
    /// Waits for an asynchronous operation: `poll` answers as the C poll functions do.
    pub(super) fn await_completion(
        &mut self,
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

impl Client for AeronClient {
    const NAME: &'static str = NAME;
    type Publication = AeronPublication;
    type Subscription = AeronSubscription;
    type Counter = AeronCounter;

    fn connect_within(dir: &Path, driver_timeout: Duration) -> Result<Self> {
        let reports = Box::<RefCell<Reports>>::default();
        let mut context = ptr::null_mut();
        // SAFETY: writes a new context through a valid pointer.
        check(unsafe { c::aeron_context_init(&mut context) }, "client context")?;
        let mut inner = Inner { client: ptr::null_mut(), context, reports };
        let dir = c_path(dir)?;
        let timeout = u64::try_from(driver_timeout.as_millis()).unwrap_or(u64::MAX);
        let clientd = ptr::from_ref(&*inner.reports).cast_mut().cast();
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
            check(c::aeron_init(&mut inner.client, context), "client init")?;
            check(c::aeron_start(inner.client), "client start")?;
        }
        Ok(Self { inner: Rc::new(inner) })
    }

    fn add_publication(
        &mut self,
        channel: &str,
        stream_id: i32,
        sharing: Sharing,
        turn: &mut dyn FnMut(),
    ) -> Result<AeronPublication> {
        let uri = c_string(channel)?;
        let client = self.inner.client;
        match sharing {
            Sharing::Concurrent => {
                let (mut pending, mut publication) = (ptr::null_mut(), ptr::null_mut());
                // SAFETY: the client is live (A1); the URI is copied.
                let code =
                    unsafe { c::aeron_async_add_publication(&mut pending, client, uri.as_ptr(), stream_id) };
                check(code, channel)?;
                // SAFETY: `pending` is live until its poll answers other than zero, after which it is not polled.
                self.await_completion(channel, turn, || unsafe {
                    c::aeron_async_add_publication_poll(&mut publication, pending)
                })?;
                Ok(AeronPublication::concurrent(publication, Rc::clone(&self.inner)))
            }
            Sharing::Exclusive => {
                let (mut pending, mut publication) = (ptr::null_mut(), ptr::null_mut());
                // SAFETY: as above.
                let code = unsafe {
                    c::aeron_async_add_exclusive_publication(&mut pending, client, uri.as_ptr(), stream_id)
                };
                check(code, channel)?;
                // SAFETY: as above.
                self.await_completion(channel, turn, || unsafe {
                    c::aeron_async_add_exclusive_publication_poll(&mut publication, pending)
                })?;
                Ok(AeronPublication::exclusive(publication, Rc::clone(&self.inner)))
            }
        }
    }

    fn add_subscription(
        &mut self,
        channel: &str,
        stream_id: i32,
        turn: &mut dyn FnMut(),
    ) -> Result<AeronSubscription> {
        let uri = c_string(channel)?;
        let (mut pending, mut subscription) = (ptr::null_mut(), ptr::null_mut());
        let clientd = ptr::from_ref(&*self.inner.reports).cast_mut().cast();
        // SAFETY: the client is live (A1); the URI is copied; `clientd` outlives the client (A3).
        let code = unsafe {
            c::aeron_async_add_subscription(
                &mut pending,
                self.inner.client,
                uri.as_ptr(),
                stream_id,
                Some(super::subscription::on_available_image),
                clientd,
                Some(super::subscription::on_unavailable_image),
                clientd,
            )
        };
        check(code, channel)?;
        // SAFETY: `pending` is live until its poll answers other than zero, after which it is not polled.
        self.await_completion(channel, turn, || unsafe {
            c::aeron_async_add_subscription_poll(&mut subscription, pending)
        })?;
        AeronSubscription::new(subscription, Rc::clone(&self.inner))
    }

    fn add_counter(
        &mut self,
        type_id: i32,
        key: &[u8],
        label: &str,
        turn: &mut dyn FnMut(),
    ) -> Result<AeronCounter> {
        let (client, label_text) = (self.inner.client, label.as_ptr().cast());
        let (mut pending, mut counter) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the client is live (A1); key and label are copied.
        let code = unsafe {
            c::aeron_async_add_counter(
                &mut pending,
                client,
                type_id,
                key.as_ptr(),
                key.len(),
                label_text,
                label.len(),
            )
        };
        check(code, label)?;
        // SAFETY: `pending` is live until its poll answers other than zero, after which it is not polled.
        self.await_completion(label, turn, || unsafe {
            c::aeron_async_add_counter_poll(&mut counter, pending)
        })?;
        Ok(AeronCounter::new(counter, Rc::clone(&self.inner)))
    }

    fn add_static_counter(
        &mut self,
        type_id: i32,
        key: &[u8],
        label: &str,
        registration_id: i64,
        turn: &mut dyn FnMut(),
    ) -> Result<AeronCounter> {
        let (client, label_text) = (self.inner.client, label.as_ptr().cast());
        let (mut pending, mut counter) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the client is live (A1); key and label are copied.
        let code = unsafe {
            c::aeron_async_add_static_counter(
                &mut pending,
                client,
                type_id,
                key.as_ptr(),
                key.len(),
                label_text,
                label.len(),
                registration_id,
            )
        };
        check(code, label)?;
        // SAFETY: `pending` is live until its poll answers other than zero, after which it is not polled.
        self.await_completion(label, turn, || unsafe {
            c::aeron_async_add_counter_poll(&mut counter, pending)
        })?;
        Ok(AeronCounter::new(counter, Rc::clone(&self.inner)))
    }

    fn next_session_id(&mut self, stream_id: i32, turn: &mut dyn FnMut()) -> Result<i32> {
        let (mut pending, mut session_id) = (ptr::null_mut(), 0);
        // SAFETY: the client is live (A1).
        let code = unsafe { c::aeron_async_next_session_id(&mut pending, self.inner.client, stream_id) };
        check(code, "next session id")?;
        // SAFETY: `pending` is live until its poll answers other than zero, after which it is not polled.
        self.await_completion("next session id", turn, || unsafe {
            c::aeron_async_next_session_id_poll(&mut session_id, pending)
        })?;
        Ok(session_id)
    }

    fn add_destination(
        &mut self,
        publication: &AeronPublication,
        channel: &str,
        turn: &mut dyn FnMut(),
    ) -> Result<i64> {
        let (uri, client, raw) = (c_string(channel)?, self.inner.client, publication.raw);
        let mut pending = ptr::null_mut();
        // SAFETY: client and publication are live (A1); the URI is copied.
        let code = unsafe {
            match raw {
                Raw::Concurrent(raw) => {
                    c::aeron_publication_async_add_destination(&mut pending, client, raw, uri.as_ptr())
                }
                Raw::Exclusive(raw) => c::aeron_exclusive_publication_async_add_destination(
                    &mut pending,
                    client,
                    raw,
                    uri.as_ptr(),
                ),
            }
        };
        check(code, channel)?;
        // SAFETY: `pending` is live until its poll answers other than zero.
        let registration_id = unsafe { c::aeron_async_destination_get_registration_id(pending) };
        // SAFETY: as above, after which it is not polled.
        self.await_completion(channel, turn, || unsafe {
            c::aeron_publication_async_destination_poll(pending)
        })?;
        Ok(registration_id)
    }

    fn remove_destination(
        &mut self,
        publication: &AeronPublication,
        destination: Destination<'_>,
        turn: &mut dyn FnMut(),
    ) -> Result<()> {
        let (client, raw) = (self.inner.client, publication.raw);
        let mut pending = ptr::null_mut();
        let uri = match destination {
            Destination::Id(_) => c_string("")?,
            Destination::Channel(channel) => c_string(channel)?,
        };
        // SAFETY: client and publication are live (A1); the URI outlives the call, which copies it.
        let code = unsafe {
            match (raw, destination) {
                (Raw::Concurrent(raw), Destination::Id(id)) => {
                    c::aeron_publication_async_remove_destination_by_id(&mut pending, client, raw, id)
                }
                (Raw::Exclusive(raw), Destination::Id(id)) => {
                    c::aeron_exclusive_publication_async_remove_destination_by_id(
                        &mut pending,
                        client,
                        raw,
                        id,
                    )
                }
                (Raw::Concurrent(raw), Destination::Channel(_)) => {
                    c::aeron_publication_async_remove_destination(&mut pending, client, raw, uri.as_ptr())
                }
                (Raw::Exclusive(raw), Destination::Channel(_)) => {
                    c::aeron_exclusive_publication_async_remove_destination(
                        &mut pending,
                        client,
                        raw,
                        uri.as_ptr(),
                    )
                }
            }
        };
        check(code, "remove destination")?;
        // SAFETY: `pending` is live until its poll answers other than zero, after which it is not polled.
        self.await_completion("remove destination", turn, || unsafe {
            c::aeron_publication_async_destination_poll(pending)
        })
    }

    fn do_work(&mut self) -> usize {
        // SAFETY: the client is live (A1) and used by this thread only (A4).
        let work = unsafe { c::aeron_main_do_work(self.inner.client) };
        usize::try_from(work).unwrap_or(0)
    }

    fn take_image_events(&mut self) -> Vec<ImageEvent> {
        std::mem::take(&mut self.inner.reports.borrow_mut().images)
    }

    fn take_publication_errors(&mut self) -> Vec<PublicationErrorEvent> {
        std::mem::take(&mut self.inner.reports.borrow_mut().publication_errors)
    }

    fn take_errors(&mut self) -> Vec<String> {
        std::mem::take(&mut self.inner.reports.borrow_mut().errors)
    }

    fn is_closed(&self) -> bool {
        // SAFETY: the client is live (A1).
        unsafe { c::aeron_is_closed(self.inner.client) }
    }
}

impl Drop for Inner {
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
