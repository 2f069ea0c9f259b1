//! As many guest threads again as there are processors for, for when none of the others answers.
//!
//! The epoch does not interrupt everything: one instruction may fill all of a guest's memory, and taking a large memory
//! back is one call of the kernel. When every thread before a stand-in is within such a thing for a whole tick, and a tenant
//! of which nothing runs is next, its calls run here, and the kernel shares the processors out. The next stand-in watches
//! this one as it watches the others: it takes as many tenants that do such things at once as there are threads of both
//! kinds to keep another waiting. In ordinary times all of them sleep.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{NUMBER, SLICE, Shared, State, turn};
use crate::engine::Pulse;

/// Nobody's turn: it has begun to stand in.
const STANDING_IN: u64 = u64::MAX;

/// How things stood when it last looked.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    /// Whose turn it was.
    next: u64,
    /// How many signs of life the threads before it had given.
    signs: u64,
}

impl State {
    /// The signs of life of the threads before this one, where all of them run.
    fn signs_before(&self, number: usize) -> Option<u64> {
        let before = self.running.get(..number)?;
        before.iter().all(Option::is_some).then(|| self.signs.iter().take(number).sum())
    }

    fn set_at_rest(&mut self, stand_in: usize, is_at_rest: bool) {
        if let Some(at_rest) = self.at_rest.get_mut(stand_in) {
            *at_rest = is_at_rest;
        }
    }

    fn set_running(&mut self, number: usize, start: Option<u64>) {
        if let Some(running) = self.running.get_mut(number) {
            *running = start;
        }
    }
}

/// The life of the thread of this number, which is the stand-in of that one, until the scheduler stops.
pub(super) fn run(shared: &Shared, number: usize, stand_in: usize, pulse: Option<&Pulse>) {
    let Some(help) = shared.help.get(stand_in) else { return };
    NUMBER.set(number);
    let mut ended: Option<Duration> = None;
    let mut before: Option<Look> = None;
    loop {
        let mut state = shared.lock();
        state.set_running(number, None);
        if let (Some(slice), Some(took)) = (SLICE.take(), ended.take()) {
            state.queue.charge(slice, took);
            shared.least.store(state.queue.least(), Ordering::Relaxed);
        }
        let (slice, runnable) = loop {
            if shared.stopped.load(Ordering::SeqCst) {
                return;
            }
            let signs = state.signs_before(number);
            let look = signs.zip(state.queue.next_without_a_slice()).map(|(signs, next)| Look { next, signs });
            // Whoever comes next while the others are still silent does not wait for another tick.
            let silent = before.is_some_and(|before| signs == Some(before.signs));
            let standing_in = silent && before.is_some_and(|before| before.next == STANDING_IN);
            if let Some(look) = look
                && silent
                && (standing_in || before == Some(look))
                && let Some(popped) = state.queue.pop()
            {
                shared.least.store(state.queue.least(), Ordering::Relaxed);
                before = Some(Look { next: STANDING_IN, signs: look.signs });
                break popped;
            }
            if !standing_in {
                before = look;
            }
            // A stand-in behind one that does not run has nothing to watch: that one is called first.
            let idle = state.queue.is_empty() || (stand_in > 0 && signs.is_none());
            state.set_at_rest(stand_in, idle || standing_in);
            if idle && !standing_in {
                help.wait(&mut state);
            } else {
                help.wait_for(&mut state, shared.tick);
            }
            state.queue.at(shared.bell.ticks());
            state.set_at_rest(stand_in, false);
        };
        state.set_running(number, Some(slice.start()));
        state.give_sign(number);
        // The next one watches from now on.
        let next = if state.queue.is_empty() { None } else { state.stand_in_to_call() };
        drop(state);
        if let Some(next) = next.and_then(|next| shared.help.get(next)) {
            next.notify_one();
        }
        if let Some(pulse) = pulse {
            pulse.begin();
        }
        ended = Some(turn(slice, runnable));
        if let Some(pulse) = pulse {
            pulse.end();
        }
    }
}
