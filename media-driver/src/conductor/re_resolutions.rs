//! Names that are asked for again, because whoever they stood for fell silent.
//!
//! ```text
//!   sender, receiver ──ReResolution──► waiting ──one at a time──► resource agent ──► sender, receiver
//! ```
//!
//! One at a time, and clients' commands first, so that none of those ever waits behind more than one name that takes
//! long; and each name of an endpoint once, however often its silence is noticed meanwhile. Source: driver spec 6.8.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc};

use super::{
    Conductor,
    endpoints::{EndpointPhase, Endpoints, Entry},
};
use crate::{
    commands::{JobId, ReceiverCommand, ResourceCommand, SenderCommand},
    media::udp_channel::UdpChannel,
    name_resolution::ResolutionError,
    re_resolution::{ReResolution, SilentPeer},
};

/// What is asked for, or will be.
#[derive(Debug, Default)]
pub(super) struct ReResolutions {
    waiting: VecDeque<Task>,
    under_way: Option<(JobId, Task)>,
}

/// A question on behalf of an endpoint.
#[derive(Debug)]
struct Task {
    asked: ReResolution,
    /// The channel of the endpoint, by which it is told from a later one in its slot.
    endpoint: Arc<UdpChannel>,
}

impl ReResolutions {
    fn contains(&self, asked: &ReResolution) -> bool {
        let is_same = |task: &Task| task.asked.peer == asked.peer && task.asked.name == asked.name;
        self.waiting.iter().chain(self.under_way.as_ref().map(|(_, task)| task)).any(is_same)
    }
}

impl Conductor {
    /// Sender or receiver hears nothing from a peer that has a name.
    pub(super) fn re_resolve(&mut self, asked: ReResolution) {
        if self.re_resolutions.contains(&asked) {
            return;
        }
        if let Some(endpoint) = self.active_channel(asked.peer) {
            self.re_resolutions.waiting.push_back(Task { asked, endpoint });
        }
    }

    /// Asks the agent for the next name whose endpoint is still there, unless it has one to answer.
    pub(super) fn ask_next(&mut self) {
        while self.re_resolutions.under_way.is_none()
            && let Some(task) = self.re_resolutions.waiting.pop_front()
        {
            if self.is_current(&task) {
                let job = self.next_job();
                self.services.resources.send(ResourceCommand::ResolveAddress {
                    job,
                    parameter: task.asked.parameter(),
                    name: Arc::clone(&task.asked.name),
                    is_re_resolution: true,
                });
                self.re_resolutions.under_way = Some((job, task));
            }
        }
    }

    /// The agent has an answer, which counts if the endpoint is still there and the address is another one.
    pub(super) fn on_address(&mut self, job: JobId, address: Result<SocketAddr, ResolutionError>) {
        let Some((_, task)) = self.re_resolutions.under_way.take_if(|(asked, _)| *asked == job) else {
            return self.on_destination_address(job, address.ok());
        };
        match address {
            Err(error) => self.services.record(&error.into()),
            Ok(address) if task.asked.known != Some(address) && self.is_current(&task) => {
                self.on_moved(task.asked, address);
            }
            Ok(_) => {}
        }
    }

    fn on_moved(&mut self, asked: ReResolution, address: SocketAddr) {
        let ReResolution { peer, name, .. } = asked;
        match peer {
            SilentPeer::OfSender(endpoint) => {
                if let Some(entry) = self.send_endpoints.get_mut(endpoint.index())
                    && !entry.channel.is_multi_destination()
                {
                    entry.remote = Some(address);
                }
                self.services.sender.send(SenderCommand::UpdateDestination { endpoint, name, address });
            }
            SilentPeer::OfReceiver(endpoint, destination) => {
                if let Some(entry) = self.receive_endpoints.get_mut(endpoint.index())
                    && entry.channel.has_explicit_control()
                {
                    entry.control = Some(address);
                }
                self.services.receiver.send(ReceiverCommand::UpdateControlAddress {
                    endpoint,
                    destination,
                    address,
                });
            }
        }
    }

    /// Whether the endpoint that a question is about still exists and is not on its way out.
    fn is_current(&self, task: &Task) -> bool {
        self.active_channel(task.asked.peer).is_some_and(|channel| Arc::ptr_eq(&channel, &task.endpoint))
    }

    fn active_channel(&self, peer: SilentPeer) -> Option<Arc<UdpChannel>> {
        match peer {
            SilentPeer::OfSender(id) => active(&self.send_endpoints, id.index()),
            SilentPeer::OfReceiver(id, _) => active(&self.receive_endpoints, id.index()),
        }
    }
}

fn active<E: Entry>(endpoints: &Endpoints<E>, index: usize) -> Option<Arc<UdpChannel>> {
    let entry = endpoints.get(index).filter(|entry| entry.phase() == EndpointPhase::Active)?;
    Some(Arc::clone(entry.channel()))
}
