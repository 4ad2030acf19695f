//! Aeron C 1.54, driver and client, behind a small safe interface.
//!
//! The client comes from `rusteron-client`, the driver from `rusteron-media-driver`; both link their C library
//! statically. This is the only module of the crate with `unsafe`. Invariants that its blocks cite:
//!
//! - A1: a pointer from an `_init`, `_create` or `_poll` function is live until the matching close, which runs
//!   once, in `Drop`.
//! - A2: everything a client made holds its client (`Rc`), so the client closes last.
//! - A3: state handed to C as `clientd` is boxed and owned by what outlives the C object.
//! - A4: nothing here is `Send`: one thread makes, uses and drops a client or a driver.
#![expect(unsafe_code, reason = "calls of the C API; invariants A1 to A4 above")]

mod client;
mod cnc;
mod connection;
mod counter;
mod driver;
mod publication;
mod subscription;

pub use client::AeronClient;
pub use cnc::{Cnc, CounterEntry, ErrorEntry, LossEntry, request_termination};
pub use counter::AeronCounter;
pub use driver::{AeronDriver, run_until};
pub use publication::AeronPublication;
pub use subscription::AeronSubscription;

use crate::party::{DriverKind, Party, PartyError, Result};
use std::{
    ffi::{CStr, CString, c_char, c_int},
    path::Path,
};

/// Name of this party.
pub const NAME: &str = "aeron";

/// Aeron C on both sides.
#[derive(Debug)]
pub struct Aeron;

impl Party for Aeron {
    const NAME: &'static str = NAME;
    const DRIVER: DriverKind = DriverKind::Aeron;
    type Driver = AeronDriver;
    type Client = AeronClient;
}

/// An error with the C library's own message.
fn last_error(what: &str) -> PartyError {
    // SAFETY: the message is a NUL-terminated string in thread-local storage, valid until the next C call.
    let message = unsafe { text(rusteron_client::bindings::aeron_errmsg()) };
    PartyError { party: NAME, message: format!("{what}: {message}") }
}

/// Turns a C return code into a result: negative is failure.
fn check(code: c_int, what: &str) -> Result<c_int> {
    if code < 0 { Err(last_error(what)) } else { Ok(code) }
}

/// Copies a C string; empty for NULL.
///
/// # Safety
/// `pointer` is NULL or a NUL-terminated string.
unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: by the contract of this function.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// Copies `length` bytes of text.
///
/// # Safety
/// `pointer` addresses `length` readable bytes, or `length` is zero.
unsafe fn text_of(pointer: *const c_char, length: usize) -> String {
    // SAFETY: by the contract of this function.
    String::from_utf8_lossy(unsafe { bytes(pointer.cast(), length) }).into_owned()
}

/// Views `length` bytes; empty when `length` is zero, whatever the pointer.
///
/// # Safety
/// `pointer` addresses `length` readable bytes that stay unchanged for `'a`, or `length` is zero.
#[inline]
unsafe fn bytes<'a>(pointer: *const u8, length: usize) -> &'a [u8] {
    if length == 0 {
        return &[];
    }
    // SAFETY: by the contract of this function.
    unsafe { std::slice::from_raw_parts(pointer, length) }
}

fn c_string(value: &str) -> Result<CString> {
    CString::new(value)
        .map_err(|_| PartyError { party: NAME, message: format!("{value:?} contains a NUL character") })
}

fn c_path(path: &Path) -> Result<CString> {
    c_string(&path.to_string_lossy())
}
