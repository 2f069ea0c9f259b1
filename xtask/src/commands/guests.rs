//! `cargo xtask guests`: builds every guest that has a build command in its `insula.toml`, and adds the target that Rust
//! guests need. The others have the toolchains of their languages: `insula build` knows those.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{finish, read_toml};
use crate::terminal;

/// Folders of which every folder with a manifest is a guest.
const SHELVES: [&str; 2] = ["sample-agents", "tests"];
const MANIFEST: &str = "insula.toml";
const TARGET: &str = "wasm32-wasip2";

/// Environment that a cargo sets for what it starts: a cargo of a guest must not inherit it.
const INHERITED: [&str; 5] = ["CARGO", "RUSTC", "RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"];
const INHERITED_PREFIXES: [&str; 5] =
    ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BUILD_", "CARGO_ENCODED_", "CARGO_TARGET_"];

pub(crate) fn run(root: &Path) -> Result<()> {
    ensure_target(root)?;
    let guests = guests(root)?;
    ensure!(!guests.is_empty(), "there is no guest under {}", SHELVES.join(" or "));
    for guest in guests {
        let Some(component) = build(&guest)? else {
            terminal::say(format_args!("{}: left to `insula build`", guest.display()));
            continue;
        };
        let size = std::fs::metadata(&component).with_context(|| format!("there is no {}", component.display()))?.len();
        terminal::say(format_args!("{} ({} KiB)", component.display(), size.div_ceil(1_024)));
    }
    Ok(())
}

/// The folders of guests, in the order of their names.
fn guests(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for shelf in SHELVES {
        let folder = root.join(shelf);
        for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            if path.join(MANIFEST).is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Runs a guest's build command in its folder and answers with the path of its component; `None`: it has none.
fn build(folder: &Path) -> Result<Option<PathBuf>> {
    let manifest = read_toml(&folder.join(MANIFEST))?;
    let Some(build) = manifest.get("build").filter(|build| build.get("command").is_some()) else { return Ok(None) };
    let words = build.get("command").and_then(toml::Value::as_array).context("`command` is no list")?;
    let words: Vec<&str> = words.iter().filter_map(toml::Value::as_str).collect();
    let (program, arguments) = words.split_first().context("the build command is empty")?;
    let component = build.get("component").and_then(toml::Value::as_str).context("[build] has no `component`")?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if INHERITED.contains(&text.as_ref()) || INHERITED_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    finish(&mut command).with_context(|| format!("the guest in {} was not built", folder.display()))?;
    Ok(Some(folder.join(component)))
}

fn ensure_target(root: &Path) -> Result<()> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).current_dir(root).output();
    let sysroot = String::from_utf8(output.context("`rustc` did not start")?.stdout)?;
    if Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib").is_dir() {
        return Ok(());
    }
    super::run(root, "rustup", &["target", "add", TARGET])
        .with_context(|| format!("Rust guests need the target {TARGET}, and it could not be added"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_agents_and_the_guests_of_the_tests_are_found() {
        let root = crate::root();
        let guests = guests(&root).unwrap();
        for name in ["sample-agents/triage", "tests/echo", "tests/hostile", "tests/probe"] {
            assert!(guests.contains(&root.join(name)), "{name} is missing in {guests:?}");
        }
    }
}
