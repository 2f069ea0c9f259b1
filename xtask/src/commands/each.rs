//! `cargo xtask each`: checks each crate alone. In one build of the whole workspace, a feature that one crate asks of a
//! dependency is there for all of them; alone, a crate that forgot to ask for it does not compile.

use std::path::Path;

use anyhow::{Context, Result};

use super::read_toml;

pub(crate) fn run(root: &Path) -> Result<()> {
    for package in packages(root)? {
        super::run(root, "cargo", &["check", "--locked", "--all-targets", "--package", &package])?;
    }
    Ok(())
}

/// The names of the workspace's packages, in the order of its members.
fn packages(root: &Path) -> Result<Vec<String>> {
    let manifest = read_toml(&root.join("Cargo.toml"))?;
    let members = manifest.get("workspace").and_then(|workspace| workspace.get("members"));
    let members = members.and_then(toml::Value::as_array).context("Cargo.toml has no `workspace.members`")?;
    let name = |member: &toml::Value| {
        let folder = member.as_str().context("a member of the workspace is not a text")?;
        let manifest = read_toml(&root.join(folder).join("Cargo.toml"))?;
        let name = manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
        Ok(name.with_context(|| format!("{folder}/Cargo.toml has no `package.name`"))?.to_owned())
    };
    members.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_of_this_workspace_are_found_by_their_package_names() {
        let packages = packages(&crate::root()).unwrap();
        for name in ["insula-tenancy", "insula-host-api", "insula-store", "insula-runtime", "insula", "xtask"] {
            assert!(packages.iter().any(|package| package == name), "{name} is missing in {packages:?}");
        }
    }
}
