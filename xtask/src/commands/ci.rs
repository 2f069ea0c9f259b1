//! `cargo xtask ci`: what CI runs, by the same script, so that there is one list of steps.

use std::path::Path;

use anyhow::Result;

/// Where the steps are.
const SCRIPT: &str = ".ci/run";

pub(crate) fn run(root: &Path) -> Result<()> {
    super::run(root, "bash", &[SCRIPT])
}
