//! A connection on which a test says exactly what it wants: half a request, two at once, nothing.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use super::Reply;

/// One connection. Reading takes a minute at most, so that a broken host fails the test.
pub(crate) struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    /// Sends bytes. A host that has hung up already is for the reading side to notice.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.stream.write_all(bytes.as_ref());
        self
    }

    /// Sends the head of a request with a key, these headers and no others but `host`.
    pub(crate) fn head(&mut self, method: &str, path: &str, key: &str, headers: &[&str]) -> &mut Self {
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        self.send(format!("{method} {path} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {key}\r\n{headers}\r\n"))
    }

    /// Sends no more.
    pub(crate) fn finish(&mut self) -> &mut Self {
        let _ = self.stream.shutdown(Shutdown::Write);
        self
    }

    /// The next answer; `None` when the connection ends before one begins.
    pub(crate) fn reply(&mut self) -> Option<Reply> {
        let reply = self.whole_reply();
        assert!(reply.is_some() || self.read.is_empty(), "it ended within: {}", String::from_utf8_lossy(&self.read));
        reply
    }

    /// The next answer; `None` when the connection ends before it does, wherever that is.
    pub(crate) fn whole_reply(&mut self) -> Option<Reply> {
        let end = loop {
            if let Some(at) = find(&self.read, b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more() {
                return None;
            }
        };
        let head = String::from_utf8(self.read[..end].to_vec()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: HeaderMap = lines
            .map(|line| {
                let (name, value) = line.split_once(": ").unwrap();
                (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
            })
            .collect();
        let length: usize = headers.get("content-length").map_or(0, |length| length.to_str().unwrap().parse().unwrap());
        while self.read.len() < end + length {
            if !self.more() {
                return None;
            }
        }
        let body = self.read.drain(..end + length).skip(end).collect();
        Some(Reply { status, headers, body })
    }

    /// The next answer, which must come.
    pub(crate) fn answer(&mut self) -> Reply {
        self.reply().expect("the connection ended without an answer")
    }

    /// Whether the host ends the connection, with nothing more to read.
    pub(crate) fn ended(&mut self) -> bool {
        self.reply().is_none()
    }

    /// Sends a byte now and then, for as long as it is let, and returns what came of it.
    pub(crate) fn drip(mut self) -> Reply {
        let mut sending = self.stream.try_clone().unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&done);
        let dripping = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) && sending.write_all(b"x").is_ok() {
                std::thread::park_timeout(Duration::from_millis(20));
            }
        });
        let reply = self.answer();
        done.store(true, Ordering::Relaxed);
        dripping.join().unwrap();
        reply
    }

    /// Reads some; false at the end, also where it is a bad end.
    fn more(&mut self) -> bool {
        let mut chunk = [0; 16 << 10];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(count) => {
                self.read.extend_from_slice(&chunk[..count]);
                true
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                panic!("nothing within a minute, and the connection is open")
            }
            Err(_) => false,
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
