//! The toolchains of languages that are not Rust: whether they are here, and the packages of an agent's folder, which the
//! tests install by the product's own `install`.
//!
//! Where a toolchain is not here, one line says what is left out and why. With `INSULA_TESTS_SKIP_NONE=1`, as in `.ci/run`,
//! that is a failure.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use super::agents;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Toolchain {
    JavaScript,
    Python,
}

impl Toolchain {
    /// Whether it is here. Asked once; the first time says what is left out.
    pub(crate) fn is_here(self) -> bool {
        static JAVASCRIPT: OnceLock<bool> = OnceLock::new();
        static PYTHON: OnceLock<bool> = OnceLock::new();
        match self {
            Self::JavaScript => *JAVASCRIPT.get_or_init(|| {
                let node = "process.exit(Number(process.versions.node.split('.')[0]) >= 20 ? 0 : 1)";
                self.say(works("node", &["--eval", node]), "node 20 or newer is not on the PATH")
                    && self.say(works("npm", &["--version"]), "npm is not on the PATH")
            }),
            Self::Python => *PYTHON.get_or_init(|| {
                let python = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";
                self.say(works("python3", &["-c", python]), "python3 3.10 or newer with venv is not on the PATH")
            }),
        }
    }

    fn say(self, here: bool, why: &str) -> bool {
        if !here {
            let line = format!("skipped: what needs {self:?} agents, since {why}");
            assert!(may_skip(), "{line}; INSULA_TESTS_SKIP_NONE forbids it");
            // Not by a macro, whose lines the test runner keeps to itself.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
        here
    }

    /// Installs the packages of an agent's folder, unless they are there and newer than what names them.
    pub(crate) fn install(self, path: &str) {
        static DONE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
        let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
        if !done.insert(path.to_owned()) {
            return;
        }
        let folder = agents::folder(path);
        let (named, installed) = match self {
            Self::JavaScript => ("package.json", "node_modules/.package-lock.json"),
            Self::Python => ("requirements.txt", ".venv/bin/componentize-py"),
        };
        if changed(&folder.join(installed)) < changed(&folder.join(named)) {
            insula_cli::install(&folder, true).unwrap_or_else(|error| panic!("{path}: {error:#}"));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the suite's own switch; nothing of the product is told by it")]
fn may_skip() -> bool {
    std::env::var_os("INSULA_TESTS_SKIP_NONE").is_none()
}

fn works(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// When a file changed last; `None`, which is before any time, where there is none.
fn changed(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}
