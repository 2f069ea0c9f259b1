//! Python: componentize-py, from the virtual environment of the project, takes the agent and all that it imports into a
//! component.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::environment;
use crate::failure::{Explain, Failure};
use crate::manifest::{self, Manifest};

use super::freshness::{Stamp, files_below};
use super::javascript::{absolute, no_entry};
use super::tools::{self, Found, Gap};
use super::{Broken, command_in, run, wit_near};

/// The module that the component begins with.
const SHIM: &str = "insula_entry";
/// Asks a python where it finds the SDK, and everything else.
const WHERE: &str = "import importlib.util, json, sys
spec = importlib.util.find_spec('insula_sdk')
print(json.dumps({'sdk': spec and spec.origin, 'path': [part for part in sys.path if part], 'prefix': sys.base_prefix}))";

/// What [`WHERE`] answers.
#[derive(Deserialize)]
struct Where {
    sdk: Option<PathBuf>,
    path: Vec<PathBuf>,
    prefix: PathBuf,
}

/// Python itself.
pub(crate) fn python3(dir: &Path) -> Found {
    tools::program(
        dir,
        "python3",
        Some(tools::PYTHON),
        "install Python 3.10 or newer: `sudo apt-get install python3 python3-venv`, or https://python.org",
    )
}

/// Whether Python can make virtual environments: Debian has that in a package of its own.
pub(super) fn venv_module(dir: &Path) -> Found {
    let output = command_in(dir, "python3").args(["-c", "import venv, ensurepip"]).output();
    if output.is_ok_and(|output| output.status.success()) {
        return Found::here("venv", "virtual environments can be made");
    }
    Found::missing("venv", "python3 has no venv or no ensurepip", "`sudo apt-get install python3-venv`")
}

/// The virtual environment of a folder: its own `.venv`, else the one that is active.
pub(super) fn venv(dir: &Path) -> Option<PathBuf> {
    let own = absolute(dir).ok()?.join(".venv");
    [Some(own), environment::virtual_env()].into_iter().flatten().find(|venv| python_of(venv).is_file())
}

pub(super) fn python_of(venv: &Path) -> PathBuf {
    venv.join("bin/python")
}

/// What is missing for a build in this folder.
pub(super) fn gap(dir: &Path) -> anyhow::Result<Option<Gap>> {
    if !dir.join("requirements.txt").is_file() {
        return Err(Failure::new(format_args!("{} has no requirements.txt", dir.display()))
            .because("an agent in Python has its tools and its SDK from there")
            .advise("start from `insula new NAME --lang python`, or from sample-agents/analyst/requirements.txt")
            .into());
    }
    let Some(venv) = venv(dir) else {
        if let Some(gap) = python3(dir).gap() {
            return Ok(Some(gap));
        }
        let what = format!("{} has no virtual environment", dir.display());
        return Ok(Some(Gap::of_folder(dir, what, "there is no .venv in it, and none is active")));
    };
    let what = format!("the Python packages of {} are not all installed", dir.display());
    if !venv.join("bin/componentize-py").is_file() {
        return Ok(Some(Gap::of_folder(dir, what, format!("{} has no componentize-py", venv.display()))));
    }
    let place = ask(dir, &venv)?;
    Ok(place.sdk.is_none().then(|| Gap::of_folder(dir, what, format!("{} has no insula-sdk", venv.display()))))
}

fn ask(dir: &Path, venv: &Path) -> anyhow::Result<Where> {
    let python = python_of(venv);
    let advice = format!("remove {} and run `{}`", venv.display(), tools::install_command(dir));
    let what = format!("{} does not work", python.display());
    let output = command_in(dir, &python).args(["-c", WHERE]).output().explain(&what, &advice)?;
    if !output.status.success() {
        return Err(Failure::new(what).because(String::from_utf8_lossy(&output.stderr).trim()).advise(advice).into());
    }
    serde_json::from_slice(&output.stdout).explain(what, advice)
}

/// Builds the component.
pub(super) fn build(dir: &Path, manifest: &Manifest, entry: &Path) -> Result<(), Broken> {
    if !dir.join(entry).is_file() {
        return Err(no_entry(dir, entry).into());
    }
    let dir = &absolute(dir)?;
    let component = dir.join(&manifest.component);
    let Some(venv) = venv(dir) else { return Err(Broken::from(anyhow::anyhow!("the virtual environment is gone"))) };
    let recipe = format!("{} componentize-py {} {}", env!("CARGO_PKG_VERSION"), entry.display(), venv.display());
    let stamp = Stamp::new(&component, recipe);
    if stamp.is_fresh() {
        return Ok(());
    }
    stamp.clear();
    let place = ask(dir, &venv)?;
    let wit = wit_near(&place.sdk.unwrap_or_else(|| dir.clone()))?;
    let sources = dir.join(entry).parent().map(Path::to_path_buf).unwrap_or_else(|| dir.clone());
    let work = component.with_extension("work");
    let module = entry.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let shim = format!(
        "# Made by `insula build`.\nimport {module}\nfrom insula_sdk.agent import export\n\nHandler = export({module})\n"
    );
    fs::create_dir_all(&work)
        .and_then(|()| fs::write(work.join(SHIM).with_extension("py"), shim))
        .explain(format_args!("cannot write to {}", work.display()), "make room, or correct its rights")?;

    // What `pip install --editable` linked to is on the path of python, and not in site-packages.
    let linked: Vec<_> = place
        .path
        .into_iter()
        .filter(|part| {
            part.is_dir()
                && !part.starts_with(&place.prefix)
                && !part.starts_with(&venv)
                && *part != *dir
                && *part != sources
        })
        .collect();
    let searched: Vec<_> = [work.clone(), sources].into_iter().chain(linked).collect();
    let made = work.join("agent.wasm");
    let mut command = command_in(dir, venv.join("bin/componentize-py"));
    command.env("VIRTUAL_ENV", &venv).env("PYTHONDONTWRITEBYTECODE", "1").env("RUST_BACKTRACE", "0");
    command.arg("--quiet").arg("-d").arg(&wit).args(["-w", "agent", "componentize"]);
    for part in &searched {
        command.arg("-p").arg(part);
    }
    command.arg(SHIM).arg("-o").arg(&made);
    run(command, manifest, &format!("componentize-py on {}", entry.display()), "install componentize-py")?;
    fs::rename(&made, &component).explain(
        format_args!("there is no {}", made.display()),
        "componentize-py said nothing and left no component: run it by hand to see why",
    )?;

    let mut inputs = BTreeSet::from([dir.join(manifest::FILE), dir.join("requirements.txt")]);
    for part in searched.iter().filter(|part| **part != work) {
        files_below(part, &[".py"], &mut inputs);
    }
    files_below(&wit, &[".wit"], &mut inputs);
    installed(&venv, &mut inputs);
    stamp.write(&inputs);
    Ok(())
}

/// The packages of a virtual environment, by the list of files that pip keeps of each.
fn installed(venv: &Path, into: &mut BTreeSet<PathBuf>) {
    let Ok(versions) = fs::read_dir(venv.join("lib")) else { return };
    for packages in versions.flatten().filter_map(|version| fs::read_dir(version.path().join("site-packages")).ok()) {
        let lists = packages.flatten().map(|package| package.path().join("RECORD"));
        into.extend(lists.filter(|list| list.is_file()));
    }
}
