//! Fetching a properties file over plain HTTP: one small, bounded GET. Source: driver spec 9.1.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

/// Longest answer taken, headers included, in bytes.
const MAX_RESPONSE_LENGTH: u64 = 1 << 20;
/// Longest wait for a connection, and for each part of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why a URL cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Not a plain HTTP URL.
    #[error("only http://host[:port]/path is supported")]
    Url,
    /// The network, or the other side.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The answer is not HTTP, or longer than 1 MiB.
    #[error("the answer is not a complete HTTP response of at most {MAX_RESPONSE_LENGTH} bytes")]
    Response,
    /// The answer is not 200, or a second redirect.
    #[error("the answer has status {0}")]
    Status(u16),
}

/// The body that a URL names; one redirect is followed.
///
/// # Errors
/// When the URL is not plain HTTP, the server cannot be reached in 10 s, or does not answer with 200.
pub fn get(url: &str) -> Result<Vec<u8>, HttpError> {
    match request(url)? {
        Response { status: 200, body, .. } => Ok(body),
        Response { status: 301 | 302, location: Some(location), .. } => match request(&location)? {
            Response { status: 200, body, .. } => Ok(body),
            Response { status, .. } => Err(HttpError::Status(status)),
        },
        Response { status, .. } => Err(HttpError::Status(status)),
    }
}

struct Response {
    status: u16,
    location: Option<String>,
    body: Vec<u8>,
}

fn request(url: &str) -> Result<Response, HttpError> {
    let rest = url.strip_prefix("http://").ok_or(HttpError::Url)?;
    let (authority, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
    if authority.is_empty() || url.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
        return Err(HttpError::Url);
    }
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let mut stream = connect(&address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\nAccept: */*\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.take(MAX_RESPONSE_LENGTH + 1).read_to_end(&mut bytes)?;
    parse(&bytes).ok_or(HttpError::Response)
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn parse(bytes: &[u8]) -> Option<Response> {
    if bytes.len() as u64 > MAX_RESPONSE_LENGTH {
        return None;
    }
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let header = |wanted: &str| {
        headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    let body = &bytes[end + 4..];
    let body = match (header("transfer-encoding"), header("content-length")) {
        (Some(coding), _) if coding.eq_ignore_ascii_case("chunked") => join_chunks(body)?,
        (Some(_), _) => return None,
        (None, Some(length)) => body.get(..length.parse().ok()?)?.to_vec(),
        (None, None) => body.to_vec(),
    };
    Some(Response { status, location: header("location").map(str::to_owned), body })
}

fn join_chunks(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|window| window == b"\r\n")?;
        let line = std::str::from_utf8(&bytes[..end]).ok()?;
        let length = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        bytes = &bytes[end + 2..];
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(..length)?);
        bytes = bytes[length..].strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use std::{io::BufRead, net::TcpListener, thread};

    use proptest::prelude::*;

    use super::*;

    /// Answers one request per response, in order, and returns the address.
    fn serve(responses: Vec<String>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let own = address.clone();
        thread::spawn(move || {
            for response in responses {
                let (mut stream, _) = listener.accept().unwrap();
                let mut lines = io::BufReader::new(stream.try_clone().unwrap()).lines();
                while lines.next().unwrap().unwrap() != "" {}
                stream.write_all(response.replace("ADDRESS", &own).as_bytes()).unwrap();
            }
        });
        address
    }

    #[test]
    fn a_body_is_fetched_whole() {
        for response in [
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na=b\n",
            "HTTP/1.0 200 OK\r\n\r\na=b\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\na=\r\n2;x=y\r\nb\n\r\n0\r\n\r\n",
        ] {
            let address = serve(vec![response.to_owned()]);
            assert_eq!(get(&format!("http://{address}/some/file")).unwrap(), b"a=b\n", "{response}");
        }
    }

    #[test]
    fn one_redirect_is_followed_and_not_two() {
        let redirect =
            "HTTP/1.1 302 Found\r\nLocation: http://ADDRESS/other\r\nContent-Length: 0\r\n\r\n".to_owned();
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na=b\n".to_owned();
        let address = serve(vec![redirect.clone(), answer]);
        assert_eq!(get(&format!("http://{address}")).unwrap(), b"a=b\n");
        let address = serve(vec![redirect.clone(), redirect]);
        assert!(matches!(get(&format!("http://{address}")), Err(HttpError::Status(302))));
    }

    #[test]
    fn other_answers_and_urls_are_errors() {
        let address = serve(vec!["HTTP/1.1 404 Not Found\r\n\r\n".to_owned()]);
        assert!(matches!(get(&format!("http://{address}/")), Err(HttpError::Status(404))));
        for url in ["https://localhost/", "http://", "http:///x", "ftp://x", "http://a b/"] {
            assert!(matches!(get(url), Err(HttpError::Url)), "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(tail in proptest::collection::vec(any::<u8>(), 0..300)) {
            for head in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"] {
                let _ = parse(&[head.as_bytes(), &tail[..]].concat());
            }
        }
    }
}
