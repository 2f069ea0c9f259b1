//! Whether a save changed anything: a digest of every file that an agent is built from.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::manifest::{self, Manifest};

use super::watch::IGNORED;

/// The digest of what is watched of an agent, names and contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sources([u8; 32]);

impl Sources {
    /// Reads them. `None` where one cannot be read, such as one that is just being replaced.
    pub(super) fn read(folder: &Path, manifest: &Manifest) -> Option<Self> {
        let mut files = BTreeSet::new();
        for path in manifest.watch.iter().map(PathBuf::as_path).chain([Path::new(manifest::FILE)]) {
            files_at(&folder.join(path), &mut files).ok()?;
        }
        let mut digest = Sha256::new();
        for path in files {
            let content = fs::read(&path).ok()?;
            digest.update(path.as_os_str().as_encoded_bytes());
            // No path has a zero, and a length says where the content ends: no two sets of files are one text.
            digest.update([0]);
            digest.update(u64::try_from(content.len()).ok()?.to_le_bytes());
            digest.update(content);
        }
        Some(Self(digest.finalize().into()))
    }
}

/// The file, or the files below the folder. What is not there is none; links to folders are not followed.
fn files_at(path: &Path, into: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if kind.is_dir() {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if !IGNORED.iter().any(|ignored| entry.file_name() == *ignored) {
                files_at(&entry.path(), into)?;
            }
        }
    } else if path.is_file() {
        into.insert(path.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_watched_decides_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let save = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let text = "[agent]\nname = 'a'\nlanguage = 'rust'\n[build]\ncommand = ['true']\ncomponent = 'a'\nwatch = ['src', 'rules.toml']\n";
        save(manifest::FILE, text);
        save("src/deep/one.rs", "1");
        let manifest = Manifest::load(folder.path()).unwrap();
        let read = || Sources::read(folder.path(), &manifest).unwrap();
        let first = read();
        save("README.md", "not watched");
        save("src/target/out.rs", "written by a tool");
        assert_eq!(read(), first);
        save("src/deep/one.rs", "1");
        assert_eq!(read(), first, "saved again as it was");
        for (name, text) in [("src/deep/one.rs", "2"), ("src/two.rs", ""), ("rules.toml", "r"), (manifest::FILE, "#")] {
            let before = read();
            save(name, text);
            assert_ne!(read(), before, "{name}");
        }
    }
}
