//! `usage`: what the call has used of its budget, and what is left.
//!
//! Linked by hand: fuel is the store's, and the generated bindings hand out the store's data only.

use wasmtime::component::{ComponentType, HasData, Lift, Linker, Lower};
use wasmtime::{AsContext, StoreContextMut};

use crate::{Exhausted, HostCall};

/// The interface, as it is named in imports.
const INTERFACE: &str = "insula:agent/usage@0.1.0";

/// One resource of the call's budget: `allowance` of the WIT.
#[derive(Debug, Clone, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Allowance {
    /// Its name.
    pub name: String,
    /// How much is used.
    pub used: u64,
    /// How much is allowed.
    pub limit: u64,
}

/// What the interface needs of the store's data.
pub trait Host {
    /// Charges the call, then says what is used of each resource. `fuel_left` is the store's.
    ///
    /// # Errors
    ///
    /// [`Exhausted`], as a trap.
    fn allowances(&mut self, call: HostCall, bytes: usize, fuel_left: u64) -> Result<Vec<Allowance>, Exhausted>;
}

/// The half of the interface that generated code names as a bound; it has no functions.
pub trait HostWithStore<T>: HasData {}

impl<T, D: HasData + ?Sized> HostWithStore<T> for D {}

impl<H: Host + ?Sized> Host for &mut H {
    fn allowances(&mut self, call: HostCall, bytes: usize, fuel_left: u64) -> Result<Vec<Allowance>, Exhausted> {
        H::allowances(self, call, bytes, fuel_left)
    }
}

impl Host for crate::Host {
    fn allowances(&mut self, call: HostCall, bytes: usize, fuel_left: u64) -> Result<Vec<Allowance>, Exhausted> {
        self.charge(call, bytes)?;
        let limits = self.budget.limits();
        let fuel = limits.fuel.get();
        let allowance = |name: &str, used, limit| Allowance { name: name.to_owned(), used, limit };
        Ok(vec![
            allowance("fuel", fuel.saturating_sub(fuel_left), fuel),
            allowance("cpu-us", self.clock.cpu_us(), limits.cpu_us.get()),
            allowance("wall-us", self.clock.wall_us(), limits.wall_us.get()),
            allowance("memory-bytes", self.budget.memory(), limits.memory_bytes.get()),
            allowance("table-elements", self.budget.table_elements(), limits.table_elements.get()),
            allowance("host-calls", self.budget.host_calls(), limits.host_calls.get()),
            allowance("host-bytes", self.budget.host_bytes(), limits.host_bytes.get()),
            allowance("storage-read-bytes", self.budget.storage_read(), limits.storage_read_bytes.get()),
            allowance("storage-write-bytes", self.budget.storage_written(), limits.storage_write_bytes.get()),
            allowance("cache-traffic-bytes", self.budget.cache_moved(), limits.cache_traffic_bytes.get()),
            allowance("log-bytes", self.budget.log().used(), limits.log_bytes.get()),
        ])
    }
}

/// Adds the interface to a linker; called from the generated `Agent::add_to_linker`.
///
/// # Errors
///
/// When it is there already.
pub fn add_to_linker<T, D>(linker: &mut Linker<T>, host: fn(&mut T) -> D::Data<'_>) -> wasmtime::Result<()>
where
    T: Send + 'static,
    D: HasData,
    for<'a> D::Data<'a>: Host,
{
    let mut interface = linker.instance(INTERFACE)?;
    interface.func_wrap("report", move |mut store: StoreContextMut<'_, T>, (): ()| {
        let fuel_left = store.as_context().get_fuel()?;
        Ok((host(store.data_mut()).allowances(HostCall::UsageReport, 0, fuel_left)?,))
    })?;
    interface.func_wrap("remaining", move |mut store: StoreContextMut<'_, T>, (name,): (String,)| {
        let fuel_left = store.as_context().get_fuel()?;
        let allowances = host(store.data_mut()).allowances(HostCall::UsageRemaining, name.len(), fuel_left)?;
        let found = allowances.into_iter().find(|allowance| allowance.name == name);
        Ok((found.map_or(0, |allowance| allowance.limit.saturating_sub(allowance.used)),))
    })?;
    Ok(())
}
