//! An agent's log lines, as a terminal shows them.

use std::future::Future;

use insula_runtime::{LogQuery, LogReader};
use serde::Deserialize;

use crate::terminal::{self, Terminal};

/// The most lines that are read at a time.
const PAGE: usize = 500;

/// One line, as the host sends it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LogLine {
    #[serde(alias = "at_us")]
    pub(crate) at_us: u64,
    pub(crate) agent: String,
    pub(crate) level: String,
    pub(crate) source: String,
    pub(crate) message: String,
}

impl LogLine {
    /// The line with its parts in columns. `tenant` is named where lines of several come together.
    pub(crate) fn shown(&self, tenant: Option<&str>) -> String {
        let level = format!("{:<5}", terminal::plain(&self.level));
        let level = match self.level.as_str() {
            "error" => terminal::bad(level).to_string(),
            "warn" => terminal::warn(level).to_string(),
            "info" => terminal::good(level).to_string(),
            _ => terminal::dim(level).to_string(),
        };
        let source = if self.source == "log" { String::new() } else { format!("[{}] ", terminal::plain(&self.source)) };
        let agent = terminal::plain(&self.agent);
        let who = tenant.map_or_else(|| agent.to_string(), |tenant| format!("{tenant}/{agent}"));
        let clock = terminal::dim(terminal::clock(self.at_us));
        format!("  {clock} {level} {} {}{}", terminal::bold(who), terminal::dim(source), terminal::plain(&self.message))
    }
}

impl From<insula_runtime::LogLine> for LogLine {
    fn from(line: insula_runtime::LogLine) -> Self {
        Self {
            at_us: line.at_us,
            agent: line.agent.to_string(),
            level: line.level.to_owned(),
            source: line.source.to_owned(),
            message: line.message,
        }
    }
}

/// Shows a tenant's log lines on standard error while something is done, and those that are left when it is done.
pub(crate) async fn follow<T>(
    reader: &LogReader,
    terminal: &Terminal,
    tenant: Option<&str>,
    work: impl Future<Output = T>,
) -> T {
    let mut since = 0;
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => {
                show_new(reader, terminal, tenant, since);
                return done;
            }
            () = reader.changed(since) => since = show_new(reader, terminal, tenant, since),
        }
    }
}

/// Shows what came after `since` and returns where to go on.
fn show_new(reader: &LogReader, terminal: &Terminal, tenant: Option<&str>, mut since: u64) -> u64 {
    loop {
        let page = reader.page(&LogQuery { agent: None, since: Some(since), limit: PAGE });
        if page.lost > 0 {
            terminal.note(format_args!("  {}", terminal::warn(lost(page.lost))));
        }
        let is_last = page.lines.len() < PAGE;
        // How a call ended is shown by whoever follows, and with more than the log has.
        for line in page.lines.into_iter().filter(|line| line.source != "host") {
            terminal.note(LogLine::from(line).shown(tenant));
        }
        since = page.next;
        if is_last {
            return since;
        }
    }
}

/// What to say of lines that the ring forgot.
pub(crate) fn lost(lines: u64) -> String {
    format!("({} pushed out of the ring before they could be read)", terminal::plural(lines, "line"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_when_who_and_what() {
        let line = LogLine {
            at_us: 1_795_453_803_250_000,
            agent: "triage".into(),
            level: "warn".into(),
            source: "stderr".into(),
            message: "odd\x1b[0m".into(),
        };
        let shown = |tenant| anstream::adapter::strip_str(&line.shown(tenant)).to_string();
        assert_eq!(shown(None), "  17:10:03.250 warn  triage [stderr] odd\u{fffd}[0m");
        assert_eq!(shown(Some("acme")), "  17:10:03.250 warn  acme/triage [stderr] odd\u{fffd}[0m");
    }
}
