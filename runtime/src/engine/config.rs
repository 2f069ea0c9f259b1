//! The one constructor of `wasmtime::Engine` (A3), for running and for compiling alike.
//!
//! Both must agree on every setting that generated code depends on, or an artefact would not load: so there is one
//! [`base`], and the runtime adds the pool to it. Reasons for the settings: docs/decisions/0003-engine-settings.md.

use std::sync::Arc;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OperatorCost, PoolingAllocationConfig, Strategy,
    VariableOperatorCost, WasmBacktraceDetails,
};

use crate::settings::EngineSettings;

/// The stack that a guest's calls may use, in bytes. Deeper recursion traps.
pub(crate) const GUEST_STACK_BYTES: usize = 256 << 10;
/// The whole stack of a call: the guest's, and as much again for host functions called from its bottom.
const CALL_STACK_BYTES: usize = 640 << 10;
/// What each page of `memory.grow` costs in fuel: about as much as clearing it costs a processor, in thousands.
const GROW_FUEL_PER_PAGE: u8 = 255;
/// Limits on one component: what the pool sets aside for each.
const CORE_INSTANCES_PER_COMPONENT: u32 = 64;
const MEMORIES_PER_COMPONENT: u32 = 4;
const TABLES_PER_COMPONENT: u32 = 16;
const TABLE_ELEMENTS: usize = 200_000;
const INSTANCE_BYTES: usize = 4 << 20;

/// The engine that runs guests, with its pool.
///
/// # Errors
///
/// When the machine cannot set the pool's address space aside.
pub(crate) fn runtime(settings: &EngineSettings) -> wasmtime::Result<Engine> {
    new_engine(&pooled(settings)?)
}

/// An engine that differs from the one that runs guests, for tests that show what a setting is good for.
#[cfg(test)]
pub(crate) fn runtime_with(settings: &EngineSettings, change: impl FnOnce(&mut Config)) -> wasmtime::Result<Engine> {
    let mut config = pooled(settings)?;
    change(&mut config);
    new_engine(&config)
}

/// How many bytes of an engine's pool stay resident in slots that no call uses: of memories, tables and stacks.
pub(crate) fn resident(engine: &Engine) -> impl Fn() -> u64 + Send + Sync + use<> {
    let pool = engine.pooling_allocator_metrics();
    move || {
        let bytes = pool.as_ref().map_or(0, |pool| {
            let stacks = pool.unused_stack_bytes_resident().unwrap_or(0);
            pool.unused_memory_bytes_resident() + pool.unused_table_bytes_resident() + stacks
        });
        bytes as u64
    }
}

/// The most that all memories of one call leave resident, in bytes.
pub(crate) fn keeps(settings: &EngineSettings) -> u64 {
    (settings.keep_resident_bytes as u64).saturating_mul(u64::from(MEMORIES_PER_COMPONENT))
}

fn pooled(settings: &EngineSettings) -> wasmtime::Result<Config> {
    let mut pool = PoolingAllocationConfig::new();
    let instances = settings.instances;
    pool.total_component_instances(instances)
        .total_stacks(instances)
        // As many as every instance may have: fewer, and one tenant's components could take all of them.
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        .total_memories(instances.saturating_mul(MEMORIES_PER_COMPONENT))
        .total_tables(instances.saturating_mul(TABLES_PER_COMPONENT))
        .total_gc_heaps(1)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_memories_per_module(MEMORIES_PER_COMPONENT)
        .max_tables_per_module(TABLES_PER_COMPONENT)
        .max_component_instance_size(INSTANCE_BYTES)
        .max_core_instance_size(INSTANCE_BYTES)
        .max_memory_size(usize::try_from(settings.memory_bytes.get())?)
        .table_elements(TABLE_ELEMENTS)
        .linear_memory_keep_resident(settings.keep_resident_bytes)
        .table_keep_resident(16 << 10)
        .async_stack_keep_resident(32 << 10)
        .max_unused_warm_slots(instances.min(128))
        // In 48.0.8 a dirty page that is swapped out, or is being moved, is not reset: the next guest could read it.
        .pagemap_scan(Enabled::No);
    let mut config = base();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Ok(config)
}

/// The engine of the compile worker: the same code, without a pool, on as many threads as the worker has.
///
/// # Errors
///
/// When this processor is not supported.
pub(crate) fn compiler() -> wasmtime::Result<Engine> {
    new_engine(base().parallel_compilation(true))
}

#[expect(clippy::disallowed_methods, reason = "A3: this is the one constructor")]
fn new_engine(config: &Config) -> wasmtime::Result<Engine> {
    Engine::new(config)
}

fn base() -> Config {
    let mut config = Config::new();
    config
        // Cranelift: the one compiler that wasmtime's security policy covers for strangers' code on this architecture.
        .strategy(Strategy::Cranelift)
        .consume_fuel(true)
        .operator_cost(prices())
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .async_stack_size(CALL_STACK_BYTES)
        // Stacks are pooled between tenants.
        .async_stack_zeroing(true)
        .memory_init_cow(true)
        // Not from the environment, and never: it reads what a stranger wrote, on a guest thread.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(16))
        .generate_address_map(true)
        .native_unwind_info(true)
        // Proposals that no toolchain of ours needs are surface without a use.
        .wasm_threads(false)
        .shared_memory(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .wasm_stack_switching(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        // `wit/` is synchronous. (The proposal itself is not compiled in.)
        .concurrency_support(false);
    config
}

/// What operators cost: one for most, by the byte or element for bulk ones, and growth by the page, because the
/// host clears and faults in what grows.
fn prices() -> OperatorCost {
    let variable = VariableOperatorCost { memory_grow_per_page: GROW_FUEL_PER_PAGE, ..VariableOperatorCost::default() };
    OperatorCost { variable, ..OperatorCost::default() }
}

/// Names the engine that an artefact was made for: artefacts of another are compiled anew.
pub(crate) fn fingerprint(engine: &Engine) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Shared by everything that runs guests.
pub(crate) type SharedEngine = Arc<Engine>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_compiles_for_the_engine_that_runs() {
        let settings = EngineSettings { instances: 4, ..EngineSettings::standard() };
        assert_eq!(fingerprint(&runtime(&settings).unwrap()), fingerprint(&compiler().unwrap()));
    }
}
