//! ZeroMQ: DEALER sockets over TCP.

use super::{End, Parameters, Result};

/// How long a call waits, milliseconds.
const PATIENCE_MS: i32 = 100;

/// Of the loopback, but not that on which a listener keeps the port for us.
const ADDRESS: &str = "127.0.0.2";

/// A socket with a context of its own, as in a process of its own.
pub(crate) struct Zeromq {
    socket: zmq::Socket,
    message: zmq::Message,
}

fn text(error: zmq::Error) -> String {
    error.to_string()
}

impl Zeromq {
    fn new(port: &str, is_first: bool) -> std::result::Result<Self, zmq::Error> {
        let socket = zmq::Context::new().socket(zmq::DEALER)?;
        socket.set_linger(0)?;
        socket.set_rcvtimeo(PATIENCE_MS)?;
        socket.set_sndtimeo(PATIENCE_MS)?;
        let address = format!("tcp://{ADDRESS}:{port}");
        if is_first {
            socket.bind(&address)?;
        } else {
            socket.connect(&address)?;
        }
        Ok(Self { socket, message: zmq::Message::new() })
    }
}

impl End for Zeromq {
    fn open(name: &str, is_first: bool, _: &Parameters) -> Result<Self> {
        Self::new(name, is_first).map_err(text)
    }

    fn send(&mut self, message: &[u8]) -> Result<bool> {
        match self.socket.send(message, 0) {
            Ok(()) => Ok(true),
            Err(zmq::Error::EAGAIN) => Ok(false),
            Err(error) => Err(text(error)),
        }
    }

    fn receive(&mut self, on_message: &mut dyn FnMut(&[u8])) -> Result<bool> {
        match self.socket.recv(&mut self.message, 0) {
            Ok(()) => {
                on_message(&self.message);
                Ok(true)
            }
            Err(zmq::Error::EAGAIN) => Ok(false),
            Err(error) => Err(text(error)),
        }
    }
}
