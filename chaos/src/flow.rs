//! The streams of the game, each from a publisher process to a subscriber process.

use crate::host::Host;
use std::{io, net::UdpSocket};

/// A stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Flow {
    /// Its number, which its messages carry.
    pub(crate) id: u32,
    /// Host of the publisher.
    pub(crate) from: usize,
    /// Host of the subscriber.
    pub(crate) to: usize,
    /// Channel of the publication.
    pub(crate) publication: String,
    /// Channel of the subscription.
    pub(crate) subscription: String,
}

impl Flow {
    /// Aeron's stream id.
    pub(crate) fn stream(&self) -> i32 {
        1001 + self.id as i32
    }
}

/// Streams of every kind between two hosts, and the ports that they use at each of them.
pub(crate) fn flows(hosts: &[Host]) -> io::Result<(Vec<Flow>, [Vec<u16>; 2])> {
    let port = || Ok::<_, io::Error>(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port());
    let [one, other, control, data] = [port()?, port()?, port()?, port()?];
    let (here, there) = (&hosts[0].address, &hosts[1].address);
    let unicast = |address: &str, port: u16| format!("aeron:udp?endpoint={address}:{port}");
    let dynamic = format!("control={here}:{control}|control-mode=dynamic");
    let channels = [
        (0, 1, unicast(there, one), unicast(there, one)),
        (1, 0, unicast(here, other), unicast(here, other)),
        (0, 0, "aeron:ipc".to_owned(), "aeron:ipc".to_owned()),
        (0, 1, format!("aeron:udp?{dynamic}|fc=min"), format!("aeron:udp?endpoint={there}:{data}|{dynamic}")),
    ];
    let flows = (0..).zip(channels).map(|(id, (from, to, publication, subscription))| Flow {
        id,
        from,
        to,
        publication,
        subscription,
    });
    Ok((flows.collect(), [vec![other, control], vec![one, data]]))
}
