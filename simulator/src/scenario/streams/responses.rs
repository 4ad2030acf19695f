//! Requests one way, and responses to them back.

use super::Plan;
use crate::scenario::{Publisher, Stream};

impl Plan<'_> {
    pub(super) fn responses(&mut self) -> Vec<Stream> {
        let (server, requester) = (self.host(), self.host());
        let (asked, answered) = (self.number, self.number + 1);
        let port = self.own_port();
        let endpoint = format!("aeron:udp?endpoint={}", self.at(server, port));
        let control = format!("aeron:udp?control={}|control-mode=response", self.at(server, port + 1));
        let log = self.log();
        let channel = format!("{endpoint}|{log}|response-correlation-id={{subscription {answered}.0}}");
        let publishers = vec![Publisher { closes_early: false, ..self.publisher(requester, &[]) }];
        let subscribers = vec![self.subscriber(server, &endpoint)];
        let mut requests = self.stream(channel, publishers, subscribers);
        self.number = answered;
        let channel = format!("{control}|{log}|response-correlation-id={{image {asked}.0}}");
        let publishers =
            vec![Publisher { exclusive: true, closes_early: false, ..self.publisher(server, &[]) }];
        let subscribers = vec![self.subscriber(requester, &control)];
        let mut responses = self.stream(channel, publishers, subscribers);
        for stream in [&mut requests, &mut responses] {
            // A new requester needs a new responder, which applications have to see to.
            stream.is_fragile = true;
            stream.waits_for_subscribers = false;
        }
        vec![requests, responses]
    }
}
