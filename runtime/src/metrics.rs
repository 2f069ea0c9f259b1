//! What the host counts of itself, as Prometheus reads it. No label names a tenant: tenants' numbers are in their usage.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use parking_lot::Mutex;

use crate::runtime::Inner;

/// Counters over all tenants.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    calls: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counters {
    /// One call, by how it ended.
    pub(crate) fn call(&self, outcome: &'static str) {
        *self.calls.lock().entry(outcome).or_default() += 1;
    }
}

impl Inner {
    pub(crate) fn metrics(&self) -> String {
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str| {
            let _ = writeln!(text, "# HELP insula_{name} {help}\n# TYPE insula_{name} {kind}");
        };
        family("calls_total", "counter", "Calls that ran, by how they ended.");
        for (outcome, count) in self.counters.calls.lock().iter() {
            let _ = writeln!(text, "insula_calls_total{{outcome=\"{outcome}\"}} {count}");
        }
        let (components, bytes) = self.components.held();
        let gauges: [(&str, &str, u64); 5] = [
            ("calls_in_flight", "Calls admitted and not yet answered.", self.admission.in_flight() as u64),
            ("tenants_seen", "Tenants that have called since the host started.", self.tenants.len() as u64),
            ("components_loaded", "Components in the component cache.", components as u64),
            ("component_bytes", "Bytes of their artefacts.", bytes),
            ("storage_files_open", "Storage files that are open.", self.maintenance.open_files() as u64),
        ];
        for (name, help, value) in gauges {
            let _ = writeln!(text, "# HELP insula_{name} {help}\n# TYPE insula_{name} gauge\ninsula_{name} {value}");
        }
        text
    }
}
