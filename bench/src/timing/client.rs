//! Whoever asks: one connection that is kept, and one request at a time, timed from its first byte to the answer's last.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

/// The longest that an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest head.
const HEAD: usize = 16 << 10;

/// What is asked. Made before it is timed.
#[derive(Debug, Clone)]
pub(super) struct Question {
    bytes: Vec<u8>,
}

impl Question {
    pub(super) fn new(method: &str, path: &str, key: &str, headers: &str, body: &[u8]) -> Self {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: insula\r\nAuthorization: Bearer {key}\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        );
        Self { bytes: [head.as_bytes(), body].concat() }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// Of the head: names and lengths of headers are as telling as any time.
    head: usize,
}

/// A connection, and another when it ends.
#[derive(Debug)]
pub(super) struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    /// Every question is sent from the same place, so that where it was made makes no difference.
    question: Vec<u8>,
    buffer: Vec<u8>,
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, question: Vec::new(), buffer: Vec::new() }
    }

    /// Asks, and answers how long it took.
    pub(super) fn ask(&mut self, question: &Question) -> anyhow::Result<(Answer, Duration)> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream
            }
        };
        self.question.clear();
        self.question.extend_from_slice(&question.bytes);
        self.buffer.clear();
        let began = Instant::now();
        stream.write_all(&self.question)?;
        let (head, length) = loop {
            if let Some(found) = head_of(&self.buffer)? {
                break found;
            }
            ensure!(self.buffer.len() < HEAD, "a head without end");
            more(&mut stream, &mut self.buffer)?;
        };
        while self.buffer.len() < head + length {
            more(&mut stream, &mut self.buffer)?;
        }
        let took = began.elapsed();
        ensure!(self.buffer.len() == head + length, "more than one answer");
        let (text, body) = self.buffer.split_at(head);
        let text = String::from_utf8_lossy(text).to_ascii_lowercase();
        let status = text.split(' ').nth(1).context("no status")?.parse()?;
        if !text.contains("connection: close") {
            self.stream = Some(stream);
        }
        Ok((Answer { status, body: body.to_vec(), head }, took))
    }

    /// Asks, and wants an answer of success.
    pub(super) fn must(&mut self, question: &Question) -> anyhow::Result<Answer> {
        let (answer, _) = self.ask(question)?;
        ensure!((200..300).contains(&answer.status), "{}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        Ok(answer)
    }
}

fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    let mut bytes = [0; 8 << 10];
    let read = loop {
        // A process that was stopped for a while and goes on is interrupted.
        match stream.read(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    ensure!(read > 0, "the connection ended within an answer");
    buffer.extend(bytes.get(..read).unwrap_or_default());
    Ok(())
}

/// The lengths of head and body, once the head is whole.
fn head_of(buffer: &[u8]) -> anyhow::Result<Option<(usize, usize)>> {
    let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(buffer.get(..end).unwrap_or_default()).to_ascii_lowercase();
    ensure!(!head.contains("transfer-encoding"), "an answer in pieces");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    Ok(Some((end + 4, length.map_or(Ok(0), |length| length.trim().parse())?)))
}
