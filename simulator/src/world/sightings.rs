//! What few worlds show: looked for, and counted where it is as it should be.

use std::time::Duration;

use epona_media_driver::media::simulated::{Event, TraceEntry};
use epona_protocol::{
    counters::SystemCounter,
    frame::{FrameKind, SetupFlags, SetupView, classify},
    logbuffer::LogBuffers,
    types::{CounterTypeId, RegistrationId, StreamId},
};

use super::{
    World, is_calm,
    stream::{Departure, Stream},
};
use crate::{
    Violation, ensure, fault::Role, feature::Feature, scenario::parameter, surroundings::host::Host,
    violation,
};

/// How long it takes at most until a sender has heard of it that a receiver leaves, though it be told several times.
const LETTING_GO: Duration = Duration::from_secs(4);

impl World {
    /// Notes when a stream has as many images as it may, while there is a publisher more.
    pub(super) fn look_at_crowds(&mut self) {
        if !self.scenario.limits_sessions || self.figures.features.of(Feature::SessionLimit) > 0 {
            return;
        }
        let is_crowded = self.streams.iter().any(|stream| {
            let publishers = stream.publishers.iter().filter(|publisher| publisher.is_open()).count();
            stream.subscribers.iter().any(|subscriber| {
                let most = subscriber.spec().most_images;
                most.is_some_and(|most| publishers > most && subscriber.images() == most)
            })
        });
        if is_crowded {
            self.figures.features.count(Feature::SessionLimit);
        }
    }

    /// Setups of streams to several receivers say so, and carry the time to live of their channel; others may have that of
    /// another channel of their endpoint.
    pub(super) fn look_at_setup(&mut self, entry: &TraceEntry) -> Result<(), Violation> {
        let is_as_sent = matches!(entry.event, Event::Sent(_) | Event::Late(_) | Event::Lost);
        if !is_as_sent || classify(&entry.bytes) != Ok(FrameKind::Setup) {
            return Ok(());
        }
        let Ok(setup) = SetupView::new(&entry.bytes) else { return Ok(()) };
        let (id, flags, ttl) = (setup.session_id(), setup.flags(), setup.ttl());
        let is_it = |stream: &&Stream| stream.spec.stream_id == setup.stream_id().get();
        let Some(Stream { spec, publishers, .. }) = self.streams.iter().find(is_it) else { return Ok(()) };
        let publisher = publishers.iter().find(|publisher| publisher.session_id() == Some(id));
        let Some(channel) = publisher.map(|publisher| spec.channel_of(publisher.spec())) else {
            return Ok(());
        };
        let is_group = entry.destination.ip().is_multicast()
            || matches!(parameter(channel, "control-mode"), Some("manual" | "dynamic"));
        ensure!(
            flags.contains(SetupFlags::GROUP) == is_group,
            "a setup of session {id} has flags {flags:?}, and its channel is {channel}"
        );
        self.figures.checks += 1;
        if is_group {
            ensure!(
                parameter(channel, "ttl").unwrap_or("0") == ttl.to_string(),
                "a setup of session {id} has a time to live of {ttl}, and its channel is {channel}"
            );
            self.figures.checks += 1;
            if ttl > 0 {
                self.figures.features.count(Feature::TimeToLive);
            }
        }
        Ok(())
    }

    /// Images have group semantics where their subscriber says so, and measure round trips where it wants CUBIC.
    pub(super) fn look_at_images(&mut self) -> Result<(), Violation> {
        let is_calm = is_calm(&self.scenario);
        for Stream { spec: stream, publishers, subscribers, .. } in
            self.streams.iter_mut().filter(|_| is_calm)
        {
            let is_open =
                |session| publishers.iter().any(|publisher| publisher.session_id() == Some(session));
            let stream_id = StreamId::new(stream.stream_id);
            let is_group =
                ["control-mode=", "=224.", "=[ff02:"].iter().any(|said| stream.channel.contains(said));
            for subscriber in subscribers {
                let host = &self.hosts[subscriber.host()];
                let images = subscriber.image_ids();
                let channel = &subscriber.spec().channel;
                for (session, image) in images.into_iter().filter(|(session, _)| is_open(*session)) {
                    if let Some(said) = parameter(channel, "group") {
                        let has_group_semantics = has_group_semantics(host, image)?;
                        ensure!(
                            has_group_semantics.to_string() == said,
                            "group semantics of an image are {has_group_semantics}, and its subscription is {channel}"
                        );
                        self.figures.features.count(Feature::GroupOverride);
                    }
                    let Some(watch) = host.watch() else { continue };
                    let round_trip =
                        watch.of_stream(CounterTypeId::PER_IMAGE, "rcv-cc-cubic-rtt", (stream_id, session));
                    // Otherwise the first channel of an endpoint decides, which may be another stream's.
                    let is_cubic = is_group && parameter(channel, "cc") == Some("cubic");
                    ensure!(
                        round_trip.is_some() || !is_cubic,
                        "an image of session {session} measures no round trips, and its subscription is {channel}"
                    );
                    if is_cubic && round_trip > Some(0) {
                        self.figures.features.count(Feature::CubicGroup);
                    }
                    self.figures.checks += 2;
                }
            }
        }
        Ok(())
    }

