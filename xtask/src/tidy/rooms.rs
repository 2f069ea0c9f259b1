//! What a room must never do, as far as its words show it (T3, A1, A2, A4).

use super::Tree;
use super::finding::Findings;
use super::rust::{code_lines, is_test_file};
use super::tree::numbered;

/// Rooms that neither read the environment nor print.
const QUIET: [&str; 5] = ["tenancy/src/", "host-api/src/", "store/src/", "runtime/src/", "server/src/"];
/// Rooms that open no file by a path.
const PATHLESS: [&str; 4] = ["tenancy/src/", "host-api/src/", "runtime/src/", "server/src/"];
/// Modules that try what is forbidden, to show that the kernel refuses it (B5).
const PROBES: [&str; 2] = ["runtime/src/compile/probe.rs", "cli/src/host/landlock.rs"];
/// The module that dials out.
const CLIENT: &str = "cli/src/client";

/// T3: host-api serves handles that already belong to someone, and has no word for whom.
pub(super) fn host_api_names_no_owner(tree: &Tree, findings: &mut Findings) {
    for (path, text) in tree.under("host-api/src/", "rs") {
        for (number, line) in numbered(text) {
            if line.to_ascii_lowercase().contains("tenant") {
                findings.fault(
                    "T3",
                    path,
                    number,
                    "host-api never names a tenant: it serves handles that already belong to one",
                );
            }
        }
    }
}

/// A1: settings come as arguments, and what is to be seen goes through `tracing` or a result.
pub(super) fn only_cli_reads_env_or_prints(tree: &Tree, findings: &mut Findings) {
    let words = ["std::env", "env::var", "println!", "eprintln!", "print!", "eprint!", "io::stdout()", "io::stderr()"];
    // The compile worker is a process of its own, and its standard streams are its only handles.
    let worker = "runtime/src/compile/worker.rs";
    for_words(tree, &QUIET, &words, |path, number, word| {
        if path != worker || !word.starts_with("io::") {
            findings.fault(
                "A1",
                path,
                number,
                format!("`{word}`: only cli reads the environment or prints; pass the value in"),
            );
        }
    });
}

/// A2: the data directory is store's, and everything else gets open files from it.
pub(super) fn only_store_opens_files(tree: &Tree, findings: &mut Findings) {
    let words = [
        "File::open(",
        "File::create(",
        "fs::read",
        "fs::write(",
        "fs::create_dir",
        "fs::remove_",
        "fs::rename(",
        "OpenOptions",
        "ambient_authority",
    ];
    for_words(tree, &PATHLESS, &words, |path, number, word| {
        if PROBES.contains(&path) {
            return;
        }
        findings.fault("A2", path, number, format!("`{word}`: only store opens files; take a handle from it"));
    });
}

/// A4: one module opens connections to elsewhere.
pub(super) fn one_module_dials_out(tree: &Tree, findings: &mut Findings) {
    // Not `ureq::http`: these are only the names of methods and statuses.
    let words = [
        "ureq::Agent",
        "ureq::agent(",
        "ureq::config",
        "ureq::delete(",
        "ureq::get(",
        "ureq::post(",
        "ureq::put(",
        "ureq::run(",
        "TcpStream::connect",
        "UdpSocket::bind",
        "UnixStream::connect",
    ];
    let rooms = [QUIET.as_slice(), &["cli/src/"]].concat();
    for_words(tree, &rooms, &words, |path, number, word| {
        if !path.starts_with(CLIENT) && !PROBES.contains(&path) {
            findings.fault("A4", path, number, format!("`{word}`: only {CLIENT} dials out"));
        }
    });
}

/// Calls `each` with the path, line and word of every place in these rooms' code, tests apart, that has a word.
fn for_words<'w>(tree: &Tree, rooms: &[&str], words: &[&'w str], mut each: impl FnMut(&str, usize, &'w str)) {
    for room in rooms {
        for (path, text) in tree.under(room, "rs").filter(|(path, _)| !is_test_file(path)) {
            for (number, line) in code_lines(text) {
                if let Some(word) = words.iter().find(|word| line.contains(*word)) {
                    each(path, number, word);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::found;
    use super::*;

    #[test]
    fn host_api_does_not_name_a_tenant_in_any_case_or_place() {
        let text = "//! Handles.\n// the Tenant's\nfn of_TENANT() {}\n";
        let found = found(host_api_names_no_owner, &[("host-api/src/a.rs", text), ("store/src/a.rs", text)]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn the_environment_and_the_terminal_are_clis() {
        let text = "let x = std::env::var(\"X\");\nprintln!(\"{x}\");\n// println!\n";
        let files = [("runtime/src/a.rs", text), ("cli/src/a.rs", text), ("runtime/src/a/tests.rs", text)];
        assert_eq!(found(only_cli_reads_env_or_prints, &files).len(), 2);
    }

    #[test]
    fn the_worker_may_use_its_standard_streams_and_nobody_else_may() {
        let text = "writeln!(io::stderr(), \"x\");\n";
        let files = [("runtime/src/compile/worker.rs", text), ("runtime/src/invoke.rs", text)];
        let found = found(only_cli_reads_env_or_prints, &files);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("runtime/src/invoke.rs"));
    }

    #[test]
    fn files_are_opened_by_store() {
        let text = "let file = File::open(path)?;\n";
        assert_eq!(found(only_store_opens_files, &[("runtime/src/a.rs", text), ("store/src/a.rs", text)]).len(), 1);
    }

    #[test]
    fn one_module_has_the_client() {
        let text = "use ureq::http::Method;\nlet agent = ureq::agent();\n";
        let files = [("cli/src/client.rs", text), ("cli/src/client/retry.rs", text), ("cli/src/login.rs", text)];
        assert_eq!(found(one_module_dials_out, &files).len(), 1);
    }
}
