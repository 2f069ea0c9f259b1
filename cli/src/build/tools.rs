//! What builds need of the machine and of the agent's folder: is it there, in which version, and what gets it.

use std::fmt::{self, Display};
use std::path::Path;

use serde::Serialize;

use crate::failure::Failure;

use super::command_in;

/// The oldest node that the JavaScript tools run on.
pub(crate) const NODE: Version = Version { major: 20, minor: 0 };
/// The oldest python3 that componentize-py runs on.
pub(crate) const PYTHON: Version = Version { major: 3, minor: 10 };

/// Something that a build lacks.
#[derive(Debug)]
pub(crate) struct Gap {
    pub(crate) failure: Failure,
    /// Whether `insula build --install` fills it.
    pub(crate) installable: bool,
}

impl Gap {
    /// What `insula build --install` fills.
    pub(super) fn of_folder(dir: &Path, what: impl Display, because: impl Display) -> Self {
        let failure = Failure::new(what).because(because).advise(format_args!("run `{}`", install_command(dir)));
        Self { failure, installable: true }
    }

    /// What the machine's own installer fills.
    pub(super) fn of_machine(found: &Found) -> Self {
        let failure = Failure::new(format_args!("{} is missing", found.name)).because(&found.state).advise(&found.fix);
        Self { failure, installable: false }
    }
}

/// The one command that installs what a folder's build needs.
pub(crate) fn install_command(dir: &Path) -> String {
    match dir.to_str() {
        Some("." | "") => "insula build --install".to_owned(),
        _ => format!("insula build --install {}", dir.display()),
    }
}

/// A version, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// The first one in what a program says of itself: `v20.1.0`, `Python 3.11.7`.
    fn find(text: &str) -> Option<Self> {
        text.split(|character: char| !character.is_ascii_digit() && character != '.').find_map(|word| {
            let mut parts = word.split('.');
            let (major, minor) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            Some(Self { major, minor })
        })
    }
}

impl Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

/// What was looked for, and what was found.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Found {
    /// What it is.
    pub(crate) name: String,
    pub(crate) ok: bool,
    /// Its version, or what is wrong.
    pub(crate) state: String,
    /// The command that gets it; empty when it is there.
    pub(crate) fix: String,
}

impl Found {
    pub(crate) fn here(name: impl Into<String>, state: impl Into<String>) -> Self {
        Self { name: name.into(), ok: true, state: state.into(), fix: String::new() }
    }

    pub(crate) fn missing(name: impl Into<String>, state: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.into(), ok: false, state: state.into(), fix: fix.into() }
    }

    /// As a gap of a build, where it is not there.
    pub(super) fn gap(&self) -> Option<Gap> {
        (!self.ok).then(|| Gap::of_machine(self))
    }
}

/// Asks a program for its version.
pub(crate) fn program(dir: &Path, name: &str, least: Option<Version>, fix: &str) -> Found {
    let output = match command_in(dir, name).arg("--version").output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Found::missing(name, "it is not on the PATH", fix);
        }
        Err(error) => return Found::missing(name, format!("it did not start: {error}"), fix),
    };
    let said = String::from_utf8_lossy(if output.stdout.is_empty() { &output.stderr } else { &output.stdout });
    let first = said.lines().next().unwrap_or_default().trim().to_owned();
    if !output.status.success() {
        return Found::missing(name, format!("`{name} --version` ended with {}: {first}", output.status), fix);
    }
    match (least, Version::find(&first)) {
        (Some(least), Some(version)) if version < least => {
            Found::missing(name, format!("it is {first}, and must be {least} or newer"), fix)
        }
        _ => Found::here(name, first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_programs_say() {
        let version = |major, minor| Some(Version { major, minor });
        assert_eq!(Version::find("v20.20.2"), version(20, 20));
        assert_eq!(Version::find("Python 3.9.1rc1"), version(3, 9));
        assert_eq!(Version::find("no version here"), None);
        assert!(Version::find("Python 3.9.1") < Some(PYTHON) && Version::find("Python 3.14.0") > Some(PYTHON));
    }

    #[test]
    fn a_program_that_is_not_there_or_too_old_says_what_to_do() {
        let here = Path::new(".");
        let found = program(here, "no-such-program-here", None, "apt-get install it");
        assert!(!found.ok && found.state.contains("PATH") && found.fix == "apt-get install it", "{found:?}");
        let found = program(here, "rustc", Some(Version { major: 99, minor: 0 }), "wait");
        assert!(!found.ok && found.state.contains("99.0 or newer"), "{found:?}");
        assert!(program(here, "rustc", None, "").ok);
    }
}
