//! `insula storage`: what agents stored, for people and scripts.

mod list;

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;
use ureq::http::Method;

use crate::client::{self, Answer, Client, Problem, Request};
use crate::connection::{Connection, Role};
use crate::failure::Explain;
use crate::input::Input;
use crate::outcome::{self, Reply};
use crate::terminal::{self, Terminal, bold, dim, mark};
use crate::wire;

/// What is left of an entry's life, in milliseconds.
const TTL: &str = "insula-ttl-ms";

/// What to do with storage.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Act {
    /// List the buckets, or the keys of one
    List(list::Args),
    /// Read a value: it goes to standard output as it is
    Get(Get),
    /// Write a value
    Put(Put),
    /// Remove a key
    Delete(One),
}

/// Arguments of acts on one key.
#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// The bucket
    #[arg(value_name = "BUCKET")]
    bucket: String,
    /// The key
    #[arg(value_name = "KEY")]
    entry: String,
    #[command(flatten)]
    connection: Connection,
}

/// Arguments of `get`.
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    #[command(flatten)]
    one: One,
    /// Write it to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Arguments of `put`.
#[derive(Debug, clap::Args)]
pub(crate) struct Put {
    #[command(flatten)]
    one: One,
    /// The value: text, a file, or standard input
    #[arg(long, value_name = "TEXT|@FILE|-")]
    input: Input,
    /// How long it is to live, such as 500ms or 3600s; without an end unless given
    #[arg(long, value_name = "TIME", value_parser = ttl_ms)]
    ttl: Option<u64>,
}

/// Reads a life: milliseconds, from a time with its unit.
fn ttl_ms(text: &str) -> Result<u64, String> {
    let micros = terminal::amount(text).filter(|_| text.trim_end().ends_with('s'));
    match micros {
        Some(micros) if micros >= 1_000 && micros.is_multiple_of(1_000) => Ok(micros / 1_000),
        _ => Err("give a time of whole milliseconds with its unit, such as 500ms or 3600s".to_owned()),
    }
}

pub(crate) fn run(act: &Act, terminal: &Terminal) -> anyhow::Result<()> {
    match act {
        Act::List(args) => list::run(args, terminal).context("the storage cannot be listed"),
        Act::Get(args) => get(args, terminal).context("the value cannot be read"),
        Act::Put(args) => put(args, terminal).context("the value was not written"),
        Act::Delete(one) => delete(one, terminal).context("the key was not removed"),
    }
}

impl One {
    fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(&self.connection.target(Role::Tenant)?))
    }

    fn path(&self) -> String {
        client::path(&["storage", &self.bucket, &self.entry])
    }

    fn name(&self) -> String {
        terminal::plain(&format!("{}/{}", self.bucket, self.entry)).into_owned()
    }
}

fn get(args: &Get, terminal: &Terminal) -> anyhow::Result<()> {
    let client = args.one.client()?;
    let answer = client.exchange(Request::new(Method::GET, args.one.path()))?;
    if !answer.is_success() {
        return Err(Problem::of(&answer).into_failure(client.url()).into());
    }
    let number = |name| answer.header(name).and_then(|text| text.trim_matches('"').parse::<u64>().ok());
    let (version, ttl) = (number("etag"), number(TTL));
    if let Some(file) = &args.output {
        let advice = "give a file that may be written";
        fs::write(file, &answer.body).explain(format_args!("cannot write {}", file.display()), advice)?;
    }
    if terminal.is_json() {
        let mut shown = json!({"bucket": args.one.bucket, "key": args.one.entry, "version": version, "ttl-ms": ttl});
        if let (Some(shown), None) = (shown.as_object_mut(), &args.output) {
            let (name, value) = value(answer);
            shown.insert(name.to_owned(), value);
        }
        terminal.json(&shown);
    } else if args.output.is_none() {
        terminal.body(&answer.body);
    }
    Ok(())
}

/// A value in the form that says the most: text, or base 64.
fn value(answer: Answer) -> (&'static str, serde_json::Value) {
    let reply = Reply { content_type: String::new(), metadata: Vec::new(), body: answer.body };
    match outcome::body_as_json(&reply) {
        ("body", text) => ("value", text),
        (_, text) => ("value-base64", text),
    }
}

fn put(args: &Put, terminal: &Terminal) -> anyhow::Result<()> {
    let value = args.input.read()?;
    let mut request = Request::new(Method::PUT, args.one.path()).body("application/octet-stream", value);
    if let Some(ttl) = args.ttl {
        request = request.header(TTL, ttl.to_string());
    }
    let answer = args.one.client()?.json(request)?;
    let changed: wire::Changed = client::read(&answer)?;
    if terminal.is_json() {
        terminal.json(&json!({"bucket": args.one.bucket, "key": args.one.entry, "version": changed.version}));
    } else {
        let version = dim(format!("version {}", changed.version));
        terminal.say(format_args!("{} {} {version}", mark(true), bold(args.one.name())));
    }
    Ok(())
}

fn delete(one: &One, terminal: &Terminal) -> anyhow::Result<()> {
    one.client()?.send(Method::DELETE, &one.path(), None)?;
    if terminal.is_json() {
        terminal.json(&json!({"bucket": one.bucket, "key": one.entry, "deleted": true}));
    } else {
        terminal.say(format_args!("{} {} is gone", mark(true), bold(one.name())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_a_time_of_whole_milliseconds() {
        assert_eq!((ttl_ms("500ms"), ttl_ms("2s")), (Ok(500), Ok(2_000)));
        for bad in ["", "5", "0s", "1_500us", "5 MiB", "soon"] {
            assert!(ttl_ms(bad).is_err(), "{bad:?}");
        }
    }
}
