//! HTTP for a few small pages: one GET or HEAD on a connection, with a limit to everything a client may do.
//!
//! | limit | answer beyond it |
//! | --- | --- |
//! | [`MAX_CONNECTIONS`] at once | 503 |
//! | [`MAX_HEAD`] bytes or [`MAX_HEADERS`] fields in a request | 431 |
//! | [`REQUEST_TIMEOUT`] for the whole request | 408 |
//! | [`ANSWER_TIMEOUT`] for taking the whole answer | the connection ends |

use std::{
    fmt::Write as _,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use epona_client::Nanos;
use epona_media_driver::clock::{Clock, SystemClock};

use crate::{common::Stop, interrupt::Interrupt, look::pause};

/// Connections served at once.
const MAX_CONNECTIONS: usize = 32;

/// Bytes of a request's line and fields.
const MAX_HEAD: usize = 8 << 10;

/// Fields of a request.
const MAX_HEADERS: usize = 64;

/// How long a request may take to arrive.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an answer may take to be fetched.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How often new connections are looked for.
const ACCEPT_INTERVAL: Duration = Duration::from_millis(10);

/// Bytes written at once, between two looks at the time.
const CHUNK: usize = 16 << 10;

/// What a client gets.
#[derive(Debug)]
pub(super) struct Answer {
    status: &'static str,
    content_type: &'static str,
    body: String,
}

impl Answer {
    pub(super) const fn ok(content_type: &'static str, body: String) -> Self {
        Self { status: "200 OK", content_type, body }
    }

    /// The driver is not there.
    pub(super) fn unavailable(reason: &str) -> Self {
        Self::refusal("503 Service Unavailable", reason)
    }

    /// Something here went wrong.
    pub(super) fn failed(reason: &str) -> Self {
        Self::refusal("500 Internal Server Error", reason)
    }

    fn refusal(status: &'static str, reason: &str) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: format!("{reason}\n") }
    }

    fn bytes(&self, with_body: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {}\r\n", self.status);
        // Writing to a string does not fail.
        let _ =
            write!(head, "Content-Type: {}\r\nContent-Length: {}\r\n", self.content_type, self.body.len());
        if self.status.starts_with("405") {
            head += "Allow: GET, HEAD\r\n";
        }
        head += "Connection: close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";
        head += "Content-Security-Policy: default-src 'self' 'unsafe-inline'\r\n\r\n";
        if with_body {
            head += &self.body;
        }
        head.into_bytes()
    }
}

/// A socket that listens.
#[derive(Debug)]
pub(super) struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Starts to listen.
    ///
    /// # Errors
    /// When the address is taken, is none of this host's, or is not allowed.
    pub(super) fn bind(address: SocketAddr) -> Result<Self, Stop> {
        let bind = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        bind()
            .map_err(|error: io::Error| format!("cannot serve on {address}: {error}; change --listen").into())
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests for paths until Ctrl-C.
    pub(super) fn run(
        &self,
        interrupt: &Interrupt,
        answer: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static,
    ) {
        let answer = Arc::new(answer);
        let connections = Arc::new(AtomicUsize::new(0));
        while !interrupt.is_raised() {
            // What cannot be accepted now, such as for lack of file descriptors, may be later.
            let Ok((stream, _)) = self.listener.accept() else {
                let _ = pause(ACCEPT_INTERVAL, interrupt);
                continue;
            };
            let place = Place::take(&connections);
            let answer = Arc::clone(&answer);
            let serve = move || {
                let connection = Connection { stream, clock: SystemClock::new() };
                // A client that goes away is none of our business.
                let _ = connection.serve(place.is_within_limit(), &*answer);
                drop(place);
            };
            // Without a thread to be had the connection ends.
            let _ = thread::Builder::new().name("http".to_owned()).spawn(serve);
        }
    }
}

/// A connection's place among those that are served.
struct Place {
    connections: Arc<AtomicUsize>,
    number: usize,
}

impl Place {
    fn take(connections: &Arc<AtomicUsize>) -> Self {
        let number = connections.fetch_add(1, Ordering::Relaxed);
        Self { connections: Arc::clone(connections), number }
    }

    const fn is_within_limit(&self) -> bool {
        self.number < MAX_CONNECTIONS
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Connection {
    stream: TcpStream,
    clock: SystemClock,
}

/// What a client asks for.
struct Request {
    path: String,
    is_head: bool,
}

impl Connection {
    fn serve(mut self, is_within_limit: bool, answer: &dyn Fn(&str) -> Option<Answer>) -> io::Result<()> {
        // On some systems accepted sockets are as the listening one.
        self.stream.set_nonblocking(false)?;
        if !is_within_limit {
            let reason = format!("{MAX_CONNECTIONS} connections are served already: come back later");
            return self
                .write(&Answer::unavailable(&reason).bytes(true), self.now() + Duration::from_secs(1));
        }
        let (answer, with_body) = match self.read_request()? {
            Ok(request) => {
                let missing =
                    || Answer::refusal("404 Not Found", "there are /, /metrics, /healthz and /streams.json");
                (answer(&request.path).unwrap_or_else(missing), !request.is_head)
            }
            Err(refusal) => (refusal, true),
        };
        self.write(&answer.bytes(with_body), self.now() + ANSWER_TIMEOUT)
    }

    fn now(&self) -> Nanos {
        self.clock.now().nanos
    }

    /// The time until `end`, if there is any.
    fn left(&self, end: Nanos) -> Option<Duration> {
        let now = self.now();
        (now < end).then(|| end.since(now))
    }

    /// Reads a request, or why there is none.
    fn read_request(&mut self) -> io::Result<Result<Request, Answer>> {
        let end = self.now() + REQUEST_TIMEOUT;
        let mut head = Vec::with_capacity(1024);
        let mut buffer = [0; 1024];
        loop {
            let late = || Answer::refusal("408 Request Timeout", "the request took too long");
            let Some(left) = self.left(end) else { return Ok(Err(late())) };
            self.stream.set_read_timeout(Some(left))?;
            let length = match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => length,
                Err(error) if is_timeout(&error) => return Ok(Err(late())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            head.extend_from_slice(&buffer[..length]);
            if let Some(request) = parse(&head) {
                return Ok(request);
            }
        }
    }

    fn write(&mut self, mut bytes: &[u8], end: Nanos) -> io::Result<()> {
        while !bytes.is_empty() {
            let left = self.left(end).ok_or(io::ErrorKind::TimedOut)?;
            self.stream.set_write_timeout(Some(left))?;
            match self.stream.write(&bytes[..bytes.len().min(CHUNK)]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => bytes = &bytes[length..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // What a refused client still sends would, unread, reset the connection before it has read why.
        self.stream.shutdown(std::net::Shutdown::Write)?;
        let mut rest = [0; 1024];
        let end = end.min(self.now() + Duration::from_secs(1));
        while let Some(left) = self.left(end) {
            self.stream.set_read_timeout(Some(left))?;
            if self.stream.read(&mut rest)? == 0 {
                break;
            }
        }
        Ok(())
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A request, or its refusal; `None` while it is not complete.
fn parse(head: &[u8]) -> Option<Result<Request, Answer>> {
    let too_large = || Answer::refusal("431 Request Header Fields Too Large", "the request is too large");
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        _ if head.len() > MAX_HEAD => Some(Err(too_large())),
        Ok(httparse::Status::Partial) => None,
        Ok(httparse::Status::Complete(_)) => {
            let is_head = request.method == Some("HEAD");
            if !is_head && request.method != Some("GET") {
                return Some(Err(Answer::refusal(
                    "405 Method Not Allowed",
                    "only GET and HEAD are answered",
                )));
            }
            let path = request.path.unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
            Some(Ok(Request { path, is_head }))
        }
        Err(httparse::Error::TooManyHeaders) => Some(Err(too_large())),
        Err(error) => Some(Err(Answer::refusal("400 Bad Request", &format!("no HTTP request: {error}")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(head: &str) -> Option<Result<String, &'static str>> {
        parse(head.as_bytes())
            .map(|parsed| parsed.map(|request| request.path).map_err(|answer| &answer.status[..3]))
    }

    #[test]
    fn a_request_is_taken_when_whole_and_refused_when_wrong() {
        let many = "x: y\r\n".repeat(MAX_HEADERS + 1);
        let long = "x".repeat(MAX_HEAD);
        let cases = [
            ("GET /metrics HTTP/1.1\r\nHost: a", None),
            ("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", Some(Ok("/metrics".to_owned()))),
            ("HEAD /?a=b HTTP/1.0\r\n\r\n", Some(Ok("/".to_owned()))),
            ("POST / HTTP/1.1\r\n\r\n", Some(Err("405"))),
            ("\u{1}\u{2}\r\n\r\n", Some(Err("400"))),
            (&format!("GET / HTTP/1.1\r\n{many}\r\n"), Some(Err("431"))),
            (&format!("GET /{long}"), Some(Err("431"))),
        ];
        for (head, expected) in cases {
            assert_eq!(outcome(head), expected, "{head:.60}");
        }
    }
}
