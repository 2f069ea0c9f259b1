//! What comes from the process's surroundings beside the arguments: the one place that asks for it (A1).
//!
//! `INSULA_URL` and `INSULA_KEY` are read by the argument parser; see `connection.rs`.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context;

use crate::failure::Failure;

/// The folder of the user's own settings: `$XDG_CONFIG_HOME/insula`, else `~/.config/insula`.
pub(crate) fn config_dir() -> anyhow::Result<PathBuf> {
    let base = match absolute("XDG_CONFIG_HOME") {
        Some(base) => base,
        None => absolute("HOME").map(|home| home.join(".config")).ok_or_else(|| {
            Failure::new("there is no place for the profile")
                .because("neither XDG_CONFIG_HOME nor HOME is set to an absolute path")
                .advise("set XDG_CONFIG_HOME, or give --url and --key")
        })?,
    };
    Ok(base.join("insula"))
}

/// The program that compiles components: this one again, with the hidden command.
///
/// On Linux the path names the very file that is running, also after a newer one took its place on disk, so that a
/// host and its compilers are always of one build.
pub(crate) fn own_program() -> anyhow::Result<PathBuf> {
    if cfg!(target_os = "linux") {
        return Ok(PathBuf::from("/proc/self/exe"));
    }
    std::env::current_exe().context("cannot find the path of this program, which a host needs for its compilers")
}

/// The virtual environment of Python that is active in this shell.
pub(crate) fn virtual_env() -> Option<PathBuf> {
    absolute("VIRTUAL_ENV")
}

/// The environment for a build command: this process's own, without what a cargo that runs *us* left in it.
///
/// Without this, a build started from `cargo run` or `cargo test` would inherit the outer build's target directory,
/// flags and wrapper, and put the component elsewhere or build it differently than the author's own `cargo build`.
pub(crate) fn for_builds() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| name.to_str().is_none_or(is_kept))
}

fn is_kept(name: &str) -> bool {
    const DROPPED: [&str; 6] =
        ["CARGO", "RUSTFLAGS", "RUSTDOCFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_INCREMENTAL", "CARGO_MAKEFLAGS"];
    const DROPPED_BEGINNINGS: [&str; 12] = [
        "RUSTC",
        "CARGO_TARGET_",
        "CARGO_BUILD_",
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_PROFILE_",
        "CARGO_CFG_",
        "CARGO_FEATURE_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
        "CARGO_PRIMARY_",
        "CARGO_LLVM_COV",
    ];
    !DROPPED.contains(&name) && !DROPPED_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

#[expect(clippy::disallowed_methods, reason = "A1: this module is where the command line reads the environment")]
fn absolute(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_does_not_inherit_the_build_around_it() {
        for name in [
            "CARGO",
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_TARGET_DIR",
            "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS",
            "CARGO_BUILD_TARGET",
            "CARGO_MANIFEST_DIR",
            "CARGO_PKG_NAME",
            "RUSTC",
            "RUSTC_WRAPPER",
        ] {
            assert!(!is_kept(name), "{name}");
        }
    }

    #[test]
    fn a_build_keeps_its_toolchain_its_registry_and_its_proxy() {
        for name in
            ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO_NET_OFFLINE", "https_proxy"]
        {
            assert!(is_kept(name), "{name}");
        }
    }
}
