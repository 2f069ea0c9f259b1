//! `insula logs`: what agents logged.

use std::fmt::Write as _;
use std::io::{BufRead, ErrorKind};

use anyhow::Context;
use insula_runtime::AgentName;

use crate::client::{self, Client};
use crate::connection::{Connection, Role};
use crate::failure::Failure;
use crate::log_lines::{self, LogLine};
use crate::terminal::{self, Terminal, dim};
use crate::wire::LogPage;

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
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    let client = Client::new(&args.connection.target(Role::Tenant)?);
    if args.follow { follow(args, &client, terminal) } else { page(args, &client, terminal) }
        .context("the log cannot be read")
}

fn path(args: &Args) -> String {
    let mut path = format!("/v1/logs?follow={}", args.follow);
    if let Some(agent) = &args.agent {
        let _ = write!(path, "&agent={}", client::encode(agent.as_str()));
    }
    if let Some(since) = args.since {
        let _ = write!(path, "&since={since}");
    }
    path
}

fn page(args: &Args, client: &Client, terminal: &Terminal) -> anyhow::Result<()> {
    let answer = client.get(&path(args))?;
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

/// Goes on until the host stops, the reader of standard output goes away, or someone interrupts it.
fn follow(args: &Args, client: &Client, terminal: &Terminal) -> anyhow::Result<()> {
    for line in client.lines(&path(args))?.lines() {
        let line = match line {
            Ok(line) if line.trim().is_empty() => continue,
            Ok(line) => line,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(error) => {
                return Err(Failure::new("the connection broke")
                    .because(error)
                    .advise("start it again; `--since NUMBER` goes on behind the last line")
                    .into());
            }
        };
        show(&line, terminal);
        if terminal.is_closed() {
            break;
        }
    }
    Ok(())
}

fn show(text: &str, terminal: &Terminal) {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else { return };
    if terminal.is_json() {
        terminal.event(&value);
    } else if let Some(lost) = value.get("lost").and_then(serde_json::Value::as_u64) {
        terminal.note(format_args!("  {}", terminal::warn(log_lines::lost(lost))));
    } else if let Ok(line) = serde_json::from_value::<LogLine>(value) {
        terminal.say(line.shown(None));
    }
}
