//! `insula config`: what an agent reads through `config`.

use std::collections::BTreeMap;

use anyhow::Context;
use insula_runtime::AgentName;
use ureq::http::Method;

use crate::client::{self, Client};
use crate::connection::{Connection, Role};
use crate::failure::Failure;
use crate::input;
use crate::terminal::{self, Terminal, dim};

type Configuration = BTreeMap<String, String>;

/// What to do with an agent's configuration.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Act {
    /// Show it, or one value of it
    Get(Get),
    /// Set and take out values; the others stay
    Set(Set),
}

/// Arguments of `get`.
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    /// The agent
    #[arg(value_name = "NAME")]
    agent: AgentName,
    /// Only the value of this name, as it is
    #[arg(value_name = "KEY")]
    entry: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// Arguments of `set`.
#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    /// The agent
    #[arg(value_name = "NAME")]
    agent: AgentName,
    /// Values to set; KEY=@FILE takes a file's text
    #[arg(value_name = "KEY=VALUE", value_parser = input::pair, required_unless_present = "unset")]
    values: Vec<(String, String)>,
    /// Values to take out
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(act: &Act, terminal: &Terminal) -> anyhow::Result<()> {
    match act {
        Act::Get(args) => get(args, terminal),
        Act::Set(args) => set(args, terminal),
    }
}

fn get(args: &Get, terminal: &Terminal) -> anyhow::Result<()> {
    let client = Client::new(&args.connection.target(Role::Tenant)?);
    let configuration = read(&client, &args.agent)?;
    let Some(key) = &args.entry else {
        show(&configuration, terminal);
        return Ok(());
    };
    let Some(value) = configuration.get(key) else {
        return Err(Failure::new(format_args!("`{}` has no configuration value `{key}`", args.agent))
            .because("it was never set, or was taken out")
            .advise(format_args!("set it with `insula config set {} {key}=VALUE`", args.agent))
            .into());
    };
    if terminal.is_json() {
        terminal.json(value);
    } else {
        terminal.body(value.as_bytes());
    }
    Ok(())
}

fn set(args: &Set, terminal: &Terminal) -> anyhow::Result<()> {
    let client = Client::new(&args.connection.target(Role::Tenant)?);
    let mut configuration = read(&client, &args.agent)?;
    for (key, value) in &args.values {
        configuration.insert(key.clone(), text(value)?);
    }
    for key in &args.unset {
        configuration.remove(key);
    }
    let document = serde_json::to_value(&configuration)?;
    let answer = client.send(Method::PUT, &path(&args.agent), Some(&document));
    let answer = answer.with_context(|| format!("`{}` was not configured", args.agent))?;
    show(&client::read(&answer)?, terminal);
    Ok(())
}

/// A value as it was typed, or the text of the file that it names.
fn text(value: &str) -> anyhow::Result<String> {
    let Ok(input) = value.parse::<input::Input>();
    match input {
        input::Input::Stdin => Ok(value.to_owned()),
        other => String::from_utf8(other.read()?).context("a configuration value must be text"),
    }
}

fn read(client: &Client, agent: &AgentName) -> anyhow::Result<Configuration> {
    let answer = client.get(&path(agent)).with_context(|| format!("the configuration of `{agent}` cannot be read"))?;
    client::read(&answer)
}

fn path(agent: &AgentName) -> String {
    client::path(&["agents", agent.as_str(), "config"])
}

fn show(configuration: &Configuration, terminal: &Terminal) {
    if terminal.is_json() {
        terminal.json(configuration);
    } else if configuration.is_empty() {
        terminal.note(dim("  there is none: the agent reads its own defaults"));
    } else {
        let values = configuration.iter().map(|(name, value)| (name, one_line(value)));
        terminal.say_all(&terminal::facts(values));
    }
}

/// As much of a value as fits a line. The whole of it comes with its key, or with `--json`.
fn one_line(value: &str) -> String {
    const LONGEST: usize = 80;
    let first = value.lines().next().unwrap_or_default();
    let start: String = first.chars().take(LONGEST).collect();
    if start.len() == value.len() { start } else { format!("{start} ... ({})", terminal::bytes(value.len() as u64)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_cut_and_says_so() {
        assert_eq!(one_line("short"), "short");
        assert_eq!(one_line("one\ntwo"), "one ... (7 B)");
        assert_eq!(one_line(&"é".repeat(100)), format!("{} ... (200 B)", "é".repeat(80)));
    }
}
