//! A tenant's log: a ring of lines, bounded in bytes, made on its first line. A full ring forgets its oldest lines.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use insula_host_api::{Level, LogSink, Source};
use insula_store::AgentName;
use insula_tenancy::{InvocationId, VersionId};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;

/// What a line costs beside its message, in bytes.
const LINE_OVERHEAD: u64 = 160;

/// One line.
#[derive(Debug, Clone, Serialize)]
pub struct LogLine {
    /// Its number: grows by one with each line of the tenant since the host started.
    pub sequence: u64,
    /// When, in microseconds since 1970.
    pub at_us: u64,
    /// The agent that wrote it.
    pub agent: AgentName,
    /// Its version.
    pub version: VersionId,
    /// The call.
    pub invocation: InvocationId,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    /// `log`, `stdout`, `stderr`, or `host` for what the host says of a call.
    pub source: &'static str,
    /// The text: one line.
    pub message: String,
}

/// Which lines to read.
#[derive(Debug, Clone)]
pub struct LogQuery {
    /// Of this agent only.
    pub agent: Option<AgentName>,
    /// After this number.
    pub since: Option<u64>,
    /// At most so many: the newest of them where there is no `since`.
    pub limit: usize,
}

/// Some lines, in their order.
#[derive(Debug, Clone, Serialize)]
pub struct LogPage {
    /// The lines.
    pub lines: Vec<LogLine>,
    /// Pass it as `since` to go on.
    pub next: u64,
    /// Lines that were forgotten before they could be read.
    pub lost: u64,
}

/// The log of one tenant. An unused one is a few words.
#[derive(Debug)]
pub(crate) struct Logs {
    ring: OnceLock<Box<Ring>>,
    limit_bytes: AtomicU64,
    closed: AtomicBool,
}

struct Ring {
    lines: Mutex<Lines>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<LogLine>,
    bytes: u64,
    last: u64,
}

impl Logs {
    pub(crate) fn new(limit_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            ring: OnceLock::new(),
            limit_bytes: AtomicU64::new(limit_bytes),
            closed: AtomicBool::new(false),
        })
    }

    pub(crate) fn set_limit(&self, bytes: u64) {
        self.limit_bytes.store(bytes, Ordering::Relaxed);
    }

    fn ring(&self) -> &Ring {
        self.ring.get_or_init(|| Box::new(Ring { lines: Mutex::default(), changed: Notify::new() }))
    }

    fn push(&self, mut line: LogLine) {
        let ring = self.ring();
        let limit = self.limit_bytes.load(Ordering::Relaxed);
        let mut lines = ring.lines.lock();
        if self.closed.load(Ordering::Relaxed) {
            return;
        }
        lines.last += 1;
        line.sequence = lines.last;
        lines.bytes += LINE_OVERHEAD + line.message.len() as u64;
        lines.lines.push_back(line);
        while lines.bytes > limit {
            let Some(oldest) = lines.lines.pop_front() else { break };
            lines.bytes -= LINE_OVERHEAD + oldest.message.len() as u64;
        }
        drop(lines);
        ring.changed.notify_waiters();
    }

    /// Lines that it has.
    pub(crate) fn len(&self) -> u64 {
        self.ring.get().map_or(0, |ring| ring.lines.lock().lines.len() as u64)
    }

    /// Forgets all lines, and keeps none any more, also for readers that are still out.
    pub(crate) fn close(&self) {
        // Under the lock of the lines, where there are any: whoever writes sees it, or is seen by it.
        let mut lines = self.ring().lines.lock();
        self.closed.store(true, Ordering::Relaxed);
        *lines = Lines { last: lines.last, ..Lines::default() };
    }

    fn page(&self, query: &LogQuery) -> LogPage {
        let Some(ring) = self.ring.get() else {
            return LogPage { lines: Vec::new(), next: query.since.unwrap_or(0), lost: 0 };
        };
        let lines = ring.lines.lock();
        let since = query.since.unwrap_or(0);
        let wanted =
            |line: &&LogLine| line.sequence > since && query.agent.as_ref().is_none_or(|agent| *agent == line.agent);
        let first = lines.lines.front().map_or(lines.last + 1, |line| line.sequence);
        let lost = if query.since.is_some() { first.saturating_sub(since + 1) } else { 0 };
        if query.since.is_some() {
            let found: Vec<LogLine> = lines.lines.iter().filter(wanted).take(query.limit).cloned().collect();
            let full = found.len() == query.limit;
            let next = if full { found.last().map_or(since, |line| line.sequence) } else { lines.last.max(since) };
            return LogPage { lines: found, next, lost };
        }
        let mut found: Vec<LogLine> = lines.lines.iter().rev().filter(wanted).take(query.limit).cloned().collect();
        found.reverse();
        LogPage { lines: found, next: lines.last, lost }
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Ring")
    }
}

