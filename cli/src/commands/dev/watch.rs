//! Watching what agents are built from. Changes are gathered until they pause, so that one save is one build.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use crate::failure::Explain;
use crate::manifest;

use super::folder::Folder;

/// How long nothing may change before a build begins.
const PAUSE: Duration = Duration::from_millis(150);
/// How long changes are gathered at most.
const PATIENCE: Duration = Duration::from_secs(2);
/// Folders that builds and tools write to, and that no agent is built from.
pub(super) const IGNORED: [&str; 4] = ["target", "node_modules", ".git", "__pycache__"];

/// Watches the folders of agents.
pub(super) struct Watch {
    // Watching ends when it is dropped.
    _watcher: RecommendedWatcher,
    changes: Arc<Changes>,
}

/// Which agents changed: at most one entry an agent, however many files do.
#[derive(Default)]
struct Changes {
    changed: Mutex<BTreeSet<usize>>,
    more: Notify,
}

/// What one agent is built from.
struct Watched {
    folder: PathBuf,
    paths: Vec<PathBuf>,
}

impl Watched {
    fn of(folder: &Folder) -> Self {
        let mut paths: Vec<_> = folder.manifest.watch.iter().map(|path| folder.path.join(path)).collect();
        paths.push(folder.path.join(manifest::FILE));
        Self { folder: folder.path.clone(), paths }
    }

    /// Whether the agent is built from this file.
    fn has(&self, path: &Path) -> bool {
        let inside = path.strip_prefix(&self.folder).unwrap_or(path);
        let is_ignored = inside.components().any(|part| IGNORED.iter().any(|ignored| part.as_os_str() == *ignored));
        !is_ignored && self.paths.iter().any(|watched| path.starts_with(watched))
    }

    /// What to ask the operating system for. A file is watched through its folder: editors replace files, and what
    /// watches the old one sees nothing of the new.
    fn places(&self) -> BTreeSet<(PathBuf, bool)> {
        let place = |path: &PathBuf| {
            if path.is_dir() {
                return Some((path.clone(), true));
            }
            path.parent().filter(|parent| parent.is_dir()).map(|parent| (parent.to_owned(), false))
        };
        self.paths.iter().filter_map(place).collect()
    }
}

impl Watch {
    pub(super) fn start(folders: &[Folder]) -> anyhow::Result<Self> {
        let advice = "raise the limit of inotify watches (fs.inotify.max_user_watches), or name fewer paths in `watch`";
        let watched: Vec<_> = folders.iter().map(Watched::of).collect();
        let places: BTreeSet<_> = watched.iter().flat_map(Watched::places).collect();
        let changes = Arc::new(Changes::default());
        let told = Arc::clone(&changes);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if let Ok(event) = event {
                told.take(&event, &watched);
            }
        })
        .explain("cannot watch files", advice)?;
        // Sorted, a folder that is watched with all below it comes behind itself watched alone, and replaces that.
        for (path, recursive) in places {
            let mode = if recursive { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            watcher.watch(&path, mode).explain(format_args!("cannot watch {}", path.display()), advice)?;
        }
        Ok(Self { _watcher: watcher, changes })
    }

    /// Waits for changes, and for a pause in them. Answers with the agents that changed, by their place.
    pub(super) async fn next(&self) -> BTreeSet<usize> {
        self.changes.more.notified().await;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let quiet = tokio::select! {
                more = timeout_at(deadline, self.changes.more.notified()) => more.is_err(),
                () = sleep(PAUSE) => true,
            };
            if quiet {
                return std::mem::take(&mut *self.changes.changed.lock().unwrap_or_else(PoisonError::into_inner));
            }
        }
    }
}

impl Changes {
    fn take(&self, event: &Event, watched: &[Watched]) {
        if matches!(event.kind, EventKind::Access(_)) {
            return;
        }
        let is_changed = |watched: &Watched| event.need_rescan() || event.paths.iter().any(|path| watched.has(path));
        let changed: Vec<_> =
            watched.iter().enumerate().filter(|(_, watched)| is_changed(watched)).map(|(index, _)| index).collect();
        if !changed.is_empty() {
            self.changed.lock().unwrap_or_else(PoisonError::into_inner).extend(changed);
            self.more.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched() -> Watched {
        Watched {
            folder: "/work/target/agent".into(),
            paths: ["src", "rules.toml", "insula.toml"].map(|path| Path::new("/work/target/agent").join(path)).into(),
        }
    }

    #[test]
    fn an_agent_is_built_from_what_its_manifest_names() {
        for (path, is_watched) in [
            ("/work/target/agent/src/lib.rs", true),
            ("/work/target/agent/src/deep/er.rs", true),
            ("/work/target/agent/rules.toml", true),
            ("/work/target/agent/rules.toml.swp", false),
            ("/work/target/agent/README.md", false),
            ("/work/target/agent/src/target/x.rs", false),
            ("/work/target/agent/target/release/a.wasm", false),
            ("/work/target/other/src/lib.rs", false),
        ] {
            assert_eq!(watched().has(Path::new(path)), is_watched, "{path}");
        }
    }

    #[tokio::test]
    async fn a_saved_file_is_one_change_of_its_agent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        std::fs::create_dir(path.join("src")).unwrap();
        std::fs::write(path.join("src/lib.rs"), "1").unwrap();
        std::fs::write(
            path.join("insula.toml"),
            "[agent]\nname = 'a'\nlanguage = 'js'\n[build]\ncommand = ['true']\ncomponent = 'a'\nwatch = ['src', 'later.toml']\n",
        )
        .unwrap();
        let folders = [Folder::open(&path).unwrap()];
        let watch = Watch::start(&folders).unwrap();
        std::fs::write(path.join("README.md"), "not watched").unwrap();
        std::fs::write(path.join("src/lib.rs"), "2").unwrap();
        std::fs::write(path.join("src/new.rs"), "3").unwrap();
        assert_eq!(watch.next().await, [0].into());
        // A file that was not there when watching began, written the way that editors do.
        std::fs::write(path.join("later.tmp"), "4").unwrap();
        std::fs::rename(path.join("later.tmp"), path.join("later.toml")).unwrap();
        assert_eq!(watch.next().await, [0].into());
    }
}
