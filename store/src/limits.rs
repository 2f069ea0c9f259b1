//! A tenant's limits: one flat struct, one table that documents it, and patches that the table checks (B1).
//!
//! Every field is required and none can be zero: there is no "unlimited". There is no `Default`, so that a host that
//! means the standard limits says so.

use std::num::NonZeroU64;

use insula_host_api::CallLimits;
use serde::{Deserialize, Serialize};

use crate::Quota;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
const SECOND_US: u64 = 1_000_000;

/// One line of the table of limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LimitSpec {
    /// Its name, in kebab-case.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// What a tenant has unless told otherwise.
    pub standard: u64,
    /// The least that may be set.
    pub minimum: u64,
    /// The most that may be set.
    pub maximum: u64,
    /// What it counts.
    pub counts: &'static str,
    /// The attack that it stops.
    pub stops: &'static str,
}

/// A limit outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the limit `{name}` cannot be {value}: use {minimum} to {maximum} {unit}")]
pub struct InvalidLimit {
    /// Which one.
    pub name: &'static str,
    /// What was asked for.
    pub value: u64,
    /// The least that may be set.
    pub minimum: u64,
    /// The most that may be set.
    pub maximum: u64,
    /// The unit of all three.
    pub unit: &'static str,
}

impl LimitSpec {
    /// Checks a value against the range.
    fn check(&self, value: u64) -> Result<NonZeroU64, InvalidLimit> {
        let in_range = (self.minimum..=self.maximum).contains(&value);
        NonZeroU64::new(value).filter(|_| in_range).ok_or(InvalidLimit {
            name: self.name,
            value,
            minimum: self.minimum,
            maximum: self.maximum,
            unit: self.unit,
        })
    }
}

/// The table's own numbers are never zero; a test says so.
const fn nonzero(value: u64) -> NonZeroU64 {
    match NonZeroU64::new(value) {
        Some(value) => value,
        None => NonZeroU64::MIN,
    }
}

macro_rules! limits {
    ($($field:ident $name:literal $unit:literal, $standard:expr, $minimum:expr, $maximum:expr, $counts:literal, $stops:literal;)*) => {
        /// What one tenant may use: of each call, of what it keeps, of what it deploys.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub struct Limits {
            $(#[doc = concat!($counts, " In ", $unit, ".")] pub $field: NonZeroU64,)*
        }

        /// A change of some limits; a field that is not set stays as it is.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        pub struct LimitsPatch {
            $(
                #[doc = concat!($counts, " In ", $unit, ".")]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<u64>,
            )*
        }

        impl Limits {
            /// Every limit: its name, unit, standard value and range, what it counts and which attack it stops.
            pub const CEILINGS: &'static [LimitSpec] = &[$(LimitSpec {
                name: $name, unit: $unit, standard: $standard, minimum: $minimum, maximum: $maximum,
                counts: $counts, stops: $stops,
            },)*];

            /// What a tenant has unless told otherwise.
            #[must_use]
            pub const fn standard() -> Self {
                Self { $($field: nonzero($standard),)* }
            }

            /// These limits with a patch applied.
            ///
            /// # Errors
            ///
            /// [`InvalidLimit`], naming the first value that is outside its range.
            pub fn patched(&self, patch: &LimitsPatch) -> Result<Self, InvalidLimit> {
                let mut limits = *self;
                let mut specs = Self::CEILINGS.iter();
                $(
                    let spec = specs.next();
                    if let (Some(value), Some(spec)) = (patch.$field, spec) {
                        limits.$field = spec.check(value)?;
                    }
                )*
                Ok(limits)
            }

            /// Name and value of each, in the order of [`Limits::CEILINGS`].
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$(($name, self.$field.get()),)*].into_iter()
            }

            /// These limits with what a patch sets, which was checked when it was stored.
            pub(crate) fn overlaid(&self, patch: &LimitsPatch) -> Self {
                let mut limits = *self;
                $(
                    if let Some(value) = patch.$field.and_then(NonZeroU64::new) {
                        limits.$field = value;
                    }
                )*
                limits
            }

            /// Of each limit the smaller one: this, or what a patch sets.
            fn lowered(&self, patch: &LimitsPatch) -> Self {
                let mut limits = self.overlaid(patch);
                $(limits.$field = limits.$field.min(self.$field);)*
                limits
            }

            /// The patch that makes these limits of others.
            pub(crate) fn differences(&self, from: &Self) -> LimitsPatch {
                let of = |own: NonZeroU64, other: NonZeroU64| (own != other).then_some(own.get());
                LimitsPatch { $($field: of(self.$field, from.$field),)* }
            }

            /// The limits as a patch that sets all of them.
            fn as_patch(&self) -> LimitsPatch {
                LimitsPatch { $($field: Some(self.$field.get()),)* }
            }

            /// Reads limits as the catalog keeps them: what an older release did not know takes the standard value, and
            /// what only a newer one knows is passed over.
            pub(crate) fn from_stored(text: &str) -> Result<Self, serde_json::Error> {
                Ok(Self::standard().overlaid(&LimitsPatch::from_stored(text)?))
            }
        }

        impl LimitsPatch {
            /// Name and value of each that is set, in the order of [`Limits::CEILINGS`].
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$(($name, self.$field),)*].into_iter().filter_map(|(name, value)| Some((name, value?)))
            }

            /// This patch with another over it, and without what the names are of.
            pub(crate) fn changed(&self, over: &Self, without: &[&str]) -> Self {
                let mut patch = *self;
                $(
                    if without.contains(&$name) {
                        patch.$field = None;
                    }
                    patch.$field = over.$field.or(patch.$field);
                )*
                patch
            }

            /// Reads a patch as the catalog keeps it: what only a newer release knows is passed over, and none is zero.
            pub(crate) fn from_stored(text: &str) -> Result<Self, serde_json::Error> {
                let stored: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)?;
                let mut patch = Self::default();
                $(
                    if let Some(value) = stored.get($name) {
                        patch.$field = Some(NonZeroU64::deserialize(value)?.get());
                    }
                )*
                Ok(patch)
            }
        }
    };
}

