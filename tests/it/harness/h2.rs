//! HTTP/2 by hand, frame by frame: what no well-behaved client would send.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Kinds of frames.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GO_AWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
/// Flags.
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
/// Why a stream or a connection was ended.
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// One connection. Reading takes a minute at most, so that a broken host fails the test.
pub(crate) struct Http2 {
    stream: TcpStream,
    /// Whether the host takes what it is sent.
    open: bool,
}

/// A frame that came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The code of a reset, or of a farewell.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GO_AWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// How the connection ended: with a farewell and its code, or without.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) farewell: Option<u32>,
    pub(crate) resets: Vec<(u32, u32)>,
}

impl Http2 {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, &[])
    }

    /// The same, with settings of the client. The host's table of headers stays empty, so that an answer can be read here
    /// without one.
    pub(crate) fn connect_with(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut connection = Self { stream, open: true };
        connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let settings = [&[(1, 0)], settings].concat();
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        connection.frame(SETTINGS, 0, 0, &payload);
        connection
    }

    /// Sends bytes. Whether the host still takes them.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.open = self.open && self.stream.write_all(bytes).is_ok();
        self.open
    }

    pub(crate) fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.send(&frame(kind, flags, stream, payload))
    }

    /// Sends a whole request.
    pub(crate) fn request(&mut self, stream: u32, method: &str, path: &str, key: &str, body: Option<&[u8]>) -> bool {
        let head = head(method, path, key, &[]);
        let Some(body) = body else {
            return self.frame(HEADERS, END_HEADERS | END_STREAM, stream, &head);
        };
        self.frame(HEADERS, END_HEADERS, stream, &head) && self.frame(DATA, END_STREAM, stream, body)
    }

    /// The next frame; `None` at the end of the connection. What needs an acknowledgement is given it.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let mut start = [0; 9];
        self.fill(&mut start)?;
        let length = u32::from_be_bytes([0, start[0], start[1], start[2]]);
        let stream = u32::from_be_bytes([start[5], start[6], start[7], start[8]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.fill(&mut payload)?;
        let frame = Frame { kind: start[3], flags: start[4], stream, payload };
        match (frame.kind, frame.flags & ACK) {
            (SETTINGS, 0) => self.frame(SETTINGS, ACK, 0, &[]),
            (PING, 0) => self.frame(PING, ACK, 0, &frame.payload),
            _ => true,
        };
        Some(frame)
    }

    /// The answer on a stream: its status and body, or the code with which it was reset. `None` where the connection ended
    /// first.
    pub(crate) fn answer(&mut self, stream: u32) -> Option<Result<(u16, Vec<u8>), u32>> {
        let (mut code, mut body) = (0, Vec::new());
        loop {
            let frame = self.next()?;
            if frame.stream != stream {
                continue;
            }
            match frame.kind {
                HEADERS => code = status(&frame.payload),
                DATA => body.extend_from_slice(&frame.payload),
                RESET => return Some(Err(frame.code())),
                _ => {}
            }
            if matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0 {
                return Some(Ok((code, body)));
            }
        }
    }

    /// Reads up to the end of the connection.
    pub(crate) fn end(mut self) -> Ended {
        let mut ended = Ended { farewell: None, resets: Vec::new() };
        while let Some(frame) = self.next() {
            match frame.kind {
                GO_AWAY => ended.farewell = Some(frame.code()),
                RESET => ended.resets.push((frame.stream, frame.code())),
                _ => {}
            }
        }
        ended
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(bytes) {
            Ok(()) => Some(()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                panic!("nothing within a minute, and the connection is open")
            }
            Err(_) => None,
        }
    }
}

/// A frame as bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The head of a request with a key, compressed by nothing.
pub(crate) fn head(method: &str, path: &str, key: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let authorization = format!("Bearer {key}");
    let first = [
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "x"),
        ("authorization", &authorization),
    ];
    first.iter().chain(more).flat_map(|(name, value)| field(name, value)).collect()
}

/// One field: a literal that no table keeps.
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    [&[0][..], &text(name), &text(value)].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&integer(text.len()), text.as_bytes()].concat()
}

/// An integer with seven bits in its first byte.
fn integer(mut number: usize) -> Vec<u8> {
    if number < 127 {
        return vec![u8::try_from(number).unwrap()];
    }
    let mut bytes = vec![127];
    number -= 127;
    while number >= 128 {
        bytes.push(u8::try_from(number % 128 + 128).unwrap());
        number /= 128;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

/// The status that a head begins with: of the table, or three digits, plain or by Huffman's code.
fn status(head: &[u8]) -> u16 {
    const KNOWN: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    // Where the size of the table is said first.
    let head = &head[head.iter().take_while(|byte| **byte & 0xe0 == 0x20).count()..];
    match head {
        [known @ 0x88..=0x8e, ..] => KNOWN[usize::from(known - 0x88)],
        [0x48 | 0x08 | 0x18, length, rest @ ..] => {
            let value = &rest[..usize::from(length & 0x7f)];
            let digits = if length & 0x80 == 0 { value.to_vec() } else { digits(value) };
            String::from_utf8(digits).unwrap().parse().unwrap()
        }
        _ => panic!("no status at the start of {head:?}"),
    }
}

/// Digits by the code of RFC 7541, appendix B: `0` to `2` have five bits, the others six.
fn digits(value: &[u8]) -> Vec<u8> {
    let bits: Vec<u8> = value.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let number = |from: usize, count: usize| {
        bits.get(from..from + count).map(|bits| bits.iter().fold(0, |sum, bit| sum * 2 + bit))
    };
    let (mut digits, mut at) = (Vec::new(), 0);
    while digits.len() < 3 {
        match number(at, 5) {
            Some(digit @ 0..=2) => (digits.push(b'0' + digit), at += 5),
            _ => (digits.push(b'3' + number(at, 6).unwrap() - 0b01_1001), at += 6),
        };
    }
    digits
}
