//! What a log buffer says about itself.

use std::fmt;

use epona_protocol::{
    logbuffer::{LogKind, LogMetadata, descriptor::PARTITION_COUNT},
    types::Position,
};
use serde::Serialize;

use super::row;

/// The metadata of a log buffer; what does not make sense is told as it stands.
#[derive(Debug, Serialize)]
pub(super) struct Metadata {
    file_length: u64,
    /// `None` for a kind that this release does not know.
    kind: Option<&'static str>,
    registration_id: i64,
    session_id: i32,
    stream_id: i32,
    initial_term_id: i32,
    term_length: Option<i32>,
    mtu: Option<i32>,
    page_size: Option<i32>,
    active_term_count: i32,
    tails: Vec<Tail>,
    is_connected: bool,
    active_transport_count: i32,
    /// `None` while nobody knows.
    end_of_stream_position: Option<i64>,
    is_revoked: bool,
    is_tethered: bool,
    is_reliable: bool,
    is_group: bool,
    is_sparse: bool,
    is_response: bool,
    publication_window_length: i32,
    receiver_window_length: i32,
    linger_timeout_ns: i64,
}

/// The tail of a term.
#[derive(Debug, Serialize)]
struct Tail {
    term_id: i32,
    /// May lie behind the end of the term.
    offset: usize,
}

impl Metadata {
    pub(super) fn of(metadata: &LogMetadata, file_length: u64) -> Self {
        let header = metadata.default_header();
        let field =
            |offset: usize| header[offset..].first_chunk().map_or(0, |bytes| i32::from_le_bytes(*bytes));
        use epona_protocol::frame::data::layout::{SESSION_ID, STREAM_ID};
        let tail = |index| {
            let tail = metadata.tail(index);
            Tail { term_id: tail.term_id().get(), offset: tail.low_half() }
        };
        let end = metadata.end_of_stream_position();
        Self {
            file_length,
            kind: metadata.kind().map(|kind| match kind {
                LogKind::ConcurrentPublication => "concurrent publication",
                LogKind::ExclusivePublication => "exclusive publication",
                LogKind::Image => "image",
            }),
            registration_id: metadata.registration_id().get(),
            session_id: field(SESSION_ID),
            stream_id: field(STREAM_ID),
            initial_term_id: metadata.initial_term_id().get(),
            term_length: metadata.term_length().ok().map(|length| length.get()),
            mtu: metadata.mtu().ok().map(|mtu| mtu.get()),
            page_size: metadata.page_size().ok().map(|size| size.get()),
            active_term_count: metadata.active_term_count(),
            tails: (0..PARTITION_COUNT).map(tail).collect(),
            is_connected: metadata.is_connected(),
            active_transport_count: metadata.active_transport_count(),
            end_of_stream_position: (end != Position::MAX).then(|| end.get()),
            is_revoked: metadata.is_revoked(),
            is_tethered: metadata.is_tethered(),
            is_reliable: metadata.is_reliable(),
            is_group: metadata.is_group(),
            is_sparse: metadata.is_sparse(),
            is_response: metadata.is_response(),
            publication_window_length: metadata.publication_window_length(),
            receiver_window_length: metadata.receiver_window_length(),
            linger_timeout_ns: metadata.linger_timeout_ns(),
        }
    }
}

impl fmt::Display for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_invalid =
            |value: Option<i32>| value.map_or_else(|| "invalid".to_owned(), |value| value.to_string());
        row(f, "kind", self.kind.unwrap_or("unknown"))?;
        row(f, "registration id", self.registration_id)?;
        row(f, "session, stream", format_args!("{}, {}", self.session_id, self.stream_id))?;
        row(f, "file length", self.file_length)?;
        row(f, "term length", or_invalid(self.term_length))?;
        row(f, "mtu", or_invalid(self.mtu))?;
        row(f, "page size", or_invalid(self.page_size))?;
        row(f, "initial term id", self.initial_term_id)?;
        row(f, "active term count", self.active_term_count)?;
        for (index, tail) in self.tails.iter().enumerate() {
            let tail = format_args!("term id {}, offset {}", tail.term_id, tail.offset).to_string();
            row(f, &format!("tail {index}"), tail)?;
        }
        row(f, "connected", self.is_connected)?;
        row(f, "active transports", self.active_transport_count)?;
        match self.end_of_stream_position {
            Some(position) => row(f, "end of stream", position)?,
            None => row(f, "end of stream", "not known yet")?,
        }
        let flags = [
            (self.is_revoked, "revoked"),
            (self.is_tethered, "tethered"),
            (self.is_reliable, "reliable"),
            (self.is_group, "group"),
            (self.is_sparse, "sparse"),
            (self.is_response, "response"),
        ];
        let names: Vec<_> = flags.into_iter().filter_map(|(is_set, name)| is_set.then_some(name)).collect();
        row(f, "flags", names.join(" "))?;
        row(f, "publication window", self.publication_window_length)?;
        row(f, "receiver window", self.receiver_window_length)
    }
}
