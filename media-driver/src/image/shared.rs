//! What the conductor and the receiver both know of one image.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicI64, Ordering, fence},
    },
    time::Duration,
};

use crossbeam::queue::ArrayQueue;
use epona_protocol::{
    counters::AtomicCounter,
    logbuffer::LogBuffers,
    seq_slot::{ChangeNumber, SeqSlot},
    signals::Signal,
    types::{CorrelationId, Nanos, Position, SessionId, StreamId, TermGeometry},
};

use super::{response_session::ResponseSession, status_message_schedule::ScheduledStatus};
use crate::{endpoint_id::ReceiveEndpointId, loss::Gap};

/// Flags and positions of an image that cross threads, with the log and counters both sides use.
///
/// Each item has one writer, named below. Source: driver spec 5.
#[derive(Debug)]
pub struct ImageState {
    /// Correlation id that names the image towards clients.
    pub correlation_id: CorrelationId,
    /// Endpoint that it arrives on.
    pub endpoint: ReceiveEndpointId,
    /// Session id.
    pub session_id: SessionId,
    /// Stream id.
    pub stream_id: StreamId,
    /// Terms and metadata; the receiver inserts.
    pub log: LogBuffers,
    /// How positions map to terms.
    pub geometry: TermGeometry,
    /// Where the image joined the stream.
    pub join_position: Position,
    /// Whether lost data is asked for again; otherwise gaps are filled with padding.
    pub is_reliable: bool,
    /// `rcv-hwm`, written by the receiver.
    pub high_water_mark: AtomicCounter,
    /// `rcv-naks-sent`, written by the receiver.
    pub naks_sent: AtomicCounter,
    /// The session in which the source is answered, while it has to be told; written by the conductor.
    pub response_session: ResponseSession,
    time_of_last_packet: AtomicI64,
    is_end_of_stream: AtomicBool,
    is_revoked: AtomicBool,
    is_sending_eos: AtomicBool,
    is_status_message_requested: AtomicBool,
    /// In ns; [`NOT_MEASURED`] before the first.
    round_trip: AtomicI64,
    status_reports: SeqSlot,
    /// Gaps to ask for, or to fill; of more than there is room for the latest, as the others come again.
    gaps: ArrayQueue<Gap>,
    /// Raised by the receiver when something arrived.
    arrivals: Signal,
    /// Raised by the conductor when it reports something; the receiver's, as soon as it has the image.
    reports: OnceLock<Signal>,
}

const NOT_MEASURED: i64 = -1;

/// What identifies an image; see [`ImageState`].
#[derive(Debug)]
pub struct ImageIdentity {
    /// Correlation id.
    pub correlation_id: CorrelationId,
    /// Endpoint.
    pub endpoint: ReceiveEndpointId,
    /// Session id.
    pub session_id: SessionId,
    /// Stream id.
    pub stream_id: StreamId,
    /// Where the image joins the stream.
    pub join_position: Position,
    /// Whether lost data is asked for again.
    pub is_reliable: bool,
    /// Gaps that may wait for the receiver, at least 1.
    pub max_gaps: usize,
}

impl ImageState {
    /// State of an image that has received nothing; its first status message announces the join position and
    /// `initial_window`. Its conductor listens to `arrivals`.
    #[must_use]
    pub fn new(
        identity: ImageIdentity,
        log: LogBuffers,
        high_water_mark: AtomicCounter,
        naks_sent: AtomicCounter,
        initial_window: i32,
        arrivals: Signal,
        now: Nanos,
    ) -> Self {
        let state = Self {
            correlation_id: identity.correlation_id,
            endpoint: identity.endpoint,
            session_id: identity.session_id,
            stream_id: identity.stream_id,
            geometry: log.geometry(),
            log,
            join_position: identity.join_position,
            is_reliable: identity.is_reliable,
            high_water_mark,
            naks_sent,
            response_session: ResponseSession::default(),
            time_of_last_packet: AtomicI64::new(now.get()),
            is_end_of_stream: AtomicBool::new(false),
            is_revoked: AtomicBool::new(false),
            is_sending_eos: AtomicBool::new(false),
            is_status_message_requested: AtomicBool::new(false),
            round_trip: AtomicI64::new(NOT_MEASURED),
            status_reports: SeqSlot::default(),
            gaps: ArrayQueue::new(identity.max_gaps.max(1)),
            arrivals,
            reports: OnceLock::new(),
        };
        state.schedule_status_message(ScheduledStatus {
            position: identity.join_position,
            window: initial_window,
        });
        state
    }

