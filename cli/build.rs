//! Finds the files that travel inside the binary: the contract, the SDKs, and the templates of `insula new`.
//!
//! They are those that git tracks, which a test holds it to: what toolchains and editors leave in those folders is passed
//! over by name.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders of the repository, all of whose files travel.
const ROOTS: [&str; 3] = ["wit", "sdk", "cli/templates"];
/// What is built or fetched there, and not written.
const SKIPPED: [&str; 9] =
    ["target", "node_modules", "__pycache__", "dist", "build", ".venv", ".mypy_cache", ".pytest_cache", ".DS_Store"];

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script where it is in no other way")]
fn main() -> Result<(), Box<dyn Error>> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from).ok_or(format!("cargo did not set {name}"));
    let here = variable("CARGO_MANIFEST_DIR")?;
    let root = here.parent().ok_or("the crate is not in a repository")?;
    let mut found = Vec::new();
    for folder in ROOTS {
        walk(&root.join(folder), &mut found)?;
    }
    found.sort();
    let mut list = String::from("&[\n");
    for path in found {
        let name = path.strip_prefix(root)?.to_str().ok_or("a path is not UTF-8")?.replace('\\', "/");
        writeln!(list, "    ({name:?}, include_bytes!({path:?})),")?;
        println!("cargo::rerun-if-changed={}", path.display());
    }
    list.push(']');
    fs::write(variable("OUT_DIR")?.join("vendored.rs"), list)?;
    Ok(())
}

/// Every file in a folder. A folder in which something new would be noticed is watched: one without a build in it.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    let mut has_builds = false;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().ok_or("a file's name is not UTF-8")?;
        if SKIPPED.contains(&name) || name.ends_with(".egg-info") || name.ends_with(".pyc") {
            has_builds = true;
        } else if entry.file_type()?.is_dir() {
            walk(&entry.path(), found)?;
        } else {
            found.push(entry.path());
        }
    }
    if !has_builds {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    Ok(())
}
