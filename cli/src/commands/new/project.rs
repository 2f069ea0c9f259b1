//! A project's files: a template with the agent's name, the SDK of its language, and the contract.
//!
//! They are written to a folder beside the one that is asked for, which is renamed when it is whole: whoever looks finds
//! a project or none.

use std::fs;
use std::io;
use std::path::Path;

use crate::failure::{Explain, Failure};
use crate::vendored;

/// What the templates call their agent.
const PLACEHOLDER: &str = "my-agent";

/// What a project begins as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Template {
    Rust,
    JavaScript,
    TypeScript,
    Python,
}

impl Template {
    /// In the order in which they are offered.
    pub(super) const ALL: [Self; 4] = [Self::Rust, Self::JavaScript, Self::TypeScript, Self::Python];

    /// As people write it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::JavaScript => "JavaScript",
            Self::TypeScript => "TypeScript",
            Self::Python => "Python",
        }
    }

    /// As insula.toml has it.
    pub(super) fn language(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::JavaScript | Self::TypeScript => "js",
            Self::Python => "python",
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Rust => "cli/templates/rust",
            Self::JavaScript => "cli/templates/javascript",
            Self::TypeScript => "cli/templates/typescript",
            Self::Python => "cli/templates/python",
        }
    }

    fn sdk(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::JavaScript | Self::TypeScript => "javascript",
            Self::Python => "python",
        }
    }

    /// Every file of a project, in the order of their paths.
    fn files(self, name: &str) -> Vec<(String, Vec<u8>)> {
        let sdk = format!("sdk/{}", self.sdk());
        let mut files: Vec<_> = vendored::below(self.folder())
            .map(|(path, content)| (path.to_owned(), named(path, content, name)))
            .collect();
        files.extend(vendored::below("wit").map(|(path, content)| (format!("vendor/wit/{path}"), content.to_vec())));
        files.extend(vendored::below(&sdk).map(|(path, content)| (format!("vendor/{sdk}/{path}"), content.to_vec())));
        files.sort();
        files
    }
}

/// A template's file with the agent's own name.
fn named(path: &str, content: &[u8], name: &str) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(content) else { return content.to_vec() };
    let text = text.replace(PLACEHOLDER, name);
    // Cargo keeps the packages of its lock file in order, and would write it anew.
    if path == "Cargo.lock" { in_order(&text).into_bytes() } else { text.into_bytes() }
}

/// A lock file with its packages in the order of their names.
fn in_order(lock: &str) -> String {
    const BETWEEN: &str = "\n[[package]]\n";
    let mut parts = lock.split(BETWEEN);
    let mut text = parts.next().unwrap_or_default().to_owned();
    let mut packages: Vec<_> = parts.map(str::trim_end).collect();
    packages.sort_unstable_by_key(|package| package.lines().take(2).collect::<Vec<_>>());
    for package in packages {
        text.push_str(BETWEEN);
        text.push_str(package);
        text.push('\n');
    }
    text
}

/// There must be nothing where the project goes.
pub(super) fn check_free(folder: &Path) -> anyhow::Result<()> {
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(_) => Err(Failure::new(format_args!("{} is there already", folder.display()))
            .because("`insula new` never writes over anything")
            .advise("choose another name, or remove what is there")
            .into()),
        Err(error) => Err(error).explain(
            format_args!("cannot make a project in {}", folder.display()),
            "choose a place that you may write to",
        ),
    }
}

/// Writes a project and answers with the paths of its files. The folder appears whole, or not at all.
pub(super) fn write(folder: &Path, name: &str, template: Template) -> anyhow::Result<Vec<String>> {
    let files = template.files(name);
    let written = put_together(folder, &files);
    written.explain(
        format_args!("cannot make a project in {}", folder.display()),
        "choose a place that you may write to, on a disk with room",
    )?;
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

fn put_together(folder: &Path, files: &[(String, Vec<u8>)]) -> anyhow::Result<()> {
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    // Dropped, it is removed with what is in it. The project is a folder within, with the rights that any new one gets.
    let beside = tempfile::Builder::new().prefix(".insula-new-").tempdir_in(parent)?;
    let project = beside.path().join("project");
    for (path, content) in files {
        let path = project.join(path);
        if let Some(above) = path.parent() {
            fs::create_dir_all(above)?;
        }
        fs::write(path, content)?;
    }
    // A rename would take the place of an empty folder.
    check_free(folder)?;
    fs::rename(&project, folder)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_the_name_the_sdk_and_the_contract() {
        for template in Template::ALL {
            let files = template.files("greeter");
            let text = |wanted: &str| {
                let found = files.iter().find(|(path, _)| path == wanted);
                String::from_utf8(found.unwrap_or_else(|| panic!("{template:?} has no {wanted}")).1.clone()).unwrap()
            };
            let manifest = text("insula.toml");
            assert!(manifest.contains("name = \"greeter\""), "{manifest}");
            assert!(manifest.contains(&format!("language = \"{}\"", template.language())), "{manifest}");
            assert!(text("README.md").starts_with("# greeter\n"));
            assert!(!text(".gitignore").is_empty() && text("vendor/wit/world.wit").contains("world agent"));
            assert!(text(&format!("vendor/sdk/{}/README.md", template.sdk())).contains("insula"));
            assert!(files.iter().any(|(path, _)| path.starts_with("cases/")), "{template:?} has no cases");
            let others = |path: &str| path.starts_with("vendor/sdk/") && !path.contains(template.sdk());
            assert!(!files.iter().any(|(path, _)| others(path)), "{template:?} has another language's SDK");
            for (path, content) in files.iter().filter(|(path, _)| !path.starts_with("vendor/")) {
                assert!(!String::from_utf8_lossy(content).contains(PLACEHOLDER), "{template:?}: {path}");
            }
        }
    }

    #[test]
    fn what_is_there_is_never_written_over_and_what_fails_leaves_nothing() {
        let desk = tempfile::tempdir().unwrap();
        let folder = desk.path().join("deeper/greeter");
        write(&folder, "greeter", Template::Rust).unwrap();
        assert!(folder.join("src/lib.rs").is_file());
        fs::write(folder.join("mine"), "").unwrap();
        let error = write(&folder, "greeter", Template::Rust).unwrap_err();
        assert!(Failure::read(&error).reasons().iter().any(|reason| reason.contains("there already")), "{error}");
        let empty = desk.path().join("empty");
        fs::create_dir(&empty).unwrap();
        assert!(write(&empty, "empty", Template::Rust).is_err());
        // Neither a project nor what was put together for it.
        let left: Vec<_> = fs::read_dir(desk.path().join("deeper")).unwrap().collect();
        assert_eq!((left.len(), fs::read_dir(empty).unwrap().count()), (1, 0));
        assert!(folder.join("mine").is_file());
    }

    #[test]
    fn a_lock_file_stays_in_order_under_any_name() {
        let lock = "version = 4\n\n[[package]]\nname = \"b\"\nversion = \"1\"\n\n[[package]]\nname = \"z\"\nversion = \"1\"\n\n[[package]]\nname = \"c\"\nversion = \"1\"\n";
        let ordered = in_order(lock);
        let at = |name: &str| ordered.find(&format!("name = \"{name}\"")).unwrap();
        assert!(at("b") < at("c") && at("c") < at("z"), "{ordered}");
        assert_eq!(ordered.len(), lock.len());
    }
}
