//! When a guest thread tells that a call has ended. Each time that it tells, another thread is woken for it, which takes the
//! processor from a guest: where a tenant's short calls come one after the other, several are told of at once.
//!
//! Nobody waits for another tenant's call: what is held is told of before the thread begins anything of another's, before it
//! has nothing to do, after a slice that was not short, and at the tick of one that is long.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use insula_tenancy::TenantId;

/// As many are told of together, at most (decision 0027 has what other values gave).
const MOST: usize = 4;
/// After a slice that took longer, it is told at once.
const SHORT: Duration = Duration::from_micros(50);

thread_local! {
    /// Whether this thread tells of several at once.
    static HOLDS: Cell<bool> = const { Cell::new(false) };
    static HELD: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
    /// Whose they are.
    static OWNER: Cell<Option<TenantId>> = const { Cell::new(None) };
}

/// Who awaits a call, as the guest thread knows it.
pub(super) struct Answer(Waker);

impl Answer {
    /// What wakes whoever this waker wakes, when the guest thread tells.
    pub(super) fn to(waker: &Waker) -> Waker {
        Waker::from(Arc::new(Self(waker.clone())))
    }
}

impl Wake for Answer {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if HOLDS.get() {
            HELD.with_borrow_mut(|held| held.push(self.0.clone()));
        } else {
            self.0.wake_by_ref();
        }
    }
}

/// From now on this thread tells of several at once: whoever runs on it promises to say what it does next.
pub(super) fn hold() {
    HOLDS.set(true);
}

/// A slice of this tenant has ended.
pub(super) fn ended(tenant: TenantId, took: Duration) {
    let held = HELD.with_borrow(Vec::len);
    OWNER.set(Some(tenant));
    if held >= MOST || took > SHORT {
        tell();
    }
}

/// A slice of this tenant begins.
pub(super) fn begins(tenant: TenantId) {
    if OWNER.get() != Some(tenant) {
        tell();
    }
}

/// Whether something is held.
pub(super) fn any() -> bool {
    HELD.with_borrow(|held| !held.is_empty())
}

/// Tells of all that is held.
pub(super) fn tell() {
    // Not within the borrow: whoever is woken may do anything.
    let mut held = HELD.take();
    held.drain(..).for_each(Waker::wake);
    HELD.with_borrow_mut(|empty| {
        if empty.is_empty() {
            *empty = held;
        }
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Told(AtomicUsize);

    impl Wake for Told {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ends so many short calls of this tenant; answers how many of them were told of.
    fn end(tenant: TenantId, calls: usize) -> usize {
        let told = Arc::new(Told::default());
        for _ in 0..calls {
            begins(tenant);
            Answer::to(&Waker::from(Arc::clone(&told))).wake();
            ended(tenant, SHORT);
        }
        told.0.load(Ordering::Relaxed)
    }

    #[test]
    fn a_thread_that_promised_nothing_tells_at_once() {
        assert_eq!(end(TenantId::generate(), 3), 3);
    }

    #[test]
    fn short_calls_of_one_tenant_are_told_of_together_and_no_other_tenants_call_begins_before() {
        hold();
        let [ours, theirs, bystander] = [(); 3].map(|()| TenantId::generate());
        assert_eq!((end(ours, MOST - 1), any()), (0, true));
        assert_eq!((end(ours, 1), any()), (1, false), "that was the last of them");
        for other in [theirs, bystander, ours] {
            let told = Arc::new(Told::default());
            Answer::to(&Waker::from(Arc::clone(&told))).wake();
            ended(TenantId::generate(), SHORT);
            assert_eq!(told.0.load(Ordering::Relaxed), 0);
            begins(other);
            assert_eq!((told.0.load(Ordering::Relaxed), any()), (1, false));
        }
    }

    #[test]
    fn after_a_slice_that_was_not_short_it_is_told_at_once() {
        hold();
        let (tenant, told) = (TenantId::generate(), Arc::new(Told::default()));
        begins(tenant);
        Answer::to(&Waker::from(Arc::clone(&told))).wake();
        ended(tenant, SHORT + Duration::from_nanos(1));
        assert_eq!((told.0.load(Ordering::Relaxed), any()), (1, false));
    }
}
