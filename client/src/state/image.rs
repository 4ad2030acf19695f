//! An image, as the polling thread and the conductor see it.

use std::{
    fs::File,
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

#[cfg(feature = "async")]
use epona_protocol::logbuffer::Fragment;
use epona_protocol::{
    counters::AtomicCounter,
    logbuffer::LogBuffers,
    types::{Mtu, Position, RegistrationId, SessionId, StreamId},
};

/// What the polling thread and the conductor share of an image.
pub(crate) struct ImageState {
    pub(crate) correlation_id: RegistrationId,
    pub(crate) subscription_registration_id: RegistrationId,
    pub(crate) session_id: SessionId,
    pub(crate) stream_id: StreamId,
    pub(crate) source_identity: String,
    pub(crate) log: LogBuffers,
    pub(crate) log_file: PathBuf,
    /// Opened by the first raw poll.
    pub(crate) file: OnceLock<File>,
    /// Owned by the polling thread: read plain, written with release ordering for the driver.
    pub(crate) subscriber_position: AtomicCounter,
    pub(crate) join_position: Position,
    pub(crate) mtu_length: i32,
    closed: AtomicBool,
    at_close: OnceLock<AtClose>,
}

/// What a closed image answers. Source: shared-memory spec 9.1.
#[derive(Clone, Copy)]
struct AtClose {
    position: Position,
    end_of_stream_position: Position,
    revoked: bool,
}

/// What the driver told about an image.
pub(crate) struct NewImage {
    pub(crate) correlation_id: RegistrationId,
    pub(crate) subscription_registration_id: RegistrationId,
    pub(crate) session_id: SessionId,
    pub(crate) stream_id: StreamId,
    pub(crate) source_identity: String,
    pub(crate) log_file: PathBuf,
}

impl ImageState {
    /// An image over its log.
    pub(crate) fn new(new: NewImage, log: LogBuffers, subscriber_position: AtomicCounter) -> Self {
        let mtu_length =
            log.metadata().mtu().map_or_else(|other| i32::try_from(other.0).unwrap_or(0), Mtu::get);
        let join_position = Position::new(subscriber_position.get_acquire());
        Self {
            correlation_id: new.correlation_id,
            subscription_registration_id: new.subscription_registration_id,
            session_id: new.session_id,
            stream_id: new.stream_id,
            source_identity: new.source_identity,
            log,
            log_file: new.log_file,
            file: OnceLock::new(),
            subscriber_position,
            join_position,
            mtu_length,
            closed: AtomicBool::new(false),
            at_close: OnceLock::new(),
        }
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// How far the stream is consumed, in bytes; after closing, how far it had been.
    pub(crate) fn position(&self) -> Position {
        match self.after_close() {
            Some(at_close) => at_close.position,
            None => Position::new(self.subscriber_position.get_acquire()),
        }
    }

    /// Where the stream ends; [`Position::MAX`] until the publisher has ended it.
    pub(crate) fn end_of_stream_position(&self) -> Position {
        match self.after_close() {
            Some(at_close) => at_close.end_of_stream_position,
            None => self.log.metadata().end_of_stream_position(),
        }
    }

    /// Number of transports that still bring this stream; 0 after closing.
    pub(crate) fn active_transport_count(&self) -> usize {
        match self.after_close() {
            Some(_) => 0,
            None => usize::try_from(self.log.metadata().active_transport_count()).unwrap_or(0),
        }
    }

    /// Whether a poll would move on.
    #[cfg(feature = "async")]
    pub(crate) fn has_fragment(&self) -> bool {
        let position = Position::new(self.subscriber_position.get());
        Fragment::at(self.log.term_at(position), self.log.geometry().term_offset(position)).is_some()
    }

    /// Whether the publisher took the stream back.
    pub(crate) fn is_revoked(&self) -> bool {
        match self.after_close() {
            Some(at_close) => at_close.revoked,
            None => self.log.metadata().is_revoked(),
        }
    }

    fn after_close(&self) -> Option<AtClose> {
        if self.is_closed() { self.at_close.get().copied() } else { None }
    }

    /// Ends the image for its readers; later queries answer what held now. By the conductor.
    pub(crate) fn close(&self) {
        let _ = self.at_close.set(AtClose {
            position: Position::new(self.subscriber_position.get_acquire()),
            end_of_stream_position: self.log.metadata().end_of_stream_position(),
            revoked: self.log.metadata().is_revoked(),
        });
        self.closed.store(true, Ordering::Release);
    }
}
