//! Logs, frames and hex for the tests.

use epona_protocol::{
    logbuffer::{Fragment, LogBuffers, LogKind, LogParameters, StartPosition, TermReader},
    memory::AtomicView,
    types::{Mtu, Position, RegistrationId, SessionId, StreamId, TermId, TermLength, TermOffset},
};

pub(crate) const TERM: i32 = 65_536;
pub(crate) const MTU: i32 = 1408;
pub(crate) const FAR: Position = Position::MAX;

pub(crate) fn parameters(kind: LogKind) -> LogParameters {
    let mtu = Mtu::new(i64::from(MTU)).unwrap();
    LogParameters {
        session_id: SessionId::new(-559_038_737),
        stream_id: StreamId::new(1001),
        ..LogParameters::new(kind, RegistrationId::new(7), mtu, TermLength::MIN)
    }
}

pub(crate) fn log() -> LogBuffers {
    LogBuffers::on_heap(&parameters(LogKind::ConcurrentPublication))
}

/// A log that starts `before_end` bytes short of the end of term `term_count`.
pub(crate) fn log_near_end(initial: i32, term_count: i32, before_end: i32) -> LogBuffers {
    let initial_term_id = TermId::new(initial);
    let start = StartPosition {
        term_id: initial_term_id.wrapping_add(term_count),
        term_offset: TermOffset::new(TERM - before_end),
    };
    let parameters =
        LogParameters { initial_term_id, start: Some(start), ..parameters(LogKind::ConcurrentPublication) };
    LogBuffers::on_heap(&parameters)
}

pub(crate) fn bytes_of(hex: &str) -> Vec<u8> {
    let lines = hex.lines().filter(|line| !line.starts_with('#'));
    let digits: Vec<u8> = lines.flat_map(str::bytes).filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

pub(crate) fn at(offset: i32) -> TermOffset {
    TermOffset::new(offset)
}

pub(crate) fn frame(term: &AtomicView, offset: i32) -> Fragment<'_> {
    Fragment::at(term, at(offset)).unwrap_or_else(|| panic!("no frame at {offset}"))
}

/// Stores a frame's length and type as a publisher would, for scans that look at nothing else.
pub(crate) fn put_frame(term: &AtomicView, offset: i32, length: i32, frame_type: u16) {
    term.put_u16(offset as usize + 6, frame_type);
    term.put_i32_release(offset as usize, length);
}

/// The bytes of a data frame, padded to 32.
pub(crate) fn frame_bytes(offset: i32, frame_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend((32 + payload.len() as i32).to_le_bytes());
    bytes.extend([0, 0xC0]);
    bytes.extend(frame_type.to_le_bytes());
    for field in [offset, -559_038_737, 1001, 0, 0, 0] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes
}

pub(crate) fn messages(term: &AtomicView, offset: i32) -> Vec<Vec<u8>> {
    TermReader::new(term, at(offset)).map(|fragment| fragment.payload().to_vec()).collect()
}
