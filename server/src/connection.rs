//! One connection: HTTP/1.1 or HTTP/2 on it, its requests led to the router, its end when it is due (B1, B3).
//!
//! Everything of a connection hangs on one future. Dropping it drops the handlers in flight, and they their calls.

mod entry;
mod stream;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Router;
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::WaitForCancellationFuture;
use tokio_util::task::TaskTracker;

use self::entry::Entry;
use self::stream::Stream;
use crate::activity::{Activity, Patience, Verdict};
use crate::socket::Socket;
use crate::stop::{Phase, Stop};

/// The most bytes of a head over HTTP/1.1, and of what hyper buffers of a body.
const HTTP1_BUFFER: usize = 64 << 10;
/// The most headers of a request over HTTP/1.1.
const HTTP1_HEADERS: usize = 100;
/// The most bytes of a head over HTTP/2, as RFC 9113 counts them. More of its frames than this takes end the connection.
const HTTP2_HEAD: u32 = 16 << 10;
/// The most requests of one HTTP/2 connection at a time.
const HTTP2_STREAMS: u32 = 128;
/// The most bytes that an HTTP/2 client sends ahead of what is read of its bodies: on one stream, and on all of them.
const HTTP2_WINDOW: u32 = 256 << 10;
/// The most bytes of one HTTP/2 frame.
const HTTP2_FRAME: u32 = 16 << 10;
/// The most bytes of one answer that HTTP/2 buffers beside the answer itself.
const HTTP2_SEND_BUFFER: usize = 64 << 10;
/// The most requests that an HTTP/2 client took back before they were looked at. One more ends the connection.
const HTTP2_TAKEN_BACK: usize = 20;
/// The most streams of one HTTP/2 connection that were reset for its client's errors. One more ends it.
const HTTP2_ERRORS: usize = 128;
/// How often an HTTP/2 client is asked whether it is still there.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long it may take to say so.
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// What all connections of a listener share.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) router: Router,
    pub(crate) patience: Patience,
    pub(crate) stop: Stop,
    pub(crate) tasks: TaskTracker,
    builder: Arc<Builder<Spawner>>,
}

/// Runs the requests of HTTP/2 connections as tasks that draining waits for. They end with their connection.
#[derive(Clone)]
pub(crate) struct Spawner {
    tasks: TaskTracker,
    stall: Duration,
}

impl<F> Executor<F> for Spawner
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.tasks.spawn(Stream::new(future, self.stall));
    }
}

impl House {
    pub(crate) fn new(router: Router, patience: Patience, stop: Stop, tasks: TaskTracker) -> Self {
        let builder = Arc::new(builder(Spawner { tasks: tasks.clone(), stall: patience.stall }));
        Self { router, patience, stop, tasks, builder }
    }
}

fn builder(spawner: Spawner) -> Builder<Spawner> {
    let mut builder = Builder::new(spawner);
    builder
        .http1()
        .timer(TokioTimer::new())
        // `Activity` does this, see there.
        .header_read_timeout(None)
        // A client that has closed its side has gone away: its call stops.
        .half_close(false)
        .max_headers(HTTP1_HEADERS)
        .max_buf_size(HTTP1_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS)
        .max_header_list_size(HTTP2_HEAD)
        .max_frame_size(HTTP2_FRAME)
        .adaptive_window(false)
        .initial_stream_window_size(HTTP2_WINDOW)
        .initial_connection_window_size(HTTP2_WINDOW)
        .max_send_buf_size(HTTP2_SEND_BUFFER)
        .max_pending_accept_reset_streams(HTTP2_TAKEN_BACK)
        .max_local_error_reset_streams(HTTP2_ERRORS)
        .keep_alive_interval(HTTP2_PING_INTERVAL)
        .keep_alive_timeout(HTTP2_PING_TIMEOUT);
    builder
}

/// Serves a connection to its end.
pub(crate) async fn serve<T>(stream: T, house: House)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let activity = Activity::begin();
    let entry = Entry::new(house.router.clone(), Arc::clone(&activity));
    let socket = TokioIo::new(Socket::new(stream, Arc::clone(&activity)));
    let mut connection = pin!(house.builder.serve_connection(socket, entry));
    let mut watch = pin!(Watch::new(&house, &activity));
    poll_fn(|context| {
        // Before the connection, so that an order to close is carried out in the same turn.
        match watch.as_mut().poll(context) {
            Order::End => return Poll::Ready(()),
            Order::Close => connection.as_mut().graceful_shutdown(),
            Order::Nothing => {}
        }
        if let Poll::Ready(end) = connection.as_mut().poll(context) {
            if let Err(error) = end {
                tracing::debug!(error, "a connection ended badly");
            }
            return Poll::Ready(());
        }
        watch.as_mut().rearm(context)
    })
    .await;
}

/// What is to be done with a connection.
enum Order {
    Nothing,
    Close,
    End,
}

pin_project_lite::pin_project! {
    /// Watches over one connection: the order to stop, and the clock.
    struct Watch<'house> {
        house: &'house House,
        activity: &'house Activity,
        #[pin]
        draining: WaitForCancellationFuture<'house>,
        #[pin]
        killed: WaitForCancellationFuture<'house>,
        // Whom the two above wake.
        registered: Option<Waker>,
        #[pin]
        timer: Sleep,
        // When the connection was told to close.
        closing: Option<Instant>,
    }
}

impl<'house> Watch<'house> {
    fn new(house: &'house House, activity: &'house Activity) -> Self {
        Self {
            house,
            activity,
            draining: house.stop.draining().cancelled(),
            killed: house.stop.killed().cancelled(),
            registered: None,
            timer: sleep(house.patience.head),
            closing: None,
        }
    }

    fn poll(self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Order {
        let this = self.project();
        if !this.registered.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            // What they say is read from the phase; they are here to wake this task.
            _ = this.draining.poll(context).is_ready();
            _ = this.killed.poll(context).is_ready();
            *this.registered = Some(context.waker().clone());
        }
        let close = match this.house.stop.phase() {
            Phase::Kill => return Order::End,
            Phase::Drain => true,
            Phase::Serve => false,
        };
        let mut timer = this.timer;
        let is_due = timer.is_elapsed() || this.activity.is_urgent();
        if is_due {
            let now = Instant::now();
            let patience = &this.house.patience;
            let until = match (this.activity.verdict(now, patience), &*this.closing) {
                (Verdict::Wait(until), _) => until,
                (Verdict::Drop, _) => return Order::End,
                (Verdict::Close, Some(since)) if now >= *since + patience.head => return Order::End,
                (Verdict::Close, Some(since)) => *since + patience.head,
                (Verdict::Close, None) => {
                    *this.closing = Some(now);
                    timer.as_mut().reset(now + patience.head);
                    return Order::Close;
                }
            };
            if until != timer.deadline() {
                timer.as_mut().reset(until);
            }
        }
        if close && this.closing.is_none() {
            *this.closing = Some(Instant::now());
            return Order::Close;
        }
        Order::Nothing
    }

    /// Sees to it that the clock wakes the connection, at the latest when it is due.
    fn rearm(self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let mut timer = this.timer;
        if this.activity.is_urgent()
            && let Verdict::Wait(until) = this.activity.verdict(Instant::now(), &this.house.patience)
            && until < timer.deadline()
        {
            timer.as_mut().reset(until);
        }
        if timer.poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
