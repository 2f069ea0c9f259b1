//! The scan of an upload, before anything is compiled: linear in its size, bounded, and without a compiler.
//!
//! Compile-time denial of service is no bug of wasmtime's, by its security policy; what a component may hold is ours to
//! bound. Whether it is valid is the compiler's to say, in its own process.

use wasmparser::{
    Chunk, ComponentExternalKind, ElementItems, ElementKind, ElementSectionReader, Encoding, Parser, Payload,
    WasmFeatures,
};

use super::weight::Weights;
use crate::deploy_error::DeployError;
use crate::engine::{ImportStatus, import_status};
use crate::report::{Report, ReportImport};

/// The export that makes a component an agent.
const HANDLER: &str = "insula:agent/handler@0.1.0";
/// Core modules of one component. Components of JavaScript and Python have under ten.
const MODULES: u64 = 32;
/// Components inside components.
const NESTING: usize = 8;
/// Functions with a body.
const FUNCTIONS: u64 = 200_000;
/// The largest body of one function, in bytes. Some passes of a compiler are worse than linear in it.
const BODY_BYTES: u64 = 2 << 20;
/// Data and element segments.
const SEGMENTS: u64 = 100_000;
/// Elements of passive segments, 16 bytes each on the host for every instance of their module.
const PASSIVE_ELEMENTS: u64 = 4_096;
/// Elements of active segments, which instantiation writes without fuel: a few milliseconds.
const ACTIVE_ELEMENTS: u64 = 400_000;
/// What instantiation copies without fuel, over all instances: some tens of milliseconds of a processor.
const INSTANTIATION_BYTES: u64 = 256 << 20;
/// Globals, each of which instantiation sets up without fuel; and from some 260,000 on, the compiler of wasmtime 48.0.8
/// fails an assertion of its own. A component of Python has 900.
const GLOBALS: u64 = 50_000;
/// Locals of all functions together. A few bytes declare fifty thousand, and each is work for a compiler. A component of
/// Python has as many in its 13,000 functions.
const LOCALS: u64 = 2_000_000;
/// Imports and exports of core modules. A component of Python has 6,500.
const CORE_NAMES: u64 = 50_000;
/// All names of imports and exports together, in bytes.
const NAME_BYTES: u64 = 64 << 10;
/// Types, of modules and components.
const TYPES: u64 = 100_000;
/// Memories with something in them at the start.
const MEMORIES: u64 = 16;
/// A stack of more than this makes each call clear or fault in more memory than it need.
const PAGE: u64 = 64 << 10;

#[derive(Debug, Default)]
struct Counts {
    modules: u64,
    functions: u64,
    segments: u64,
    passive_elements: u64,
    active_elements: u64,
    globals: u64,
    locals: u64,
    core_names: u64,
    name_bytes: u64,
    types: u64,
    memories: u64,
    memory_bytes: u64,
}

/// Looks an upload over.
///
/// # Errors
///
/// The first thing that is wrong with it.
pub(crate) fn scan(bytes: &[u8]) -> Result<Report, DeployError> {
    if bytes.is_empty() {
        return Err(DeployError::Empty);
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(DeployError::NotWasm);
    }
    let mut counts = Counts::default();
    let mut imports = Vec::new();
    let mut exports = Vec::new();
    walk(bytes, &mut counts, &mut imports, &mut exports)?;
    let unknown: Vec<String> =
        imports.iter().filter(|name| import_status(name) == ImportStatus::Unknown).cloned().collect();
    if !unknown.is_empty() {
        return Err(DeployError::UnknownImports { names: unknown });
    }
    if !exports.iter().any(|name| name == HANDLER) {
        return Err(DeployError::NoHandler);
    }
    Ok(report(bytes, &counts, imports, exports))
}

