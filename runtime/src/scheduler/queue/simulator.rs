//! Guest threads, a ticker and guests in simulated time, over the very queue that the real ones use.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::*;

/// The tick of every simulation.
pub(super) const TICK: Duration = Duration::from_micros(500);

/// A call: it computes for so long, waits in a host function for so long, and so on for ever. Without a pause it spins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) tenant: usize,
    pub(super) burst: Duration,
    pub(super) pause: Duration,
    /// Whether a tick ends its slice; else only the end of its burst does.
    yields: bool,
    /// What is left of its burst.
    left: Duration,
    /// When it was queued.
    queued: Duration,
}

#[derive(Debug)]
struct Running {
    slice: Slice<usize>,
    call: Call,
    ran: Duration,
}

/// What a tenant has met.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    /// Processor time.
    pub(super) had: Duration,
    /// Slices that began.
    pub(super) slices: u32,
    /// The longest time from being queued to running, of those that ran.
    longest_wait: Duration,
}

pub(super) struct Simulator {
    pub(super) queue: FairQueue<usize, Call>,
    threads: Vec<Option<Running>>,
    sleeping: BinaryHeap<Reverse<(Duration, usize)>>,
    calls: Vec<Call>,
    weights: Vec<NonZeroU64>,
    pub(super) seen: Vec<Seen>,
    pub(super) now: Duration,
    ticks: u32,
}

impl Simulator {
    pub(super) fn new(threads: usize, weights: &[u64]) -> Self {
        Self {
            queue: FairQueue::new(TICK, threads),
            threads: (0..threads).map(|_| None).collect(),
            sleeping: BinaryHeap::new(),
            calls: Vec::new(),
            weights: weights.iter().map(|weight| NonZeroU64::new(*weight).unwrap()).collect(),
            seen: vec![Seen::default(); weights.len()],
            now: Duration::ZERO,
            ticks: 0,
        }
    }

    /// Calls of a tenant that compute without end.
    pub(super) fn spin(&mut self, tenant: usize, calls: usize) {
        for _ in 0..calls {
            self.begin(tenant, Duration::MAX, Duration::ZERO);
        }
    }

    /// A call of a tenant that computes and waits by turns, from now on.
    pub(super) fn begin(&mut self, tenant: usize, burst: Duration, pause: Duration) {
        self.push(Call { tenant, burst, pause, yields: true, left: burst, queued: self.now });
    }

    /// Calls of a tenant that do one thing after the other which no tick ends, each so long.
    pub(super) fn fill(&mut self, tenant: usize, calls: usize, burst: Duration) {
        let pause = Duration::from_nanos(1);
        for _ in 0..calls {
            self.push(Call { tenant, burst, pause, yields: false, left: burst, queued: self.now });
        }
    }

    fn push(&mut self, mut call: Call) {
        call.queued = self.now;
        self.queue.push(call.tenant, self.weights[call.tenant], call);
    }

    /// Forgets what was seen until now.
    pub(super) fn look_from_here(&mut self) {
        self.seen.fill(Seen::default());
    }

    /// Goes on for so many ticks.
    pub(super) fn run(&mut self, ticks: u32) {
        let end = self.ticks + ticks;
        self.occupy();
        while self.ticks < end {
            self.step(Duration::MAX);
        }
    }

    /// Goes on for less than a tick.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step(end);
        }
    }

    /// Goes on to whatever happens next: a tick, the end of a burst, or the end of a pause. No further than to `end`.
    fn step(&mut self, end: Duration) {
        let tick = TICK * (self.ticks + 1);
        let bursts = self.threads.iter().flatten().map(|running| self.now.saturating_add(running.call.left)).min();
        let pauses = self.sleeping.peek().map(|Reverse((until, _))| *until);
        let then = [bursts, pauses].into_iter().flatten().min().unwrap_or(tick).min(tick).min(end);
        let passed = then.checked_sub(self.now).unwrap();
        self.now = then;
        for running in self.threads.iter_mut().flatten() {
            running.ran += passed;
            running.call.left -= passed;
            self.seen[running.call.tenant].had += passed;
        }
        while self.sleeping.peek().is_some_and(|Reverse((until, _))| *until <= self.now) {
            let Reverse((_, number)) = self.sleeping.pop().unwrap();
            self.push(self.calls[number]);
        }
        if then == tick {
            self.ticks += 1;
            self.queue.at(self.ticks.into());
        }
        for thread in 0..self.threads.len() {
            self.look(thread, then == tick);
        }
        self.occupy();
    }

    /// What becomes of the slice on a thread: its burst is over, or it gives way at the tick, or it goes on.
    fn look(&mut self, thread: usize, ticked: bool) {
        let Some(mut running) = self.threads[thread].take() else { return };
        if running.call.left.is_zero() {
            self.queue.charge(running.slice, running.ran);
            let call = Call { left: running.call.burst, ..running.call };
            self.sleeping.push(Reverse((self.now + call.pause, self.calls.len())));
            self.calls.push(call);
        } else if ticked && running.call.yields && !self.queue.goes_on(&mut running.slice, running.ran) {
            // As on the real threads: first it is queued again, then the slice is charged.
            self.push(running.call);
            self.queue.charge(running.slice, running.ran);
        } else {
            self.threads[thread] = Some(running);
        }
    }

    fn occupy(&mut self) {
        for thread in self.threads.iter_mut().filter(|thread| thread.is_none()) {
            let Some((slice, call)) = self.queue.pop() else { return };
            let seen = &mut self.seen[call.tenant];
            seen.slices += 1;
            seen.longest_wait = seen.longest_wait.max(self.now.checked_sub(call.queued).unwrap());
            *thread = Some(Running { slice, call, ran: Duration::ZERO });
        }
    }

    /// The longest time that a call of the tenant waited for its slice, or waits now.
    pub(super) fn longest_wait(&self, tenant: usize) -> Duration {
        let waiting = self.queue.tenants.get(&tenant).into_iter().flat_map(|tenant| &tenant.items);
        let waits = waiting.map(|call| self.now.checked_sub(call.queued).unwrap());
        waits.max().unwrap_or_default().max(self.seen[tenant].longest_wait)
    }

    /// The part of a tenant in the processor time of all.
    pub(super) fn share(&self, tenant: usize) -> f64 {
        let all: Duration = self.seen.iter().map(|seen| seen.had).sum();
        self.seen[tenant].had.as_secs_f64() / all.as_secs_f64()
    }
}
