//! Aeron's subscription, with and without reassembly.

use super::{
    bytes, c_string, check,
    connection::{Connection, Reports},
    last_error, text,
};
use crate::party::{ImageEvent, Result, Subscription};
use rusteron_client::bindings as c;
use std::{
    cell::{Cell, RefCell},
    ffi::{c_char, c_int, c_void},
    ptr,
    rc::Rc,
};

/// A fragment handler and its state, for the length of one poll.
#[derive(Clone, Copy)]
struct Delegate {
    handler: unsafe extern "C-unwind" fn(*mut c_void, *const u8, usize, *mut c::aeron_header_t),
    state: *mut c_void,
}

/// A subscription.
pub struct AeronSubscription {
    raw: *mut c::aeron_subscription_t,
    assembler: *mut c::aeron_fragment_assembler_t,
    /// Where whole messages go; the assembler was made with its address (A3).
    delegate: Box<Cell<Option<Delegate>>>,
    client: Rc<Connection>,
}

unsafe extern "C-unwind" fn on_fragment<F: FnMut(&[u8])>(
    clientd: *mut c_void,
    buffer: *const u8,
    length: usize,
    _header: *mut c::aeron_header_t,
) {
    // SAFETY: `clientd` is the closure lent to this poll; the fragment is stable while its handler runs.
    unsafe { (*clientd.cast::<F>())(bytes(buffer, length)) }
}

unsafe extern "C-unwind" fn on_message(
    clientd: *mut c_void,
    buffer: *const u8,
    length: usize,
    header: *mut c::aeron_header_t,
) {
    // SAFETY: `clientd` is the box of `AeronSubscription::delegate` (A3).
    let delegate = unsafe { &*clientd.cast::<Cell<Option<Delegate>>>() }.get();
    if let Some(Delegate { handler, state }) = delegate {
        // SAFETY: handler and state were set together by the poll that is running.
        unsafe { handler(state, buffer, length, header) }
    }
}

unsafe extern "C-unwind" fn assemble(
    clientd: *mut c_void,
    buffer: *const u8,
    length: usize,
    header: *mut c::aeron_header_t,
) {
    // SAFETY: `clientd` is the subscription's assembler, everything else is passed through.
    unsafe { c::aeron_fragment_assembler_handler(clientd, buffer, length, header) }
}

pub(super) unsafe extern "C" fn on_available_image(
    clientd: *mut c_void,
    _subscription: *mut c::aeron_subscription_t,
    image: *mut c::aeron_image_t,
) {
    // SAFETY: as `report` asks: both come from the C client.
    unsafe { report(clientd, image, true) }
}

pub(super) unsafe extern "C" fn on_unavailable_image(
    clientd: *mut c_void,
    _subscription: *mut c::aeron_subscription_t,
    image: *mut c::aeron_image_t,
) {
    // SAFETY: as `report` asks: both come from the C client.
    unsafe { report(clientd, image, false) }
}

/// # Safety
/// `clientd` is the box of `Connection::reports` (A3), `image` live during the call.
unsafe fn report(clientd: *mut c_void, image: *mut c::aeron_image_t, available: bool) {
    let mut constants = c::aeron_image_constants_t::default();
    // SAFETY: by the contract of this function.
    let (reports, source_identity, revoked) = unsafe {
        c::aeron_image_constants(image, &mut constants);
        let revoked = c::aeron_image_is_publication_revoked(image);
        (&*clientd.cast::<RefCell<Reports>>(), text(constants.source_identity), revoked)
    };
    let event = ImageEvent {
        available,
        session_id: constants.session_id,
        correlation_id: constants.correlation_id,
        source_identity,
        join_position: constants.join_position,
        revoked,
    };
    reports.borrow_mut().images.push(event);
}

impl AeronSubscription {
    pub(super) fn new(raw: *mut c::aeron_subscription_t, client: Rc<Connection>) -> Result<Self> {
        let delegate = Box::new(Cell::new(None));
        let mut this = Self { raw, assembler: ptr::null_mut(), delegate, client };
        let clientd = ptr::from_ref(&*this.delegate).cast_mut().cast();
        // SAFETY: the delegate's box outlives the assembler: both go in `Drop`, the assembler first.
        let code =
            unsafe { c::aeron_fragment_assembler_create(&mut this.assembler, Some(on_message), clientd) };
        check(code, "fragment assembler")?;
        Ok(this)
    }