limits! {
    fuel "fuel" "units", 2_000_000_000, 1, 10_000_000_000_000,
        "Instructions that one call may execute, about one unit each.", "a loop without end";
    cpu_us "cpu-us" "microseconds", 2 * SECOND_US, 1, 300 * SECOND_US,
        "Time that one call may spend on a processor.", "instructions that cost much time and little fuel";
    wall_us "wall-us" "microseconds", 10 * SECOND_US, 1, 600 * SECOND_US,
        "Time on the clock from the admission of a call to its answer.", "calls that hold their place without using it";
    memory_bytes "memory-bytes" "bytes", 128 * MIB, 64 * KIB, GIB,
        "All linear memories and tables of one call together.", "growing memory until the host has none";
    table_elements "table-elements" "elements", 100_000, 1, 1_000_000,
        "Elements of all tables of one call together.", "growing tables, which cost host memory";
    host_calls "host-calls" "calls", 10_000, 1, 10_000_000,
        "Host functions that one call may call.", "keeping the host busy on the guest's behalf";
    host_bytes "host-bytes" "bytes", 64 * MIB, 1, 16 * GIB,
        "Bytes that one call may move through host functions, both ways.", "copying without end";
    storage_read_bytes "storage-read-bytes" "bytes", 64 * MIB, 1, 16 * GIB,
        "Keys and values that storage answers one call with.", "reading the disk on and on";
    storage_write_bytes "storage-write-bytes" "bytes", 32 * MIB, 1, 16 * GIB,
        "Buckets, keys, values and conditions that one call asks storage to write.", "wearing the disk out with the same keys, written again and again";
    cache_traffic_bytes "cache-traffic-bytes" "bytes", 64 * MIB, 1, 16 * GIB,
        "Namespaces, keys and values that one call moves into the cache and out of it.", "turning the whole cache over, again and again";
    log_bytes "log-bytes" "bytes", 64 * KIB, 1, 16 * MIB,
        "Log messages of one call.", "drowning the log";
    request_bytes "request-bytes" "bytes", 4 * MIB, 1, 64 * MIB,
        "The body of one request.", "bodies that fill the host's memory";
    response_bytes "response-bytes" "bytes", 4 * MIB, 1, 64 * MIB,
        "The body of one answer.", "answers that fill the host's memory";
    value_bytes "value-bytes" "bytes", MIB, 1, 64 * MIB,
        "One value in storage.", "values that fill the host's memory";
    storage_bytes "storage-bytes" "bytes", 256 * MIB, 1, TIB,
        "Durable storage: buckets, keys, values and 16 bytes of overhead each.", "filling the disk";
    storage_keys "storage-keys" "keys", 1_000_000, 1, 1_000_000_000,
        "Keys in durable storage.", "filling the disk with empty values";
    cache_bytes "cache-bytes" "bytes", 16 * MIB, 1, 4 * GIB,
        "The cache shard: namespaces, keys, values and their overhead.", "filling the host's memory";
    log_ring_bytes "log-ring-bytes" "bytes", 256 * KIB, 1, 64 * MIB,
        "The ring that keeps the tenant's latest log lines.", "filling the host's memory with log";
    concurrency "concurrency" "calls", 64, 1, 10_000,
        "Calls of the tenant that are in the host at the same time.", "taking every place of the host";
    queue "queue" "calls", 64, 1, 10_000,
        "Calls of the tenant that wait for a place.", "a queue without end";
    queue_us "queue-us" "microseconds", SECOND_US, 1, 60 * SECOND_US,
        "Time on the clock that one call may wait for its place.", "callers that are left without an answer";
    rate "rate" "calls", 10_000, 1, 1_000_000,
        "Calls of the tenant in a second, in the long run.", "a flood of calls that are each within every limit";
    burst "burst" "calls", 10_000, 1, 1_000_000,
        "Calls of the tenant beyond its rate, at once.", "the same, all at once";
    weight "weight" "parts", 100, 1, 10_000,
        "The tenant's part of the processors and of the places of a full host, against the weights of the others.",
        "taking more than one's part when others wait";
    component_bytes "component-bytes" "bytes", 32 * MIB, 1, 128 * MIB,
        "One uploaded component.", "uploads that fill the disk, and compilations that take all day";
    agents "agents" "agents", 100, 1, 10_000,
        "Agents of the tenant.", "filling the catalog and the disk with agents";
    versions "versions" "versions", 20, 1, 1_000,
        "Versions kept of each agent; older ones that are not active are pruned.", "filling the disk with uploads";
}

