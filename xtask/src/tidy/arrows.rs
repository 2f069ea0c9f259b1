//! Arrows between rooms: which crate of this workspace may depend on which, and that all of them use the same lints.

use super::Tree;
use super::finding::Findings;

/// What each room may depend on, among the packages of this workspace. A crate that needs another arrow needs a page in
/// docs/decisions first.
const ARROWS: &[(&str, &[&str])] = &[
    ("tenancy", &[]),
    ("host-api", &[]),
    ("store", &["insula-tenancy", "insula-host-api"]),
    ("runtime", &["insula-tenancy", "insula-host-api", "insula-store"]),
    ("server", &["insula-runtime", "insula-tenancy"]),
    ("cli", &["insula-server", "insula-runtime"]),
    // Public interfaces only: the library of the binary, and what is above the stores.
    ("tests", &["insula", "insula-server", "insula-runtime", "insula-tenancy"]),
    ("bench", &["insula", "insula-server", "insula-runtime"]),
    // Below the runtime: what the targets feed takes no engine (docs/decisions/0015-fuzzing.md).
    ("fuzz", &["insula-host-api", "insula-store", "insula-tenancy"]),
    ("xtask", &[]),
];

const TABLES: [&str; 2] = ["dependencies", "build-dependencies"];

/// Every arrow is one of the list.
pub(super) fn dependencies(tree: &Tree, findings: &mut Findings) {
    for (room, manifest, path) in members(tree, findings) {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
            findings.fault(
                "arrows",
                &path,
                1,
                format!("`{room}` is a new room: give it a line in xtask/src/tidy/arrows.rs"),
            );
            continue;
        };
        for name in ours(&manifest) {
            if !allowed.contains(&name.as_str()) {
                findings.fault(
                    "arrows",
                    &path,
                    1,
                    format!("`{room}` must not depend on `{name}`: see ARCHITECTURE.md"),
                );
            }
        }
    }
}

/// Every member takes the workspace's lints.
pub(super) fn lints(tree: &Tree, findings: &mut Findings) {
    for (_, manifest, path) in members(tree, &mut Findings::default()) {
        let shared = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        if shared != Some(true) {
            findings.fault("lints", &path, 1, "add `[lints] workspace = true`");
        }
    }
}

/// The members of the workspace: folder, manifest, and the manifest's path.
fn members(tree: &Tree, findings: &mut Findings) -> Vec<(String, toml::Table, String)> {
    let root = tree.text("Cargo.toml").and_then(|text| text.parse::<toml::Table>().ok()).unwrap_or_default();
    let listed = root.get("workspace").and_then(|workspace| workspace.get("members")).and_then(toml::Value::as_array);
    let mut members = Vec::new();
    for room in listed.into_iter().flatten().filter_map(toml::Value::as_str) {
        let path = format!("{room}/Cargo.toml");
        match tree.text(&path).map(str::parse::<toml::Table>) {
            Some(Ok(manifest)) => members.push((room.to_owned(), manifest, path)),
            Some(Err(error)) => findings.fault("arrows", &path, 1, format!("it is not valid TOML: {error}")),
            None => findings.fault("arrows", "Cargo.toml", 1, format!("the member `{room}` has no manifest")),
        }
    }
    if members.is_empty() {
        findings.fault("arrows", "Cargo.toml", 1, "no members were found in it");
    }
    members
}

/// The packages of this workspace that a manifest depends on, also for some targets only.
fn ours(manifest: &toml::Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let per_target = targets.into_iter().flat_map(|targets| targets.values().filter_map(toml::Value::as_table));
    let mut names = Vec::new();
    for tables in std::iter::once(manifest).chain(per_target) {
        for table in TABLES.iter().filter_map(|name| tables.get(*name)).filter_map(toml::Value::as_table) {
            for (key, value) in table {
                let name = value.get("package").and_then(toml::Value::as_str).unwrap_or(key);
                if name == "insula" || name == "xtask" || name.starts_with("insula-") {
                    names.push(name.to_owned());
                }
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::finding::found;
    use super::*;

    const ROOT: (&str, &str) = ("Cargo.toml", "[workspace]\nmembers = [\"host-api\", \"store\"]\n");

    #[test]
    fn an_arrow_against_the_house_is_a_fault() {
        let files = [
            ROOT,
            ("host-api/Cargo.toml", "[dependencies]\ninsula-tenancy = { workspace = true }\n"),
            ("store/Cargo.toml", "[dependencies]\ninsula-tenancy = { workspace = true }\nserde = \"1\"\n"),
        ];
        let found = found(dependencies, &files);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("host-api/Cargo.toml"));
    }

    #[test]
    fn an_arrow_under_another_name_or_for_one_target_is_seen_too() {
        let files = [
            ROOT,
            ("host-api/Cargo.toml", "[target.'cfg(unix)'.dependencies]\nwho = { package = \"insula-tenancy\" }\n"),
            ("store/Cargo.toml", "[build-dependencies]\ninsula-runtime = { workspace = true }\n"),
        ];
        assert_eq!(found(dependencies, &files).len(), 2);
    }

    #[test]
    fn tests_may_depend_on_more_than_products() {
        let files =
            [ROOT, ("host-api/Cargo.toml", ""), ("store/Cargo.toml", "[dev-dependencies]\ninsula-runtime = \"0\"\n")];
        assert!(found(dependencies, &files).is_empty());
    }

    #[test]
    fn a_room_without_a_line_and_a_member_without_a_manifest_are_faults() {
        let root = ("Cargo.toml", "[workspace]\nmembers = [\"attic\", \"cellar\"]\n");
        assert_eq!(found(dependencies, &[root, ("attic/Cargo.toml", "")]).len(), 2);
    }

    #[test]
    fn a_member_with_lints_of_its_own_is_a_fault() {
        let files = [ROOT, ("host-api/Cargo.toml", "[lints]\nworkspace = true\n"), ("store/Cargo.toml", "")];
        assert_eq!(found(lints, &files).len(), 1);
    }
}
