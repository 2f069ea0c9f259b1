//! What an author is told of a call that failed within its guest: where it was, and what was left of its budget.
//!
//! Names come from the component and are nobody's to trust: they are cut, and hold no control characters. Nothing here is
//! read from debug information: to read what a stranger wrote there takes time that no budget knows. A stack has offsets
//! instead, which whoever built the component can look up.

use std::fmt::Write as _;

use insula_host_api::CallLimits;
use serde::Serialize;
use wasmtime::WasmBacktrace;

use crate::Bill;

/// The most bytes of a name.
const NAME_BYTES: usize = 200;
/// The longest name that is demangled, in bytes: that takes time by its length, on a guest thread, and is in no bill.
const MANGLED_BYTES: usize = 1_024;
/// Frames that are named in the log.
const LOGGED_FRAMES: usize = 6;
/// How the names begin of what a language puts around an author's code when it gives up.
const MACHINERY: [&str; 7] = ["std::", "core::", "alloc::", "<std::", "<core::", "<alloc::", "__rust"];
/// Those of its functions that are in no module.
const MACHINES: [&str; 3] = ["abort", "rust_panic", "rust_begin_unwind"];

/// Where a call was when it ended, and what it had used of what it might.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The guest's functions, the innermost first. Empty where the guest was not running.
    pub stack: Vec<Frame>,
    /// What it had of each resource.
    pub budget: Vec<Allowance>,
}

/// One function of a guest on its stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Frame {
    /// Its name, in the words of its source language where that is known. Absent where the component has no names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The name of its module within the component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// The instruction: bytes from the start of the component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

impl Frame {
    /// Whether it belongs to the machinery of a language's runtime, by its name: what panics and aborts is seldom what an
    /// author looks for.
    #[must_use]
    pub fn is_machinery(&self) -> bool {
        self.function.as_deref().is_some_and(Self::is_machinery_of)
    }

    /// The same, of a function of this name.
    #[must_use]
    pub fn is_machinery_of(function: &str) -> bool {
        // The compiler's own crate has its hash beside its name: `__rustc[a1b2]::rust_panic`.
        MACHINES.contains(&function) || MACHINERY.iter().any(|beginning| function.starts_with(beginning))
    }
}

/// One resource of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Allowance {
    /// The limit's name.
    pub name: &'static str,
    /// What the call used, or held at its most.
    pub used: u64,
    /// What it might.
    pub limit: u64,
}

impl Diagnosis {
    pub(crate) fn new(stack: Vec<Frame>, bill: &Bill, limits: &CallLimits) -> Self {
        let allowance = |name, used, limit: std::num::NonZeroU64| Allowance { name, used, limit: limit.get() };
        let budget = vec![
            allowance("fuel", bill.fuel, limits.fuel),
            allowance("cpu-us", bill.cpu_us, limits.cpu_us),
            allowance("wall-us", bill.wall_us, limits.wall_us),
            allowance("memory-bytes", bill.peak_memory, limits.memory_bytes),
            allowance("table-elements", bill.table_elements, limits.table_elements),
            allowance("host-calls", bill.host_calls, limits.host_calls),
            allowance("host-bytes", bill.host_bytes, limits.host_bytes),
            allowance("storage-read-bytes", bill.storage_read_bytes, limits.storage_read_bytes),
            allowance("storage-write-bytes", bill.storage_write_bytes, limits.storage_write_bytes),
            allowance("cache-traffic-bytes", bill.cache_traffic_bytes, limits.cache_traffic_bytes),
        ];
        Self { stack, budget }
    }

    /// The stack as one line of a log.
    pub(crate) fn line(&self) -> Option<String> {
        let named = self.stack.iter().filter(|frame| frame.function.is_some());
        let names: Vec<_> = named
            .skip_while(|frame| frame.is_machinery())
            .filter_map(|frame| frame.function.as_deref())
            .take(LOGGED_FRAMES)
            .collect();
        (!names.is_empty()).then(|| format!("in {}", names.join(" < ")))
    }
}

/// The guest's stack when this error ended it.
pub(crate) fn stack(error: &wasmtime::Error) -> Vec<Frame> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let frame = |frame: &wasmtime::FrameInfo| Frame {
        function: frame.func_name().map(name),
        module: frame.module().name().map(plain),
        offset: frame.module_offset().and_then(|offset| u64::try_from(offset).ok()),
    };
    backtrace.frames().iter().map(frame).collect()
}

/// A function's name without what a compiler put around it.
fn name(raw: &str) -> String {
    if raw.len() > MANGLED_BYTES {
        return plain(raw);
    }
    // What a stranger mangled may unfold without end: it is written until there is no more room.
    let mut short = Short(String::new());
    let _ = write!(short, "{:#}", rustc_demangle::demangle(raw));
    short.0
}

fn plain(text: &str) -> String {
    let mut short = Short(String::new());
    let _ = short.write_str(text);
    short.0
}

/// A text of so many bytes, none of which moves a cursor.
struct Short(String);

impl std::fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for character in text.chars() {
            if self.0.len() + character.len_utf8() > NAME_BYTES {
                return Err(std::fmt::Error);
            }
            self.0.push(if character.is_control() { '\u{fffd}' } else { character });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_source_and_never_long_or_able_to_move_a_cursor() {
        assert_eq!(name("_ZN6triage5parse17h0123456789abcdefE"), "triage::parse");
        assert_eq!(name("JS_CallInternal"), "JS_CallInternal");
        assert_eq!(name("a\x1b[2J"), "a\u{fffd}[2J");
        assert!(name(&"x".repeat(10_000)).len() <= NAME_BYTES);
        let long = format!("_ZN{0}{1}17h0123456789abcdefE", MANGLED_BYTES, "x".repeat(MANGLED_BYTES));
        assert_eq!(name(&long), long[..NAME_BYTES], "too long to be demangled");
        // Each part refers back to the one before, twice: it would unfold to more than there are atoms.
        let bomb = format!("_RNvC1a{}", "TB5_B5_E".repeat(64));
        assert!(name(&bomb).len() <= NAME_BYTES);
    }

    #[test]
    fn a_line_of_the_log_has_the_innermost_functions_first() {
        let frame = |name: &str| Frame { function: Some(name.to_owned()), module: None, offset: None };
        let mut diagnosis = Diagnosis { stack: ["inner", "outer"].map(frame).to_vec(), budget: Vec::new() };
        assert_eq!(diagnosis.line().as_deref(), Some("in inner < outer"));
        for theirs in ["std::process::abort", "abort", "rust_panic", "__rustc::rust_panic"] {
            assert!(frame(theirs).is_machinery(), "{theirs}");
        }
        for ours in ["stdlib", "abort_transfer", "rust_agent::parse"] {
            assert!(!frame(ours).is_machinery(), "{ours}");
        }
        diagnosis.stack.iter_mut().for_each(|frame| frame.function = None);
        assert_eq!(diagnosis.line(), None);
    }
}
