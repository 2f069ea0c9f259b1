//! Building an agent: its manifest's command, or what its language needs, in its folder, with the environment that its
//! author would have.
//!
//! Nothing is installed unless it was asked for (`install.rs`), but for Rust's own target. What compilers print is passed on
//! as it is.

mod brake;
pub(crate) mod doctor;
mod freshness;
mod install;
mod javascript;
mod python;
mod quick;
mod toolchain;
pub(crate) mod tools;

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::environment;
use crate::failure::{Explain, Failure};
use crate::manifest::{Language, Manifest, Recipe};
use crate::terminal::{self, Terminal};

pub(crate) use brake::Brake;
pub(crate) use install::install_for;
pub(crate) use quick::Quick;
pub(crate) use tools::Gap;

/// The most output of a build that is kept to be shown when it fails.
const OUTPUT_LIMIT: usize = 1 << 20;
/// What a build is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be deployed: as the project says.
    Deploy,
    /// To be tried as soon as it was saved: quickly where there is such a build, else as the project says.
    Reload,
}

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
    let built = compile(dir, &manifest, Purpose::Deploy, None);
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

/// Installs what the agent in `dir` is built with: the packages that its `package.json` or `requirements.txt` names.
///
/// # Errors
///
/// When the folder has no valid `insula.toml`, when node, npm or python3 is not there, or when the installer fails (its
/// output is then passed on to standard error).
pub fn install(dir: &Path, quiet: bool) -> anyhow::Result<()> {
    let terminal = Terminal::new(false);
    let progress = (!quiet).then(|| terminal.progress("installing"));
    let installed = install_for(dir, &Manifest::load(dir)?);
    drop(progress);
    installed.map_err(|broken| broken.show(&terminal))
}

/// What this machine or folder lacks for the build of an agent: the first of it.
pub(crate) fn gap(dir: &Path, manifest: &Manifest) -> anyhow::Result<Option<Gap>> {
    match &manifest.recipe {
        Recipe::Command { .. } => Ok(None),
        Recipe::JavaScript { engine, .. } => javascript::gap(dir, *engine),
        Recipe::Python { .. } => python::gap(dir),
    }
}

/// Builds the agent of a folder whose manifest was read. Where nothing has changed since the last time, it does nothing. A
/// brake is for the build command of an agent's own, and does nothing in other languages.
pub(crate) fn compile(
    dir: &Path,
    manifest: &Manifest,
    purpose: Purpose,
    brake: Option<&Brake>,
) -> Result<PathBuf, Broken> {
    if let Some(gap) = gap(dir, manifest)? {
        return Err(Broken::from(anyhow::Error::from(gap.failure)));
    }
    let quick = (purpose == Purpose::Reload).then(|| Quick::of(manifest)).flatten();
    let component = dir.join(quick.as_ref().map_or(&manifest.component, |quick| &quick.component));
    match &manifest.recipe {
        Recipe::Command { program, arguments } => {
            if manifest.language == Language::Rust {
                toolchain::ensure_target(dir)?;
            }
            let mut command = command_in(dir, program);
            command.args(arguments);
            if let Some(quick) = &quick {
                command.envs(quick.environment(dir));
            }
            let advice = "install it, put it on the PATH, or correct `command` in insula.toml";
            let line = std::iter::once(program).chain(arguments).map(String::as_str).collect::<Vec<_>>().join(" ");
            run_under(brake, command, manifest, &line, advice)?;
        }
        Recipe::JavaScript { entry, engine } => javascript::build(dir, manifest, entry, *engine)?,
        Recipe::Python { entry } => python::build(dir, manifest, entry)?,
    }
    if component.is_file() {
        return Ok(component);
    }
    Err(Broken::from(anyhow::Error::from(
        Failure::new(format_args!("the build of `{}` left no component", manifest.name))
            .because(format_args!("there is no {}", component.display()))
            .advise("let `component` in insula.toml name the file that the build command writes"),
    )))
}

/// The contract near an SDK: it travels two folders above the SDK's own, in this repository and in a project.
fn wit_near(sdk: &Path) -> anyhow::Result<PathBuf> {
    let start = std::fs::canonicalize(sdk).unwrap_or_else(|_| sdk.to_owned());
    let found = start.ancestors().map(|above| above.join("wit")).find(|wit| wit.join("world.wit").is_file());
    found.ok_or_else(|| {
        Failure::new("the contract `wit/` is not there")
            .because(format_args!("no folder above {} has wit/world.wit", start.display()))
            .advise("take the SDK with its folder `wit`, as `insula new` lays them")
            .into()
    })
}

