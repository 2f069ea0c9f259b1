//! The tree's text files, read once.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

/// What is text and is checked.
const EXTENSIONS: [&str; 4] = ["rs", "toml", "md", "wit"];
/// What is built or fetched, not written.
const SKIPPED: [&str; 4] = ["target", ".git", "node_modules", "insula-data"];

/// The text files of the workspace, by their path from its root.
#[derive(Debug, Default)]
pub struct Tree(BTreeMap<String, String>);

impl Tree {
    /// Reads the tree under this folder.
    ///
    /// # Errors
    ///
    /// When a folder or a file cannot be read, or a file is not UTF-8.
    pub fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.enter(root, "")?;
        Ok(tree)
    }

    fn enter(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
                self.enter(&entry.path(), &format!("{path}/"))?;
            } else if kind.is_file() && EXTENSIONS.iter().any(|extension| has_extension(&name, extension)) {
                let text = std::fs::read_to_string(entry.path()).with_context(|| format!("cannot read {path}"))?;
                self.0.insert(path, text);
            }
        }
        Ok(())
    }

    /// A tree of these files; for tests.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    /// One file's text.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// The files whose path begins with `prefix` and ends with `.extension`.
    pub(super) fn under(&self, prefix: &str, extension: &'static str) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter(move |(path, _)| path.starts_with(prefix) && has_extension(path, extension))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == extension)
}

/// The lines of a text, counted from 1.
pub(super) fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}
