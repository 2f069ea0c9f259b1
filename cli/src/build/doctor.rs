//! What each language needs, all of it: for `insula doctor`. A build stops at the first thing that is missing.

use std::path::Path;

use crate::manifest::{Manifest, Recipe};

use super::tools::{self, Found};
use super::{javascript, python, toolchain};

const RUSTUP: &str = "install Rust from https://rustup.rs";

pub(crate) fn rust(dir: &Path) -> Vec<Found> {
    let mut found = vec![tools::program(dir, "rustc", None, RUSTUP), tools::program(dir, "cargo", None, RUSTUP)];
    if found.iter().all(|one| one.ok) {
        found.push(toolchain::target(dir));
    }
    found
}

/// With an agent of JavaScript, its packages too.
pub(crate) fn javascript(dir: &Path, agent: Option<&Manifest>) -> Vec<Found> {
    let mut found = vec![javascript::node(dir), javascript::npm(dir)];
    if let Some(Recipe::JavaScript { engine, .. }) = agent.map(|agent| &agent.recipe) {
        let fix = tools::install_command(dir);
        let names = javascript::packages(*engine).map(|(name, _)| name).chain([javascript::SDK]);
        found.extend(names.map(|name| match javascript::package_version(dir, name) {
            Some(version) => Found::here(name, version),
            None => Found::missing(name, "it is not in node_modules", &fix),
        }));
    }
    found
}

/// With an agent of Python, its virtual environment too.
pub(crate) fn python(dir: &Path, agent: Option<&Manifest>) -> Vec<Found> {
    let mut found = vec![python::python3(dir)];
    if found.iter().all(|one| one.ok) {
        found.push(python::venv_module(dir));
    }
    if let Some(Recipe::Python { .. }) = agent.map(|agent| &agent.recipe) {
        let fix = tools::install_command(dir);
        match python::venv(dir) {
            None => found.push(Found::missing(".venv", "there is no virtual environment", fix)),
            Some(venv) => {
                found.push(Found::here(".venv", venv.display().to_string()));
                found.push(match python::gap(dir) {
                    Ok(None) => Found::here("packages", "componentize-py and insula-sdk"),
                    Ok(Some(gap)) => Found::missing("packages", gap.failure.reasons().join("; "), fix),
                    Err(error) => Found::missing("packages", format!("{error:#}"), fix),
                });
            }
        }
    }
    found
}
