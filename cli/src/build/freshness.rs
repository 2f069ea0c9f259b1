//! Whether a component is already what a build would make: a stamp beside it has the digest of everything that went in.
//!
//! A stamp that cannot be read, or a file that is gone, means one more build and never an error.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Of another form of stamps than this one nothing is believed.
const FORM: &str = "insula build stamp 1";

/// The stamp of a component.
#[derive(Debug)]
pub(super) struct Stamp {
    path: PathBuf,
    component: PathBuf,
    /// How it is built, apart from files: an engine, an entry, the version of this program.
    recipe: String,
}

impl Stamp {
    pub(super) fn new(component: &Path, recipe: impl Into<String>) -> Self {
        let mut name = component.file_name().unwrap_or_default().to_owned();
        name.push(".stamp");
        Self { path: component.with_file_name(name), component: component.to_owned(), recipe: recipe.into() }
    }

    /// Whether nothing has changed since the stamp was written.
    pub(super) fn is_fresh(&self) -> bool {
        let Ok(text) = fs::read_to_string(&self.path) else { return false };
        let mut lines = text.lines();
        if lines.next() != Some(FORM) || lines.next() != Some(self.recipe.as_str()) {
            return false;
        }
        // A folder that was copied has a stamp that speaks of where it was, and of files that do not change with it.
        let Ok(component) = fs::canonicalize(&self.component) else { return false };
        let mut checked = 0_usize;
        for line in lines {
            let Some((expected, path)) = line.split_once("  ") else { return false };
            if checked == 0 && Path::new(path) != component {
                return false;
            }
            let Ok(found) = digest(Path::new(path)) else { return false };
            if found != expected {
                return false;
            }
            checked += 1;
        }
        // The component itself is one of them.
        checked > 1
    }

    /// Says what the component was built from. A stamp that cannot be written leaves none.
    pub(super) fn write(&self, inputs: &BTreeSet<PathBuf>) {
        let written = self.text(inputs).and_then(|text| fs::write(&self.path, text));
        if written.is_err() {
            self.clear();
        }
    }

    /// Takes the stamp away: a build is about to begin.
    pub(super) fn clear(&self) {
        // Where there is none, that is what is wanted.
        let _ = fs::remove_file(&self.path);
    }

    fn text(&self, inputs: &BTreeSet<PathBuf>) -> io::Result<String> {
        let mut text = format!("{FORM}\n{}\n", self.recipe);
        for path in std::iter::once(&self.component).chain(inputs) {
            let path = fs::canonicalize(path)?;
            text.push_str(&format!("{}  {}\n", digest(&path)?, path.display()));
        }
        Ok(text)
    }
}

fn digest(path: &Path) -> io::Result<String> {
    Ok(Sha256::digest(fs::read(path)?).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The files below a folder whose names end in one of these, but for what tools leave there.
pub(super) fn files_below(folder: &Path, endings: &[&str], into: &mut BTreeSet<PathBuf>) {
    const LEFT_OUT: [&str; 5] = ["__pycache__", "node_modules", ".venv", "build", ".git"];
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if !LEFT_OUT.contains(&name.as_ref()) {
                files_below(&path, endings, into);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            into.insert(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_fresh_until_something_that_it_is_built_from_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["a.wasm", "one.js", "two.js"] {
            fs::write(path(name), name).unwrap();
        }
        let inputs = BTreeSet::from([path("one.js"), path("two.js")]);
        let stamp = Stamp::new(&path("a.wasm"), "quickjs");
        assert!(!stamp.is_fresh(), "there is no stamp");
        stamp.write(&inputs);
        assert!(stamp.is_fresh());
        assert!(!Stamp::new(&path("a.wasm"), "spidermonkey").is_fresh(), "another engine");
        for name in ["one.js", "a.wasm"] {
            fs::write(path(name), "changed").unwrap();
            assert!(!stamp.is_fresh(), "{name} changed");
            fs::write(path(name), name).unwrap();
            assert!(stamp.is_fresh());
        }
        fs::remove_file(path("two.js")).unwrap();
        assert!(!stamp.is_fresh(), "a file is gone");
        stamp.write(&inputs);
        assert!(!stamp.is_fresh(), "a stamp over a file that is gone was written");
    }

    #[test]
    fn a_folder_that_was_copied_is_built_anew() {
        let desk = tempfile::tempdir().unwrap();
        let path = |name: &str| desk.path().join(name);
        for folder in ["first", "copy"] {
            fs::create_dir(path(folder)).unwrap();
            fs::write(path(folder).join("a.wasm"), "component").unwrap();
            fs::write(path(folder).join("one.js"), "source").unwrap();
        }
        Stamp::new(&path("first/a.wasm"), "quickjs").write(&BTreeSet::from([path("first/one.js")]));
        fs::copy(path("first/a.wasm.stamp"), path("copy/a.wasm.stamp")).unwrap();
        assert!(Stamp::new(&path("first/a.wasm"), "quickjs").is_fresh());
        assert!(!Stamp::new(&path("copy/a.wasm"), "quickjs").is_fresh(), "its stamp is the first one's");
    }

    #[test]
    fn files_of_tools_are_no_sources() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["src/agent.py", "src/deep/more.py", "src/__pycache__/agent.py", "src/notes.txt"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let mut found = BTreeSet::new();
        files_below(folder.path(), &[".py"], &mut found);
        assert_eq!(found, ["src/agent.py", "src/deep/more.py"].map(|name| folder.path().join(name)).into());
    }
}
