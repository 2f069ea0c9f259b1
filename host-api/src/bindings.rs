//! The bindings that wasmtime makes of `wit/`. Generated: the documentation is in the WIT files.
#![expect(missing_docs, reason = "generated from wit/, where everything is documented")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "agent",
    imports: {
        "insula:agent/storage": async | trappable,
        "insula:agent/cache.get-or-fill": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    require_store_data_send: true,
    // Reads the store's fuel, which generated functions cannot reach: linked by hand.
    with: {
        "insula:agent/usage": crate::usage,
        "insula:agent/cache.lease": crate::cache::HeldLease,
    },
});
