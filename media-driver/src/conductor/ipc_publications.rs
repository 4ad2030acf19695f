//! Adding IPC publications, and sharing those that exist. Source: driver spec 2.3, 2.5.

use epona_protocol::{
    logbuffer::LogBuffers,
    types::{CounterId, CounterTypeId, SessionId},
    uri::ChannelUri,
};

use super::{
    Conductor,
    pending_command::{AddPublication, PlannedPublication},
    publications::ReadyPublication,
};
use crate::{
    error::DriverError,
    publication::{
        ipc::{IpcPublication, IpcPublicationParams, Phase},
        params::{ExistingPublication, PublicationParams},
    },
};

impl Conductor {
    /// Starts to add an IPC publication.
    pub(super) fn add_ipc_publication(&mut self, add: AddPublication) -> Result<(), DriverError> {
        let uri = ChannelUri::parse(&add.channel)?;
        let params = PublicationParams::ipc(&uri, &self.context, |tag| self.tagged_publication(tag))
            .map_err(|error| error.about(&add.channel))?;
        let is_on_stream = |p: &IpcPublication| p.params.stream_id == add.stream_id;
        if !add.is_exclusive {
            let shareable = self.ipc_publications.iter().position(|p| {
                is_on_stream(p)
                    && p.phase() == Phase::Active
                    && !p.params.is_exclusive
                    && p.params.response_correlation_id == params.response_correlation_id()
            });
            if let Some(at) = shareable {
                return self.share_ipc_publication(at, &add, &params);
            }
        }
        let is_used = |session: SessionId| {
            self.ipc_publications
                .iter()
                .any(|p| is_on_stream(p) && p.phase() != Phase::Linger && p.params.session_id == session)
        };
        let session_id = match params.session_id {
            Some(session) if is_used(session) => return Err(add.clash(session)),
            Some(session) => session,
            None => self.session_ids.allocate(is_used),
        };
        self.map_publication_log(add, params, session_id, None);
        Ok(())
    }

    fn share_ipc_publication(
        &mut self,
        at: usize,
        add: &AddPublication,
        params: &PublicationParams,
    ) -> Result<(), DriverError> {
        let publication = &self.ipc_publications[at];
        params
            .confirm_match(&ExistingPublication {
                session_id: publication.params.session_id,
                mtu: publication.params.mtu,
                geometry: publication.log.geometry(),
                start: publication.params.start,
            })
            .map_err(|error| error.about(&add.channel))?;
        self.link_publication(add, publication.registration_id())?;
        self.ipc_publications[at].add_reference();
        self.present_ipc_publication(at, add);
        Ok(())
    }

    /// Creates an IPC publication whose log is mapped.
    pub(super) fn create_ipc_publication(
        &mut self,
        planned: PlannedPublication,
        log: LogBuffers,
    ) -> Result<(), DriverError> {
        let image = planned.image();
        let PlannedPublication { add, params, session_id, .. } = planned;
        let answered = self.check_ipc_response(&add, &params, session_id)?;
        let start = log.producer_position();
        let [publisher_position, publisher_limit] = self.services.allocate_stream_counters(
            &add.counter_stream(session_id),
            [
                (CounterTypeId::PUBLISHER_POSITION, add.publisher_position_name(), start.get()),
                (CounterTypeId::PUBLISHER_LIMIT, "pub-lmt", start.get()),
            ],
        )?;
        if let Err(error) = self.link_publication(&add, add.registration_id()) {
            self.services.free(publisher_position.id());
            self.services.free(publisher_limit.id());
            return Err(error);
        }
        let params = IpcPublicationParams {
            registration_id: add.registration_id(),
            session_id,
            stream_id: add.stream_id,
            mtu: params.mtu,
            is_exclusive: add.is_exclusive,
            start,
            term_window: i64::from(params.window),
            unblock_timeout: self.context.timeouts.publication_unblock,
            cool_down: self.context.timeouts.image_liveness,
            untethered: params.untethered,
            response_correlation_id: params.response_correlation_id(),
            entity_tag: params.entity_tag,
        };
        let now = self.services.now.nanos;
        let mut publication =
            IpcPublication::new(params, log, image, publisher_position, publisher_limit, now);
        publication.add_reference();
        self.ipc_publications.push(publication);
        if let Some(subscription) = answered {
            self.settle_ipc_response(subscription, session_id);
        }
        self.present_ipc_publication(self.ipc_publications.len() - 1, &add);
        Ok(())
    }

    /// Answers the client, then links subscriptions that are not linked yet.
    fn present_ipc_publication(&mut self, at: usize, add: &AddPublication) {
        let publication = &self.ipc_publications[at];
        let (original, image) = (publication.registration_id(), publication.image.clone());
        let limit_id = publication.publisher_limit_counter().id();
        let channel_status_id = CounterId::NULL;
        self.answer_publication(
            add,
            ReadyPublication { original, image: &image, limit_id, channel_status_id },
        );
        self.link_subscriptions_to_ipc(at);
    }
}
