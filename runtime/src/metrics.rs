//! What the host counts of itself, as Prometheus reads it. No label names a tenant: tenants' numbers are in their usage.

use std::fmt::Write as _;

use crate::counts::Counts;
use crate::runtime::Inner;

/// Counters over all tenants.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    calls: Counts,
    compilations: Counts,
}

impl Counters {
    /// One call, by how it ended.
    pub(crate) fn call(&self, outcome: &'static str) {
        self.calls.add(outcome);
    }

    /// One upload that wanted a compile worker, by how it ended: `compiled`, or the error's code.
    pub(crate) fn compilation(&self, outcome: &'static str) {
        self.compilations.add(outcome);
    }
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP insula_{name} {help}\n# TYPE insula_{name} {kind}");
}

impl Inner {
    pub(crate) fn metrics(&self) -> String {
        let mut text = String::new();
        family(&mut text, "calls_total", "counter", "Calls that ran, by how they ended.");
        for (outcome, count) in self.counters.calls.totals() {
            let _ = writeln!(text, "insula_calls_total{{outcome=\"{outcome}\"}} {count}");
        }
        family(&mut text, "compilations_total", "counter", "Uploads that wanted a compile worker, by how they ended.");
        for (outcome, count) in self.counters.compilations.totals() {
            let _ = writeln!(text, "insula_compilations_total{{outcome=\"{outcome}\"}} {count}");
        }
        self.admission_metrics(&mut text);
        self.cache_metrics(&mut text);
        let (components, bytes) = self.components.held();
        let (cache_bytes, cache_ceiling) = self.maintenance.cache_ceiling();
        let held = self.admission.held();
        let gauges: [(&str, &str, u64); 13] = [
            ("calls_in_flight", "Calls admitted and not yet answered.", held.calls),
            ("calls_waiting", "Calls that wait for a place.", held.waiting),
            ("guest_memory_reserved_bytes", "Memory that the calls in flight may come to use.", held.memory),
            ("guest_memory_limit_bytes", "The most that it may be.", held.memory_limit),
            ("guest_memory_kept_bytes", "What stays resident beside it, in slots that no call uses.", held.resident),
            ("tenants_seen", "Tenants that have called since the host started.", self.tenants.len() as u64),
            ("components_loaded", "Components in the component cache.", components),
            ("components_limit", "The most that it may hold.", self.components.limit()),
            ("component_bytes", "Bytes of their artefacts.", bytes),
            ("cache_bytes", "Bytes that all cache shards hold together.", cache_bytes),
            ("cache_ceiling_bytes", "The most that they may hold.", cache_ceiling),
            ("usage_unwritten", "Rows of usage that a crash would lose now.", self.book.unwritten() as u64),
            ("storage_files_open", "Storage files that are open.", self.maintenance.open_files() as u64),
        ];
        for (name, help, value) in gauges {
            family(&mut text, name, "gauge", help);
            let _ = writeln!(text, "insula_{name} {value}");
        }
        text
    }

    fn admission_metrics(&self, text: &mut String) {
        let refused = self.admission.refused();
        family(text, "calls_refused_total", "counter", "Calls that had no place, by why.");
        let reasons = [
            ("tenant-rate", refused.tenant_rate),
            ("tenant-queue", refused.tenant_queue),
            ("tenant-concurrency", refused.tenant_concurrency),
            ("host-queue", refused.host_queue),
            ("host-full", refused.host_full),
            ("host-memory", refused.host_memory),
            ("shed", refused.shed),
        ];
        for (reason, count) in reasons {
            let _ = writeln!(text, "insula_calls_refused_total{{reason=\"{reason}\"}} {count}");
        }
    }

    /// All shards together: what one tenant's does is the tenant's.
    fn cache_metrics(&self, text: &mut String) {
        let tally = self.maintenance.cache_tally();
        family(text, "cache_reads_total", "counter", "Reads of the cache, by what they found.");
        for (found, count) in [("fresh", tally.hits), ("stale", tally.stale_hits), ("nothing", tally.misses)] {
            let _ = writeln!(text, "insula_cache_reads_total{{found=\"{found}\"}} {count}");
        }
        family(text, "cache_entries_gone_total", "counter", "Entries that left the cache, by why.");
        let causes = [
            ("budget", tally.evicted_for_budget),
            ("ceiling", tally.evicted_for_ceiling),
            ("expired", tally.expired),
            ("removed", tally.removed),
        ];
        for (cause, count) in causes {
            let _ = writeln!(text, "insula_cache_entries_gone_total{{cause=\"{cause}\"}} {count}");
        }
        let counters = [
            ("cache_leases_total", "Leases to make a value.", tally.leases),
            ("cache_waits_total", "Reads that waited for another caller's value.", tally.waits),
        ];
        for (name, help, count) in counters {
            family(text, name, "counter", help);
            let _ = writeln!(text, "insula_{name} {count}");
        }
    }
}
