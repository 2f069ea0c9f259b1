//! `insula logs`: what agents logged.

use std::fmt::Write as _;
use std::io::BufRead;
use std::time::{Duration, Instant};

use anyhow::Context;
use insula_runtime::AgentName;
use serde_json::Value;

use crate::client::{self, Client};
use crate::connection::{Connection, Role};
use crate::failure::Explain;
use crate::log_lines::{self, LogLine};
use crate::terminal::{self, Terminal, dim};
use crate::wire::LogPage;

/// A stream that ended sooner was ended by a host that stops, or by a key that was revoked.
const A_WHILE: Duration = Duration::from_secs(60);

/// Arguments of `logs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The agent; all of the tenant's unless given
    #[arg(value_name = "NAME")]
    agent: Option<AgentName>,
    /// Go on with new lines as they are written
    #[arg(long, short)]
    follow: bool,
    /// Only lines after this sequence number
    #[arg(long, value_name = "NUMBER")]
    since: Option<u64>,
    /// At most so many lines, 1 to 500: the newest, unless --since says where to begin
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=500))]
    lines: u16,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    let client = Client::new(&args.connection.target(Role::Tenant)?);
    if args.follow { follow(args, &client, terminal) } else { page(args, &client, terminal) }
        .context("the log cannot be read")
}

fn path(args: &Args, since: Option<u64>) -> String {
    let mut path = format!("/v1/logs?follow={}&limit={}", args.follow, args.lines);
    if let Some(agent) = &args.agent {
        let _ = write!(path, "&agent={}", client::encode(agent.as_str()));
    }
    if let Some(since) = since {
        let _ = write!(path, "&since={since}");
    }
    path
}

fn page(args: &Args, client: &Client, terminal: &Terminal) -> anyhow::Result<()> {
    let answer = client.get(&path(args, args.since))?;
    if terminal.is_json() {
        terminal.json(&answer);
        return Ok(());
    }
    let page: LogPage = client::read(&answer)?;
    if page.lost > 0 {
        terminal.note(format_args!("  {}", terminal::warn(log_lines::lost(page.lost))));
    }
    if page.lines.is_empty() {
        terminal.note(dim("  no line is there"));
    }
    for line in page.lines {
        terminal.say(line.shown(None));
    }
    Ok(())
}

/// Goes on until the host stops, the reader of standard output goes away, or someone interrupts it. A host ends a stream
/// after an hour; then the next begins behind the last line.
fn follow(args: &Args, client: &Client, terminal: &Terminal) -> anyhow::Result<()> {
    let mut since = args.since;
    loop {
        let started = Instant::now();
        for line in client.lines(&path(args, since))?.lines() {
            let line = line.explain("the connection broke", "start it again; --since NUMBER goes on behind a line")?;
            since = show(&line, terminal).or(since);
            if terminal.is_closed() {
                return Ok(());
            }
        }
        if started.elapsed() < A_WHILE {
            return Ok(());
        }
    }
}

/// Shows one document of the stream, and returns its sequence number when it is a line of the log.
fn show(text: &str, terminal: &Terminal) -> Option<u64> {
    let value: Value = serde_json::from_str(text).ok()?;
    let sequence = value.get("sequence").and_then(Value::as_u64);
    if terminal.is_json() {
        terminal.event(&value);
    } else if let Some(lost) = value.get("lost").and_then(Value::as_u64) {
        terminal.note(format_args!("  {}", terminal::warn(log_lines::lost(lost))));
    } else if let Ok(line) = serde_json::from_value::<LogLine>(value) {
        terminal.say(line.shown(None));
    }
    sequence
}
