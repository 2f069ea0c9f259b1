//! An agent's folder, and what is known of what was deployed of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::build::Purpose;
use crate::failure::{Explain, Failure};
use crate::manifest::Manifest;

use super::sources::Sources;

/// An agent's folder.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    /// Absolute, without links.
    pub(super) path: PathBuf,
    /// As it was when it could last be read.
    pub(super) manifest: Manifest,
    /// What was last deployed of it to every tenant.
    pub(super) deployed: Option<Deployed>,
    /// What that was built from, and how; unknown where the sources could not be read.
    pub(super) built: Option<(Purpose, Sources)>,
}

/// What decides whether a build is worth a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deployed {
    pub(super) digest: String,
    pub(super) config: BTreeMap<String, String>,
}

impl Folder {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let path = path.canonicalize().explain(
            format_args!("cannot find the agent's folder {}", path.display()),
            "give the folder that holds the agent's insula.toml",
        )?;
        Ok(Self { manifest: Manifest::load(&path)?, path, deployed: None, built: None })
    }
}

/// Two folders of one name would take turns in replacing each other.
pub(super) fn check_names(folders: &[Folder]) -> anyhow::Result<()> {
    let mut seen: BTreeMap<String, &Path> = BTreeMap::new();
    for folder in folders {
        let name = folder.manifest.name.to_string();
        if let Some(other) = seen.insert(name.clone(), &folder.path) {
            return Err(Failure::usage(format_args!("two folders hold an agent called `{name}`"))
                .because(format_args!("{} and {}", other.display(), folder.path.display()))
                .advise("give each agent a name of its own in its insula.toml")
                .into());
        }
    }
    Ok(())
}
