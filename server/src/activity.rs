//! What goes on in one connection, and how long it may go on like that (B1).
//!
//! hyper's own timer for heads also runs while a connection lies idle, so that it cannot tell a slow client from a quiet
//! one, and nothing in it ends a connection whose client takes no answers. So the connection keeps these few counters,
//! and one timer looks at them now and then. A request that goes well costs no timer at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// How long a client may do what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Take over the head of a request, and over the first one from the moment of connecting.
    pub(crate) head: Duration,
    /// Leave the connection unused.
    pub(crate) idle: Duration,
    /// Leave an answer untaken.
    pub(crate) stall: Duration,
}

/// What to do about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Look again then.
    Wait(Instant),
    /// It lies unused: close it in order.
    Close,
    /// Its client is too slow: drop it.
    Drop,
}

/// The counters of one connection.
#[derive(Debug)]
pub(crate) struct Activity {
    born: Instant,
    /// Requests whose answer was not handed over whole.
    in_flight: AtomicUsize,
    /// Of these, answers of which the next part is for the client to take.
    owed: AtomicUsize,
    /// When a request or an answer last made progress, in milliseconds since `born`.
    last: AtomicU64,
    /// When the first byte of a head came, in milliseconds since `born`, plus one; 0: no head has begun.
    head: AtomicU64,
    served: AtomicBool,
    http2: AtomicBool,
    unread: AtomicBool,
}

/// One request in flight. Given back by drop (B3).
#[derive(Debug)]
pub(crate) struct Ticket {
    activity: Arc<Activity>,
    owed: bool,
}

impl Activity {
    pub(crate) fn begin() -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            in_flight: AtomicUsize::new(0),
            owed: AtomicUsize::new(0),
            last: AtomicU64::new(0),
            head: AtomicU64::new(0),
            served: AtomicBool::new(false),
            http2: AtomicBool::new(false),
            unread: AtomicBool::new(false),
        })
    }

    /// Bytes came.
    pub(crate) fn heard(&self) {
        if self.in_flight.load(Relaxed) == 0 && self.head.load(Relaxed) == 0 {
            self.head.store(self.now().saturating_add(1), Relaxed);
        }
    }

    /// A request's head is complete.
    pub(crate) fn request(self: &Arc<Self>, http2: bool) -> Ticket {
        self.head.store(0, Relaxed);
        self.served.store(true, Relaxed);
        self.http2.store(http2, Relaxed);
        self.in_flight.fetch_add(1, Relaxed);
        Ticket { activity: Arc::clone(self), owed: false }
    }

    /// A request's body was let go before its end.
    pub(crate) fn left_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    /// Whether the client may still be sending what no one will read.
    pub(crate) fn has_unread(&self) -> bool {
        self.unread.load(Relaxed)
    }

    /// Whether the verdict may come sooner than the last one said.
    pub(crate) fn is_urgent(&self) -> bool {
        let between = self.in_flight.load(Relaxed) == 0 && self.head.load(Relaxed) > 0;
        between || self.owed.load(Relaxed) > 0
    }

    /// What to do about the connection now.
    pub(crate) fn verdict(&self, now: Instant, patience: &Patience) -> Verdict {
        let (in_flight, head) = (self.in_flight.load(Relaxed), self.head.load(Relaxed));
        let (since, limit, verdict) = if in_flight > 0 {
            if self.owed.load(Relaxed) < in_flight {
                // A call is running, or its body is read: both have deadlines of their own.
                return Verdict::Wait(now + patience.stall);
            }
            (self.last.load(Relaxed), patience.stall, Verdict::Drop)
        } else if !self.served.load(Relaxed) {
            (0, patience.head, Verdict::Drop)
        } else if head > 0 && !self.http2.load(Relaxed) {
            (head - 1, patience.head, Verdict::Drop)
        } else {
            (self.last.load(Relaxed), patience.idle, Verdict::Close)
        };
        let due = self.born + Duration::from_millis(since) + limit;
        if now >= due { verdict } else { Verdict::Wait(due) }
    }

    fn progress(&self) {
        self.last.store(self.now(), Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Ticket {
    /// See [`Activity::has_unread`].
    pub(crate) fn has_unread(&self) -> bool {
        self.activity.has_unread()
    }

    /// Whether the next part of the answer is for the client to take.
    pub(crate) fn set_owed(&mut self, owed: bool) {
        if owed != self.owed {
            self.owed = owed;
            if owed {
                self.activity.owed.fetch_add(1, Relaxed);
            } else {
                self.activity.owed.fetch_sub(1, Relaxed);
            }
            self.activity.progress();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.set_owed(false);
        self.activity.progress();
        self.activity.in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(10), idle: Duration::from_secs(75), stall: Duration::from_secs(30) };

    fn verdict_now(activity: &Activity) -> Verdict {
        activity.verdict(Instant::now(), &PATIENCE)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_is_dropped() {
        let activity = Activity::begin();
        assert_eq!(verdict_now(&activity), Verdict::Wait(Instant::now() + PATIENCE.head));
        advance(PATIENCE.head).await;
        assert_eq!(verdict_now(&activity), Verdict::Drop);
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_client_has_longer_than_a_slow_one() {
        let activity = Activity::begin();
        drop(activity.request(false));
        advance(Duration::from_secs(60)).await;
        assert!(!activity.is_urgent());
        assert_eq!(verdict_now(&activity), Verdict::Wait(Instant::now() + Duration::from_secs(15)));
        activity.heard();
        assert!(activity.is_urgent());
        advance(Duration::from_secs(9)).await;
        activity.heard();
        assert_eq!(verdict_now(&activity), Verdict::Wait(Instant::now() + Duration::from_secs(1)));
        advance(Duration::from_secs(1)).await;
        assert_eq!(verdict_now(&activity), Verdict::Drop);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unused_connection_is_closed_in_order() {
        let activity = Activity::begin();
        drop(activity.request(true));
        activity.heard();
        advance(PATIENCE.idle).await;
        assert_eq!(verdict_now(&activity), Verdict::Close);
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_call_is_left_alone() {
        let activity = Activity::begin();
        let _running = activity.request(false);
        advance(Duration::from_secs(10_000)).await;
        assert!(matches!(verdict_now(&activity), Verdict::Wait(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_no_answer_is_dropped() {
        let activity = Activity::begin();
        let mut answer = activity.request(false);
        answer.set_owed(true);
        advance(Duration::from_secs(29)).await;
        assert!(matches!(verdict_now(&activity), Verdict::Wait(_)));
        answer.set_owed(false);
        answer.set_owed(true);
        advance(Duration::from_secs(29)).await;
        assert!(matches!(verdict_now(&activity), Verdict::Wait(_)));
        advance(Duration::from_secs(1)).await;
        assert_eq!(verdict_now(&activity), Verdict::Drop);
        drop(answer);
        assert_eq!(activity.in_flight.load(Relaxed) + activity.owed.load(Relaxed), 0);
    }
}