    /// When data or a heartbeat was last accepted; written by the receiver.
    #[inline]
    #[must_use]
    pub fn time_of_last_packet(&self) -> Nanos {
        Nanos::new(self.time_of_last_packet.load(Ordering::Relaxed))
    }

    /// Notes that data or a heartbeat was accepted.
    #[inline]
    pub fn set_time_of_last_packet(&self, now: Nanos) {
        self.time_of_last_packet.store(now.get(), Ordering::Relaxed);
    }

    /// Whether every source has said that no more will come; written by the receiver.
    #[inline]
    #[must_use]
    pub fn is_end_of_stream(&self) -> bool {
        self.is_end_of_stream.load(Ordering::Acquire)
    }

    /// Whether the publication was revoked; written by the receiver.
    #[inline]
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.is_revoked.load(Ordering::Acquire)
    }

    /// Says where the stream ends, here and to the clients that map the log.
    pub fn set_end_of_stream(&self, position: Position, is_revoked: bool) {
        let metadata = self.log.metadata();
        metadata.set_end_of_stream_position(position);
        if is_revoked {
            metadata.set_revoked();
            self.is_revoked.store(true, Ordering::Release);
        }
        self.is_end_of_stream.store(true, Ordering::Release);
    }

    /// Whether status messages say that this receiver has finished; written by the conductor.
    #[inline]
    #[must_use]
    pub fn is_sending_eos(&self) -> bool {
        self.is_sending_eos.load(Ordering::Acquire)
    }

    /// Makes all following status messages say that this receiver has finished.
    pub fn set_sending_eos(&self) {
        self.is_sending_eos.store(true, Ordering::Release);
    }

    /// Asks for a status message at the receiver's next turn; by the conductor.
    pub fn request_status_message(&self) {
        self.is_status_message_requested.store(true, Ordering::Release);
        self.note_report();
    }

    /// Whether a status message was asked for, once.
    #[inline]
    #[must_use]
    pub fn take_status_message_request(&self) -> bool {
        self.is_status_message_requested.load(Ordering::Relaxed)
            && self.is_status_message_requested.swap(false, Ordering::AcqRel)
    }

    /// Hands a measured round trip to the conductor; by the receiver.
    pub fn set_round_trip(&self, rtt: Duration) {
        self.round_trip.store(i64::try_from(rtt.as_nanos()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// The round trip measured last, `None` before the first.
    #[inline]
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        u64::try_from(self.round_trip.load(Ordering::Relaxed)).ok().map(Duration::from_nanos)
    }

    /// Something arrived: the conductor has something to do.
    #[inline]
    pub fn note_arrival(&self) {
        self.arrivals.raise();
    }

    /// Makes `reports` tell the receiver, which looks for what was reported before after this call; once.
    pub fn listen(&self, reports: Signal) {
        // An image has one receiver.
        let _ = self.reports.set(reports);
        fence(Ordering::SeqCst);
    }

    #[inline]
    fn note_report(&self) {
        match self.reports.get() {
            Some(reports) => reports.raise(),
            None => self.note_early_report(),
        }
    }

    /// The receiver does not listen yet, or begins this moment.
    #[cold]
    fn note_early_report(&self) {
        fence(Ordering::SeqCst);
        if let Some(reports) = self.reports.get() {
            reports.raise();
        }
    }

    /// Hands a status message to the receiver; by the conductor.
    pub fn schedule_status_message(&self, report: ScheduledStatus) {
        self.status_reports.write(report.position.get(), i64::from(report.window));
        self.note_report();
    }

    /// The latest scheduled status message when newer than `seen`.
    #[inline]
    #[must_use]
    pub fn newer_status_report(&self, seen: &mut ChangeNumber) -> Option<ScheduledStatus> {
        let (position, window) = self.status_reports.read_newer(seen)?;
        Some(ScheduledStatus { position: Position::new(position), window: window as i32 })
    }

    /// Hands a gap to the receiver, to NAK or to fill; by the conductor.
    #[inline]
    pub fn report_gap(&self, gap: Gap) {
        self.gaps.force_push(gap);
        self.note_report();
    }

    /// Gaps that wait for the receiver.
    #[inline]
    #[must_use]
    pub fn reported_gaps(&self) -> usize {
        self.gaps.len()
    }

    /// The next gap that was reported; by the receiver.
    #[inline]
    #[must_use]
    pub fn take_gap(&self) -> Option<Gap> {
        self.gaps.pop()
    }
}
