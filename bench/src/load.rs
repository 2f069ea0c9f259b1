//! The load: keep-alive connections that each send one request after another (a closed loop), in a process of its own,
//! on one thread, and that check every answer.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use serde::{Deserialize, Serialize};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::output;

/// The body of every request: 64 bytes of JSON.
pub(crate) const BODY: &str = r#"{"ticket":"T-1042","subject":"cannot log in since this morning"}"#;

/// What one round of load saw.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) seconds: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Measured {
    pub(crate) fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
        let requests = self.requests as f64;
        requests / self.seconds
    }
}

/// What is asked for, again and again.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    address: SocketAddr,
    path: String,
    connections: usize,
    seconds: f64,
    #[arg(long)]
    key: Option<String>,
    /// Writes a value durably, instead of asking for it back.
    #[arg(long)]
    put: bool,
    /// Requests a second over all connections, each sent when it is due whatever became of those before (an open loop as far as
    /// the connections go: a request that finds its own busy waits, and its wait counts).
    #[arg(long)]
    rate: Option<u32>,
}

pub(crate) fn main(options: &Options) -> anyhow::Result<()> {
    let Options { address, path, connections, key, put, rate, .. } = options;
    let time = Duration::from_secs_f64(options.seconds);
    let authorization = key.as_ref().map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
    let method = if *put { "PUT" } else { "POST" };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    #[expect(clippy::cast_precision_loss, reason = "a handful of connections")]
    let pace = rate.map(|rate| Duration::from_secs_f64(*connections as f64 / f64::from(rate.max(1))));
    let request = Request { text: request, echoes: !put, pace };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = runtime.block_on(run(*address, request, *connections, time))?;
    output::line(&serde_json::to_string(&measured)?);
    Ok(())
}

#[derive(Debug, Clone)]
struct Request {
    text: String,
    /// Whether the answer is the body that was sent.
    echoes: bool,
    /// Between two requests of a connection, in an open loop.
    pace: Option<Duration>,
}

async fn run(address: SocketAddr, request: Request, connections: usize, time: Duration) -> anyhow::Result<Measured> {
    let began = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..connections {
        // Connections are due one after another, and not all at once.
        let first = request.pace.unwrap_or_default().mul_f64(part(number, connections));
        tasks.push(tokio::spawn(connection(address, request.clone(), began + first, began + time)));
    }
    let (mut latencies, mut errors) = (Vec::new(), 0);
    for task in tasks {
        let (seen, failed) = task.await?;
        latencies.extend(seen);
        errors += failed;
    }
    let seconds = began.elapsed().as_secs_f64();
    ensure!(!latencies.is_empty(), "nothing was answered, and {errors} requests failed");
    latencies.sort_unstable();
    let at = |share: usize| {
        let index = (latencies.len() * share / 1_000).min(latencies.len() - 1);
        latencies.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
    };
    Ok(Measured { requests: latencies.len() as u64, errors, seconds, p50_us: at(500), p99_us: at(990) })
}

fn part(of: usize, all: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a handful of connections")]
    let part = of as f64 / all.max(1) as f64;
    part
}

/// One request after another, on a new connection where the last one ended.
async fn connection(address: SocketAddr, request: Request, mut due: Instant, end: Instant) -> (Vec<Duration>, u64) {
    let mut buffer = vec![0; 16 << 10];
    let (mut latencies, mut errors) = (Vec::new(), 0);
    while Instant::now() < end {
        if requests(address, &request, &mut due, end, &mut buffer, &mut latencies, &mut errors).await.is_err() {
            errors += 1;
            // Not as fast as the machine can fail.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    (latencies, errors)
}

async fn requests(
    address: SocketAddr,
    request: &Request,
    due: &mut Instant,
    end: Instant,
    buffer: &mut [u8],
    latencies: &mut Vec<Duration>,
    errors: &mut u64,
) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address).await.context("connect")?;
    stream.set_nodelay(true)?;
    let alarm = Alarm::new()?;
    while Instant::now() < end {
        let began = match request.pace {
            None => Instant::now(),
            Some(pace) => {
                let this = *due;
                alarm.until(this).await?;
                *due = this + pace;
                this
            }
        };
        stream.write_all(request.text.as_bytes()).await?;
        let (head, body) = answer(&mut stream, buffer).await?;
        if is_right(head, body, request.echoes) {
            latencies.push(began.elapsed());
        } else {
            *errors += 1;
        }
    }
    Ok(())
}

/// A timer of the kernel. Tokio's own has a resolution of a millisecond, which is longer than what is measured.
struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    fn new() -> anyhow::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
        #[expect(
            deprecated,
            reason = "its successor asks for `unsafe`; an `OwnedFd` is open for as long as it is there"
        )]
        let timer = AsyncFd::new(timer)?;
        Ok(Self(timer))
    }

    async fn until(&self, due: Instant) -> anyhow::Result<()> {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let it_value = Timespec { tv_sec: left.as_secs().try_into()?, tv_nsec: left.subsec_nanos().into() };
        let never_again = Timespec { tv_sec: 0, tv_nsec: 0 };
        timerfd_settime(
            self.0.get_ref(),
            TimerfdTimerFlags::empty(),
            &Itimerspec { it_interval: never_again, it_value },
        )?;
        loop {
            let mut ready = self.0.readable().await?;
            if ready.try_io(|timer| Ok(rustix::io::read(timer, &mut [0; 8])?)).is_ok() {
                return Ok(());
            }
        }
    }
}

fn is_right(head: &[u8], body: &[u8], echoes: bool) -> bool {
    if echoes { head.starts_with(b"HTTP/1.1 200") && body == BODY.as_bytes() } else { head.starts_with(b"HTTP/1.1 20") }
}

/// Reads one answer: its head and its body.
pub(crate) async fn answer<'b>(stream: &mut TcpStream, buffer: &'b mut [u8]) -> anyhow::Result<(&'b [u8], &'b [u8])> {
    let mut filled = 0;
    let (head, length) = loop {
        let read = stream.read(buffer.get_mut(filled..).unwrap_or_default()).await?;
        if read == 0 {
            bail!("the connection was closed, or an answer has more than {} bytes", buffer.len());
        }
        filled += read;
        let seen = buffer.get(..filled).unwrap_or_default();
        let Some(head) = seen.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let (head, rest) = seen.split_at(head + 4);
        let length = if head.starts_with(b"HTTP/1.1 204") {
            0
        } else {
            content_length(head).context("an answer without a content length")?
        };
        if rest.len() >= length {
            break (head.len(), length);
        }
    };
    let (head, rest) = buffer.split_at(head);
    Ok((head, rest.get(..length).unwrap_or_default()))
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") { value.trim().parse().ok() } else { None }
    })
}
