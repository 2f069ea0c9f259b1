//! One stream of an HTTP/2 connection: it ends when its client leaves its answer untaken (B1).
//!
//! A connection may live for long by what its other streams do, so that each looks after itself. What is dropped is reset
//! by hyper. A stream that goes well, and one whose answer takes long on our side, costs no timer.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

tokio::task_local! {
    /// Since when the next part of the answer is for the client to take, on the stream that is being polled.
    static OWED: Cell<Option<Instant>>;
}

/// Notes whether the next part of the answer is for the client to take. Outside a stream it does nothing.
pub(super) fn set_owed(owed: bool) {
    // An HTTP/1.1 connection has one answer at a time and looks after it itself.
    _ = OWED.try_with(|since| since.set(owed.then(|| since.get().unwrap_or_else(Instant::now))));
}

pin_project! {
    /// The task of a stream.
    pub(super) struct Stream<F> {
        #[pin]
        inner: F,
        stall: Duration,
        owed: Option<Instant>,
        timer: Option<Pin<Box<Sleep>>>,
    }
}

impl<F> Stream<F> {
    pub(super) fn new(inner: F, stall: Duration) -> Self {
        Self { inner, stall, owed: None, timer: None }
    }
}

impl<F: Future> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let (end, owed) = OWED.sync_scope(Cell::new(*this.owed), || {
            let end = this.inner.poll(context);
            (end, OWED.with(Cell::get))
        });
        *this.owed = owed;
        if end.is_ready() {
            return Poll::Ready(());
        }
        let Some(since) = owed else {
            *this.timer = None;
            return Poll::Pending;
        };
        let due = since + *this.stall;
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        timer.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};

    use tokio::time::sleep;

    use super::*;

    const STALL: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_never_taken_ends_its_stream() {
        let began = Instant::now();
        let untaken = async {
            sleep(Duration::from_secs(100)).await;
            set_owed(true);
            pending::<()>().await;
        };
        Stream::new(untaken, STALL).await;
        assert_eq!(began.elapsed().as_secs(), 130);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_taken_slowly_or_made_slowly_goes_on() {
        let began = Instant::now();
        let slow = async {
            for _ in 0..10 {
                set_owed(true);
                sleep(Duration::from_secs(29)).await;
                set_owed(false);
                sleep(Duration::from_secs(1_000)).await;
            }
        };
        Stream::new(slow, STALL).await;
        assert_eq!(began.elapsed().as_secs(), 10_290);
    }

    #[tokio::test(start_paused = true)]
    async fn streams_do_not_hear_of_each_other() {
        let stalled = tokio::spawn(Stream::new(
            poll_fn(|_| {
                set_owed(true);
                Poll::<()>::Pending
            }),
            STALL,
        ));
        let running = tokio::spawn(Stream::new(pending::<()>(), STALL));
        sleep(Duration::from_secs(31)).await;
        assert!(stalled.is_finished() && !running.is_finished());
    }
}
