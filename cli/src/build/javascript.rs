//! JavaScript and TypeScript: esbuild makes one module of the agent and all that it imports, and an engine takes it into a
//! component. Both are the project's own, from its node_modules; `javascript.mjs` runs them in one node.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::json;

use crate::failure::{Explain, Failure};
use crate::manifest::{self, Engine, Manifest};

use super::freshness::Stamp;
use super::tools::{self, Found, Gap};
use super::{Broken, command_in, run};

const SCRIPT: &str = include_str!("javascript.mjs");
pub(super) const SDK: &str = "insula-sdk";

/// What the script says when it is done.
#[derive(Deserialize)]
struct Built {
    inputs: BTreeSet<PathBuf>,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Self::QuickJs => "quickjs",
            Self::SpiderMonkey => "spidermonkey",
        }
    }

    /// The npm packages that it is in, and the versions that this program was tested with.
    fn packages(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::QuickJs => &[("componentize-qjs", "0.4.5")],
            // The second one is what the first imports and does not say.
            Self::SpiderMonkey => {
                &[("@bytecodealliance/componentize-js", "0.23.0"), ("@bytecodealliance/preview2-shim", "0.25.0")]
            }
        }
    }
}

/// The packages that a project needs, each with a version that is known to work.
pub(super) fn packages(engine: Engine) -> impl Iterator<Item = (&'static str, &'static str)> {
    std::iter::once(("esbuild", "0.28.2")).chain(engine.packages().iter().copied())
}

/// Node itself.
pub(crate) fn node(dir: &Path) -> Found {
    tools::program(
        dir,
        "node",
        Some(tools::NODE),
        "install Node.js 20 or newer: `sudo apt-get install nodejs npm`, or https://nodejs.org",
    )
}

/// npm, which only an installation needs.
pub(crate) fn npm(dir: &Path) -> Found {
    tools::program(dir, "npm", None, "install npm: `sudo apt-get install npm`, or Node.js from https://nodejs.org")
}

/// What is missing for a build in this folder.
pub(super) fn gap(dir: &Path, engine: Engine) -> anyhow::Result<Option<Gap>> {
    if let Some(gap) = node(dir).gap() {
        return Ok(Some(gap));
    }
    if !dir.join("package.json").is_file() {
        return Err(Failure::new(format_args!("{} has no package.json", dir.display()))
            .because("an agent in JavaScript has its tools and its SDK from there")
            .advise("start from `insula new NAME --lang js`, or from sample-agents/faq/package.json")
            .into());
    }
    let needed = packages(engine).map(|(name, _)| name).chain([SDK]);
    let missing: Vec<_> = needed.filter(|name| package_dir(dir, name).is_none()).collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let what = format_args!("the npm packages of {} are not all installed", dir.display()).to_string();
    let reason = format!("node_modules has no {}", missing.join(", no "));
    Ok(Some(Gap::of_folder(dir, what, reason)))
}

/// Where node would find a package: in this folder's node_modules, or in one above it.
pub(super) fn package_dir(dir: &Path, name: &str) -> Option<PathBuf> {
    let dir = std::fs::canonicalize(dir).ok()?;
    dir.ancestors()
        .map(|above| above.join("node_modules").join(name))
        .find(|found| found.join("package.json").is_file())
}

/// The version of a package that is installed.
pub(super) fn package_version(dir: &Path, name: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Package {
        version: String,
    }
    let text = std::fs::read_to_string(package_dir(dir, name)?.join("package.json")).ok()?;
    serde_json::from_str::<Package>(&text).ok().map(|package| package.version)
}

/// Builds the component.
pub(super) fn build(dir: &Path, manifest: &Manifest, entry: &Path, engine: Engine) -> Result<(), Broken> {
    if !dir.join(entry).is_file() {
        return Err(no_entry(dir, entry).into());
    }
    let component = absolute(dir)?.join(&manifest.component);
    let recipe =
        format!("{} {} {} {}", env!("CARGO_PKG_VERSION"), super::digest_of(SCRIPT), engine.name(), entry.display());
    let stamp = Stamp::new(&component, recipe);
    if stamp.is_fresh() {
        return Ok(());
    }
    stamp.clear();
    let wit = wit(dir)?;
    let work = component.with_extension("work");
    let job = json!({
        "entry": entry, "engine": engine.name(), "name": manifest.name, "wit": wit, "work": work, "component": component,
    });
    let mut node = command_in(dir, "node");
    node.args(["--no-warnings", "--input-type=module", "--eval", SCRIPT]).arg(job.to_string());
    let line = format!("esbuild and {} on {}", engine.name(), entry.display());
    let said = run(node, manifest, &line, "install Node.js, or put it on the PATH")?;
    let built: Built =
        serde_json::from_slice(said.rsplit(|byte| *byte == b'\n').find(|line| !line.is_empty()).unwrap_or_default())
            .explain("the build did not say what it was built from", "report this: it is a mistake of insula's")?;
    let mut inputs = built.inputs;
    inputs.extend([dir.join(manifest::FILE), dir.join("package.json")]);
    inputs.extend(packages(engine).filter_map(|(name, _)| Some(package_dir(dir, name)?.join("package.json"))));
    super::freshness::files_below(&wit, &[".wit"], &mut inputs);
    stamp.write(&inputs);
    Ok(())
}

pub(super) fn no_entry(dir: &Path, entry: &Path) -> anyhow::Error {
    Failure::new(format_args!("{} has no {}", dir.display(), entry.display()))
        .because("it is the file that has the agent: `entry` under [build] in insula.toml, or where that says nothing")
        .advise("write it, or let `entry` name the file")
        .into()
}

/// The contract: it travels two folders above the SDK, in this repository and in a project.
fn wit(dir: &Path) -> anyhow::Result<PathBuf> {
    let sdk = package_dir(dir, SDK).unwrap_or_else(|| dir.to_owned());
    super::wit_near(&sdk)
}

pub(super) fn absolute(dir: &Path) -> anyhow::Result<PathBuf> {
    std::fs::canonicalize(dir).explain(format_args!("cannot find {}", dir.display()), "give an agent's folder")
}
