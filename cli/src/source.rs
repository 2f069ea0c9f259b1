//! Where an agent comes from: a folder with an `insula.toml`, which is built, or a component's file.

use std::path::{Path, PathBuf};

use insula_runtime::{AgentName, Report};

use crate::build::{self, Brake, Broken, Purpose};
use crate::failure::{Explain, Failure};
use crate::manifest::Manifest;
use crate::terminal::Terminal;

/// An agent that is ready to be deployed.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    /// Of a folder.
    pub(crate) manifest: Option<Manifest>,
    /// Where the component is.
    pub(crate) path: PathBuf,
    pub(crate) component: Vec<u8>,
    /// Absolute, without links.
    folder: Option<PathBuf>,
}

impl Agent {
    /// Builds the folder or reads the file. What a failing build printed is passed on.
    pub(crate) fn load(path: &Path, terminal: &Terminal) -> anyhow::Result<Self> {
        if !path.is_dir() {
            return Ok(Self { manifest: None, path: path.to_owned(), component: read(path)?, folder: None });
        }
        let manifest = Manifest::load(path)?;
        let progress = terminal.progress(&format!("building {}", manifest.name));
        let agent = Self::build(path, manifest, Purpose::Deploy, None);
        drop(progress);
        agent.map_err(|broken| broken.show(terminal))
    }

    /// Builds the agent of a folder whose manifest was read; whoever has the brake may end it.
    pub(crate) fn build(
        folder: &Path,
        manifest: Manifest,
        purpose: Purpose,
        brake: Option<&Brake>,
    ) -> Result<Self, Broken> {
        let path = build::compile(folder, &manifest, purpose, brake)?;
        let folder = folder.canonicalize().ok();
        let agent = Self { component: read(&path)?, path, manifest: Some(manifest), folder };
        agent.check_capabilities()?;
        Ok(agent)
    }

    /// What to call it: the name that was given, else the manifest's.
    pub(crate) fn name(&self, given: Option<&AgentName>) -> anyhow::Result<AgentName> {
        given.or(self.manifest.as_ref().map(|manifest| &manifest.name)).cloned().ok_or_else(|| {
            Failure::usage(format_args!("{} does not say what to call the agent", self.path.display()))
                .because("a component's file has no insula.toml beside it that is looked at")
                .advise("give a name with --agent NAME, or give the agent's folder")
                .into()
        })
    }

    /// The folder that it was built in.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// What the runtime's scan makes of the component.
    pub(crate) fn report(&self) -> anyhow::Result<Report> {
        inspect(&self.component, &self.path)
    }

    /// A manifest that says that the agent does without a capability is held to it.
    fn check_capabilities(&self) -> anyhow::Result<()> {
        let Some(manifest) = &self.manifest else { return Ok(()) };
        let denied = [("storage", manifest.capabilities.storage), ("cache", manifest.capabilities.cache)];
        if denied.iter().all(|(_, stated)| *stated != Some(false)) {
            return Ok(());
        }
        let imports = self.report()?.imports;
        for (name, _) in denied.iter().filter(|(_, stated)| *stated == Some(false)) {
            let beginning = format!("insula:agent/{name}@");
            if imports.iter().any(|import| import.name.starts_with(&beginning)) {
                return Err(Failure::new(format_args!(
                    "`{}` uses {name}, and its manifest says that it does not",
                    manifest.name
                ))
                .because(format_args!("the component imports {beginning}..., and insula.toml has `{name} = false`"))
                .advise(format_args!("set `{name} = true` under [capabilities], or do without it"))
                .into());
            }
        }
        Ok(())
    }
}

/// Scans a component without compiling it.
pub(crate) fn inspect(component: &[u8], path: &Path) -> anyhow::Result<Report> {
    insula_runtime::inspect(component).map_err(|error| {
        Failure::new(format_args!("a host would refuse {}", path.display()))
            .because(format_args!("{error} ({})", error.code()))
            .advise("build a component of the world `insula:agent/agent` for wasm32-wasip2, as `insula build` does")
            .into()
    })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).explain(
        format_args!("cannot read the component {}", path.display()),
        "give an agent's folder, or a component as FILE.wasm",
    )
}
