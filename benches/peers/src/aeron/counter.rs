//! Aeron's counters of applications.

use super::connection::Connection;
use crate::party::Counter;
use rusteron_client::bindings as c;
use std::{
    ptr,
    rc::Rc,
    sync::atomic::{AtomicI64, Ordering},
};

/// A counter that this client added, or a static one that it found.
#[derive(Debug)]
pub struct AeronCounter {
    raw: *mut c::aeron_counter_t,
    constants: c::aeron_counter_constants_t,
    _client: Rc<Connection>,
}

impl AeronCounter {
    pub(super) fn new(raw: *mut c::aeron_counter_t, client: Rc<Connection>) -> Self {
        let mut constants = c::aeron_counter_constants_t::default();
        // SAFETY: the counter is live (A1); its constants are written through a valid pointer.
        unsafe { c::aeron_counter_constants(raw, &mut constants) };
        Self { raw, constants, _client: client }
    }
}

impl Counter for AeronCounter {
    fn id(&self) -> i32 {
        self.constants.counter_id
    }

    fn set(&self, value: i64) {
        // SAFETY: the counter is live (A1): its value stays mapped, is aligned, and is shared by atomics only.
        let shared = unsafe { AtomicI64::from_ptr(c::aeron_counter_addr(self.raw)) };
        shared.store(value, Ordering::Release);
    }
}

impl Drop for AeronCounter {
    fn drop(&mut self) {
        // SAFETY: live (A1), closed once; its client is still there (A2).
        unsafe { c::aeron_counter_close(self.raw, None, ptr::null_mut()) };
    }
}
