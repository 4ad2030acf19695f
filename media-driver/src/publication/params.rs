//! What a channel asks of its publication or subscription, on top of the driver's configuration.
//!
//! Values were checked one by one when the URI was read; here they are checked against each other.
//! Source: driver spec 2.4, 2.7.

use std::time::Duration;

use epona_protocol::{
    logbuffer::StartPosition,
    types::{DATA_HEADER_LENGTH, Mtu, SessionId, TermGeometry, TermId, TermLength, TermOffset},
    uri::{ChannelUri, ControlMode, InferableBool, Media, ResponseCorrelation, SessionIdParam, keys},
};

use super::response::{ResponseProgress, ResponseRole};
use crate::{config::Context, error::DriverError, untethered::TetherTimeouts};

/// A publication that another one takes its session from (`session-id=tag:...`).
#[derive(Clone, Copy, Debug)]
pub struct TaggedPublication {
    /// Its session id.
    pub session_id: SessionId,
    /// Its MTU.
    pub mtu: Mtu,
    /// Its term length.
    pub term_length: TermLength,
}

/// Where a stream starts, when its channel says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InitialPosition {
    /// The stream's first term.
    pub initial_term_id: TermId,
    /// The term and offset of its first frame.
    pub start: StartPosition,
}

/// Parameters of one publication.
#[derive(Clone, Debug)]
pub struct PublicationParams {
    /// `session-id`, or that of the tagged publication.
    pub session_id: Option<SessionId>,
    /// The second of `tags`.
    pub entity_tag: Option<i64>,
    /// Length of each term.
    pub term_length: TermLength,
    /// Longest frame.
    pub mtu: Mtu,
    /// How far the publisher may run ahead, in bytes, at most half a term.
    pub window: i32,
    /// How long a network publication lingers.
    pub linger: Duration,
    /// `max-resend`, when given.
    pub max_resend: Option<u16>,
    /// `init-term-id`, `term-id`, `term-offset`, when given.
    pub position: Option<InitialPosition>,
    /// Whether log files are sparse.
    pub is_sparse: bool,
    /// Whether heartbeats say that the stream has ended.
    pub signal_eos: bool,
    /// Whether spies count as receivers.
    pub spies_simulate_connection: bool,
    /// `control-mode=response`.
    pub is_response: bool,
    /// `response-correlation-id`.
    pub response_correlation: Option<ResponseCorrelation>,
    /// Timeouts of untethered subscribers.
    pub untethered: TetherTimeouts,
    has_mtu: bool,
    has_term_length: bool,
}

impl PublicationParams {
    /// Parameters of a network publication. `tagged` finds a publication by its entity tag.
    ///
    /// # Errors
    /// When a value or a combination is refused; the text names both.
    pub fn network(
        uri: &ChannelUri,
        context: &Context,
        tagged: impl Fn(i64) -> Option<TaggedPublication>,
    ) -> Result<Self, DriverError> {
        let defaults = (context.buffers.term_length, context.network.mtu, context.buffers.publication_window);
        let params = Self::read(uri, context, defaults, tagged)?;
        match params.response_correlation {
            Some(ResponseCorrelation::Prototype) if params.is_response => params.of_a_prototype(),
            _ => Ok(params),
        }
    }

    /// Nobody will receive a prototype, so it gets the shortest terms whatever its channel and the driver's
    /// configuration say. Source: driver spec 2.3, row 14.
    fn of_a_prototype(self) -> Result<Self, DriverError> {
        let term_length = TermLength::MIN;
        if let Some(position) = self.position
            && position.start.term_offset.get() > term_length.get()
        {
            return Err(DriverError::generic(format!(
                "term-offset={} > term-length={term_length} of a prototype",
                position.start.term_offset
            )));
        }
        Ok(Self { term_length, window: self.window.min(term_length.get() / 2), ..self })
    }

    /// Parameters of an IPC publication.
    ///
    /// # Errors
    /// As for [`PublicationParams::network`].
    pub fn ipc(
        uri: &ChannelUri,
        context: &Context,
        tagged: impl Fn(i64) -> Option<TaggedPublication>,
    ) -> Result<Self, DriverError> {
        let defaults = (
            context.buffers.ipc_term_length,
            context.network.ipc_mtu,
            context.buffers.ipc_publication_window,
        );
        Self::read(uri, context, defaults, tagged)
    }

