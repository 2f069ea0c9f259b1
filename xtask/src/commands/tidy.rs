//! `cargo xtask tidy`: prints what tidy finds. Warnings do not fail.

use std::path::Path;

use anyhow::{Result, bail};

use crate::terminal;
use crate::tidy::{Finding, Tree, check};

pub(crate) fn run(root: &Path) -> Result<()> {
    let findings = check(&Tree::read(root)?);
    for finding in &findings {
        terminal::say(format_args!("{finding}"));
    }
    let faults = findings.iter().filter(|finding| finding.is_fault()).count();
    let warnings = findings.iter().filter(|finding: &&Finding| !finding.is_fault()).count();
    terminal::note(format_args!("tidy: {faults} faults, {warnings} warnings"));
    if faults > 0 {
        bail!("the tree is not tidy");
    }
    Ok(())
}
