//! Which host a client command talks to, and with which key.
//!
//! `--url` and `--key` come first, then `INSULA_URL` and `INSULA_KEY`, then the profile. A key of the profile is sent
//! only to the host that the profile names for it: a URL given on the command line never receives another host's key.

use std::fmt;

use crate::failure::Failure;
use crate::profile::Profile;

/// How to reach the host. Without these, the profile that `insula dev` or `insula login` wrote is used.
#[derive(clap::Args)]
pub(crate) struct Connection {
    /// The host's address, such as http://127.0.0.1:7400
    #[arg(long, env = "INSULA_URL", value_name = "URL", help_heading = "Connection")]
    url: Option<String>,
    /// The key, isk_...
    #[arg(long, env = "INSULA_KEY", hide_env_values = true, value_name = "KEY", help_heading = "Connection")]
    key: Option<String>,
}

impl fmt::Debug for Connection {
    /// Keys never show themselves.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Connection({:?})", self.url)
    }
}

/// Whose key a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Tenant,
    Operator,
}

/// A host and the key for it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Without a slash at the end.
    pub(crate) url: String,
    pub(crate) key: String,
}

impl fmt::Debug for Target {
    /// Keys never show themselves.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Target({})", self.url)
    }
}

impl Connection {
    /// What this command talks to.
    pub(crate) fn target(&self, role: Role) -> anyhow::Result<Target> {
        resolve(self.url.as_deref(), self.key.as_deref(), &Profile::load()?, role)
    }
}

fn resolve(url: Option<&str>, key: Option<&str>, profile: &Profile, role: Role) -> anyhow::Result<Target> {
    let (known_url, known_key) = match role {
        Role::Tenant => (profile.url.as_deref(), profile.key.as_deref()),
        Role::Operator => (profile.admin_url.as_deref().or(profile.url.as_deref()), profile.operator_key.as_deref()),
    };
    let Some(chosen) = url.or(known_url) else {
        return Err(Failure::usage("no host is named")
            .because("there is no --url, no INSULA_URL, and no profile that names one")
            .advise("start a host with `insula dev`, or log in with `insula login --url URL --key KEY`")
            .into());
    };
    let chosen = base_url(chosen)?;
    let is_known = known_url.and_then(|known| base_url(known).ok()).is_some_and(|known| known == chosen);
    match key.or(known_key.filter(|_| is_known)) {
        Some(key) => Ok(Target { url: chosen, key: key.to_owned() }),
        None => Err(no_key(&chosen, role).into()),
    }
}

fn no_key(url: &str, role: Role) -> Failure {
    let failure = Failure::usage(format_args!("no key for {url}"));
    match role {
        Role::Tenant => failure
            .because("there is no --key, no INSULA_KEY, and the profile holds none for this host")
            .advise("log in with `insula login --url URL --key KEY`"),
        Role::Operator => failure
            .because("this command needs an operator's key; there is no --key, no INSULA_KEY, and the profile holds none for this host")
            .advise("log in with the key that `insula serve` printed on its first start: `insula login --url ADMIN-URL --key KEY`"),
    }
}

/// Checks a host's address and takes the slash off its end.
pub(crate) fn base_url(text: &str) -> anyhow::Result<String> {
    let trimmed = text.trim().trim_end_matches('/');
    let rest = trimmed.strip_prefix("http://").or_else(|| trimmed.strip_prefix("https://"));
    let has_host = rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '?', '#', '@', ' ']));
    if has_host {
        return Ok(trimmed.to_owned());
    }
    Err(Failure::usage(format_args!("`{text}` is not the address of a host"))
        .because("an address is http:// or https://, a name or number, and a port")
        .advise("write it like http://127.0.0.1:7400")
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        Profile {
            url: Some("http://here:1".into()),
            key: Some("isk_ours".into()),
            admin_url: Some("http://here:2".into()),
            operator_key: Some("isk_operator".into()),
            before_dev: None,
        }
    }

    fn target(url: &str, key: &str) -> Target {
        Target { url: url.into(), key: key.into() }
    }

    #[test]
    fn what_was_given_comes_before_the_profile() {
        let given = resolve(Some("http://there:3/"), Some("isk_given"), &profile(), Role::Tenant).unwrap();
        assert_eq!(given, target("http://there:3", "isk_given"));
        let key_only = resolve(None, Some("isk_given"), &profile(), Role::Tenant).unwrap();
        assert_eq!(key_only, target("http://here:1", "isk_given"));
    }

    #[test]
    fn the_profile_serves_tenants_and_operators_apart() {
        assert_eq!(resolve(None, None, &profile(), Role::Tenant).unwrap(), target("http://here:1", "isk_ours"));
        assert_eq!(resolve(None, None, &profile(), Role::Operator).unwrap(), target("http://here:2", "isk_operator"));
    }

    #[test]
    fn a_key_of_the_profile_is_not_sent_to_another_host() {
        assert!(resolve(Some("http://there:3"), None, &profile(), Role::Tenant).is_err());
        let same = resolve(Some("http://here:1/"), None, &profile(), Role::Tenant).unwrap();
        assert_eq!(same, target("http://here:1", "isk_ours"));
    }

    #[test]
    fn without_a_host_or_a_key_the_command_is_wrong_usage() {
        let none = Profile::default();
        for (url, key) in [(None, None), (None, Some("isk_x")), (Some("http://here:1"), None)] {
            let error = resolve(url, key, &none, Role::Tenant).unwrap_err();
            assert!(Failure::read(&error).is_usage());
        }
    }

    #[test]
    fn an_address_needs_a_scheme_and_has_no_path() {
        for bad in ["", "here:1", "ftp://here", "http://", "http://here/v1", "http://user@here", "http://a b"] {
            assert!(base_url(bad).is_err(), "{bad:?}");
        }
        assert_eq!(base_url(" https://insula.example/ ").unwrap(), "https://insula.example");
    }
}
