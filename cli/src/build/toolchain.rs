//! What a Rust agent's build needs beside cargo: the standard library for `wasm32-wasip2`.
//!
//! A `rust-toolchain.toml` may choose another toolchain for the agent's folder, so everything is asked in that folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::failure::{Explain, Failure};

use super::command_in;
use super::tools::Found;

pub(super) const TARGET: &str = "wasm32-wasip2";

/// Whether the target is there.
pub(super) fn target(dir: &Path) -> Found {
    let fix = format!("rustup target add {TARGET}");
    match target_library(dir) {
        Ok(library) if library.is_dir() => Found::here(TARGET, "installed"),
        Ok(library) => Found::missing(TARGET, format!("there is no {}", library.display()), fix),
        Err(error) => Found::missing(TARGET, format!("{error:#}"), fix),
    }
}

/// Makes sure that the toolchain of this folder can build components, and adds the target if it cannot.
pub(super) fn ensure_target(dir: &Path) -> anyhow::Result<()> {
    let library = target_library(dir)?;
    let lock = toolchain_lock(&library);
    // What another build is just adding is there in part: wait until it is there, or not.
    if lock.as_ref().is_none_or(|lock| lock.lock_shared().is_ok()) && library.is_dir() {
        return Ok(());
    }
    // Two at once would trip over each other's files.
    if lock.as_ref().is_some_and(|lock| lock.unlock().and_then(|()| lock.lock()).is_ok()) && library.is_dir() {
        return Ok(());
    }
    let added = command_in(dir, "rustup").args(["target", "add", TARGET]).stdout(Stdio::null()).output();
    let reason = match added {
        Ok(output) if output.status.success() && library.is_dir() => return Ok(()),
        Ok(output) if output.status.success() => {
            "`rustup target add` succeeded, but for another toolchain than the `rustc` on the PATH".to_owned()
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("`rustup` did not start: {error}"),
    };
    Err(Failure::new(format_args!("the Rust toolchain of {} has no target {TARGET}", dir.display()))
        .because(format_args!("there is no {}", library.display()))
        .because(reason)
        .advise(format_args!(
            "run `rustup target add {TARGET}` in that folder, or install the target with your toolchain"
        ))
        .into())
}

/// Locked by every build that looks at the toolchain's targets or adds one. Where a folder cannot be locked, builds go on
/// without.
fn toolchain_lock(library: &Path) -> Option<File> {
    File::open(library.ancestors().nth(2)?).ok()
}

fn target_library(dir: &Path) -> anyhow::Result<PathBuf> {
    let advice = "install Rust from https://rustup.rs, or correct the folder's rust-toolchain.toml";
    let output =
        command_in(dir, "rustc").args(["--print", "sysroot"]).output().explain("cannot run `rustc`", advice)?;
    if !output.status.success() {
        return Err(Failure::new(format_args!("`rustc` does not work in {}", dir.display()))
            .because(String::from_utf8_lossy(&output.stderr).trim())
            .advise(advice)
            .into());
    }
    let sysroot = String::from_utf8_lossy(&output.stdout);
    Ok(Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib"))
}
