//! The place of one tenant's file among the open ones: not looked at, absent, open, or removed for good.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::engine::{Counters, Engine};
use super::failure::Failure;
use crate::files;
use crate::home::Home;

const FILE: &str = "storage.redb";
/// A file that is being made: it is renamed into place when it has its stamp.
const UNFINISHED: &str = "storage.redb.new";

enum State {
    /// Not open; whether there is a file is not known.
    Closed,
    /// There is no file: nobody but this process makes one.
    Absent,
    /// Open.
    Open(Arc<Engine>),
    /// The tenant is gone; no file is ever made again.
    Removed,
}

/// What is known without waiting.
pub(crate) enum Peek {
    Open(Arc<Engine>),
    Absent,
    /// It takes a look at the disk.
    Unknown,
}

/// One tenant's file.
pub(crate) struct Slot {
    home: Arc<Home>,
    /// Held while the file is opened or closed, so that it is never open twice.
    state: Mutex<State>,
    /// When it was last used, on the clock of the open files.
    used: AtomicU64,
}

impl Slot {
    pub(crate) fn new(home: Arc<Home>) -> Self {
        Self { home, state: Mutex::new(State::Closed), used: AtomicU64::new(0) }
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    pub(crate) fn touch(&self, now: u64) {
        self.used.store(now, Ordering::Relaxed);
    }

    pub(crate) fn last_used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The file, if that is known without waiting for anyone.
    pub(crate) fn peek(&self) -> Peek {
        match self.state.try_lock().as_deref() {
            Some(State::Open(engine)) => Peek::Open(Arc::clone(engine)),
            Some(State::Absent | State::Removed) => Peek::Absent,
            Some(State::Closed) | None => Peek::Unknown,
        }
    }

    /// The file for reading; `None` when there is none. Blocks on the disk.
    pub(crate) fn open(&self) -> Result<Option<Arc<Engine>>, Failure> {
        let mut state = self.state.lock();
        match &*state {
            State::Open(engine) => return Ok(Some(Arc::clone(engine))),
            State::Absent | State::Removed => return Ok(None),
            State::Closed => {}
        }
        let opened = self.open_existing()?;
        *state = opened.as_ref().map_or(State::Absent, |engine| State::Open(Arc::clone(engine)));
        Ok(opened)
    }

    /// The file for writing, made if need be. Blocks on the disk.
    pub(crate) fn open_or_create(&self) -> Result<Arc<Engine>, Failure> {
        let mut state = self.state.lock();
        let existing = match &*state {
            State::Open(engine) => return Ok(Arc::clone(engine)),
            State::Removed => return Err(Failure::Removed),
            State::Absent => None,
            State::Closed => self.open_existing()?,
        };
        let engine = match existing {
            Some(engine) => engine,
            None => self.create()?,
        };
        *state = State::Open(Arc::clone(&engine));
        Ok(engine)
    }

    fn open_existing(&self) -> Result<Option<Arc<Engine>>, Failure> {
        let Some(home) = self.home.open().map_err(Failure::file("open the tenant's directory"))? else {
            return Ok(None);
        };
        match home.open_with(FILE, &files::read_write()) {
            Ok(file) => Ok(Some(Arc::new(Engine::open(file.into_std(), self.home.tenant())?))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::file("open the storage file")(error)),
        }
    }

    /// Makes the file beside its place and renames it when it is whole, so that a crash leaves a stamped file or none.
    fn create(&self) -> Result<Arc<Engine>, Failure> {
        let home = self.home.make().map_err(Failure::file("make the tenant's directory"))?;
        files::remove_if_there(&home, UNFINISHED).map_err(Failure::file("remove an unfinished storage file"))?;
        let file = files::create_new(&home, UNFINISHED).map_err(Failure::file("make the storage file"))?;
        let engine = Engine::create(file, self.home.tenant())?;
        home.rename(UNFINISHED, &home, FILE).map_err(Failure::file("put the storage file in place"))?;
        files::sync_dir(&home).map_err(Failure::file("synchronise the tenant's directory"))?;
        Ok(Arc::new(engine))
    }

    /// Whether the file is open.
    pub(crate) fn is_open(&self) -> bool {
        // Someone who holds the lock is opening or closing it: either way it counts.
        self.state.try_lock().is_none_or(|state| matches!(*state, State::Open(_)))
    }

    /// Closes the file if nobody uses it. Answers whether it is closed now.
    pub(crate) fn close_if_idle(&self) -> bool {
        let mut state = self.state.lock();
        match &*state {
            // Handles are cloned under this lock only, so a count of one stays one.
            State::Open(engine) if Arc::strong_count(engine) > 1 => false,
            State::Open(_) => {
                // The old state is dropped, and the file closed with it, before the lock is let go.
                *state = State::Closed;
                true
            }
            State::Closed | State::Absent | State::Removed => true,
        }
    }

    /// Forgets a handle that failed, so that the next use opens the file again.
    pub(crate) fn discard(&self, failed: &Arc<Engine>) {
        let mut state = self.state.lock();
        if matches!(&*state, State::Open(engine) if Arc::ptr_eq(engine, failed)) {
            *state = State::Closed;
        }
    }

    /// Removes the tenant's directory if it holds no keys and `others_empty` agrees. Answers what storage holds.
    pub(crate) fn remove_if_empty(
        &self,
        others_empty: impl FnOnce() -> Result<bool, Failure>,
    ) -> Result<(Counters, bool), Failure> {
        let mut state = self.state.lock();
        let engine = match &*state {
            // Whoever uses it now would be told of a success that is gone a moment later.
            State::Open(engine) if Arc::strong_count(engine) > 1 => return Err(Failure::InUse),
            State::Open(engine) => Some(Arc::clone(engine)),
            State::Removed => return Ok((Counters::default(), true)),
            State::Absent => None,
            State::Closed => self.open_existing()?,
        };
        let counters = engine.as_ref().map_or(Ok(Counters::default()), |engine| engine.counters())?;
        if counters.keys > 0 || !others_empty()? {
            *state = engine.map_or(State::Absent, State::Open);
            return Ok((counters, false));
        }
        drop(engine);
        *state = State::Removed;
        self.home.remove().map_err(Failure::file("remove the tenant's directory"))?;
        Ok((counters, true))
    }
}
