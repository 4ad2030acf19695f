//! What happens when time passes: liveness, life cycles, and the end of the driver.
//!
//! Source: driver spec 1.5, 2.11, 8.3.

use std::{fs, path::Path, time::Duration};

use epona_protocol::types::{ClientId, EpochMillis, Nanos, RegistrationId};

use super::{
    Conductor,
    clients::{Client, End},
    events::IPC_CHANNEL,
    pending_command::PendingCommand,
};
use crate::image::publication_image::TimeEvent;

/// Heartbeat of a driver that has ended. Source: shared-memory spec 3.6.
const STOPPED: EpochMillis = EpochMillis::new(-1);

/// Watches for a client that died while it wrote a command. Source: driver spec 1.5.
#[derive(Debug)]
pub(super) struct BlockedCommands {
    consumer_position: i64,
    time_of_last_change: Nanos,
    timeout: Duration,
}

impl BlockedCommands {
    pub(super) fn new(consumer_position: i64, now: Nanos, timeout: Duration) -> Self {
        Self { consumer_position, time_of_last_change: now, timeout }
    }
}

impl Conductor {
    pub(super) fn check_timers(&mut self) {
        self.to_driver.set_heartbeat(self.services.now.epoch);
        self.check_clients();
        // What a slow thread has left of the last interval.
        self.check_ipc_publications(usize::MAX);
        self.check_network_publications(usize::MAX);
        self.check_images(usize::MAX);
        self.ipc_publications.begin_checks();
        self.network_publications.begin_checks();
        self.images.begin_checks();
        self.check_some_streams();
        self.check_blocked_commands();
        self.link_what_was_missed();
    }

    /// Goes on checking streams where there are too many for one turn.
    pub(super) fn check_some_streams(&mut self) {
        self.check_ipc_publications(self.ipc_publications.checks_per_turn());
        self.check_network_publications(self.network_publications.checks_per_turn());
        self.check_images(self.images.checks_per_turn());
    }

    fn check_clients(&mut self) {
        for (id, end) in self.clients.ended(self.services.now.epoch) {
            if let Some(client) = self.clients.remove(id) {
                if end == End::TimedOut {
                    self.services.system.client_timeouts.increment();
                    self.services.on_client_timeout(id);
                }
                self.release_client(id, client);
            }
        }
    }

    /// Takes everything from a client that is gone. Source: driver spec 2.11.
    fn release_client(&mut self, id: ClientId, client: Client) {
        let heartbeat = client.heartbeat_id();
        self.services.on_unavailable_counter(RegistrationId::new(id.get()), heartbeat);
        for link in client.publications {
            self.release_publication(link, false);
        }
        for counter in client.counters {
            self.services.on_unavailable_counter(counter.registration_id, counter.counter_id);
            self.services.free(counter.counter_id);
        }
        let gone: Vec<_> = self.subscriptions.extract_if(.., |s| s.client_id == id).collect();
        for subscription in gone {
            self.unlink(&subscription);
        }
        self.services.free(heartbeat);
    }

    fn check_ipc_publications(&mut self, most: usize) {
        for _ in 0..most {
            let Some(at) = self.ipc_publications.next_unchecked() else { return };
            let publication = &mut self.ipc_publications[at];
            publication.on_time_event(&mut self.services);
            if publication.is_finished() {
                let finished = self.ipc_publications.swap_remove(at);
                let (params, now) = (&finished.params, self.services.now.nanos);
                let (session, stream) = (params.session_id, params.stream_id);
                self.services.events.publication_removed(session, stream, IPC_CHANNEL, now);
                finished.close(&mut self.services);
            } else if publication.take_cool_down_end(self.services.now.nanos) {
                self.link_subscriptions_to_ipc(at);
            }
        }
    }

    fn check_network_publications(&mut self, most: usize) {
        for _ in 0..most {
            let Some(at) = self.network_publications.next_unchecked() else { return };
            let publication = &mut self.network_publications[at];
            publication.on_time_event(&mut self.services);
            if publication.is_finished() {
                let finished = self.network_publications.swap_remove(at);
                let endpoint = finished.params.endpoint;
                self.forget_response(&finished);
                self.log_publication_removed(endpoint, &finished.state);
                finished.close(&mut self.services);
                self.send_endpoints.release_publication(endpoint, &mut self.services);
            }
        }
    }

    fn check_images(&mut self, most: usize) {
        for _ in 0..most {
            let Some(at) = self.images.next_unchecked() else { return };
            let image = &mut self.images[at];
            if let TimeEvent::ReleaseEndpoint(endpoint) = image.on_time_event(&mut self.services) {
                self.log_image_removed(endpoint, &self.images[at].state);
                if let Some(entry) = self.receive_endpoints.get_mut(endpoint.index()) {
                    entry.images = entry.images.saturating_sub(1);
                }
                self.receive_endpoints.close_if_unused(endpoint, &mut self.services);
            }
            if self.images[at].is_finished() {
                self.images.swap_remove(at).close(&mut self.services);
            }
        }
    }

    fn check_blocked_commands(&mut self) {
        let now = self.services.now.nanos;
        let position = self.to_driver.consumer_position();
        let is_waiting = self.to_driver.producer_position() > position;
        let watch = &mut self.blocked_commands;
        if position != watch.consumer_position || !is_waiting {
            watch.consumer_position = position;
            watch.time_of_last_change = now;
        } else if now > watch.time_of_last_change + watch.timeout && self.to_driver.unblock() {
            self.services.system.unblocked_commands.increment();
        }
    }

    /// The driver ends: log files go, those too that were just mapped for somebody, and the heartbeat says so. Whoever
    /// still maps a log keeps it mapped.
    pub(super) fn close(&mut self) {
        let ipc = self.ipc_publications.take_all().into_iter().map(|publication| publication.image);
        let network = self.network_publications.take_all().into_iter().map(|publication| publication.image);
        let images = self.images.take_all().into_iter().map(|image| image.image);
        for image in ipc.chain(network).chain(images) {
            remove_log(Path::new(&*image.log_path));
        }
        if let Some(PendingCommand::Log(_, planned)) = self.pending_command.take() {
            remove_log(&planned.path);
        }
        if let Some(pending) = self.pending_image.take() {
            remove_log(pending.path());
        }
        self.to_driver.set_heartbeat(STOPPED);
    }
}

fn remove_log(path: &Path) {
    // What cannot be deleted now, the next driver deletes with the directory.
    let _ = fs::remove_file(path);
}
