//! `insula build --install`: the packages of a project, by its language's own installer, as its own files pin them.

use std::path::Path;

use crate::failure::Failure;
use crate::manifest::{Manifest, Recipe};

use super::tools::Found;
use super::{Broken, command_in, javascript, python, run};

/// Installs what the build of an agent needs.
pub(crate) fn install_for(dir: &Path, manifest: &Manifest) -> Result<(), Broken> {
    match &manifest.recipe {
        Recipe::Command { program, .. } => Err(Broken::from(anyhow::Error::from(
            Failure::new(format_args!("there is nothing that insula could install for `{}`", manifest.name))
                .because(format_args!("insula.toml has a build command of its own, `{program}`"))
                .advise("install what that command needs; `insula doctor` shows what is here"),
        ))),
        Recipe::JavaScript { engine, .. } => {
            require(&javascript::node(dir))?;
            require(&javascript::npm(dir))?;
            let arguments: &[&str] = if dir.join("package-lock.json").is_file() { &["ci"] } else { &["install"] };
            npm(dir, manifest, arguments)?;
            let missing: Vec<_> = javascript::packages(*engine)
                .filter(|(name, _)| javascript::package_dir(dir, name).is_none())
                .map(|(name, version)| format!("{name}@{version}"))
                .collect();
            if missing.is_empty() {
                return Ok(());
            }
            // The project does not name them: then this adds them to its package.json.
            let mut arguments = vec!["install", "--save-dev", "--save-exact"];
            arguments.extend(missing.iter().map(String::as_str));
            npm(dir, manifest, &arguments)
        }
        Recipe::Python { .. } => {
            if python::venv(dir).is_none() {
                require(&python::python3(dir))?;
                let mut command = command_in(dir, "python3");
                command.args(["-m", "venv", ".venv"]);
                let advice = "install venv: `sudo apt-get install python3-venv`";
                run(command, manifest, "python3 -m venv .venv", advice).map_err(|broken| Broken {
                    error: broken.error.context(
                        "the virtual environment was not made: `sudo apt-get install python3-venv` may be missing",
                    ),
                    output: broken.output,
                })?;
            }
            let Some(venv) = python::venv(dir) else {
                return Err(Broken::from(anyhow::anyhow!("`python3 -m venv .venv` left no .venv/bin/python")));
            };
            let mut command = command_in(dir, python::python_of(&venv));
            command.args(["-m", "pip", "install", "--disable-pip-version-check", "-r", "requirements.txt"]);
            run(command, manifest, "pip install -r requirements.txt", "remove .venv and try again").map(drop)
        }
    }
}

fn npm(dir: &Path, manifest: &Manifest, arguments: &[&str]) -> Result<(), Broken> {
    let mut command = command_in(dir, "npm");
    // None of the tools needs a script of its own to run at installation, and nobody else's should.
    command.args(arguments).args(["--ignore-scripts", "--no-audit", "--no-fund"]);
    run(command, manifest, &format!("npm {}", arguments.join(" ")), "install npm").map(drop)
}

fn require(found: &Found) -> Result<(), Broken> {
    match found.gap() {
        Some(gap) => Err(Broken::from(anyhow::Error::from(gap.failure))),
        None => Ok(()),
    }
}
