//! One guest thread more than there are processors for, for when none of the others answers.
//!
//! The epoch does not interrupt everything: one instruction may fill all of a guest's memory, and taking a large memory
//! back is one call of the kernel. When every guest thread is within such a thing for a whole tick, and a tenant of which
//! nothing runs is next, its calls run here, and the kernel shares the processors out. In ordinary times it sleeps.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{NUMBER, SLICE, Shared, turn};
use crate::engine::Pulse;

/// Nobody's turn: it has begun to stand in.
const STANDING_IN: u64 = u64::MAX;

/// How things stood when it last looked.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    /// Whose turn it was.
    next: u64,
    /// How many signs of life the guest threads had given.
    signs: u64,
}

/// The thread's life, until the scheduler stops.
pub(super) fn run(shared: &Shared, pulse: Option<&Pulse>) {
    // None of those whose slices are watched.
    NUMBER.set(usize::MAX);
    let mut ended: Option<Duration> = None;
    let mut before: Option<Look> = None;
    loop {
        let mut state = shared.state.lock();
        if let (Some(slice), Some(took)) = (SLICE.take(), ended.take()) {
            state.queue.charge(slice, took);
            shared.least.store(state.queue.least(), Ordering::Relaxed);
        }
        let (slice, runnable) = loop {
            if shared.stopped.load(Ordering::SeqCst) {
                return;
            }
            let signs = state.signs;
            let all_run = state.running.iter().all(Option::is_some);
            let next = state.queue.next_without_a_slice().filter(|_| all_run);
            let look = next.map(|next| Look { next, signs });
            // Whoever comes next while the others are still silent does not wait for another tick.
            let silent = before.is_some_and(|before| before.signs == signs);
            let standing_in = before.is_some_and(|before| before.next == STANDING_IN);
            if let Some(look) = look
                && silent
                && (standing_in || before == Some(look))
                && let Some(popped) = state.queue.pop()
            {
                shared.least.store(state.queue.least(), Ordering::Relaxed);
                before = Some(Look { next: STANDING_IN, signs });
                break popped;
            }
            if !(silent && standing_in) {
                before = look;
            }
            let stands_in = silent && standing_in;
            state.at_rest = stands_in || state.queue.is_empty();
            if state.at_rest && !stands_in {
                shared.help.wait(&mut state);
            } else {
                shared.help.wait_for(&mut state, shared.tick);
            }
            state.at_rest = false;
        };
        drop(state);
        if let Some(pulse) = pulse {
            pulse.begin();
        }
        ended = Some(turn(slice, runnable));
        if let Some(pulse) = pulse {
            pulse.end();
        }
    }
}
