//! Transports that log their datagrams; without that, they are left as they are and cost nothing.

use std::{io, net::SocketAddr, os::fd::RawFd};

use epona_protocol::{
    frame::frame_type::{DATA, PAD},
    memory::SharedBytes,
    types::{DATA_HEADER_LENGTH, Nanos},
};

use super::{DriverEvent, EventLog, record::MAX_BYTES};
use crate::media::{
    interface::Interfaces,
    timestamps::TimeOfDay,
    transport::{
        Offload, OpenError, ReceiveBuffers, Received, RecvOutcome, SendOutcome, SendRun, Transport,
        TransportFactory, TransportSpec,
    },
};

/// Makes the transports of another factory log what passes.
#[derive(Debug)]
pub struct LoggingFactory {
    inner: Box<dyn TransportFactory>,
    log: EventLog,
}

impl LoggingFactory {
    /// The transports of `inner`, which log datagrams when `log` wants them.
    #[must_use]
    pub fn new(inner: Box<dyn TransportFactory>, log: EventLog) -> Self {
        Self { inner, log }
    }
}

impl TransportFactory for LoggingFactory {
    fn open(&mut self, spec: &TransportSpec) -> Result<Box<dyn Transport>, OpenError> {
        let inner = self.inner.open(spec)?;
        if !self.log.is_on(DriverEvent::FrameIn) && !self.log.is_on(DriverEvent::FrameOut) {
            return Ok(inner);
        }
        Ok(Box::new(LoggingTransport { inner, log: self.log.clone(), peer: spec.connect }))
    }

    fn interfaces(&self) -> Box<dyn Interfaces> {
        self.inner.interfaces()
    }
}

#[derive(Debug)]
struct LoggingTransport {
    inner: Box<dyn Transport>,
    log: EventLog,
    /// Where datagrams without a destination go.
    peer: Option<SocketAddr>,
}

impl LoggingTransport {
    fn log_sent(&self, now: Nanos, datagram: SharedBytes<'_>, address: Option<SocketAddr>) {
        let mut header = [0; DATA_HEADER_LENGTH as usize];
        let length = datagram.copy_start(&mut header);
        if is_data(&header) {
            self.log.frame(DriverEvent::FrameOut, address, &header[..length], datagram.len(), now);
        } else {
            let mut bytes = [0; MAX_BYTES];
            let length = datagram.copy_start(&mut bytes);
            self.log.frame(DriverEvent::FrameOut, address, &bytes[..length], datagram.len(), now);
        }
    }
}

/// Whether only the header of a datagram is worth keeping.
fn is_data(datagram: &[u8]) -> bool {
    matches!(datagram.get(6..8), Some(&[low, high]) if matches!(u16::from_le_bytes([low, high]), DATA | PAD))
}

impl Transport for LoggingTransport {
    fn send_batch(&mut self, now: Nanos, runs: &[SendRun<'_>]) -> SendOutcome {
        if self.log.is_on(DriverEvent::FrameOut) {
            for run in runs {
                for datagram in run.segments() {
                    self.log_sent(now, datagram, run.destination.or(self.peer));
                }
            }
        }
        self.inner.send_batch(now, runs)
    }

    fn recv_batch(
        &mut self,
        now: Nanos,
        buffers: &mut ReceiveBuffers,
        handler: &mut dyn FnMut(Received<'_>),
    ) -> RecvOutcome {
        let log = &self.log;
        self.inner.recv_batch(now, buffers, &mut |received| {
            for datagram in received.datagrams() {
                let kept = if is_data(datagram) { DATA_HEADER_LENGTH as usize } else { MAX_BYTES };
                let start = &datagram[..datagram.len().min(kept)];
                log.frame(DriverEvent::FrameIn, Some(received.source), start, datagram.len(), now);
            }
            handler(received);
        })
    }

    fn offload(&self) -> Offload {
        self.inner.offload()
    }

    fn time_of_day(&self) -> TimeOfDay {
        self.inner.time_of_day()
    }

    fn local_address(&self) -> SocketAddr {
        self.inner.local_address()
    }

    fn reconnect(&mut self, address: SocketAddr) -> io::Result<()> {
        self.inner.reconnect(address)?;
        self.peer = Some(address);
        Ok(())
    }

    fn descriptor(&self) -> Option<RawFd> {
        self.inner.descriptor()
    }

    fn receive_buffer_length(&self) -> io::Result<usize> {
        self.inner.receive_buffer_length()
    }
}
