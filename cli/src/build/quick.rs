//! A build in Rust that is there sooner: each function optimised as much, and nothing optimised across crates.
//!
//! It has a target folder of its own. cargo gives the component of a `cdylib` one name whatever the profile, and would take
//! a quick one for the project's own where both were left in one folder.

use std::path::{Path, PathBuf};

use crate::manifest::{Language, Manifest, Recipe};

use super::toolchain::TARGET;

/// What it leaves out of what the project's own profile may ask for, by cargo's variables.
const PROFILE: [(&str, &str); 3] = [
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_RELEASE_INCREMENTAL", "true"),
];
/// The folder within the project's own target folder.
const FOLDER: &str = "quick";

/// Where a quick build of an agent goes, both paths within the agent's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quick {
    target: PathBuf,
    pub(super) component: PathBuf,
}

impl Quick {
    /// `None` where there is no such thing: in other languages, and where the manifest does not show cargo's target folder.
    pub(crate) fn of(manifest: &Manifest) -> Option<Self> {
        let Recipe::Command { arguments, .. } = &manifest.recipe else { return None };
        let names_its_own = arguments.iter().any(|argument| argument.starts_with("--target-dir"));
        if manifest.language != Language::Rust || names_its_own {
            return None;
        }
        let parts: Vec<_> = manifest.component.components().collect();
        let triple = parts.iter().position(|part| part.as_os_str() == TARGET).filter(|place| *place > 0)?;
        let (target, inside) = parts.split_at(triple);
        let target = target.iter().collect::<PathBuf>().join(FOLDER);
        Some(Self { component: target.join(inside.iter().collect::<PathBuf>()), target })
    }

    /// What the build command finds in its environment.
    pub(super) fn environment(&self, dir: &Path) -> impl Iterator<Item = (&'static str, PathBuf)> {
        let target = dir.join(&self.target);
        let target = std::path::absolute(&target).unwrap_or(target);
        let profile = PROFILE.iter().map(|(name, value)| (*name, PathBuf::from(value)));
        profile.chain([("CARGO_TARGET_DIR", target)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quick(language: &str, command: &str, component: &str) -> Option<PathBuf> {
        let manifest = format!(
            "[agent]\nname = 'a'\nlanguage = '{language}'\n[build]\ncommand = {command}\ncomponent = '{component}'\n"
        );
        let manifest = Manifest::parse(&manifest, Path::new("insula.toml")).unwrap();
        Quick::of(&manifest).map(|quick| quick.component)
    }

    #[test]
    fn a_quick_component_is_beside_the_projects_own_and_never_in_its_place() {
        let cargo = "['cargo', 'build', '--release', '--target', 'wasm32-wasip2']";
        let component = quick("rust", cargo, "target/wasm32-wasip2/release/a.wasm");
        assert_eq!(component, Some(PathBuf::from("target/quick/wasm32-wasip2/release/a.wasm")));
    }

    #[test]
    fn where_cargos_folder_is_not_known_there_is_no_quick_build() {
        let cargo = "['cargo', 'build']";
        for (language, command, component) in [
            ("js", cargo, "target/wasm32-wasip2/release/a.wasm"),
            ("rust", cargo, "build/a.wasm"),
            ("rust", cargo, "wasm32-wasip2/release/a.wasm"),
            ("rust", "['cargo', 'build', '--target-dir=elsewhere']", "elsewhere/wasm32-wasip2/release/a.wasm"),
        ] {
            assert_eq!(quick(language, command, component), None, "{language} {command} {component}");
        }
    }
}
