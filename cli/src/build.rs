//! Building an agent: its manifest's command, in its folder, with the environment that its author would have.

mod toolchain;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::environment;
use crate::failure::{Explain, Failure};
use crate::manifest::{Language, Manifest};
use crate::terminal::{self, Terminal};

/// The most output of a build that is kept to be shown when it fails.
const OUTPUT_LIMIT: usize = 1 << 20;

/// Builds the agent in `dir` and returns the path of its component. With `quiet`, no progress is shown.
///
/// # Errors
///
/// When the folder has no valid `insula.toml`, when the toolchain lacks what the language needs and it cannot be added,
/// when the command fails (its output is then passed on to standard error), or when it leaves no component.
pub fn build(dir: &Path, quiet: bool) -> anyhow::Result<PathBuf> {
    let manifest = Manifest::load(dir)?;
    let terminal = Terminal::new(false);
    let progress = (!quiet).then(|| terminal.progress(&format!("building {}", manifest.name)));
    let built = compile(dir, &manifest);
    drop(progress);
    built.map_err(|broken| broken.show(&terminal))
}

/// A build that failed, and what it printed.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) error: anyhow::Error,
    pub(crate) output: Vec<u8>,
}

impl Broken {
    /// Passes the output on and leaves the error.
    pub(crate) fn show(self, terminal: &Terminal) -> anyhow::Error {
        terminal.pass_on(&self.output);
        self.error
    }
}

impl From<anyhow::Error> for Broken {
    fn from(error: anyhow::Error) -> Self {
        Self { error, output: Vec::new() }
    }
}

/// Runs the build command of a manifest in its folder.
pub(crate) fn compile(dir: &Path, manifest: &Manifest) -> Result<PathBuf, Broken> {
    if manifest.language == Language::Rust {
        toolchain::ensure_target(dir)?;
    }
    run(dir, manifest)?;
    let component = dir.join(&manifest.component);
    if component.is_file() {
        return Ok(component);
    }
    Err(Broken::from(anyhow::Error::from(
        Failure::new(format_args!("the build of `{}` left no component", manifest.name))
            .because(format_args!("there is no {}", component.display()))
            .advise("let `component` in insula.toml name the file that the build command writes"),
    )))
}

/// A command in the agent's folder with the environment that its author would have.
fn command_in(dir: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).env_clear().envs(environment::for_builds()).stdin(Stdio::null());
    command
}

fn run(dir: &Path, manifest: &Manifest) -> Result<(), Broken> {
    let mut command = command_in(dir, &manifest.program);
    command.args(&manifest.arguments).stdout(Stdio::null()).stderr(Stdio::piped());
    if terminal::errors_in_colour() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command.spawn().explain(
        format_args!("cannot run the build command `{}`", manifest.program),
        "install it, put it on the PATH, or correct `command` in insula.toml",
    )?;
    let output = child.stderr.take().map(keep_tail).unwrap_or_default();
    let status = child.wait().explain("cannot wait for the build command", "run the build again")?;
    if status.success() {
        return Ok(());
    }
    let line = std::iter::once(&manifest.program).chain(&manifest.arguments).map(String::as_str).collect::<Vec<_>>();
    let failure = Failure::new(format_args!("the build of `{}` failed", manifest.name))
        .because(format_args!("`{}` ended with {status}", line.join(" ")))
        .advise("correct what the output above shows");
    Err(Broken { error: failure.into(), output })
}

/// Reads to the end and keeps the last of it.
fn keep_tail(mut stream: impl Read) -> Vec<u8> {
    let mut kept: Vec<u8> = Vec::new();
    let mut chunk = vec![0_u8; 16 << 10];
    while let Ok(count @ 1..) = stream.read(&mut chunk) {
        kept.extend_from_slice(chunk.get(..count).unwrap_or_default());
        if kept.len() > 2 * OUTPUT_LIMIT {
            kept.drain(..kept.len() - OUTPUT_LIMIT);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(command: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let manifest =
            format!("[agent]\nname = 'a'\nlanguage = 'js'\n[build]\ncommand = {command}\ncomponent = 'out/a.wasm'\n");
        std::fs::write(folder.path().join("insula.toml"), manifest).unwrap();
        folder
    }

    #[test]
    fn a_build_runs_in_the_folder_and_answers_with_the_component() {
        let folder = folder("['sh', '-c', 'mkdir -p out && cp insula.toml out/a.wasm']");
        assert_eq!(build(folder.path(), true).unwrap(), folder.path().join("out/a.wasm"));
    }

    #[test]
    fn a_failing_build_keeps_its_output() {
        let folder = folder("['sh', '-c', 'echo it is broken >&2; exit 3']");
        let manifest = Manifest::load(folder.path()).unwrap();
        let broken = compile(folder.path(), &manifest).unwrap_err();
        assert_eq!(broken.output, b"it is broken\n");
        assert!(broken.error.to_string().contains("failed"));
    }

    #[test]
    fn a_build_that_leaves_nothing_or_cannot_start_is_an_error() {
        let folder_of_nothing = folder("['true']");
        assert!(build(folder_of_nothing.path(), true).unwrap_err().to_string().contains("left no component"));
        let folder_of_typo = folder("['no-such-program-here']");
        assert!(build(folder_of_typo.path(), true).unwrap_err().to_string().contains("no-such-program-here"));
    }

    #[test]
    fn the_end_of_a_long_output_is_kept() {
        let long = [vec![b'x'; 3 * OUTPUT_LIMIT], b"the end".to_vec()].concat();
        let kept = keep_tail(long.as_slice());
        assert!(kept.len() <= 2 * OUTPUT_LIMIT && kept.ends_with(b"the end"));
    }
}