    /// Flow control by tags follows those who have it, and nobody else.
    pub(super) fn look_at_tagged(&mut self) -> Result<(), Violation> {
        let is_calm = is_calm(&self.scenario);
        for stream in self.streams.iter().filter(|_| is_calm) {
            let Some(members) = stream.spec.tagged else { continue };
            let Some(followed) = self.followed(stream) else { continue };
            ensure!(
                followed == members as i64,
                "a sender follows {followed} receivers, of whom {members} have its tag"
            );
            self.figures.checks += 1;
            if members < stream.subscribers.len() {
                self.figures.features.count(Feature::TaggedGroup);
            }
        }
        Ok(())
    }

    /// Notes when the sender of a group was asked for more at a time than its channel lets it send again.
    pub(super) fn look_at_resends(&mut self) {
        let is_limited = |stream: &&Stream| parameter(&stream.spec.channel, "max-resend").is_some();
        let dropped = |host: usize| {
            let watch = self.hosts[host].watch()?;
            watch.counters().value(SystemCounter::RetransmitOverflow.id())
        };
        let publishers = self.streams.iter().filter(is_limited).flat_map(|stream| &stream.publishers);
        if publishers.map(|publisher| dropped(publisher.host())).any(|count| count > Some(0)) {
            self.figures.features.count(Feature::ResendLimit);
        }
    }

    /// Flow control lets go who says that it leaves, long before it would go on without it.
    pub(super) fn look_at_departures(&mut self) -> Result<(), Violation> {
        let now = self.clock.now_nanos();
        let is_calm = is_calm(&self.scenario);
        for place in 0..self.streams.len() {
            let stream = &self.streams[place];
            let may_be_seen = stream.spec.has_departure && is_calm && stream.subscribers[0].is_closed();
            if !may_be_seen || stream.departure == Departure::Over {
                continue;
            }
            let Some(followed) = self.followed(stream) else { continue };
            let has_all = followed == stream.subscribers.len() as i64;
            let departure = match stream.departure {
                Departure::At(left) => {
                    let took = now.since(left);
                    ensure!(
                        took < LETTING_GO,
                        "a receiver left {took:?} ago, and its sender still waits for it"
                    );
                    self.figures.checks += 1;
                    if has_all {
                        continue;
                    }
                    self.figures.features.count(Feature::Departure);
                    Departure::Over
                }
                // Who was never heard of is not waited for.
                _ if has_all => Departure::At(now),
                _ => Departure::Over,
            };
            self.streams[place].departure = departure;
        }
        Ok(())
    }

    /// Notes when flow control no longer waits for a receiver whose driver stands still.
    pub(super) fn look_at_silence(&mut self) {
        let now = self.clock.now_nanos();
        for place in 0..self.streams.len() {
            let stream = &self.streams[place];
            let is_silent = |host: usize| self.hosts[host].is_paused(Role::Receiver, now);
            if stream.departure == Departure::Over || !stream.spec.silenced.is_some_and(is_silent) {
                continue;
            }
            let Some(followed) = self.followed(stream) else { continue };
            let has_all = followed == stream.subscribers.len() as i64;
            let departure = match stream.departure {
                Departure::NotYet if has_all => Departure::At(now),
                Departure::At(_) if !has_all => {
                    self.figures.features.count(Feature::ReceiverTimeout);
                    Departure::Over
                }
                unchanged => unchanged,
            };
            self.streams[place].departure = departure;
        }
    }

    /// How many receivers the first publisher of a stream follows, if it is there.
    fn followed(&self, stream: &Stream) -> Option<i64> {
        let publisher = stream.publishers.first()?;
        let key = (StreamId::new(stream.spec.stream_id), publisher.session_id()?);
        let watch = self.hosts[publisher.host()].watch()?;
        watch.of_stream(CounterTypeId::FLOW_CONTROL_RECEIVERS, "fc-receivers", key)
    }
}

/// What the log of an image says.
fn has_group_semantics(host: &Host, image: RegistrationId) -> Result<bool, Violation> {
    let file = host.path().join(format!("images/{image}.logbuffer"));
    let log = LogBuffers::open_to_read(&file);
    let log = log.map_err(|error| violation!("the log of an image cannot be read: {error}"))?;
    Ok(log.metadata().is_group())
}
