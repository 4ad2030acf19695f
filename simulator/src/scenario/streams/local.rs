//! Without a network: IPC, and spies alone.

use super::{Plan, UNTETHERED};
use crate::scenario::{Stream, Subscriber};

impl Plan<'_> {
    pub(super) fn ipc(&mut self) -> Stream {
        let host = self.host();
        let channel = format!("aeron:ipc?{}", self.log());
        let publishers: Vec<_> = (0..self.random.usize(1..=2)).map(|_| self.publisher(host, &[])).collect();
        let mut subscribers: Vec<_> =
            (0..self.random.usize(1..=2)).map(|_| self.subscriber(host, "aeron:ipc")).collect();
        if self.one_in(4) {
            let channel = format!("aeron:ipc?tether=false|{UNTETHERED}");
            subscribers.push(Subscriber { is_untethered: true, ..self.subscriber(host, &channel) });
        }
        let mut stream = self.stream(channel, publishers, subscribers);
        if self.starts_somewhere() {
            self.start_somewhere(&mut stream);
        }
        self.ends(&mut stream);
        stream
    }

    pub(super) fn simulated_connection(&mut self) -> Stream {
        let (host, nobody) = (self.host(), self.host());
        let endpoint = format!("endpoint={}", self.at(nobody, self.own_port()));
        let channel = format!("aeron:udp?{endpoint}|ssc=true|{}", self.log());
        let publishers = vec![self.publisher(host, &[])];
        let spies = (0..self.random.usize(1..=2))
            .map(|_| Subscriber { is_spy: true, ..self.subscriber(host, &format!("aeron:udp?{endpoint}")) })
            .collect();
        self.stream(channel, publishers, spies)
    }
}