/// A short digest of a text: whether it is the same one.
fn digest_of(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A command in the agent's folder with the environment that its author would have.
fn command_in(dir: &Path, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).env_clear().envs(environment::for_builds()).stdin(Stdio::null());
    command
}

/// Runs a step of a build, and keeps what it printed for when it fails. Returns what it wrote to standard output.
fn run(command: Command, manifest: &Manifest, line: &str, advice: &str) -> Result<Vec<u8>, Broken> {
    run_under(None, command, manifest, line, advice)
}

/// The same, where somebody may end it.
fn run_under(
    brake: Option<&Brake>,
    mut command: Command,
    manifest: &Manifest,
    line: &str,
    advice: &str,
) -> Result<Vec<u8>, Broken> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if terminal::errors_in_colour() {
        command.env("CARGO_TERM_COLOR", "always").env("FORCE_COLOR", "1");
    }
    let started = format!("cannot run `{}`", command.get_program().to_string_lossy());
    let spawned = match brake {
        Some(brake) => brake.start(&mut command),
        None => command.spawn(),
    };
    let mut child = spawned.explain(started, advice)?;
    let (said, errors) = (child.stdout.take(), child.stderr.take());
    // Both at once, or a child that fills one pipe would wait for ever.
    let (said, errors) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| said.map(keep_tail).unwrap_or_default());
        let errors = errors.map(keep_tail).unwrap_or_default();
        (reader.join().unwrap_or_default(), errors)
    });
    if let Some(brake) = brake {
        brake.release();
    }
    let status = child.wait().explain("cannot wait for the build", "run the build again")?;
    if status.success() {
        return Ok(said);
    }
    let failure = Failure::new(format_args!("the build of `{}` failed", manifest.name))
        .because(format_args!("`{line}` ended with {status}"))
        .advise("correct what the output above shows");
    Err(Broken { error: failure.into(), output: if errors.is_empty() { said } else { errors } })
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
        let broken = compile(folder.path(), &manifest, Purpose::Deploy, None).unwrap_err();
        assert_eq!(broken.output, b"it is broken\n");
        assert!(broken.error.to_string().contains("failed"));
    }

    #[test]
    fn only_a_reload_leaves_out_what_takes_cargo_longest_and_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let say = "d=${CARGO_TARGET_DIR:-target}/wasm32-wasip2/release; mkdir -p $d; echo \"$CARGO_PROFILE_RELEASE_LTO\" > $d/a.wasm";
        let manifest = format!(
            "[agent]\nname = 'a'\nlanguage = 'rust'\n[build]\ncommand = ['sh', '-c', '{say}']\ncomponent = 'target/wasm32-wasip2/release/a.wasm'\n"
        );
        let mut manifest = Manifest::parse(&manifest, Path::new("insula.toml")).unwrap();
        let mut built = |language, purpose| {
            manifest.language = language;
            std::fs::read_to_string(compile(folder.path(), &manifest, purpose, None).unwrap()).unwrap()
        };
        assert_eq!(built(Language::Rust, Purpose::Reload), "off\n");
        assert_eq!(built(Language::Rust, Purpose::Deploy), "\n");
        assert_eq!(built(Language::Js, Purpose::Reload), "\n");
    }

    #[test]
    fn a_brake_ends_a_build_with_all_that_it_began_and_lets_none_begin() {
        let folder = folder("['sh', '-c', 'echo begun; sleep 600 & wait']");
        let manifest = Manifest::load(folder.path()).unwrap();
        let brake = Brake::default();
        let broken = std::thread::scope(|scope| {
            let build = scope.spawn(|| compile(folder.path(), &manifest, Purpose::Deploy, Some(&brake)));
            while !build.is_finished() && !brake.is_holding() {
                std::thread::yield_now();
            }
            brake.pull();
            build.join().unwrap().unwrap_err()
        });
        assert!(broken.error.to_string().contains("failed"), "{:#}", broken.error);
        let broken = compile(folder.path(), &manifest, Purpose::Deploy, Some(&brake)).unwrap_err();
        assert!(broken.error.to_string().contains("cannot run"), "{:#}", broken.error);
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
