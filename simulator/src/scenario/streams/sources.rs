//! Subscribers with sources of every kind.

use super::{
    About, Plan,
    fan_out::{everybody, follow_slowest},
};
use crate::{
    feature::Feature,
    scenario::{Publisher, Stream, Subscriber},
};

impl Plan<'_> {
    /// On every host a subscriber that hears a group, the publications of its driver to an endpoint, and IPC; on one of
    /// them an endpoint of its own too. Each of these has a publisher.
    pub(super) fn every_source(&mut self) -> Stream {
        let (receiver, sender, local) = (self.host(), self.host(), self.host());
        let (port, log) = (self.own_port(), self.log());
        let group = self.group();
        let own = format!("aeron:udp?endpoint={}", self.at(receiver, port + 1));
        let spied = format!("aeron:udp?endpoint={}", self.at(sender, port + 2));
        let channel = format!("aeron:udp?{group}|{}|{log}", everybody(self.hosts));
        let to_group = self.publisher(sender, &[]);
        let alone = [
            (sender, format!("{own}|{log}"), receiver, None),
            (local, format!("{spied}|ssc=true|{log}"), local, Some(Feature::SpyDestination)),
            (local, format!("aeron:ipc?{log}"), local, Some(Feature::IpcDestination)),
        ]
        .map(|(host, channel, heard_at, shows)| Publisher {
            channel: Some(channel),
            heard_at: Some(heard_at),
            shows: shows.into_iter().collect(),
            ..self.publisher(host, &[])
        });
        let publishers =
            [Publisher { shows: vec![Feature::MulticastDestination], ..to_group }].into_iter().chain(alone);
        let publishers = publishers.collect();
        // Which comes first is the one that is taken away.
        let mut sources =
            vec![format!("aeron:udp?{group}"), format!("aeron-spy:{spied}"), String::from("aeron:ipc")];
        if self.about == About::Feature(Feature::LinkedDestinationReturn) {
            sources.rotate_left(self.random.usize(1..=2));
        } else {
            self.random.shuffle(&mut sources);
        }
        let is_link = !sources[0].starts_with("aeron:udp");
        let subscribers = (0..self.hosts)
            .map(|host| {
                let mut destinations = sources.clone();
                destinations.extend((host == receiver).then(|| own.clone()));
                Subscriber { destinations, ..self.subscriber(host, "aeron:udp?control-mode=manual") }
            })
            .collect();
        let mut stream = self.stream(channel, publishers, subscribers);
        follow_slowest(&mut stream);
        // What comes back after its source was away joins late.
        stream.waits_for_subscribers &= !is_link;
        stream
    }
}