    fn poll(
        &mut self,
        handler: unsafe extern "C-unwind" fn(*mut c_void, *const u8, usize, *mut c::aeron_header_t),
        state: *mut c_void,
        limit: usize,
    ) -> usize {
        // SAFETY: the subscription is live (A1); `state` is what `handler` expects, by the two callers below.
        let fragments = unsafe { c::aeron_subscription_poll(self.raw, Some(handler), state, limit) };
        usize::try_from(fragments).unwrap_or(0)
    }
}

/// How the C client begins to add or remove a destination.
type ChangeDestination = unsafe extern "C" fn(
    *mut *mut c::aeron_async_destination_t,
    *mut c::aeron_t,
    *mut c::aeron_subscription_t,
    *const c_char,
) -> c_int;

impl AeronSubscription {
    fn change_destination(
        &mut self,
        begin: ChangeDestination,
        channel: &str,
        turn: &mut dyn FnMut(),
    ) -> Result<()> {
        let uri = c_string(channel)?;
        let mut pending = ptr::null_mut();
        // SAFETY: client and subscription are live (A1); the URI is copied.
        check(unsafe { begin(&mut pending, self.client.client, self.raw, uri.as_ptr()) }, channel)?;
        // SAFETY: `pending` is live until its poll answers other than zero, after which it is not polled.
        self.client.await_completion(channel, turn, || unsafe {
            c::aeron_subscription_async_destination_poll(pending)
        })
    }
}

impl Subscription for AeronSubscription {
    fn poll_messages<F: FnMut(&[u8])>(&mut self, limit: usize, mut on_message: F) -> usize {
        let state = ptr::from_mut(&mut on_message).cast();
        self.delegate.set(Some(Delegate { handler: on_fragment::<F>, state }));
        let fragments = self.poll(assemble, self.assembler.cast(), limit);
        self.delegate.set(None);
        fragments
    }

    #[inline]
    fn poll_fragments<F: FnMut(&[u8])>(&mut self, limit: usize, mut on_each: F) -> usize {
        self.poll(on_fragment::<F>, ptr::from_mut(&mut on_each).cast(), limit)
    }

    fn image_count(&self) -> usize {
        // SAFETY: the subscription is live (A1).
        usize::try_from(unsafe { c::aeron_subscription_image_count(self.raw) }).unwrap_or(0)
    }

    fn registration_id(&self) -> i64 {
        let mut constants = c::aeron_subscription_constants_t::default();
        // SAFETY: the subscription is live (A1); the constants are written through a valid pointer.
        unsafe { c::aeron_subscription_constants(self.raw, &mut constants) };
        constants.registration_id
    }

    fn add_destination(&mut self, channel: &str, turn: &mut dyn FnMut()) -> Result<()> {
        self.change_destination(c::aeron_subscription_async_add_destination, channel, turn)
    }

    fn remove_destination(&mut self, channel: &str, turn: &mut dyn FnMut()) -> Result<()> {
        self.change_destination(c::aeron_subscription_async_remove_destination, channel, turn)
    }

    fn reject(&mut self, session_id: i32, reason: &str) -> Result<()> {
        let text = c_string(reason)?;
        // SAFETY: the subscription is live (A1); the image that it lends is given back, the reason copied.
        let code = unsafe {
            let image = c::aeron_subscription_image_by_session_id(self.raw, session_id);
            if image.is_null() {
                return Err(last_error("no image of that session"));
            }
            let code = c::aeron_image_reject(image, text.as_ptr());
            c::aeron_subscription_image_release(self.raw, image);
            code
        };
        check(code, "reject").map(drop)
    }

    fn resolved_channel(&self) -> Option<String> {
        let mut uri = vec![0u8; 4096];
        // SAFETY: the subscription is live (A1); the text is written with its end within the buffer.
        let written = unsafe {
            c::aeron_subscription_try_resolve_channel_endpoint_port(
                self.raw,
                uri.as_mut_ptr().cast(),
                uri.len(),
            )
        };
        uri.truncate(usize::try_from(written).ok().filter(|&length| length > 0)?);
        String::from_utf8(uri).ok()
    }
}

impl Drop for AeronSubscription {
    fn drop(&mut self) {
        // SAFETY: both are live (A1), closed once; the client is still there (A2).
        unsafe {
            c::aeron_fragment_assembler_delete(self.assembler);
            c::aeron_subscription_close(self.raw, None, ptr::null_mut());
        }
    }
}
