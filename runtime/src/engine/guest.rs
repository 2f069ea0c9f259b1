//! What a guest's store holds (T4): the host side of one call and nothing that spans tenants.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use insula_host_api::{Host, Level, LogMeter, LogSink, Source};
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::Output;
use crate::scheduler::CallClock;
use crate::time_of_day::StandingStill;

/// Handles that a guest may hold on the host: streams, pollables and the like.
const RESOURCES: usize = 1_024;
/// The most random bytes that one call of `wasi:random` makes.
const RANDOM_BYTES: u64 = 64 << 10;
/// Instances, memories and tables of one store. The pool's limits on one component are below these.
const INSTANCES: usize = 64;
const MEMORIES: usize = 4;
const TABLES: usize = 16;

/// The `T` of `Store<T>`. A tidy test holds its fields to this list (T4).
pub(crate) struct GuestState {
    pub(crate) host: Host,
    pub(crate) clock: Arc<CallClock>,
    log: Arc<dyn LogSink>,
    wasi: Option<WasiCtx>,
    table: ResourceTable,
    growing: u64,
}

/// Why the host ended a guest between two instructions: the trap that the epoch callback raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Interrupted {
    /// Its time on a processor is used up.
    #[error("the call used up its time on a processor")]
    Cpu,
    /// Its time on the clock is used up.
    #[error("the call ran past its deadline")]
    Deadline,
    /// Nobody waits for the answer any more.
    #[error("the caller went away")]
    Cancelled,
}

impl GuestState {
    pub(crate) fn new(host: Host, clock: Arc<CallClock>, log: Arc<dyn LogSink>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        Self { host, clock, log, wasi: None, table, growing: 0 }
    }
}

impl fmt::Debug for GuestState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("GuestState").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Built when the guest first asks for anything of WASI: most calls never do, and random generators take a while.
fn wasi(log: &Arc<dyn LogSink>, meter: &Arc<LogMeter>, time_of_day: Option<Duration>) -> WasiCtx {
    let output = |level, source| Output::new(level, source, Arc::clone(log), Arc::clone(meter));
    let mut builder = WasiCtxBuilder::new();
    if let Some(time) = time_of_day {
        builder.wall_clock(StandingStill(time));
    }
    builder
        .stdout(output(Level::Info, Source::Stdout))
        .stderr(output(Level::Warn, Source::Stderr))
        .max_random_size(RANDOM_BYTES)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (log, meter, time_of_day) = (&self.log, self.host.budget.log(), self.clock.time_of_day());
        let ctx = self.wasi.get_or_insert_with(|| wasi(log, meter, time_of_day));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl wasmtime_wasi_io::IoView for GuestState {
    fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

/// Adds up over all memories and tables, where wasmtime's own limiter checks each apart. Must not panic.
impl ResourceLimiter for GuestState {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let possible = maximum.is_none_or(|maximum| desired <= maximum);
        let grows = possible && self.host.budget.grow_memory(current, desired);
        self.growing = if grows { (desired as u64).saturating_sub(current as u64) } else { 0 };
        Ok(grows)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        // Nothing was counted for a growth that was refused above.
        self.host.budget.refund_memory(std::mem::take(&mut self.growing));
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.host.budget.grow_table(current, desired))
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}
