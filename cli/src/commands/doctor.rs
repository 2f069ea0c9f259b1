//! `insula doctor`: what is here and what is missing, for each language and for a host, with the command that fixes each.
//!
//! It looks and installs nothing.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;

use crate::build::{doctor, tools::Found};
use crate::failure::Failure;
use crate::host;
use crate::manifest::{Language, Manifest};
use crate::terminal::{self, Cell, Table, Terminal, bold, dim, good, mark};

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 1 when something is missing that was asked for, with --lang or with an agent's folder."
)]
pub(crate) struct Args {
    /// An agent's folder: its own packages are looked at too
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Only this language; may be given several times
    #[arg(long, value_name = "LANG")]
    lang: Vec<Lang>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lang {
    Rust,
    Js,
    Python,
}

impl From<Language> for Lang {
    fn from(language: Language) -> Self {
        match language {
            Language::Rust => Self::Rust,
            Language::Js => Self::Js,
            Language::Python => Self::Python,
        }
    }
}

/// What one purpose needs.
#[derive(Debug, Serialize)]
struct Group {
    name: &'static str,
    #[serde(skip)]
    title: &'static str,
    ok: bool,
    /// Whether it was asked for by name.
    asked: bool,
    checks: Vec<Found>,
}

impl Group {
    fn new(name: &'static str, title: &'static str, asked: bool, checks: Vec<Found>) -> Self {
        Self { name, title, ok: checks.iter().all(|check| check.ok), asked, checks }
    }
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    let manifest = args.folder.as_deref().map(Manifest::load).transpose()?;
    let groups = examine(args, manifest.as_ref());
    if terminal.is_json() {
        let ok = groups.iter().all(|group| group.ok);
        terminal.json(&serde_json::json!({ "ok": ok, "groups": groups }));
    } else {
        terminal.say_all(&page(&groups));
    }
    let lacking: Vec<_> = groups.iter().filter(|group| group.asked && !group.ok).map(|group| group.title).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format_args!("something is missing for {}", lacking.join(" and for ")))
        .advise("run the commands that stand beside what is missing")
        .into())
}

fn examine(args: &Args, manifest: Option<&Manifest>) -> Vec<Group> {
    let own = manifest.map(|manifest| Lang::from(manifest.language));
    let asked = |lang: Lang| own == Some(lang) || args.lang.contains(&lang);
    let all = own.is_none() && args.lang.is_empty();
    let folder = args.folder.as_deref().unwrap_or(Path::new("."));
    let of = |lang: Lang| manifest.filter(|_| own == Some(lang));
    let mut groups = Vec::new();
    if all || asked(Lang::Rust) {
        groups.push(Group::new("rust", "agents in Rust", asked(Lang::Rust), doctor::rust(folder)));
    }
    if all || asked(Lang::Js) {
        let checks = doctor::javascript(folder, of(Lang::Js));
        groups.push(Group::new("js", "agents in JavaScript and TypeScript", asked(Lang::Js), checks));
    }
    if all || asked(Lang::Python) {
        let checks = doctor::python(folder, of(Lang::Python));
        groups.push(Group::new("python", "agents in Python", asked(Lang::Python), checks));
    }
    if all {
        groups.push(Group::new("serve", "a host", false, host::features::examine()));
    }
    groups
}

/// The page that people read: a table a group, and under it the commands for what is missing.
fn page(groups: &[Group]) -> Vec<String> {
    let mut lines = Vec::new();
    for group in groups {
        let title = format!("For {}", group.title);
        lines.push(format!("{} {}", mark(group.ok), bold(title)));
        let mut table = Table::new(&["", "what", "found"]);
        for check in &group.checks {
            let sign = if check.ok { Cell::text("✓").styled(good) } else { Cell::text("✗").styled(terminal::bad) };
            let state = Cell::text(&check.state);
            table.row([sign, Cell::text(&check.name), if check.ok { state.styled(dim) } else { state }]);
        }
        lines.extend(table.lines());
        for check in group.checks.iter().filter(|check| !check.ok) {
            lines.push(format!("  {} {}: {}", terminal::warn("fix"), check.name, terminal::plain(&check.fix)));
        }
        lines.push(String::new());
    }
    lines.pop();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_what_is_missing_with_its_fix() {
        let checks = vec![
            Found::here("node", "v20.20.2"),
            Found::missing("npm", "it is not on the PATH", "install npm: `sudo apt-get install npm`"),
        ];
        let group = Group::new("js", "agents in JavaScript and TypeScript", false, checks);
        assert!(!group.ok);
        let text = anstream::adapter::strip_str(&page(&[group]).join("\n")).to_string();
        for line in [
            "✗ For agents in JavaScript and TypeScript",
            "  ✓  node  v20.20.2",
            "  ✗  npm   it is not on the PATH",
            "  fix npm: install npm: `sudo apt-get install npm`",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line:?} in\n{text}");
        }
    }
}
