//! Connections over a pipe, on a paused clock: what a slow, silent, greedy or departed client meets.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;

use super::{House, serve};
use crate::activity::Patience;
use crate::stop::Stop;

const PATIENCE: Patience =
    Patience { head: Duration::from_secs(10), idle: Duration::from_secs(75), stall: Duration::from_secs(30) };
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Connection {
    client: DuplexStream,
    serving: JoinHandle<()>,
    stop: Stop,
    calls: Arc<AtomicUsize>,
    began: Instant,
}

/// A connection to a small router, over a pipe of 1 KiB.
fn connect() -> Connection {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let hang = move || async move {
        counter.fetch_add(1, Ordering::SeqCst);
        let _guard = Guard(counter);
        std::future::pending::<()>().await;
    };
    let large = async || Body::from(vec![b'x'; 1 << 20]);
    let endless = async || {
        let chunk = |()| async {
            sleep(Duration::from_secs(20)).await;
            Some((Ok::<_, Infallible>(Bytes::from_static(b"line\n")), ()))
        };
        Body::from_stream(stream::unfold((), chunk))
    };
    let refuse = async || (http::StatusCode::PAYLOAD_TOO_LARGE, "too large");
    let router = Router::new()
        .route("/", get(async || "hello"))
        .route("/hang", get(hang))
        .route("/large", get(large))
        .route("/endless", get(endless))
        .route("/refuse", post(refuse));
    let (client, ours) = duplex(1 << 10);
    let stop = Stop::default();
    let house = House::new(router, PATIENCE, stop.clone(), TaskTracker::new());
    Connection { client, serving: tokio::spawn(serve(ours, house)), stop, calls, began: Instant::now() }
}

impl Connection {
    async fn send(&mut self, bytes: &[u8]) {
        self.client.write_all(bytes).await.unwrap();
    }

    /// Reads until the text has come.
    async fn expect(&mut self, text: &str) {
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(text) {
            let mut bytes = [0; 256];
            let count = self.client.read(&mut bytes).await.unwrap();
            assert!(count > 0, "ended before {text:?}: {}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&bytes[..count]);
        }
    }

    /// Seconds from the beginning to the end of the connection.
    async fn end(self) -> u64 {
        self.serving.await.unwrap();
        self.began.elapsed().as_secs()
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_dropped_after_the_header_timeout() {
    assert_eq!(connect().end().await, 10);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_half_of_the_http2_preface_is_dropped_too() {
    let mut connection = connect();
    connection.send(b"PRI * HT").await;
    assert_eq!(connection.end().await, 10);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_drips_is_dropped_after_the_header_timeout() {
    let mut connection = connect();
    connection.send(GET).await;
    connection.expect("hello").await;
    sleep(Duration::from_secs(20)).await;
    connection.send(b"GET / HTTP/1.1\r\n").await;
    for _ in 0..9 {
        sleep(Duration::from_secs(1)).await;
        connection.send(b"x: y\r\n").await;
    }
    assert_eq!(connection.end().await, 30);
}

#[tokio::test(start_paused = true)]
async fn an_unused_connection_is_closed_after_the_idle_timeout_and_not_before() {
    let mut connection = connect();
    for _ in 0..3 {
        connection.send(GET).await;
        connection.expect("hello").await;
        sleep(Duration::from_secs(70)).await;
    }
    connection.send(GET).await;
    connection.expect("hello").await;
    assert_eq!(connection.end().await, 210 + 75);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_answer_is_dropped() {
    let mut connection = connect();
    connection.send(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let took = connection.end().await;
    assert!((30..=60).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_long_on_our_side_is_not_the_clients_fault() {
    let mut connection = connect();
    connection.send(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
    for _ in 0..20 {
        connection.expect("line").await;
    }
    assert!(connection.began.elapsed() >= Duration::from_secs(400));
    assert!(!connection.serving.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_stops_its_call() {
    let mut connection = connect();
    connection.send(b"GET /hang HTTP/1.1\r\nhost: x\r\n\r\n").await;
    sleep(Duration::from_secs(100)).await;
    assert_eq!(connection.calls.load(Ordering::SeqCst), 1);
    drop(connection.client);
    connection.serving.await.unwrap();
    assert_eq!(connection.calls.load(Ordering::SeqCst), 0);
    assert_eq!(connection.began.elapsed().as_secs(), 100);
}

#[tokio::test(start_paused = true)]
async fn draining_closes_what_is_idle_at_once_and_lets_calls_go_on_until_it_kills() {
    let mut idle = connect();
    idle.send(GET).await;
    idle.expect("hello").await;
    idle.stop.drain();
    assert_eq!(idle.end().await, 0);

    let mut busy = connect();
    busy.send(b"GET /hang HTTP/1.1\r\nhost: x\r\n\r\n").await;
    sleep(Duration::from_secs(1)).await;
    busy.stop.drain();
    assert!(timeout(Duration::from_secs(500), &mut busy.serving).await.is_err());
    busy.stop.kill();
    let calls = Arc::clone(&busy.calls);
    busy.serving.await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_upload_can_read_its_refusal() {
    let mut connection = connect();
    connection.send(b"POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n").await;
    let (mut reader, mut writer) = tokio::io::split(connection.client);
    let sending = tokio::spawn(async move {
        // All of it is taken, though no one reads it.
        writer.write_all(&vec![0; 1_000_000]).await.unwrap();
        writer.shutdown().await.unwrap();
    });
    let mut answer = String::new();
    reader.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("connection: close"), "the client may send its next request here: {answer}");
    sending.await.unwrap();
    connection.serving.await.unwrap();
}

/// An HTTP/2 frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The head of `GET path`, which ends its stream.
fn get_frame(stream: u32, path: &str) -> Vec<u8> {
    let mut head = vec![0x82, 0x86, 0x01, 1, b'x', 0x04, u8::try_from(path.len()).unwrap()];
    head.extend_from_slice(path.as_bytes());
    frame(1, 0x05, stream, &head)
}

#[tokio::test(start_paused = true)]
async fn an_untaken_answer_is_cut_off_also_while_another_stream_of_the_connection_runs() {
    const RESET: u8 = 3;
    const PING: u8 = 6;
    // Answers have no room at the client until it makes some, which it never does.
    const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];
    let mut connection = connect();
    connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    connection.send(&frame(4, 0, 0, &NO_WINDOW)).await;
    connection.send(&get_frame(1, "/hang")).await;
    connection.send(&get_frame(3, "/large")).await;
    let cut_off = loop {
        let mut head = [0; 9];
        connection.client.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        connection.client.read_exact(&mut payload).await.unwrap();
        match (head[3], head[4]) {
            (RESET, _) => break head[8],
            (PING, 0) => connection.send(&frame(PING, 1, 0, &payload)).await,
            _ => {}
        }
    };
    assert_eq!((cut_off, connection.began.elapsed().as_secs()), (3, 30));
    sleep(Duration::from_secs(5)).await;
    assert_eq!(connection.calls.load(Ordering::SeqCst), 1);
    assert!(!connection.serving.is_finished());
}
