//! What travels inside the binary: the contract (`wit/`), the SDKs, and the templates of `insula new`.
//!
//! No registry has the SDKs, so a project gets a copy in its `vendor` folder, laid out as in this repository: an SDK finds
//! the contract at `../../wit` from its own folder.

/// Every file: its path from the root of the repository, and its content.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/vendored.rs"));

/// The files below a folder of the repository, by their path from there.
pub(crate) fn below(folder: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.iter().filter_map(move |(path, content)| {
        let inside = path.strip_prefix(folder)?.strip_prefix('/')?;
        Some((inside, *content))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::process::Command;

    use super::*;

    #[test]
    fn what_travels_is_what_git_tracks() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let listed = Command::new("git").args(["-C", root, "ls-files", "wit", "sdk", "cli/templates"]).output();
        let Some(listed) = listed.ok().filter(|listed| listed.status.success()) else {
            // A copy of the source without git: there is nothing to compare with.
            return;
        };
        let tracked: BTreeSet<_> = std::str::from_utf8(&listed.stdout).unwrap().lines().collect();
        let traveling: BTreeSet<_> = FILES.iter().map(|(path, _)| *path).collect();
        let (missing, surplus): (Vec<_>, Vec<_>) =
            (tracked.difference(&traveling).collect(), traveling.difference(&tracked).collect());
        assert!(missing.is_empty() && surplus.is_empty(), "missing: {missing:?}, not tracked: {surplus:?}");
    }

    #[test]
    fn a_folder_has_its_own_files_only() {
        let wit: Vec<_> = below("wit").map(|(path, _)| path).collect();
        assert!(wit.contains(&"world.wit") && wit.iter().all(|path| path.ends_with(".wit")), "{wit:?}");
        assert_eq!(below("wi").count(), 0);
    }
}