    fn read(
        uri: &ChannelUri,
        context: &Context,
        (default_term_length, default_mtu, default_window): (TermLength, Mtu, usize),
        tagged: impl Fn(i64) -> Option<TaggedPublication>,
    ) -> Result<Self, DriverError> {
        let from_tag = match uri.session_id()? {
            Some(SessionIdParam::Tag(tag)) => Some(tagged(tag).ok_or_else(|| {
                DriverError::generic(format!("session-id=tag:{tag} does not name an existing publication"))
            })?),
            _ => None,
        };
        let session_id = match uri.session_id()? {
            Some(SessionIdParam::Id(id)) => Some(id),
            _ => from_tag.map(|tagged| tagged.session_id),
        };
        let own_term_length = uri.term_length()?;
        let own_mtu = uri.mtu()?;
        let term_length =
            own_term_length.or_else(|| Some(from_tag?.term_length)).unwrap_or(default_term_length);
        let mtu = own_mtu.or_else(|| Some(from_tag?.mtu)).unwrap_or(default_mtu);
        Ok(Self {
            session_id,
            entity_tag: uri.entity_tag()?,
            term_length,
            mtu,
            window: window(uri, default_window, term_length, mtu)?,
            linger: uri.duration(keys::LINGER)?.unwrap_or(context.timeouts.publication_linger),
            max_resend: uri.max_resend()?,
            position: initial_position(uri, term_length)?,
            is_sparse: uri.bool(keys::SPARSE)?.unwrap_or(context.buffers.sparse_term_files),
            signal_eos: uri.bool(keys::EOS)?.unwrap_or(true),
            spies_simulate_connection: uri
                .bool(keys::SPIES_SIMULATE_CONNECTION)?
                .unwrap_or(context.streams.spies_simulate_connection),
            // Over IPC the correlation id alone makes a response, as in the C driver.
            is_response: uri.media() == Media::Udp && uri.control_mode() == ControlMode::Response,
            response_correlation: uri.response_correlation_id()?,
            untethered: untethered_timeouts(uri, context)?,
            has_mtu: own_mtu.is_some() || from_tag.is_some(),
            has_term_length: own_term_length.is_some() || from_tag.is_some(),
        })
    }

    /// The response correlation id as it stands in log metadata and decides which publications are shared.
    #[must_use]
    pub fn response_correlation_id(&self) -> Option<i64> {
        match self.response_correlation {
            Some(ResponseCorrelation::Id(id)) => Some(id.get()),
            Some(ResponseCorrelation::Prototype) => Some(-2),
            None => None,
        }
    }

    /// What a network publication has to do with response channels.
    #[must_use]
    pub fn response_role(&self) -> ResponseRole {
        match self.response_correlation {
            Some(ResponseCorrelation::Id(image)) if self.is_response => ResponseRole::Response(Some(image)),
            _ if self.is_response => ResponseRole::Response(None),
            Some(ResponseCorrelation::Id(id)) => ResponseRole::Request(id.as_registration_id()),
            Some(ResponseCorrelation::Prototype) | None => ResponseRole::None,
        }
    }

    /// Whether an existing publication may be shared by a client that asks for these parameters; only those that the
    /// channel names count. Source: driver spec 2.5.
    ///
    /// # Errors
    /// Names the first parameter that differs, with both values.
    pub fn confirm_match(&self, existing: &ExistingPublication) -> Result<(), DriverError> {
        fn differs<T: std::fmt::Display>(name: &str, existing: T, requested: T) -> Result<(), DriverError> {
            Err(DriverError::generic(format!(
                "existing publication has different '{name}': existing={existing} requested={requested}"
            )))
        }
        if let Some(session_id) = self.session_id
            && session_id != existing.session_id
        {
            return differs("session-id", existing.session_id, session_id);
        }
        if self.has_mtu && self.mtu != existing.mtu {
            return differs("mtu", existing.mtu, self.mtu);
        }
        let term_length = existing.geometry.term_length();
        if self.has_term_length && self.term_length != term_length {
            return differs("term-length", term_length, self.term_length);
        }
        let Some(position) = self.position else { return Ok(()) };
        let initial = existing.geometry.initial_term_id();
        if position.initial_term_id != initial {
            return differs("init-term-id", initial, position.initial_term_id);
        }
        let start_term = existing.geometry.term_id(existing.start);
        if position.start.term_id != start_term {
            return differs("term-id", start_term, position.start.term_id);
        }
        let start_offset = existing.geometry.term_offset(existing.start);
        if position.start.term_offset != start_offset {
            return differs("term-offset", start_offset, position.start.term_offset);
        }
        Ok(())
    }
}

/// An existing publication, as far as sharing it is concerned.
#[derive(Clone, Copy, Debug)]
pub struct ExistingPublication {
    /// Its session id.
    pub session_id: SessionId,
    /// Its MTU.
    pub mtu: Mtu,
    /// Its terms.
    pub geometry: TermGeometry,
    /// Where its stream started.
    pub start: epona_protocol::types::Position,
}

