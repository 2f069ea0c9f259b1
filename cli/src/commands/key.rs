//! `insula key`: an operator's acts on tenants' keys.

use anyhow::Context;
use insula_runtime::tenancy::Permissions;
use serde_json::json;
use ureq::http::Method;

use crate::client::{self, Client};
use crate::connection::{Connection, Role};
use crate::terminal::{self, Cell, Table, Terminal, bad, bold, dim, good, mark};
use crate::wire;

use super::tenant;

/// What to do with a tenant's keys. A tenant is named by its id or its name.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Act {
    /// Make a key, and show it once
    Create(Create),
    /// List a tenant's keys, without their secrets
    List(List),
    /// Let a key open nothing any more
    Revoke(Revoke),
}

/// Arguments of `create`.
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// The tenant's id or name
    #[arg(value_name = "TENANT")]
    tenant: String,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "")]
    label: String,
    /// What it may do: invoke, deploy and manage, with commas between; all unless given
    #[arg(long, value_name = "LIST", value_parser = permissions)]
    permissions: Option<Permissions>,
    #[command(flatten)]
    connection: Connection,
}

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// The tenant's id or name
    #[arg(value_name = "TENANT")]
    tenant: String,
    #[command(flatten)]
    connection: Connection,
}

/// Arguments of `revoke`.
#[derive(Debug, clap::Args)]
pub(crate) struct Revoke {
    /// The tenant's id or name
    #[arg(value_name = "TENANT")]
    tenant: String,
    /// The key's id, key_...
    #[arg(value_name = "KEY-ID")]
    id: String,
    #[command(flatten)]
    connection: Connection,
}

fn permissions(text: &str) -> Result<Permissions, String> {
    match text.parse::<Permissions>() {
        Ok(none) if none.is_empty() => Err("name at least one of invoke, deploy and manage".to_owned()),
        Ok(some) => Ok(some),
        Err(error) => Err(error.to_string()),
    }
}

pub(crate) fn run(act: &Act, terminal: &Terminal) -> anyhow::Result<()> {
    match act {
        Act::Create(args) => create(args, terminal).context("the key was not made"),
        Act::List(args) => list(args, terminal).context("the keys cannot be listed"),
        Act::Revoke(args) => revoke(args, terminal).context("the key was not revoked"),
    }
}

fn create(args: &Create, terminal: &Terminal) -> anyhow::Result<()> {
    let (client, path) = keys(&args.connection, &args.tenant)?;
    let names: Vec<_> =
        args.permissions.unwrap_or(Permissions::ALL).iter().map(|permission| permission.name()).collect();
    let document = json!({"label": args.label, "permissions": names});
    let answer = client.send(Method::POST, &path, Some(&document))?;
    if terminal.is_json() {
        terminal.json(&answer);
        return Ok(());
    }
    let made: wire::NewKey = client::read(&answer)?;
    terminal.say(format_args!("{} {}", bold("key"), dim("(shown once)")));
    terminal.say_all(&terminal::facts([("id", made.id), ("key", made.key), ("may", names.join(", "))]));
    Ok(())
}

fn list(args: &List, terminal: &Terminal) -> anyhow::Result<()> {
    let (client, path) = keys(&args.connection, &args.tenant)?;
    let answer = client.get(&path)?;
    if terminal.is_json() {
        terminal.json(&answer);
        return Ok(());
    }
    let mut table = Table::new(&["key", "state", "may", "created", "label"]);
    for key in client::read::<wire::Keys>(&answer)?.keys {
        let state = match key.revoked_us {
            Some(_) => Cell::text("revoked").styled(bad),
            None => Cell::text("live").styled(good),
        };
        let created = Cell::text(terminal::moment(key.created_us)).styled(dim);
        table.row([
            Cell::text(&key.id),
            state,
            Cell::text(key.permissions.join(", ")),
            created,
            Cell::text(&key.label),
        ]);
    }
    terminal.say_all(&table.lines());
    Ok(())
}

fn revoke(args: &Revoke, terminal: &Terminal) -> anyhow::Result<()> {
    let (client, path) = keys(&args.connection, &args.tenant)?;
    client.send(Method::DELETE, &format!("{path}/{}", client::encode(&args.id)), None)?;
    if terminal.is_json() {
        terminal.json(&json!({"key": args.id, "revoked": true}));
    } else {
        terminal.say(format_args!("{} {} opens nothing from now on", mark(true), bold(terminal::plain(&args.id))));
    }
    Ok(())
}

fn keys(connection: &Connection, tenant: &str) -> anyhow::Result<(Client, String)> {
    let client = Client::new(&connection.target(Role::Operator)?);
    let id = tenant::resolve(&client, tenant)?;
    let path = client::path(&["tenants", &id, "keys"]);
    Ok((client, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_do_something_that_exists() {
        assert_eq!(permissions("invoke, deploy").unwrap().to_string(), "invoke,deploy");
        assert!(permissions("").is_err() && permissions("root").is_err());
    }
}
