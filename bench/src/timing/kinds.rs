//! Every kind of name that a tenant can put in a request, and how a pair of questions for it is made: one with a name that
//! the owner has, one with a name that nobody has, both of the same length and otherwise the same.

use anyhow::Context as _;
use insula_runtime::tenancy::{NewKey, TenantId, VersionId};

use super::client::Question;
use super::random::Random;
use super::world::{Tenant, World};

/// A pair of questions, and what goes before and after, which is not timed.
pub(super) struct Pair {
    /// The owner uses its thing.
    pub(super) touch: Vec<Question>,
    pub(super) foreign: Question,
    pub(super) absent: Question,
    /// What both left is removed.
    pub(super) after: Vec<Question>,
}

/// How many pairs of a kind there are time for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// Reads.
    Light,
    /// Waits for the disk.
    Disk,
    /// Compiles.
    Compile,
}

/// What a row is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Foreign and absent: must not be told apart.
    Promise,
    /// Own and absent: is told apart, or the benchmark sees nothing.
    Seen,
}

type Make = fn(&World, usize, &mut Random) -> anyhow::Result<Pair>;

/// A kind of name.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) purpose: Purpose,
    pub(super) cost: Cost,
    /// Whether the answers of a pair are the same bytes: not where they have the number of a commit.
    pub(super) same: bool,
    /// Whether it is also asked of a host on which the owner has used nothing since its start.
    pub(super) cold: bool,
    pub(super) make: Make,
}

const fn kind(name: &'static str, make: Make) -> Kind {
    Kind { name, purpose: Purpose::Promise, cost: Cost::Light, same: true, cold: true, make }
}