fn walk(
    bytes: &[u8],
    counts: &mut Counts,
    imports: &mut Vec<String>,
    exports: &mut Vec<String>,
) -> Result<(), DeployError> {
    let mut parser = Parser::new(0);
    parser.set_features(WasmFeatures::all());
    let mut parents: Vec<Parser> = Vec::new();
    let mut rest = bytes;
    let mut weights = Weights::new(bytes.len());
    loop {
        let (consumed, payload) = match parser.parse(rest, true).map_err(|error| malformed(&error))? {
            Chunk::Parsed { consumed, payload } => (consumed, payload),
            Chunk::NeedMoreData(_) => return Err(cut_short(bytes)),
        };
        rest = rest.get(consumed..).unwrap_or_default();
        weights.see(&payload).map_err(|error| malformed(&error))?;
        within("bytes to copy for each call", weights.total(), INSTANTIATION_BYTES)?;
        match &payload {
            Payload::ModuleSection { .. } => weights.enter_module(),
            Payload::ComponentSection { .. } => weights.enter_component(),
            Payload::End(_) if !parents.is_empty() => weights.leave(),
            _ => {}
        }
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if parents.is_empty() => {
                return Err(DeployError::CoreModule);
            }
            Payload::ModuleSection { parser: inner, .. } | Payload::ComponentSection { parser: inner, .. } => {
                parents.push(std::mem::replace(&mut parser, inner));
                within("levels of nesting", parents.len() as u64, NESTING as u64)?;
            }
            Payload::End(_) => match parents.pop() {
                Some(parent) => parser = parent,
                None => return if rest.is_empty() { Ok(()) } else { Err(trailing(bytes, rest)) },
            },
            payload => count(&payload, parents.is_empty(), counts, imports, exports)?,
        }
    }
}

fn count(
    payload: &Payload<'_>,
    top: bool,
    counts: &mut Counts,
    imports: &mut Vec<String>,
    exports: &mut Vec<String>,
) -> Result<(), DeployError> {
    match payload {
        Payload::Version { encoding: Encoding::Module, .. } => {
            counts.modules += 1;
            within("core modules", counts.modules, MODULES)
        }
        Payload::CodeSectionEntry(body) => {
            counts.functions += 1;
            within("bytes in one function", body.range().len() as u64, BODY_BYTES)?;
            for declared in body.get_locals_reader().map_err(|error| malformed(&error))? {
                counts.locals += u64::from(declared.map_err(|error| malformed(&error))?.0);
            }
            within("locals", counts.locals, LOCALS)?;
            within("functions", counts.functions, FUNCTIONS)
        }
        Payload::DataSection(section) => segments(counts, section.count()),
        Payload::ElementSection(section) => elements(counts, section),
        Payload::GlobalSection(section) => {
            counts.globals += u64::from(section.count());
            within("globals", counts.globals, GLOBALS)
        }
        Payload::ImportSection(section) => core_names(counts, section.count()),
        Payload::ExportSection(section) => core_names(counts, section.count()),
        Payload::TypeSection(section) => types(counts, section.count()),
        Payload::ComponentTypeSection(section) => types(counts, section.count()),
        Payload::CoreTypeSection(section) => types(counts, section.count()),
        Payload::MemorySection(section) => {
            for memory in section.clone() {
                let memory = memory.map_err(|error| malformed(&error))?;
                counts.memories += 1;
                counts.memory_bytes = counts.memory_bytes.saturating_add(memory.initial.saturating_mul(PAGE));
            }
            within("memories", counts.memories, MEMORIES)
        }
        Payload::ComponentImportSection(section) if top => {
            for import in section.clone() {
                imports.push(name(counts, import.map_err(|error| malformed(&error))?.name.name)?);
            }
            within("imports", imports.len() as u64, TYPES)
        }
        Payload::ComponentExportSection(section) if top => {
            for export in section.clone() {
                let export = export.map_err(|error| malformed(&error))?;
                if matches!(export.kind, ComponentExternalKind::Instance | ComponentExternalKind::Func) {
                    exports.push(name(counts, export.name.name)?);
                }
            }
            within("exports", exports.len() as u64, TYPES)
        }
        _ => Ok(()),
    }
}