/// Parameters of one subscription.
#[derive(Clone, Debug)]
pub struct SubscriptionParams {
    /// The one session of interest, if not all.
    pub session_id: Option<SessionId>,
    /// Whether lost data is asked for again.
    pub is_reliable: bool,
    /// Whether image logs are sparse.
    pub is_sparse: bool,
    /// Whether the subscription holds its publication back.
    pub is_tethered: bool,
    /// Whether a session that ended may come back.
    pub rejoin: bool,
    /// Whether the receiver acts as one of many.
    pub group: InferableBool,
    /// `control-mode=response`, and what came of it.
    pub response: ResponseProgress,
    /// Initial window in bytes.
    pub receiver_window: usize,
    /// Timeouts when it is not tethered.
    pub untethered: TetherTimeouts,
}

impl SubscriptionParams {
    /// Reads them off a channel.
    ///
    /// # Errors
    /// When a value is refused.
    pub fn read(uri: &ChannelUri, context: &Context) -> Result<Self, DriverError> {
        let session_id = match uri.session_id()? {
            Some(SessionIdParam::Id(id)) => Some(id),
            Some(SessionIdParam::Tag(tag)) => {
                return Err(DriverError::generic(format!(
                    "session-id=tag:{tag} is for publications; a subscription names a session id"
                )));
            }
            None => None,
        };
        let receiver_window = match uri.size(keys::RECEIVER_WINDOW)? {
            Some(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
            None => context.network.initial_window,
        };
        Ok(Self {
            session_id,
            is_reliable: uri.bool(keys::RELIABLE)?.unwrap_or(context.streams.reliable),
            is_sparse: uri.bool(keys::SPARSE)?.unwrap_or(context.buffers.sparse_term_files),
            is_tethered: uri.bool(keys::TETHER)?.unwrap_or(context.streams.tether),
            rejoin: uri.bool(keys::REJOIN)?.unwrap_or(context.streams.rejoin),
            group: uri.group().unwrap_or(context.streams.group),
            response: match uri.control_mode() {
                ControlMode::Response => ResponseProgress::Pending,
                _ => ResponseProgress::Ordinary,
            },
            receiver_window,
            untethered: untethered_timeouts(uri, context)?,
        })
    }
}

/// Timeouts of untethered subscribers: the channel's, else the driver's; where neither names a linger, it is as long as
/// the window limit timeout. Source: driver spec 2.4.
fn untethered_timeouts(uri: &ChannelUri, context: &Context) -> Result<TetherTimeouts, DriverError> {
    let timeouts = &context.timeouts;
    let window_limit =
        uri.duration(keys::UNTETHERED_WINDOW_LIMIT_TIMEOUT)?.unwrap_or(timeouts.untethered_window_limit);
    let linger = uri.duration(keys::UNTETHERED_LINGER_TIMEOUT)?.filter(|linger| !linger.is_zero());
    Ok(TetherTimeouts {
        window_limit,
        linger: linger.or(timeouts.untethered_linger).unwrap_or(window_limit),
        resting: uri.duration(keys::UNTETHERED_RESTING_TIMEOUT)?.unwrap_or(timeouts.untethered_resting),
    })
}

fn window(uri: &ChannelUri, default: usize, term_length: TermLength, mtu: Mtu) -> Result<i32, DriverError> {
    let half_term = term_length.get() / 2;
    let Some(bytes) = uri.size(keys::PUBLICATION_WINDOW)? else {
        let configured = i32::try_from(default).unwrap_or(i32::MAX);
        return Ok(if configured == 0 { half_term } else { configured.min(half_term) });
    };
    match i32::try_from(bytes) {
        Ok(window) if window >= mtu.get() && window <= half_term => Ok(window),
        _ => Err(DriverError::generic(format!(
            "pub-wnd={bytes} must be at least the MTU ({mtu}) and at most half the term length ({half_term})"
        ))),
    }
}

fn initial_position(
    uri: &ChannelUri,
    term_length: TermLength,
) -> Result<Option<InitialPosition>, DriverError> {
    let (initial_term_id, term_id, offset) =
        match (uri.initial_term_id()?, uri.term_id()?, uri.term_offset()?) {
            (None, None, None) => return Ok(None),
            (Some(initial), Some(term), Some(offset)) => (initial, term, offset),
            _ => {
                return Err(DriverError::generic(
                    "params must be used as a complete set: init-term-id term-id term-offset",
                ));
            }
        };
    let distance = term_id.terms_since(initial_term_id);
    if distance < 0 {
        return Err(DriverError::generic(format!(
            "difference greater than 2^31 - 1: init-term-id={initial_term_id} when term-id={term_id}"
        )));
    }
    if offset > term_length.get() {
        return Err(DriverError::generic(format!("term-offset={offset} > term-length={term_length}")));
    }
    if offset % DATA_HEADER_LENGTH != 0 {
        return Err(DriverError::generic(format!("term-offset={offset} must be a multiple of 32")));
    }
    let start = StartPosition { term_id, term_offset: TermOffset::new(offset) };
    Ok(Some(InitialPosition { initial_term_id, start }))
}