pub(super) const KINDS: [Kind; 24] = [
    kind("absent and absent", |world, _, random| {
        let path = |name: String| format!("/v1/agents/{name}");
        Ok(pair(world, "GET", &path(random.name()), &path(random.name()), b""))
    }),
    Kind {
        purpose: Purpose::Seen,
        same: false,
        ..kind("own and absent", |world, _, _| Ok(pair(world, "GET", "/v1/agents/own", "/v1/agents/not", b"")))
    },
    kind("agent: show", |world, number, random| agent(world, number, random, "GET", "", b"")),
    kind("agent: versions", |world, number, random| agent(world, number, random, "GET", "/versions", b"")),
    kind("agent: configuration", |world, number, random| agent(world, number, random, "GET", "/config", b"")),
    kind("agent: limits", |world, number, random| agent(world, number, random, "GET", "/limits", b"")),
    kind("agent: set configuration", |world, number, random| agent(world, number, random, "PUT", "/config", b"{}")),
    kind("agent: set limits", |world, number, random| agent(world, number, random, "PUT", "/limits", b"{}")),
    kind("agent: invoke", |world, number, random| agent(world, number, random, "POST", "/invoke", b"hello")),
    kind("agent: roll back", |world, number, random| agent(world, number, random, "POST", "/rollback", b"")),
    kind("agent: delete", |world, number, random| agent(world, number, random, "DELETE", "", b"")),
    kind("agent: log", |world, number, random| {
        let (own, other) = (&thing(&world.agents, number)?.0, random.name());
        let path = |name: &str| format!("/v1/logs?agent={name}");
        Ok(Pair { touch: uses(world, own), ..pair(world, "GET", &path(own), &path(&other), b"") })
    }),
    kind("agent and version: activate", |world, number, random| {
        let (own, version) = thing(&world.agents, number)?;
        let body = format!(r#"{{"version":"{version}"}}"#);
        let path = |name: &str| format!("/v1/agents/{name}/activate");
        Ok(Pair { touch: uses(world, own), ..pair(world, "POST", &path(own), &path(&random.name()), body.as_bytes()) })
    }),
    kind("version: activate", |world, number, _| {
        let (own, version) = thing(&world.agents, number)?;
        let body = |version: &str| format!(r#"{{"version":"{version}"}}"#);
        let question = |version: &str| ask(world, "POST", "/v1/agents/own/activate", body(version).as_bytes());
        let absent = question(&near(version, VersionId::generate().to_string()));
        Ok(Pair { touch: uses(world, own), foreign: question(version), absent, after: Vec::new() })
    }),
    kind("bucket: list", |world, number, random| stored(world, number, random, "GET", "", b"")),
    kind("key: read", |world, number, random| stored(world, number, random, "GET", "/", b"")),
    Kind {
        cost: Cost::Disk,
        ..kind("key: delete", |world, number, random| stored(world, number, random, "DELETE", "/", b""))
    },
    Kind {
        cost: Cost::Disk,
        same: false,
        ..kind("key: write", |world, number, random| {
            let (own, other) = (thing(&world.buckets, number)?, random.name());
            let path = |name: &str| format!("/v1/storage/{name}/{name}");
            let after = vec![ask(world, "DELETE", &path(own), b""), ask(world, "DELETE", &path(&other), b"")];
            Ok(Pair { after, ..stored_as(world, "PUT", own, &other, "/", b"the prober's") })
        })
    },
    Kind {
        cold: false,
        ..kind("cache namespace: clear", |world, number, random| {
            let own = thing(&world.buckets, number)?;
            let path = |name: &str| format!("/v1/cache/{name}");
            Ok(pair(world, "DELETE", &path(own), &path(&random.name()), b""))
        })
    },
    kind("tenant: show", |world, _, _| {
        let own = &tenant(world, 0)?.id;
        let path = |id: &str| format!("/v1/tenants/{id}");
        let absent = path(&nobody(world)?.id);
        Ok(Pair { touch: vec![limits(world, 0)?], ..pair(world, "GET", &path(own), &absent, b"") })
    }),
    kind("tenant: header", |world, _, _| {
        let (own, key) = (&tenant(world, 0)?.id, &tenant(world, 1)?.key);
        let stated = |id: &str| Question::new("GET", "/v1/limits", key, &format!("Insula-Tenant: {id}\r\n"), b"");
        let absent = stated(&nobody(world)?.id);
        Ok(Pair { touch: vec![limits(world, 0)?], foreign: stated(own), absent, after: Vec::new() })
    }),
    kind("key of a tenant: wrong secret, in use", |world, _, _| {
        Ok(Pair { touch: vec![limits(world, 0)?], ..wrong_secret(&tenant(world, 0)?.key, &nobody(world)?.key)? })
    }),
    Kind {
        cost: Cost::Disk,
        ..kind("key of a tenant: wrong secret, never used", |world, number, _| {
            let own = thing(&world.spare_keys, number)?;
            wrong_secret(own, &near(own, NewKey::generate()?.reveal()))
        })
    },
    Kind {
        cost: Cost::Compile,
        same: false,
        cold: false,
        ..kind("bytes: upload", |world, _, random| {
            let (known, unknown) = (component(random)?, component(random)?);
            let question = |key: &str, agent: &str, bytes: &[u8]| {
                let path = format!("/v1/agents/{agent}?activate=false");
                Question::new("PUT", &path, key, "Content-Type: application/wasm\r\n", bytes)
            };
            let key = &tenant(world, 1)?.key;
            let touch = vec![question(&tenant(world, 0)?.key, "uploaded", &known)];
            let (foreign, absent) = (question(key, "uploaded", &known), question(key, "uploaded", &unknown));
            Ok(Pair { touch, foreign, absent, after: Vec::new() })
        })
    },
];

fn thing<T>(things: &[T], number: usize) -> anyhow::Result<&T> {
    things.get(number % things.len().max(1)).context("the owner has no such thing")
}

fn tenant(world: &World, number: usize) -> anyhow::Result<&Tenant> {
    world.tenants.get(number).context("no such tenant")
}

/// A question of the prober's.
fn ask(world: &World, method: &str, path: &str, body: &[u8]) -> Question {
    let key = world.tenants.get(1).map_or("", |tenant| tenant.key.as_str());
    Question::new(method, path, key, "Content-Type: application/json\r\n", body)
}

fn pair(world: &World, method: &str, foreign: &str, absent: &str, body: &[u8]) -> Pair {
    let (foreign, absent) = (ask(world, method, foreign, body), ask(world, method, absent, body));
    Pair { touch: Vec::new(), foreign, absent, after: Vec::new() }
}

/// The owner looks at its agent and calls it.
fn uses(world: &World, agent: &str) -> Vec<Question> {
    let key = world.tenants.first().map_or("", |tenant| tenant.key.as_str());
    let path = format!("/v1/agents/{agent}");
    let call = format!("{path}/invoke");
    vec![Question::new("GET", &path, key, "", b""), Question::new("POST", &call, key, "", b"hello")]
}

fn agent(
    world: &World,
    number: usize,
    random: &mut Random,
    method: &str,
    rest: &str,
    body: &[u8],
) -> anyhow::Result<Pair> {
    let (own, other) = (&thing(&world.agents, number)?.0, random.name());
    let path = |name: &str| format!("/v1/agents/{name}{rest}");
    Ok(Pair { touch: uses(world, own), ..pair(world, method, &path(own), &path(&other), body) })
}

fn stored(
    world: &World,
    number: usize,
    random: &mut Random,
    method: &str,
    rest: &str,
    body: &[u8],
) -> anyhow::Result<Pair> {
    let own = thing(&world.buckets, number)?;
    Ok(stored_as(world, method, own, &random.name(), rest, body))
}

fn stored_as(world: &World, method: &str, own: &str, other: &str, rest: &str, body: &[u8]) -> Pair {
    let path = |name: &str| match rest {
        "" => format!("/v1/storage/{name}"),
        _ => format!("/v1/storage/{name}/{name}"),
    };
    let key = world.tenants.first().map_or("", |tenant| tenant.key.as_str());
    let touch = vec![Question::new("GET", &format!("/v1/storage/{own}/{own}"), key, "", b"")];
    Pair { touch, ..pair(world, method, &path(own), &path(other), body) }
}

/// A tenant uses its key.
fn limits(world: &World, number: usize) -> anyhow::Result<Question> {
    Ok(Question::new("GET", "/v1/limits", &tenant(world, number)?.key, "", b""))
}

/// A key's id with another key's secret, and the id of no key with the same.
fn wrong_secret(key: &str, nobody: &str) -> anyhow::Result<Pair> {
    let other = NewKey::generate()?.reveal();
    let secret = other.get(30..).context("not a key")?;
    let question = |key: &str| -> anyhow::Result<Question> {
        let id = key.get(..30).context("not a key")?;
        Ok(Question::new("GET", "/v1/limits", &format!("{id}{secret}"), "", b""))
    };
    Ok(Pair { touch: Vec::new(), foreign: question(key)?, absent: question(nobody)?, after: Vec::new() })
}

/// A tenant that there is not, and a key, of the time of the owner's.
pub(super) fn made_up(owner: &Tenant) -> anyhow::Result<Tenant> {
    let (id, key) = (TenantId::generate().to_string(), NewKey::generate()?.reveal());
    Ok(Tenant { id: near(&owner.id, id), key: near(&owner.key, key) })
}

fn nobody(world: &World) -> anyhow::Result<&Tenant> {
    world.nobody.as_ref().context("nobody was made up")
}

/// An id that nobody has, made at the same time as one that somebody has: ids begin with the time of their making.
fn near(id: &str, other: String) -> String {
    let time = id.find('_').map_or(0, |at| at + 1) + 10;
    match (id.get(..time), other.get(time..)) {
        (Some(time), Some(lots)) => format!("{time}{lots}"),
        _ => other,
    }
}

/// A component that nobody has uploaded: the smallest agent with a section of a name of its own.
fn component(random: &mut Random) -> anyhow::Result<Vec<u8>> {
    let mut bytes = wat::parse_str(include_str!("../../../tests/agents/echo.wat"))?;
    let name = random.name();
    let length = u8::try_from(name.len())?;
    bytes.extend([0, length + 1, length]);
    bytes.extend(name.as_bytes());
    Ok(bytes)
}