/// Reads one tenant's log.
#[derive(Debug, Clone)]
pub struct LogReader(pub(crate) Arc<Logs>);

impl LogReader {
    /// Some lines.
    #[must_use]
    pub fn page(&self, query: &LogQuery) -> LogPage {
        self.0.page(query)
    }

    /// Waits until there is a line after `since`. Returns at once when there is one already.
    pub async fn changed(&self, since: u64) {
        let ring = self.0.ring();
        loop {
            let notified = ring.changed.notified();
            if ring.lines.lock().last > since {
                return;
            }
            notified.await;
        }
    }
}

/// Where the lines of one call go.
#[derive(Debug)]
pub(crate) struct CallLog {
    pub(crate) logs: Arc<Logs>,
    pub(crate) agent: AgentName,
    pub(crate) version: VersionId,
    pub(crate) invocation: InvocationId,
}

impl CallLog {
    /// What the host has to say of the call.
    pub(crate) fn host(&self, level: Level, message: &str) {
        self.push(level, "host", message);
    }

    fn push(&self, level: Level, source: &'static str, message: &str) {
        let at_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        self.logs.push(LogLine {
            sequence: 0,
            at_us: u64::try_from(at_us).unwrap_or(u64::MAX),
            agent: self.agent.clone(),
            version: self.version,
            invocation: self.invocation,
            level: match level {
                Level::Trace => "trace",
                Level::Debug => "debug",
                Level::Info => "info",
                Level::Warn => "warn",
                Level::Error => "error",
            },
            source,
            message: message.to_owned(),
        });
    }
}

impl LogSink for CallLog {
    fn write(&self, level: Level, source: Source, message: &str) {
        let source = match source {
            Source::Log => "log",
            Source::Stdout => "stdout",
            Source::Stderr => "stderr",
        };
        self.push(level, source, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(logs: &Arc<Logs>, agent: &str) -> CallLog {
        CallLog {
            logs: Arc::clone(logs),
            agent: agent.parse().unwrap(),
            version: VersionId::generate(),
            invocation: InvocationId::generate(),
        }
    }

    fn query(since: Option<u64>, limit: usize) -> LogQuery {
        LogQuery { agent: None, since, limit }
    }

    #[test]
    fn a_full_ring_forgets_its_oldest_lines_and_says_how_many() {
        let logs = Logs::new(10 * (LINE_OVERHEAD + 1));
        let log = log(&logs, "a");
        for _ in 0..25 {
            log.host(Level::Info, "x");
        }
        let page = logs.page(&query(Some(5), 100));
        assert_eq!((page.lines.len(), page.lost, page.next), (10, 10, 25));
        assert_eq!(page.lines[0].sequence, 16);
    }

    #[test]
    fn pages_go_on_where_the_last_one_ended() {
        let logs = Logs::new(1 << 20);
        for number in 0..5 {
            log(&logs, "a").host(Level::Info, &number.to_string());
        }
        let first = logs.page(&query(Some(0), 3));
        let second = logs.page(&query(Some(first.next), 3));
        let messages: Vec<_> = first.lines.iter().chain(&second.lines).map(|line| line.message.as_str()).collect();
        assert_eq!(messages, ["0", "1", "2", "3", "4"]);
        assert_eq!(logs.page(&query(None, 2)).lines[0].message, "3");
    }

    #[test]
    fn one_agents_lines_can_be_read_apart() {
        let logs = Logs::new(1 << 20);
        log(&logs, "a").host(Level::Info, "of a");
        log(&logs, "b").host(Level::Info, "of b");
        let page = logs.page(&LogQuery { agent: Some("b".parse().unwrap()), since: None, limit: 10 });
        assert_eq!(page.lines.len(), 1);
        assert_eq!(page.lines[0].message, "of b");
    }

    #[test]
    fn a_closed_log_has_no_lines_and_takes_none() {
        let logs = Logs::new(1 << 20);
        let (log, reader) = (log(&logs, "a"), LogReader(Arc::clone(&logs)));
        log.host(Level::Info, "x");
        assert_eq!(logs.len(), 1);
        logs.close();
        log.host(Level::Info, "late");
        assert_eq!(logs.len(), 0);
        assert!(reader.page(&query(None, 10)).lines.is_empty());
    }

    #[test]
    fn an_unused_log_has_no_ring() {
        let logs = Logs::new(1 << 20);
        assert!(logs.page(&query(None, 10)).lines.is_empty());
        assert!(logs.ring.get().is_none());
    }
}
