//! The bill: what one call used. Sent as `Insula-Bill`, also when the call failed.

use std::fmt::Write as _;

use insula_host_api::HostCalls;
use insula_store::UsageAmounts;

macro_rules! bill {
    ($($(#[$doc:meta])* $field:ident = $name:literal,)*) => {
        /// What one call used.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub struct Bill { $($(#[$doc])* pub $field: u64,)* }

        impl Bill {
            /// Names and amounts, in the order in which they are written.
            #[must_use]
            pub fn entries(&self) -> [(&'static str, u64); [$($name),*].len()] {
                [$(($name, self.$field)),*]
            }

            fn set(&mut self, name: &str, amount: u64) {
                match name {
                    $($name => self.$field = amount,)*
                    _ => {}
                }
            }
        }
    };
}

bill! {
    /// Fuel: one unit for most instructions. The same component, input and host answers give the same fuel.
    fuel = "fuel",
    /// Time on a processor, in microseconds.
    cpu_us = "cpu-us",
    /// Time from admission to answer, in microseconds.
    wall_us = "wall-us",
    /// Time that it waited for its admission, in microseconds. It is not in `wall-us`.
    queued_us = "queued-us",
    /// All memories and tables together at their most, in bytes.
    peak_memory = "peak-memory",
    /// Elements of all tables together at their most.
    table_elements = "table-elements",
    /// Host functions called.
    host_calls = "host-calls",
    /// Bytes through host functions, both ways.
    host_bytes = "host-bytes",
    /// Keys and values that storage answered with, in bytes.
    storage_read_bytes = "storage-read-bytes",
    /// What storage was asked to write, in bytes.
    storage_write_bytes = "storage-write-bytes",
    /// Bytes into the cache and out of it.
    cache_traffic_bytes = "cache-traffic-bytes",
    /// Bytes of log written.
    log_bytes = "log-bytes",
    /// Log lines that did not fit the call's budget.
    log_dropped = "log-dropped",
    /// Bytes of the request's body.
    request_bytes = "request-bytes",
    /// Bytes of the answer's body.
    response_bytes = "response-bytes",
}

impl Bill {
    /// What usage counts of one call.
    pub(crate) fn amounts(&self, host_calls_by_kind: HostCalls, failed: bool) -> UsageAmounts {
        UsageAmounts {
            calls: 1,
            failures: u64::from(failed),
            fuel: self.fuel,
            cpu_us: self.cpu_us,
            wall_us: self.wall_us,
            host_calls: self.host_calls,
            host_bytes: self.host_bytes,
            storage_read_bytes: self.storage_read_bytes,
            storage_write_bytes: self.storage_write_bytes,
            cache_traffic_bytes: self.cache_traffic_bytes,
            log_bytes: self.log_bytes,
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            peak_memory: self.peak_memory,
            host_calls_by_kind,
        }
    }

    /// As the value of `Insula-Bill`: a dictionary of integers (RFC 9651).
    #[must_use]
    pub fn to_header(&self) -> String {
        let mut text = String::with_capacity(320);
        for (index, (name, amount)) in self.entries().into_iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            // An integer of RFC 9651 has at most 15 digits.
            let _ = write!(text, "{separator}{name}={}", amount.min(999_999_999_999_999));
        }
        text
    }

    /// Reads the value of an `Insula-Bill`. Names that are not known are passed over; `None` when it is no dictionary of
    /// integers.
    #[must_use]
    pub fn from_header(text: &str) -> Option<Self> {
        let mut bill = Self::default();
        for member in text.split(',') {
            let (name, amount) = member.trim().split_once('=')?;
            bill.set(name, amount.parse().ok()?);
        }
        Some(bill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_reads_back_from_its_header() {
        let bill = Bill { fuel: 12, cpu_us: 34, log_dropped: 56, ..Bill::default() };
        assert!(bill.to_header().starts_with("fuel=12, cpu-us=34, wall-us=0, "));
        assert_eq!(Bill::from_header(&bill.to_header()), Some(bill));
        assert_eq!(Bill::from_header("fuel=1, later=2").map(|bill| bill.fuel), Some(1));
        assert_eq!(Bill::from_header("fuel"), None);
    }
}