impl Limits {
    /// Checks every value against its range: limits may come from a program as well as from a patch.
    ///
    /// # Errors
    ///
    /// [`InvalidLimit`], naming the first value that is outside its range.
    pub fn checked(&self) -> Result<Self, InvalidLimit> {
        Self::standard().patched(&self.as_patch())
    }

    /// The part that one call is metered by.
    #[must_use]
    pub fn call(&self) -> CallLimits {
        CallLimits {
            fuel: self.fuel,
            cpu_us: self.cpu_us,
            wall_us: self.wall_us,
            memory_bytes: self.memory_bytes,
            table_elements: self.table_elements,
            host_calls: self.host_calls,
            host_bytes: self.host_bytes,
            storage_read_bytes: self.storage_read_bytes,
            storage_write_bytes: self.storage_write_bytes,
            cache_traffic_bytes: self.cache_traffic_bytes,
            log_bytes: self.log_bytes,
            response_bytes: self.response_bytes,
            value_bytes: self.value_bytes,
        }
    }

    /// The part that [`Stores::enter`](crate::Stores::enter) takes.
    #[must_use]
    pub fn quota(&self) -> Quota {
        Quota {
            storage_bytes: self.storage_bytes,
            storage_keys: self.storage_keys,
            cache_bytes: self.cache_bytes,
            value_bytes: self.value_bytes,
        }
    }
}

mod agent;
#[cfg(test)]
mod tests;

pub use agent::{AgentLimits, InvalidAgentLimit};
