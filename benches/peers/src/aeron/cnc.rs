//! What Aeron's tools see of a driver: its CnC file, read with the C library.

use super::{bytes, c_path, check, text_of};
use crate::party::Result;
use rusteron_client::bindings as c;
use std::{ffi::c_char, ffi::c_void, path::Path, ptr};

/// A counter as the C reader sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CounterEntry {
    /// Index in the counters file.
    pub id: i32,
    /// Registered type.
    pub type_id: i32,
    /// Value at the time of reading.
    pub value: i64,
    /// Key bytes, layout by type.
    pub key: Vec<u8>,
    /// Label.
    pub label: String,
}

/// An entry of the distinct error log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ErrorEntry {
    /// Times it was observed.
    pub observations: i32,
    /// First observation, milliseconds since 1970.
    pub first_ms: i64,
    /// Last observation, milliseconds since 1970.
    pub last_ms: i64,
    /// Its text.
    pub text: String,
}

/// An entry of the loss report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LossEntry {
    /// Times loss was observed.
    pub observations: i64,
    /// Bytes lost in total.
    pub bytes: i64,
    /// Session of the stream.
    pub session_id: i32,
    /// Stream.
    pub stream_id: i32,
    /// Channel of the subscription.
    pub channel: String,
    /// Where the stream came from.
    pub source: String,
}

/// A driver's CnC file, mapped by the C library.
#[derive(Debug)]
pub struct Cnc {
    raw: *mut c::aeron_cnc_t,
}

unsafe extern "C" fn on_counter(
    value: i64,
    id: i32,
    type_id: i32,
    key: *const u8,
    key_length: usize,
    label: *const c_char,
    label_length: usize,
    clientd: *mut c_void,
) {
    // SAFETY: `clientd` is the vector lent by `counters`; key and label have the lengths beside them.
    unsafe {
        let (key, label) = (bytes(key, key_length).to_vec(), text_of(label, label_length));
        (*clientd.cast::<Vec<CounterEntry>>()).push(CounterEntry { id, type_id, value, key, label });
    }
}

unsafe extern "C" fn on_error(
    observations: i32,
    first_ms: i64,
    last_ms: i64,
    error: *const c_char,
    length: usize,
    clientd: *mut c_void,
) {
    // SAFETY: `clientd` is the vector lent by `errors`; the text has the length beside it.
    unsafe {
        let text = text_of(error, length);
        (*clientd.cast::<Vec<ErrorEntry>>()).push(ErrorEntry { observations, first_ms, last_ms, text });
    }
}

unsafe extern "C" fn on_loss(
    clientd: *mut c_void,
    observations: i64,
    bytes: i64,
    _first_ms: i64,
    _last_ms: i64,
    session_id: i32,
    stream_id: i32,
    channel: *const c_char,
    channel_length: i32,
    source: *const c_char,
    source_length: i32,
) {
    let length = |length: i32| usize::try_from(length).unwrap_or(0);
    // SAFETY: `clientd` is the vector lent by `losses`; texts have the lengths beside them.
    unsafe {
        let (channel, source) =
            (text_of(channel, length(channel_length)), text_of(source, length(source_length)));
        let entry = LossEntry { observations, bytes, session_id, stream_id, channel, source };
        (*clientd.cast::<Vec<LossEntry>>()).push(entry);
    }
}

impl Cnc {
    /// Maps the CnC file of the driver in `dir`.
    ///
    /// # Errors
    /// No such file, or one of another version.
    pub fn open(dir: &Path) -> Result<Self> {
        let dir = c_path(dir)?;
        let mut raw = ptr::null_mut();
        // SAFETY: writes a new object through a valid pointer; the path is copied.
        check(unsafe { c::aeron_cnc_init(&mut raw, dir.as_ptr(), 0) }, "cnc.dat")?;
        Ok(Self { raw })
    }

    /// All counters in use.
    #[must_use]
    pub fn counters(&self) -> Vec<CounterEntry> {
        let mut entries = Vec::new();
        // SAFETY: the file is mapped (A1); the vector outlives the call.
        unsafe {
            let reader = c::aeron_cnc_counters_reader(self.raw);
            let clientd = ptr::from_mut(&mut entries).cast();
            c::aeron_counters_reader_foreach_counter(reader, Some(on_counter), clientd);
        }
        entries
    }

    /// The first counter of a type whose label contains `part`.
    #[must_use]
    pub fn counter(&self, type_id: i32, part: &str) -> Option<CounterEntry> {
        self.counters().into_iter().find(|entry| entry.type_id == type_id && entry.label.contains(part))
    }

    /// Everything in the distinct error log.
    #[must_use]
    pub fn errors(&self) -> Vec<ErrorEntry> {
        let mut entries = Vec::new();
        let clientd = ptr::from_mut(&mut entries).cast();
        // SAFETY: the file is mapped (A1); the vector outlives the call.
        unsafe { c::aeron_cnc_error_log_read(self.raw, Some(on_error), clientd, 0) };
        entries
    }

    /// Everything in the loss report; empty when there is none.
    #[must_use]
    pub fn losses(&self) -> Vec<LossEntry> {
        let mut entries = Vec::new();
        let clientd = ptr::from_mut(&mut entries).cast();
        // SAFETY: the file is mapped (A1); the vector outlives the call.
        unsafe { c::aeron_cnc_loss_reporter_read(self.raw, Some(on_loss), clientd) };
        entries
    }

    /// Process id of the driver.
    #[must_use]
    pub fn pid(&self) -> i64 {
        let mut constants = c::aeron_cnc_constants_t::default();
        // SAFETY: the file is mapped (A1); the constants are written through a valid pointer.
        unsafe { c::aeron_cnc_constants(self.raw, &mut constants) };
        constants.pid
    }
}

/// Asks the driver in `dir` to end, through its CnC file, presenting `token` to its validator.
///
/// # Errors
/// No driver there.
pub fn request_termination(dir: &Path, token: &[u8]) -> Result<()> {
    let dir = c_path(dir)?;
    // SAFETY: path and token are read during the call only.
    let code =
        unsafe { c::aeron_context_request_driver_termination(dir.as_ptr(), token.as_ptr(), token.len()) };
    check(code, "request termination").map(drop)
}

impl Drop for Cnc {
    fn drop(&mut self) {
        // SAFETY: mapped (A1), closed once.
        unsafe { c::aeron_cnc_close(self.raw) };
    }
}
