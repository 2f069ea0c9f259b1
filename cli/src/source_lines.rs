//! Where in its source an instruction of a component is: read from the debug information of a component that was built
//! here. A host never reads it; see `Diagnosis` of the runtime.

use std::borrow::Cow;
use std::collections::HashMap;

use addr2line::Context;
use gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use wasmparser::{KnownCustom, Name, Parser, Payload};

/// Where the sources of others are.
const FOREIGN: [&str; 2] = ["/rustc/", "/.cargo/"];

type Reader<'data> = EndianSlice<'data, LittleEndian>;

/// One core module of a component, with its debug information.
#[derive(Debug, Default)]
struct Module<'data> {
    name: Option<&'data str>,
    /// Where its code begins: debug information counts from there, the engine from the start of the component.
    code: u64,
    sections: HashMap<&'data str, &'data [u8]>,
}

/// The source lines of a component's instructions.
pub(crate) struct SourceLines<'data> {
    modules: Vec<(Option<&'data str>, u64, Context<Reader<'data>>)>,
}

impl<'data> SourceLines<'data> {
    /// Those of this component. Without debug information there are none.
    pub(crate) fn of(component: &'data [u8]) -> Self {
        let modules = modules(component).into_iter().filter_map(|module| {
            let section = |id: SectionId| module.sections.get(id.name()).copied().unwrap_or_default();
            let dwarf = Dwarf::load(|id| Ok::<_, gimli::Error>(EndianSlice::new(section(id), LittleEndian))).ok()?;
            Some((module.name, module.code, Context::from_dwarf(dwarf).ok()?))
        });
        Self { modules: modules.collect() }
    }

    /// The file and line of an instruction: `src/lib.rs:12`, as seen from `folder` where it is inside of that.
    pub(crate) fn find(&self, module: Option<&str>, offset: u64, folder: Option<&str>) -> Option<String> {
        let mut named = self.modules.iter().filter(|(name, ..)| module.is_none() || *name == module);
        named.find_map(|(_, code, context)| {
            let probe = offset.checked_sub(*code)?;
            // A call that does not come back ends its function: what follows it belongs to nobody.
            [Some(probe), probe.checked_sub(1)].into_iter().flatten().find_map(|probe| line(context, probe, folder))
        })
    }
}

/// The line of the innermost function there that is the author's own, of those that were made one by inlining.
fn line(context: &Context<Reader<'_>>, probe: u64, folder: Option<&str>) -> Option<String> {
    let mut frames = context.find_frames(probe).skip_all_loads().ok()?;
    let mut found = None;
    while let Ok(Some(frame)) = frames.next() {
        let Some(location) = frame.location else { continue };
        let (Some(file), Some(line)) = (location.file, location.line) else { continue };
        let shown = format!("{}:{line}", inside(file, folder));
        if !FOREIGN.iter().any(|part| file.contains(part)) {
            return Some(shown);
        }
        found.get_or_insert(shown);
    }
    found
}

fn inside<'path>(file: &'path str, folder: Option<&str>) -> Cow<'path, str> {
    let within = folder.and_then(|folder| file.strip_prefix(folder)).and_then(|rest| rest.strip_prefix('/'));
    within.unwrap_or(file).into()
}

/// The modules of a component that have debug information. What cannot be read ends the search: there is less to show then.
fn modules(component: &[u8]) -> Vec<Module<'_>> {
    let (mut open, mut found): (Vec<Module<'_>>, Vec<Module<'_>>) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(component).map_while(Result::ok) {
        match payload {
            Payload::Version { .. } => open.push(Module::default()),
            Payload::CodeSectionStart { range, .. } => {
                if let Some(module) = open.last_mut() {
                    module.code = range.start as u64;
                }
            }
            Payload::CustomSection(section) => {
                let Some(module) = open.last_mut() else { continue };
                if section.name().starts_with(".debug_") {
                    module.sections.insert(section.name(), section.data());
                } else if let KnownCustom::Name(names) = section.as_known() {
                    module.name = names.into_iter().map_while(Result::ok).find_map(|name| match name {
                        Name::Module { name, .. } => Some(name),
                        _ => None,
                    });
                }
            }
            Payload::End(_) => {
                found.extend(open.pop().filter(|module| !module.sections.is_empty()));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_without_debug_information_has_no_lines_and_one_that_is_broken_neither() {
        let component = wat::parse_str("(component (core module $named (func)))").unwrap();
        assert!(modules(&component).is_empty());
        assert_eq!(SourceLines::of(&component).find(Some("named"), 30, None), None);
        assert_eq!(SourceLines::of(b"\0asm nonsense").find(None, 3, None), None);
    }

    #[test]
    fn a_file_is_named_as_it_is_seen_from_the_agents_folder() {
        assert_eq!(inside("/work/agent/src/lib.rs", Some("/work/agent")), "src/lib.rs");
        assert_eq!(inside("/work/agents/src/lib.rs", Some("/work/agent")), "/work/agents/src/lib.rs");
        assert_eq!(inside("src/lib.rs", None), "src/lib.rs");
    }
}
