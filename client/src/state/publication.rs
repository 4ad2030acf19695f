//! A publication, as its handles and the conductor see it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use epona_protocol::{
    counters::ReadablePosition,
    logbuffer::{LogBuffers, PreTouch},
    types::{CounterId, Now, Position, RegistrationId, SessionId, StreamId},
};

use super::Watch;

/// What the handles of a publication share with the conductor.
pub(crate) struct PublicationState {
    pub(crate) registration_id: RegistrationId,
    pub(crate) original_registration_id: RegistrationId,
    pub(crate) session_id: SessionId,
    pub(crate) stream_id: StreamId,
    pub(crate) channel: Arc<str>,
    pub(crate) log: LogBuffers,
    pub(crate) limit: ReadablePosition,
    pub(crate) channel_status_id: CounterId,
    pub(crate) watch: Watch,
    pre_touch: PreTouch,
    closed: AtomicBool,
}

/// What the driver told about a publication.
pub(crate) struct NewPublicationState {
    pub(crate) registration_id: RegistrationId,
    pub(crate) original_registration_id: RegistrationId,
    pub(crate) session_id: SessionId,
    pub(crate) stream_id: StreamId,
    pub(crate) channel: Arc<str>,
    pub(crate) channel_status_id: CounterId,
}

impl PublicationState {
    pub(crate) fn new(new: NewPublicationState, log: LogBuffers, limit: ReadablePosition, now: Now) -> Self {
        let watch = Watch::new(log.metadata().is_connected(), limit.position(), now);
        Self {
            registration_id: new.registration_id,
            original_registration_id: new.original_registration_id,
            session_id: new.session_id,
            stream_id: new.stream_id,
            channel: new.channel,
            pre_touch: PreTouch::new(log.producer_position()),
            log,
            limit,
            channel_status_id: new.channel_status_id,
            watch,
            closed: AtomicBool::new(false),
        }
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether it has no channel of which the driver would tell the state.
    pub(crate) const fn is_ipc(&self) -> bool {
        self.channel_status_id.get() < 0
    }

    /// Whether the limit only goes on, so that an earlier look at it is enough. It goes back when nobody listens, and
    /// when the driver ends the publication, which it may do before the client hears of it.
    #[inline]
    pub(crate) fn is_limit_kept(&self) -> bool {
        let metadata = self.log.metadata();
        metadata.is_connected() && metadata.end_of_stream_position() == Position::MAX
    }

    /// Notes since when it stands as it does, and maps pages ahead of it; whether it stands otherwise than at the last look.
    /// By the conductor.
    pub(crate) fn look(&self, now: Now) -> bool {
        self.pre_touch.reach(&self.log, self.log.producer_position(), now.nanos);
        self.watch.look(self.log.metadata().is_connected(), self.limit.position(), now)
    }

    /// Closes all handles; whether it was open before.
    pub(crate) fn close(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
    }
}

impl fmt::Debug for PublicationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicationState")
            .field("registration_id", &self.registration_id)
            .finish_non_exhaustive()
    }
}
