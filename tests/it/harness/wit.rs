//! What `wit/` says, for tests that must have a row for everything in it.

use wit_parser::{Resolve, WorldItem};

use super::agents::folder;

/// Every host function as `interface.function`.
pub(crate) fn functions() -> Vec<String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(folder("wit")).unwrap();
    let world = resolve.select_world(&[package], Some("agent")).unwrap();
    let mut functions = Vec::new();
    for item in resolve.worlds[world].imports.values() {
        let WorldItem::Interface { id, .. } = item else { panic!("an import that is no interface") };
        let interface = &resolve.interfaces[*id];
        for function in interface.functions.keys() {
            functions.push(format!("{}.{function}", interface.name.as_ref().unwrap()));
        }
    }
    functions
}
