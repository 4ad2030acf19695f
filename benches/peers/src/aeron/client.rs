//! Aeron's client, its conductor invoked by the caller.

use super::{
    AeronCounter, AeronPublication, AeronSubscription, NAME, c_string, check, connection::Connection,
    publication::Raw,
};
use crate::party::{Client, Destination, ImageEvent, PublicationErrorEvent, Result, Sharing};
use rusteron_client::bindings as c;
use std::{path::Path, ptr, rc::Rc, time::Duration};

/// A client with an invoked conductor.
#[derive(Debug)]
pub struct AeronClient {
    connection: Rc<Connection>,
}

impl Client for AeronClient {
    const NAME: &'static str = NAME;
    type Publication = AeronPublication;
    type Subscription = AeronSubscription;
    type Counter = AeronCounter;

    fn connect_within(dir: &Path, driver_timeout: Duration) -> Result<Self> {
        Ok(Self { connection: Rc::new(Connection::open(dir, driver_timeout)?) })
    }

    fn add_publication(
        &mut self,
        channel: &str,
        stream_id: i32,
        sharing: Sharing,
        turn: &mut dyn FnMut(),
    ) -> Result<AeronPublication> {
        let uri = c_string(channel)?;
        let client = self.connection.client;
        match sharing {
            Sharing::Concurrent => {
                let (mut pending, mut publication) = (ptr::null_mut(), ptr::null_mut());
                // SAFETY: the client is live (A1); the URI is copied.
                let code =
                    unsafe { c::aeron_async_add_publication(&mut pending, client, uri.as_ptr(), stream_id) };
                check(code, channel)?;
                // SAFETY: `pending` is live until its poll answers other than zero, after which it is not polled.
                self.connection.await_completion(channel, turn, || unsafe {
                    c::aeron_async_add_publication_poll(&mut publication, pending)
                })?;
                Ok(AeronPublication::concurrent(publication, Rc::clone(&self.connection)))
            }
            Sharing::Exclusive => {
                let (mut pending, mut publication) = (ptr::null_mut(), ptr::null_mut());
                // SAFETY: as above.
                let code = unsafe {
                    c::aeron_async_add_exclusive_publication(&mut pending, client, uri.as_ptr(), stream_id)
                };
                check(code, channel)?;
                // SAFETY: as above.
                self.connection.await_completion(channel, turn, || unsafe {
                    c::aeron_async_add_exclusive_publication_poll(&mut publication, pending)
                })?;
                Ok(AeronPublication::exclusive(publication, Rc::clone(&self.connection)))
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
        let clientd = ptr::from_ref(&*self.connection.reports).cast_mut().cast();
        // SAFETY: the client is live (A1); the URI is copied; `clientd` outlives the client (A3).
        let code = unsafe {
            c::aeron_async_add_subscription(
                &mut pending,
                self.connection.client,
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
        self.connection.await_completion(channel, turn, || unsafe {
            c::aeron_async_add_subscription_poll(&mut subscription, pending)
        })?;
        AeronSubscription::new(subscription, Rc::clone(&self.connection))
    }

    fn add_counter(
        &mut self,
        type_id: i32,
        key: &[u8],
        label: &str,
        turn: &mut dyn FnMut(),
    ) -> Result<AeronCounter> {
        let (client, label_text) = (self.connection.client, label.as_ptr().cast());
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
        self.connection.await_completion(label, turn, || unsafe {
            c::aeron_async_add_counter_poll(&mut counter, pending)
        })?;
        Ok(AeronCounter::new(counter, Rc::clone(&self.connection)))
    }

    fn add_static_counter(
        &mut self,
        type_id: i32,
        key: &[u8],
        label: &str,
        registration_id: i64,
        turn: &mut dyn FnMut(),
    ) -> Result<AeronCounter> {
        let (client, label_text) = (self.connection.client, label.as_ptr().cast());
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
        self.connection.await_completion(label, turn, || unsafe {
            c::aeron_async_add_counter_poll(&mut counter, pending)
        })?;
        Ok(AeronCounter::new(counter, Rc::clone(&self.connection)))
    }

    fn next_session_id(&mut self, stream_id: i32, turn: &mut dyn FnMut()) -> Result<i32> {
        let (mut pending, mut session_id) = (ptr::null_mut(), 0);
        // SAFETY: the client is live (A1).
        let code = unsafe { c::aeron_async_next_session_id(&mut pending, self.connection.client, stream_id) };
        check(code, "next session id")?;
        // SAFETY: `pending` is live until its poll answers other than zero, after which it is not polled.
        self.connection.await_completion("next session id", turn, || unsafe {
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
        let (uri, client, raw) = (c_string(channel)?, self.connection.client, publication.raw);
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
        self.connection.await_completion(channel, turn, || unsafe {
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
        let (client, raw) = (self.connection.client, publication.raw);
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
        self.connection.await_completion("remove destination", turn, || unsafe {
            c::aeron_publication_async_destination_poll(pending)
        })
    }

    fn do_work(&mut self) -> usize {
        self.connection.do_work()
    }

    fn take_image_events(&mut self) -> Vec<ImageEvent> {
        std::mem::take(&mut self.connection.reports.borrow_mut().images)
    }

    fn take_publication_errors(&mut self) -> Vec<PublicationErrorEvent> {
        std::mem::take(&mut self.connection.reports.borrow_mut().publication_errors)
    }

    fn take_errors(&mut self) -> Vec<String> {
        std::mem::take(&mut self.connection.reports.borrow_mut().errors)
    }

    fn is_closed(&self) -> bool {
        // SAFETY: the client is live (A1).
        unsafe { c::aeron_is_closed(self.connection.client) }
    }
}