/// Each instance of a module keeps its passive elements in the host's memory, where no limit of a call sees them.
fn elements(counts: &mut Counts, section: &ElementSectionReader<'_>) -> Result<(), DeployError> {
    segments(counts, section.count())?;
    for element in section.clone() {
        let element = element.map_err(|error| malformed(&error))?;
        let items = match element.items {
            ElementItems::Functions(items) => u64::from(items.count()),
            ElementItems::Expressions(_, items) => u64::from(items.count()),
        };
        match element.kind {
            ElementKind::Passive => counts.passive_elements += items,
            ElementKind::Active { .. } => counts.active_elements += items,
            ElementKind::Declared => {}
        }
    }
    within("active table elements", counts.active_elements, ACTIVE_ELEMENTS)?;
    within("passive table elements", counts.passive_elements, PASSIVE_ELEMENTS)
}

/// The report repeats names: they are kept short, all together.
fn name(counts: &mut Counts, name: &str) -> Result<String, DeployError> {
    counts.name_bytes += name.len() as u64;
    within("bytes in the names of imports and exports", counts.name_bytes, NAME_BYTES)?;
    Ok(name.to_owned())
}

fn core_names(counts: &mut Counts, more: u32) -> Result<(), DeployError> {
    counts.core_names += u64::from(more);
    within("imports and exports of core modules", counts.core_names, CORE_NAMES)
}

fn segments(counts: &mut Counts, more: u32) -> Result<(), DeployError> {
    counts.segments += u64::from(more);
    within("data and element segments", counts.segments, SEGMENTS)
}

fn types(counts: &mut Counts, more: u32) -> Result<(), DeployError> {
    counts.types += u64::from(more);
    within("types", counts.types, TYPES)
}

fn within(what: &'static str, found: u64, limit: u64) -> Result<(), DeployError> {
    if found > limit { Err(DeployError::TooComplex { what, found, limit }) } else { Ok(()) }
}

fn malformed(error: &wasmparser::BinaryReaderError) -> DeployError {
    DeployError::Malformed { offset: error.offset(), reason: error.message().to_owned() }
}

fn cut_short(bytes: &[u8]) -> DeployError {
    DeployError::Malformed { offset: bytes.len(), reason: "it ends in the middle".to_owned() }
}

fn trailing(bytes: &[u8], rest: &[u8]) -> DeployError {
    DeployError::Malformed { offset: bytes.len() - rest.len(), reason: "there are bytes after its end".to_owned() }
}

