//! Answers kept in files: `cases/snapshots/NAME-CALL.txt`. `--update` writes them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Explain;
use crate::outcome::Outcome;

use super::expect::{diff, snapshot_of};

/// Where an agent's snapshots are, and whether they are written anew.
#[derive(Debug)]
pub(super) struct Snapshots {
    folder: PathBuf,
    update: bool,
}

/// What came of a comparison.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) lines: Vec<String>,
    pub(super) written: bool,
}

impl Snapshots {
    pub(super) fn of(agent: &Path, update: bool) -> Self {
        let folder = agent.join("cases/snapshots");
        Self { folder: folder.strip_prefix(".").map(Path::to_owned).unwrap_or(folder), update }
    }

    /// Compares an answer with its snapshot, or keeps it.
    pub(super) fn compare(&self, case: &str, call: usize, outcome: &Outcome) -> anyhow::Result<Compared> {
        let path = self.folder.join(format!("{case}-{}.txt", call + 1));
        let found = snapshot_of(outcome);
        let kept = fs::read_to_string(&path).ok();
        if kept.as_deref() == Some(&found) {
            return Ok(Compared::default());
        }
        if self.update {
            let advice = "make the folder one that you may write to";
            fs::create_dir_all(&self.folder)
                .and_then(|()| fs::write(&path, &found))
                .explain(format_args!("cannot write {}", path.display()), advice)?;
            return Ok(Compared { written: true, ..Compared::default() });
        }
        let mut lines = match kept {
            None => vec![format!("there is no snapshot {} yet", path.display())],
            Some(kept) => {
                let mut lines = vec![format!("the answer is not that of {}:", path.display())];
                lines.extend(diff(&kept, &found));
                lines
            }
        };
        lines.push("if the answer is right: `insula test --update`".to_owned());
        Ok(Compared { lines, written: false })
    }
}
