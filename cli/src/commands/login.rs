//! `insula login`: checks a key with its host, then keeps it in the profile.

use std::fmt;
use std::io::BufRead;

use serde_json::json;
use ureq::http::Method;

use crate::client::{Client, Problem, Request};
use crate::connection::{self, Role, Target};
use crate::failure::{Explain, Failure};
use crate::profile::Profile;
use crate::terminal::{self, Terminal, bold, dim, mark};

/// Arguments of `login`.
#[derive(clap::Args)]
#[command(after_help = "A tenant's and an operator's key stand side by side in the profile: log in once with each.")]
pub(crate) struct Args {
    /// The host's address; for an operator's key, the operators' address
    #[arg(long, env = "INSULA_URL", value_name = "URL")]
    url: String,
    /// The key, isk_..., or `-` to read it from standard input
    #[arg(long, env = "INSULA_KEY", hide_env_values = true, value_name = "KEY|-")]
    key: String,
}

impl fmt::Debug for Args {
    /// Keys never show themselves.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Args({})", self.url)
    }
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    let target = Target { url: connection::base_url(&args.url)?, key: key(&args.key)? };
    let (role, tenant) = check(&Client::new(&target))?;
    let path = add(Profile::load()?.lasting(), &target, role).save()?;
    let role = match role {
        Role::Tenant => "tenant",
        Role::Operator => "operator",
    };
    if terminal.is_json() {
        terminal.json(&json!({"url": target.url, "role": role, "tenant": tenant, "profile": path}));
        return Ok(());
    }
    terminal.say(format_args!("{} logged in to {} {}", mark(true), bold(&target.url), dim(format_args!("as {role}"))));
    let mut facts = vec![("profile", path.display().to_string())];
    facts.extend(tenant.map(|tenant| ("tenant", tenant)));
    terminal.say_all(&terminal::facts(facts));
    Ok(())
}

fn key(given: &str) -> anyhow::Result<String> {
    if given != "-" {
        return Ok(given.trim().to_owned());
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).explain("cannot read the key from standard input", "pipe it in")?;
    Ok(line.trim().to_owned())
}

/// Asks the host whose key it is: a tenant's limits are for tenants, the list of tenants is for operators.
fn check(client: &Client) -> anyhow::Result<(Role, Option<String>)> {
    let asked = client.exchange(Request::new(Method::GET, "/v1/limits"))?;
    if asked.is_success() {
        return Ok((Role::Tenant, asked.header("insula-tenant").map(str::to_owned)));
    }
    // An operators' listener has no tenants' routes, and a host with one listener for both refuses the wrong kind.
    let mut problem = Problem::of(&asked);
    if matches!(asked.status, 403 | 404) {
        let answer = client.exchange(Request::new(Method::GET, "/v1/tenants?limit=1"))?;
        if answer.is_success() {
            return Ok((Role::Operator, None));
        }
        if asked.status == 404 {
            problem = Problem::of(&answer);
        }
    }
    let is_unknown = problem.code == "unauthenticated" || problem.code.is_empty();
    let failure = Failure::new(format_args!("the key does not open {}", client.url()))
        .because(problem.sentence())
        .because(format_args!("the host answered {} ({})", problem.status, problem.code));
    Err(failure
        .advise(if is_unknown {
            "check the address and the key; the operator of the host can make a new one with `insula key create TENANT`"
        } else {
            "give an operator's key with the operators' address, and a tenant's key with the tenants'"
        })
        .into())
}

/// The profile with this login in it. What the other role has stays.
fn add(profile: Profile, target: &Target, role: Role) -> Profile {
    let (url, key) = (Some(target.url.clone()), Some(target.key.clone()));
    match role {
        Role::Tenant => Profile { url, key, ..profile },
        Role::Operator => Profile { admin_url: url, operator_key: key, ..profile },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leaves_the_other_role_alone() {
        let target = |url: &str, key: &str| Target { url: url.into(), key: key.into() };
        let profile = add(Profile::default(), &target("http://a", "isk_tenant"), Role::Tenant);
        let profile = add(profile, &target("http://b", "isk_operator"), Role::Operator);
        assert_eq!((profile.url.as_deref(), profile.key.as_deref()), (Some("http://a"), Some("isk_tenant")));
        assert_eq!(profile.admin_url.as_deref(), Some("http://b"));
        assert_eq!(profile.operator_key.as_deref(), Some("isk_operator"));
    }
}
