//! `insula check`: what a host would make of a component, without a host.

use std::path::PathBuf;

use insula_runtime::Report;

use crate::failure::Explain;
use crate::source;
use crate::terminal::{self, Cell, Table, Terminal, bold, dim, good, mark, warn};

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The component
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    let component = std::fs::read(&args.file).explain(
        format_args!("cannot read the component {}", args.file.display()),
        "give a component's file; `insula build DIR` makes one and prints its path",
    )?;
    let report = source::inspect(&component, &args.file)?;
    if terminal.is_json() {
        terminal.json(&report);
    } else {
        terminal.say_all(&page(&args.file.display().to_string(), &report));
    }
    Ok(())
}

/// The page that people read.
fn page(file: &str, report: &Report) -> Vec<String> {
    let mut lines = vec![format!("{} {} is an agent", mark(true), bold(terminal::plain(file))), String::new()];
    lines.push(bold("Component").to_string());
    lines.extend(terminal::facts([
        ("digest", report.digest.clone()),
        ("size", terminal::bytes(report.component_bytes)),
        ("modules", terminal::count(report.modules.into())),
        ("functions", terminal::count(report.functions.into())),
        ("memories", memories(report)),
        ("exports", report.exports.join(", ")),
    ]));
    lines.push(String::new());
    lines.push(bold("Imports").to_string());
    if report.imports.is_empty() {
        lines.push(format!("  {}", dim("none: it computes, and reaches nothing")));
    } else {
        lines.extend(imports(report).lines());
    }
    if !report.warnings.is_empty() {
        lines.push(String::new());
        lines.push(bold("Warnings").to_string());
        lines.extend(report.warnings.iter().map(|warning| format!("  {} {}", warn("!"), terminal::plain(warning))));
    }
    lines.push(String::new());
    lines.push(format!(
        "  {}",
        dim("A host compiles it too, within its limits; `insula deploy` says what came of that.")
    ));
    lines
}

fn memories(report: &Report) -> String {
    format!(
        "{}, {} at the start",
        terminal::count(report.memories.into()),
        terminal::bytes(report.memory_minimum_bytes)
    )
}

fn imports(report: &Report) -> Table {
    let mut table = Table::new(&["import", "on a host"]);
    for import in &report.imports {
        let status = match import.status.as_str() {
            "granted" => Cell::text("works").styled(good),
            "denied-stub" => Cell::text("exists and denies").styled(dim),
            other => Cell::text(other),
        };
        table.row([Cell::text(&import.name), status]);
    }
    table
}

#[cfg(test)]
mod tests {
    use insula_runtime::ReportImport;

    use super::*;

    #[test]
    fn the_page_says_what_each_import_gets() {
        let import = |name: &str, status: &str| ReportImport { name: name.into(), status: status.into() };
        let report = Report {
            digest: "sha256:ab".into(),
            component_bytes: 15_565,
            memory_minimum_bytes: 1 << 17,
            memories: 1,
            imports: vec![
                import("insula:agent/storage@0.1.0", "granted"),
                import("wasi:sockets/tcp@0.2.9", "denied-stub"),
            ],
            ..Report::default()
        };
        let text = anstream::adapter::strip_str(&page("a.wasm", &report).join("\n")).to_string();
        for line in [
            "✓ a.wasm is an agent",
            "  size       15.2 KiB",
            "  memories   1, 128 KiB at the start",
            "  insula:agent/storage@0.1.0  works",
            "  wasi:sockets/tcp@0.2.9      exists and denies",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line:?} in\n{text}");
        }
        assert!(!text.contains("Warnings"));
    }
}
