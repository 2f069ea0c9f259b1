//! What one call may touch, and the host side of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker, ResourceTable};

use crate::bindings::Agent;
use crate::cache::LEASES_LIMIT;
use crate::{Budget, Cache, Exhausted, HostCall, LogSink, Storage};

/// An agent's configuration as it stood when the call began.
pub type Configuration = BTreeMap<String, String>;

/// The handles of one call. Each already belongs to its owner; there is no registry behind them.
#[derive(Clone)]
pub struct Grants {
    /// Durable storage.
    pub storage: Arc<dyn Storage>,
    /// The cache shard.
    pub cache: Arc<dyn Cache>,
    /// Where log lines go.
    pub log: Arc<dyn LogSink>,
    /// The agent's configuration.
    pub configuration: Arc<Configuration>,
}

impl fmt::Debug for Grants {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Grants")
    }
}

/// The host side of one call: what the functions of `wit/` act on.
#[derive(Debug)]
pub struct Host {
    pub(crate) grants: Grants,
    /// What the call is charged to.
    pub budget: Budget,
    pub(crate) clock: Arc<dyn CallClock>,
    /// The leases of the cache that the call holds. They go on to others when this is dropped, however the call ends.
    pub(crate) leases: ResourceTable,
}

/// How much time a call has used: kept by the scheduler, read by `usage`.
pub trait CallClock: Send + Sync + fmt::Debug {
    /// Time on a processor so far, in microseconds.
    fn cpu_us(&self) -> u64;
    /// Time on the clock so far, in microseconds.
    fn wall_us(&self) -> u64;
}

impl Host {
    /// The host side of a call with these grants.
    #[must_use]
    pub fn new(grants: Grants, budget: Budget, clock: Arc<dyn CallClock>) -> Self {
        let mut leases = ResourceTable::new();
        leases.set_max_capacity(LEASES_LIMIT);
        Self { grants, budget, clock, leases }
    }

    /// The one way into every host function (B2): charges the call and its bytes, before anything is done.
    pub(crate) fn charge(&mut self, call: HostCall, bytes: usize) -> Result<(), Exhausted> {
        self.budget.charge(call, bytes)
    }

    /// The way out of a host function that answers with bytes.
    pub(crate) fn charge_answer(&mut self, call: HostCall, bytes: usize) -> Result<(), Exhausted> {
        self.budget.charge_answer(call, bytes)
    }
}

/// Adds every interface of `wit/` to a linker whose store data holds a [`Host`].
///
/// # Errors
///
/// When an interface is already there.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, host: fn(&mut T) -> &mut Host) -> wasmtime::Result<()> {
    Agent::add_to_linker::<T, HasSelf<Host>>(linker, host)
}
