//! The load of `bodies`: connections that each send one body after another, over HTTP/1.1 or HTTP/2, in a process of its own,
//! and that compare every byte of every answer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use axum::body::Bytes;
use axum::http::{Request, Uri};
use h2::client::SendRequest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::load::Measured;
use crate::output;

/// What an HTTP/2 server may send ahead of what was read: more than the largest body.
const WINDOW: u32 = 16 << 20;
/// What one read takes.
const BUFFER: usize = 256 << 10;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    address: SocketAddr,
    path: String,
    /// Bytes of each body.
    size: usize,
    connections: usize,
    seconds: f64,
    #[arg(long)]
    key: Option<String>,
    /// HTTP/2 in clear, known beforehand, one stream at a time on each connection; else HTTP/1.1, kept alive.
    #[arg(long)]
    http2: bool,
}

pub(crate) fn main(options: &Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = runtime.block_on(run(options))?;
    output::line(&serde_json::to_string(&measured)?);
    Ok(())
}

async fn run(options: &Options) -> anyhow::Result<Measured> {
    let body = body(options.size);
    let began = Instant::now();
    let end = began + Duration::from_secs_f64(options.seconds);
    let tasks: Vec<_> = (0..options.connections.max(1))
        .map(|_| {
            let (options, body) = (options.clone(), body.clone());
            tokio::spawn(async move {
                if options.http2 { http2(&options, &body, end).await } else { http1(&options, &body, end).await }
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    let seconds = began.elapsed().as_secs_f64();
    ensure!(!latencies.is_empty(), "nothing was answered");
    latencies.sort_unstable();
    let at = |percent: usize| {
        let index = (latencies.len() * percent / 100).min(latencies.len() - 1);
        latencies.get(index).map_or(0.0, |latency: &Duration| latency.as_secs_f64() * 1e6)
    };
    // A wrong answer ends the load with an error.
    Ok(Measured { requests: latencies.len() as u64, errors: 0, seconds, p50_us: at(50), p99_us: at(99) })
}

/// Bytes of which no stretch is like another, so that a piece that is missing or in another's place is seen.
fn body(size: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes.into()
}

async fn http1(options: &Options, body: &Bytes, end: Instant) -> anyhow::Result<Vec<Duration>> {
    let Options { address, path, key, .. } = options;
    let authorization = key.as_ref().map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}Content-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    let mut stream = TcpStream::connect(address).await.context("connect")?;
    stream.set_nodelay(true)?;
    let (mut buffer, mut latencies) = (vec![0; BUFFER], Vec::new());
    // Once in any case: a large body may take longer than a short round.
    loop {
        let began = Instant::now();
        stream.write_all(&request).await?;
        answer(&mut stream, &mut buffer, body).await?;
        latencies.push(began.elapsed());
        if Instant::now() >= end {
            return Ok(latencies);
        }
    }
}

/// Reads one answer, and compares it with what was sent.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8], expected: &[u8]) -> anyhow::Result<()> {
    let mut filled = 0;
    let head = loop {
        filled += some(stream, buffer.get_mut(filled..).unwrap_or_default()).await?;
        let seen = buffer.get(..filled).unwrap_or_default();
        if let Some(end) = seen.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let (head, rest) = buffer.get(..filled).and_then(|seen| seen.split_at_checked(head)).context("no head")?;
    ensure!(head.starts_with(b"HTTP/1.1 200"), "an answer of another status: {}", String::from_utf8_lossy(head));
    let mut left = after(expected, rest)?;
    while !left.is_empty() {
        let read = some(stream, buffer).await?;
        left = after(left, buffer.get(..read).unwrap_or_default())?;
    }
    Ok(())
}

async fn some(stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<usize> {
    match stream.read(buffer).await? {
        0 => bail!("the connection was closed within an answer"),
        read => Ok(read),
    }
}

/// What is still to come after this piece.
fn after<'e>(expected: &'e [u8], piece: &[u8]) -> anyhow::Result<&'e [u8]> {
    expected.strip_prefix(piece).context("an answer is not what was sent")
}

async fn http2(options: &Options, body: &Bytes, end: Instant) -> anyhow::Result<Vec<Duration>> {
    let stream = TcpStream::connect(options.address).await.context("connect")?;
    stream.set_nodelay(true)?;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let (mut sender, connection) = builder.handshake(stream).await?;
    let connection = tokio::spawn(connection);
    let mut latencies = Vec::new();
    loop {
        let began = Instant::now();
        sender = sender.ready().await?;
        exchange(&mut sender, options, body).await?;
        latencies.push(began.elapsed());
        if Instant::now() >= end {
            break;
        }
    }
    drop(sender);
    connection.await??;
    Ok(latencies)
}

async fn exchange(sender: &mut SendRequest<Bytes>, options: &Options, body: &Bytes) -> anyhow::Result<()> {
    let uri: Uri = format!("http://{}{}", options.address, options.path).parse()?;
    let mut request =
        Request::post(uri).header("content-type", "application/octet-stream").header("content-length", body.len());
    if let Some(key) = &options.key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let (response, mut upload) = sender.send_request(request.body(())?, false)?;
    upload.send_data(body.clone(), true)?;
    let response = response.await?;
    ensure!(response.status() == 200, "an answer of another status: {}", response.status());
    let mut answer = response.into_body();
    let mut left: &[u8] = body;
    while let Some(piece) = answer.data().await {
        let piece = piece?;
        left = after(left, &piece)?;
        answer.flow_control().release_capacity(piece.len())?;
    }
    ensure!(left.is_empty(), "an answer is shorter than what was sent");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_stretch_of_a_body_is_like_another() {
        let body = body(4_096 + 3);
        assert_eq!(body.len(), 4_096 + 3);
        let pieces: std::collections::HashSet<&[u8]> = body.chunks(8).collect();
        assert_eq!(pieces.len(), 513);
    }

    #[test]
    fn a_piece_that_differs_is_seen() {
        assert_eq!(after(b"abcd", b"ab").unwrap(), b"cd");
        assert!(after(b"abcd", b"ac").is_err() && after(b"ab", b"abc").is_err());
    }
}