fn report(bytes: &[u8], counts: &Counts, imports: Vec<String>, exports: Vec<String>) -> Report {
    let status = |name: &str| match import_status(name) {
        ImportStatus::Granted => "granted",
        ImportStatus::Denied | ImportStatus::Unknown => "denied-stub",
    };
    let mut warnings = Vec::new();
    if counts.memory_bytes > 16 * PAGE {
        warnings.push(format!(
            "its memories start at {} KiB: with Rust, `-C link-arg=-zstack-size=32768` makes calls faster",
            counts.memory_bytes >> 10
        ));
    }
    Report {
        component_bytes: bytes.len() as u64,
        imports: imports.into_iter().map(|name| ReportImport { status: status(&name).to_owned(), name }).collect(),
        exports,
        modules: u32::try_from(counts.modules).unwrap_or(u32::MAX),
        functions: u32::try_from(counts.functions).unwrap_or(u32::MAX),
        memories: u32::try_from(counts.memories).unwrap_or(u32::MAX),
        memory_minimum_bytes: counts.memory_bytes,
        warnings,
        ..Report::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn what_is_not_a_component_is_told_apart() {
        assert!(matches!(scan(b""), Err(DeployError::Empty)));
        assert!(matches!(scan(b"#!/bin/sh"), Err(DeployError::NotWasm)));
        assert!(matches!(scan(&component("(module)")), Err(DeployError::CoreModule)));
        assert!(matches!(scan(&component("(component)")), Err(DeployError::NoHandler)));
    }

    #[test]
    fn a_truncated_component_says_where_it_ends() {
        let whole = component(r#"(component (core module (func (export "f"))))"#);
        for end in 4..whole.len() {
            assert!(
                matches!(scan(&whole[..end]), Err(DeployError::Malformed { .. } | DeployError::NoHandler)),
                "cut at {end}"
            );
        }
    }

    #[test]
    fn an_import_that_is_not_offered_is_named() {
        let bytes = component(r#"(component (import "evil:thing/door@1.0.0" (instance)))"#);
        let Err(DeployError::UnknownImports { names }) = scan(&bytes) else { panic!("it was let in") };
        assert_eq!(names, ["evil:thing/door@1.0.0"]);
    }

    #[test]
    fn passive_elements_are_counted_over_all_segments() {
        let items = "(ref.null func) ".repeat(1_000);
        let module = format!("(core module (elem func) {})", format!("(elem funcref {items})").repeat(5));
        let Err(DeployError::TooComplex { what, found, .. }) = scan(&component(&format!("(component {module})")))
        else {
            panic!("it was let in")
        };
        assert_eq!((what, found), ("passive table elements", 5_000));
    }

    #[test]
    fn names_are_bounded_together() {
        let exports: String =
            (0..10).map(|number| format!(r#"(export "{}{number}" (func 0))"#, "x".repeat(8_000))).collect();
        let text = format!(
            r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
               (func (canon lift (core func $i "f"))) {exports})"#
        );
        assert!(matches!(scan(&component(&text)), Err(DeployError::TooComplex { found: 64_000.., .. })));
    }

    #[test]
    fn what_instantiation_copies_is_counted_for_every_instance_of_every_component() {
        let module =
            |bytes: usize| format!(r#"(core module $m (memory 16) (data (i32.const 0) "{}"))"#, "x".repeat(bytes));
        let eight = "(core instance (instantiate $m))".repeat(8);
        let inner = format!("(component $c {} {eight})", module(1 << 20));
        let outer = |times: usize| format!("(component {inner} {})", "(instance (instantiate $c))".repeat(times));
        // 31 times 8 MiB, and the instances themselves.
        assert!(matches!(scan(&component(&outer(31))), Err(DeployError::NoHandler)));
        let Err(DeployError::TooComplex { what, found, .. }) = scan(&component(&outer(33))) else {
            panic!("it was let in")
        };
        assert_eq!((what, found), ("bytes to copy for each call", 33 * 8 * ((1 << 20) + 4_096)));
        // By another name, and from around.
        let aliased = format!(
            "(component $around {} (component $c (alias outer $around $m (core module $a)) {}) {})",
            module(1 << 20),
            "(core instance (instantiate $a))".repeat(8),
            "(instance (instantiate $c))".repeat(33),
        );
        assert!(matches!(scan(&component(&aliased)), Err(DeployError::TooComplex { .. })));
        // What a component is given is as heavy as can be.
        let given = format!(
            r#"(component {} (component $c (import "m" (core module $i)) {}) (instance (instantiate $c (with "m" (core module $m)))))"#,
            module(1 << 20),
            "(core instance (instantiate $i))".repeat(20),
        );
        assert!(matches!(scan(&component(&given)), Err(DeployError::TooComplex { .. })));
    }

    #[test]
    fn modules_are_counted_over_all_components_inside() {
        let many = "(component (core module) (core module) (core module) (core module) (core module))".repeat(7);
        let Err(DeployError::TooComplex { what, .. }) = scan(&component(&format!("(component {many})"))) else {
            panic!("it was let in")
        };
        assert_eq!(what, "core modules");
    }
}
