//! T4: what a guest's store holds, field by field. A new field is added here only with the argument that nothing behind
//! it leads from one tenant to another.

use super::Tree;
use super::finding::Findings;
use super::rust::fields;

/// A struct that a call holds, and the fields that it may have.
struct Held {
    path: &'static str,
    name: &'static str,
    fields: &'static [(&'static str, &'static str)],
}

/// The `T` of `Store<T>`, and what is behind its fields as far as it is ours.
const HELD: &[Held] = &[
    Held {
        path: "runtime/src/engine/guest.rs",
        name: "GuestState",
        fields: &[
            ("host", "Host"),
            ("clock", "Arc<CallClock>"),
            ("log", "Arc<dyn LogSink>"),
            ("wasi", "Option<WasiCtx>"),
            ("table", "ResourceTable"),
            ("growing", "u64"),
        ],
    },
    Held {
        path: "host-api/src/grants.rs",
        name: "Host",
        fields: &[
            ("grants", "Grants"),
            ("budget", "Budget"),
            ("clock", "Arc<dyn CallClock>"),
            ("leases", "ResourceTable"),
        ],
    },
    Held {
        path: "host-api/src/grants.rs",
        name: "Grants",
        fields: &[
            ("storage", "Arc<dyn Storage>"),
            ("cache", "Arc<dyn Cache>"),
            ("log", "Arc<dyn LogSink>"),
            ("configuration", "Arc<Configuration>"),
        ],
    },
    Held {
        path: "runtime/src/logs.rs",
        name: "CallLog",
        fields: &[
            ("logs", "Arc<Logs>"),
            ("agent", "AgentName"),
            ("version", "VersionId"),
            ("invocation", "InvocationId"),
        ],
    },
];

/// The fields are those of the list and no others.
pub(super) fn guests_hold_no_handle_across_tenants(tree: &Tree, findings: &mut Findings) {
    for held in HELD {
        let Some((line, found)) = tree.text(held.path).and_then(|text| fields(text, held.name)) else {
            findings.fault(
                "T4",
                held.path,
                1,
                format!("there is no struct `{}` here: tell tidy where it went", held.name),
            );
            continue;
        };
        for field in &found {
            if !held.fields.contains(&(field.name.as_str(), field.kind.as_str())) {
                let message = format!(
                    "`{}.{}: {}` is not on the list in xtask/src/tidy/state.rs: a call holds nothing that spans tenants",
                    held.name, field.name, field.kind
                );
                findings.fault("T4", held.path, field.line, message);
            }
        }
        for (name, _) in held.fields.iter().filter(|(name, _)| !found.iter().any(|field| field.name == *name)) {
            findings.fault(
                "T4",
                held.path,
                line,
                format!("`{}.{name}` is gone: take it off the list in tidy", held.name),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::found;
    use super::*;

    fn source(extra: &str) -> Vec<(&'static str, String)> {
        let mut files: Vec<(&'static str, String)> = Vec::new();
        for held in HELD {
            let lines: Vec<String> = held.fields.iter().map(|(name, kind)| format!("    {name}: {kind},\n")).collect();
            let extra = if held.name == "GuestState" { extra } else { "" };
            let text = format!("struct {} {{\n{}{extra}}}\n", held.name, lines.concat());
            match files.iter_mut().find(|(path, _)| *path == held.path) {
                Some((_, whole)) => whole.push_str(&text),
                None => files.push((held.path, text)),
            }
        }
        files
    }

    fn check(files: &[(&'static str, String)]) -> Vec<String> {
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        found(guests_hold_no_handle_across_tenants, &files)
    }

    #[test]
    fn the_list_is_what_it_allows() {
        assert_eq!(check(&source("")), Vec::<String>::new());
    }

    #[test]
    fn a_new_field_is_a_fault() {
        let found = check(&source("    stores: Arc<Stores>,\n"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("GuestState.stores: Arc<Stores>"));
    }

    #[test]
    fn a_field_of_another_type_and_a_missing_struct_are_faults() {
        let mut files = source("");
        files[0].1 = files[0].1.replace("Option<WasiCtx>", "Arc<WasiCtx>");
        files[1].1.clear();
        let found = check(&files);
        assert_eq!(found.len(), 3, "{found:?}");
    }
}
