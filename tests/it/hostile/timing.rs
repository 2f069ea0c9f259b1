//! Attacks by how long something takes. No clock is asked here: what cannot tell by its time takes the same way, and that
//! can be seen.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::assert_neighbours_answer;
use crate::harness::{Host, Tenant, agents};

/// The files of a tenant's components: by name without the tenant, with what they are on the disk.
fn shelf(host: &Host, tenant: &Tenant) -> BTreeMap<String, u64> {
    fn walk(root: &Path, folder: &Path, files: &mut BTreeMap<String, u64>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                files.insert(name, entry.metadata().unwrap().ino());
            }
        }
    }
    let home = host.data.path().join("data/tenants").join(&tenant.id);
    let mut files = BTreeMap::new();
    walk(&home, &home, &mut files);
    files
}

#[test]
fn an_upload_does_not_tell_whether_somebody_else_has_the_same_component() {
    let host = Host::shared();
    let (first, second) = (host.tenant("first"), host.tenant("second"));
    let component = agents::another_version(&agents::text("echo"), "one of a kind");
    let reports = [&first, &second].map(|tenant| tenant.deploy("echo", &component));
    assert_eq!(reports[0]["digest"], reports[1]["digest"]);
    // Both were stored and compiled, each for its own tenant: nothing was found there already.
    let (ours, theirs) = (shelf(host, &first), shelf(host, &second));
    assert!(ours.len() >= 2, "a component and an artefact: {ours:?}");
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    assert!(ours.iter().all(|(name, file)| theirs[name] != *file), "{ours:?} {theirs:?}");
    assert_eq!(second.invoke("echo", "hello").text(), "hello");
    assert_neighbours_answer();
}
