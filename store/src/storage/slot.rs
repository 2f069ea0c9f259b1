//! The place of one tenant's volume among the open ones: not looked at, absent, open, or removed for good.
//!
//! It knows nothing of files: where a volume comes from is its [`Source`]'s. So shuttle can run it, together with the
//! set of open ones, through interleavings that a disk would take years to show.

use super::sync::{Arc, AtomicU64, Mutex, Ordering};

/// Where a volume comes from. Both functions block on the disk.
pub(crate) trait Source {
    /// An open volume. Dropping it closes it.
    type Volume;
    /// Why it did not open.
    type Error;

    /// Opens what is there; `None` where there is nothing.
    fn open(&self) -> Result<Option<Self::Volume>, Self::Error>;

    /// Makes a new one.
    fn create(&self) -> Result<Self::Volume, Self::Error>;

    /// What a write to a volume that was removed is told.
    fn removed(&self) -> Self::Error;
}

enum State<V> {
    /// Not open; whether there is one is not known.
    Closed,
    /// There is none: nobody but this process makes one.
    Absent,
    /// Open.
    Open(Arc<V>),
    /// The tenant is gone; none is ever made again.
    Removed,
}

/// What is known without waiting.
pub(crate) enum Peek<V> {
    Open(Arc<V>),
    Absent,
    /// It takes a look at the disk.
    Unknown,
}

/// One tenant's volume.
pub(crate) struct Slot<S: Source> {
    source: S,
    /// Held while the volume is opened or closed, so that it is never open twice.
    state: Mutex<State<S::Volume>>,
    /// When it was last used, on the clock of the open volumes.
    used: AtomicU64,
}

impl<S: Source> Slot<S> {
    pub(crate) fn new(source: S) -> Self {
        Self { source, state: Mutex::new(State::Closed), used: AtomicU64::new(0) }
    }

    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    pub(crate) fn touch(&self, now: u64) {
        self.used.store(now, Ordering::Relaxed);
    }

    pub(crate) fn last_used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The volume, if that is known without waiting for anyone.
    pub(crate) fn peek(&self) -> Peek<S::Volume> {
        match self.state.try_lock().as_deref() {
            Some(State::Open(volume)) => Peek::Open(Arc::clone(volume)),
            Some(State::Absent | State::Removed) => Peek::Absent,
            Some(State::Closed) | None => Peek::Unknown,
        }
    }

    /// The volume for reading; `None` when there is none. Blocks on the disk.
    pub(crate) fn open(&self) -> Result<Option<Arc<S::Volume>>, S::Error> {
        let mut state = self.state.lock();
        match &*state {
            State::Open(volume) => return Ok(Some(Arc::clone(volume))),
            State::Absent | State::Removed => return Ok(None),
            State::Closed => {}
        }
        let opened = self.source.open()?.map(Arc::new);
        *state = opened.as_ref().map_or(State::Absent, |volume| State::Open(Arc::clone(volume)));
        Ok(opened)
    }

    /// The volume for writing, made if need be. Blocks on the disk.
    pub(crate) fn open_or_create(&self) -> Result<Arc<S::Volume>, S::Error> {
        let mut state = self.state.lock();
        let existing = match &*state {
            State::Open(volume) => return Ok(Arc::clone(volume)),
            State::Removed => return Err(self.source.removed()),
            State::Absent => None,
            State::Closed => self.source.open()?,
        };
        let volume = match existing {
            Some(volume) => volume,
            None => self.source.create()?,
        };
        let volume = Arc::new(volume);
        *state = State::Open(Arc::clone(&volume));
        Ok(volume)
    }

    /// Whether it is open.
    pub(crate) fn is_open(&self) -> bool {
        // Someone who holds the lock is opening or closing it: either way it counts.
        self.state.try_lock().is_none_or(|state| matches!(*state, State::Open(_)))
    }

    /// Closes the volume if nobody uses it. Answers whether it is closed now.
    pub(crate) fn close_if_idle(&self) -> bool {
        let mut state = self.state.lock();
        match &*state {
            // Handles are cloned under this lock only, so a count of one stays one.
            State::Open(volume) if Arc::strong_count(volume) > 1 => false,
            State::Open(_) => {
                // The old state is dropped, and the volume closed with it, before the lock is let go.
                *state = State::Closed;
                true
            }
            State::Closed | State::Absent | State::Removed => true,
        }
    }

    /// Forgets a handle that failed, so that the next use opens the volume again.
    pub(crate) fn discard(&self, failed: &Arc<S::Volume>) {
        let mut state = self.state.lock();
        if matches!(&*state, State::Open(volume) if Arc::ptr_eq(volume, failed)) {
            *state = State::Closed;
        }
    }

    /// Puts another volume in the place of the one that is open; `swap` does the same on the disk. Readers of the old one
    /// end on the old one.
    pub(crate) fn replace(
        &self,
        old: &Arc<S::Volume>,
        swap: impl FnOnce() -> Result<S::Volume, S::Error>,
    ) -> Result<(), S::Error> {
        let mut state = self.state.lock();
        match &*state {
            State::Open(volume) if Arc::ptr_eq(volume, old) => {
                // Until the new one is known to be good: a failure half-way opens whatever is in place then.
                *state = State::Closed;
                *state = State::Open(Arc::new(swap()?));
                Ok(())
            }
            State::Removed => Err(self.source.removed()),
            _ => Ok(()),
        }
    }

    /// Ends the volume, whatever it is: `act` removes it. Nothing is opened, so that one that cannot be goes too. Nothing is
    /// opened or made meanwhile, nor ever again where the act worked. Blocks on the disk.
    pub(crate) fn remove(&self, act: impl FnOnce() -> Result<(), S::Error>) -> Result<(), S::Error> {
        let mut state = self.state.lock();
        let was_removed = matches!(*state, State::Removed);
        // The old handle is dropped, and the volume closed with the last reader's.
        *state = State::Closed;
        let done = act();
        if done.is_ok() || was_removed {
            *state = State::Removed;
        }
        done
    }

    /// Ends the volume: `act` looks at what is there, removes it where it is to be removed, and says so. Nothing is
    /// opened or made meanwhile, nor ever again if it was removed. Blocks on the disk.
    pub(crate) fn end<T>(
        &self,
        act: impl FnOnce(Option<Arc<S::Volume>>) -> Result<(T, bool), S::Error>,
    ) -> Result<T, S::Error> {
        let mut state = self.state.lock();
        let volume = match &*state {
            State::Open(volume) => Some(Arc::clone(volume)),
            State::Absent | State::Removed => None,
            State::Closed => self.source.open()?.map(Arc::new),
        };
        let was_removed = matches!(*state, State::Removed);
        *state = match &volume {
            _ if was_removed => State::Removed,
            Some(volume) => State::Open(Arc::clone(volume)),
            None => State::Absent,
        };
        let (value, removed) = act(volume)?;
        if removed {
            *state = State::Removed;
        }
        Ok(value)
    }
}
