//! A caller of HTTP that hides nothing, on a plain socket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What was answered.
#[derive(Debug)]
#[allow(dead_code, reason = "no chapter needs all of it")]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    stream
}

/// Sends these bytes, and reads whatever is answered.
pub(crate) fn send(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = connect(address);
    // Who is not listened to any more is told so by the answer.
    let _ = stream.write_all(request);
    read(&mut stream)
}

pub(crate) fn read(stream: &mut TcpStream) -> Answer {
    let mut answer = Vec::new();
    // A connection that is cut after the answer is as good as one that is closed.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, format!("GET {path} HTTP/1.1\r\nHost: jobq\r\n\r\n").as_bytes())
}
