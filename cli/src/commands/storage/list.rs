//! `insula storage list`: buckets, or the keys of one.

use serde_json::{Value, json};

use crate::client::{self, Client};
use crate::connection::{Connection, Role};
use crate::terminal::{self, Cell, Table, Terminal, dim};
use crate::wire;

/// Names of one page.
const PAGE: u64 = 1_000;

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The bucket whose keys to list; the buckets themselves unless given
    #[arg(value_name = "BUCKET")]
    bucket: Option<String>,
    /// Only keys that start with this
    #[arg(long, value_name = "TEXT", requires = "bucket")]
    prefix: Option<String>,
    /// Only this key and those behind it
    #[arg(long, value_name = "KEY", requires = "bucket")]
    start: Option<String>,
    /// Only keys before this one
    #[arg(long, value_name = "KEY", requires = "bucket")]
    end: Option<String>,
    /// Descending order
    #[arg(long, requires = "bucket")]
    reverse: bool,
    /// At most so many; all unless given
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    let client = Client::new(&args.connection.target(Role::Tenant)?);
    match &args.bucket {
        Some(bucket) => keys(&client, bucket, args, terminal),
        None => buckets(&client, args, terminal),
    }
}

/// Asks for page after page, until there is no more or there are enough. The second of `take` is where it goes on.
fn pages<T>(
    client: &Client,
    path: &str,
    fixed: &[(&str, &str)],
    limit: Option<u64>,
    take: impl Fn(&Value) -> anyhow::Result<(Vec<T>, Option<String>)>,
) -> anyhow::Result<Vec<T>> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    loop {
        let left = limit.map_or(PAGE, |limit| limit.saturating_sub(found.len() as u64).min(PAGE));
        if left == 0 {
            return Ok(found);
        }
        let mut query = format!("{path}?limit={left}");
        for (name, value) in fixed.iter().copied().chain(after.as_deref().map(|after| ("after", after))) {
            query += &format!("&{name}={}", client::encode(value));
        }
        let (items, next) = take(&client.get(&query)?)?;
        found.extend(items);
        after = next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

fn buckets(client: &Client, args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    let names = pages(client, "/v1/storage", &[], args.limit, |page| {
        let wire::Buckets { buckets, next } = client::read(page)?;
        Ok((buckets, next))
    })?;
    if terminal.is_json() {
        terminal.json(&json!({"buckets": names}));
        return Ok(());
    }
    if names.is_empty() {
        terminal.note(dim("  there are no buckets: the first key makes one"));
    }
    for name in names {
        terminal.say(terminal::plain(&name));
    }
    Ok(())
}

fn keys(client: &Client, bucket: &str, args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    let stated = [("prefix", &args.prefix), ("start", &args.start), ("end", &args.end)];
    let mut fixed: Vec<(&str, &str)> =
        stated.iter().filter_map(|(name, value)| value.as_deref().map(|value| (*name, value))).collect();
    if args.reverse {
        fixed.push(("reverse", "true"));
    }
    let entries = pages(client, &client::path(&["storage", bucket]), &fixed, args.limit, |page| {
        let wire::Entries { entries, next } = client::read(page)?;
        Ok((entries, next))
    })?;
    if terminal.is_json() {
        terminal.json(&json!({"bucket": bucket, "entries": entries}));
        return Ok(());
    }
    let mut table = Table::new(&["key", "version", "life left"]);
    for entry in client::read::<Vec<wire::Entry>>(&Value::Array(entries))? {
        let life = entry.ttl_ms.map(|ms| terminal::by_name("ttl-ms", ms)).unwrap_or_default();
        table.row([Cell::text(&entry.key), Cell::figure(entry.version.to_string()).styled(dim), Cell::figure(life)]);
    }
    if table.is_empty() {
        terminal.note(dim("  there are no such keys"));
    } else {
        terminal.say_all(&table.lines());
    }
    Ok(())
}
