//! One chore a file, and the two things that they share: starting a program, and the list of members.

pub(crate) mod bench;
pub(crate) mod ci;
pub(crate) mod each;
pub(crate) mod fuzz;
pub(crate) mod guests;
pub(crate) mod kills;
pub(crate) mod tidy;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::terminal;

/// Runs a program to its end, with its output shown.
pub(crate) fn run(folder: &Path, program: &str, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(program);
    command.current_dir(folder).args(arguments);
    finish(&mut command)
}

/// Runs a command to its end; a failure names it.
pub(crate) fn finish(command: &mut Command) -> Result<()> {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    terminal::note(format_args!("$ {line}"));
    let status = command.status().with_context(|| format!("`{line}` did not start"))?;
    ensure!(status.success(), "`{line}` ended with {status}");
    Ok(())
}

/// Reads a TOML file.
pub(crate) fn read_toml(path: &Path) -> Result<toml::Table> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.parse().with_context(|| format!("{} is not valid TOML", path.display()))
}
