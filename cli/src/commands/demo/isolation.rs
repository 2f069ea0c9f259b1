//! Storage, seen from both sides: keys that are apart, and a foreign thing that looks like an absent one (T6).

use std::collections::BTreeSet;

use anyhow::Context;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::client::{self, Answer, Request};
use crate::terminal::{self, Cell, Table, dim, good};

use super::claims::Claims;
use super::stage::{Player, Stage};
use super::tickets::CUSTOMER;

/// The bucket that `triage` writes to.
const BUCKET: &str = "customer-history";

pub(super) fn play(stage: &Stage, claims: &mut Claims<'_>) -> anyhow::Result<Value> {
    claims.section(
        "Storage, from both sides",
        "Both list the bucket that `triage` writes to. No path names a tenant: the key that is sent decides.",
    );
    let (acme, globex) = (keys(&stage.acme)?, keys(&stage.globex)?);
    let mut table = Table::new(&["key", "acme", "globex"]);
    for key in acme.union(&globex) {
        table.row([Cell::text(key), presence(acme.contains(key)), presence(globex.contains(key))]);
    }
    claims.lines(&table.lines());
    claims.line("");

    let only_acme: Vec<_> = acme.difference(&globex).cloned().collect();
    claims.claim(
        !only_acme.is_empty() && !globex.is_empty(),
        &format!("acme has {} that globex does not have", terminal::plural(only_acme.len() as u64, "key")),
        &format!("acme {acme:?}, globex {globex:?}"),
    );
    same_name(stage, claims)?;
    absent_and_foreign(stage, claims, only_acme.first().map_or("ticket/T-1001", String::as_str))?;
    mismatch(stage, claims)?;
    Ok(json!({"acme": acme, "globex": globex}))
}

/// One name in both tenants names two values.
fn same_name(stage: &Stage, claims: &mut Claims<'_>) -> anyhow::Result<()> {
    let path = client::path(&["storage", BUCKET, &format!("customer/{CUSTOMER}")]);
    let (acme, globex) = (stage.acme.get(&path)?, stage.globex.get(&path)?);
    claims.claim(
        acme.is_success() && globex.is_success() && acme.body != globex.body,
        &format!("customer/{CUSTOMER} is in both, and is not the same: each history has its own tenant's tickets"),
        &format!("{}, {}", seen(&acme), seen(&globex)),
    );
    Ok(())
}

/// What another tenant has and what no one has get the very same answer, for keys and for agents.
fn absent_and_foreign(stage: &Stage, claims: &mut Claims<'_>, of_acme: &str) -> anyhow::Result<()> {
    let foreign = stage.globex.get(&client::path(&["storage", BUCKET, of_acme]))?;
    let absent = stage.globex.get(&client::path(&["storage", BUCKET, "ticket/T-0"]))?;
    claims.claim(
        foreign.status == 404 && look_the_same(&foreign, &absent),
        &format!(
            "globex asks for {of_acme}, which acme has, and for a key that no one has: 404, byte by byte the same"
        ),
        &format!("{}, {}", seen(&foreign), seen(&absent)),
    );
    let foreign = stage.acme.get("/v1/agents/hostile")?;
    let absent = stage.acme.get("/v1/agents/no-such-agent")?;
    claims.claim(
        foreign.status == 404 && look_the_same(&foreign, &absent),
        "acme asks for globex's agent `hostile`, and for one that no one has: the same 404 again",
        &format!("{}, {}", seen(&foreign), seen(&absent)),
    );
    Ok(())
}

/// A client that says whose data it wants is refused when its key says otherwise.
fn mismatch(stage: &Stage, claims: &mut Claims<'_>) -> anyhow::Result<()> {
    let request = Request::new(Method::GET, "/v1/agents").header("insula-tenant", &stage.acme.id);
    let refused = stage.globex.client.exchange(request)?;
    claims.claim(
        refused.status == 403,
        "globex's key with `Insula-Tenant: ` and acme's id is refused: a header opens nothing",
        &seen(&refused),
    );
    Ok(())
}

fn keys(player: &Player) -> anyhow::Result<BTreeSet<String>> {
    let answer = player.client.get(&client::path(&["storage", BUCKET])).context("the storage cannot be listed")?;
    let entries = answer.get("entries").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(entries.iter().filter_map(|entry| Some(entry.get("key")?.as_str()?.to_owned())).collect())
}

/// Whether two answers are the same but for the headers that name the request and the time.
fn look_the_same(one: &Answer, other: &Answer) -> bool {
    let headers = |answer: &Answer| -> Vec<(String, Vec<u8>)> {
        let telling = answer.headers.iter().filter(|(name, _)| !matches!(name.as_str(), "insula-request-id" | "date"));
        let mut telling: Vec<_> =
            telling.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
        telling.sort();
        telling
    };
    one.status == other.status && one.body == other.body && headers(one) == headers(other)
}

fn presence(is_there: bool) -> Cell {
    if is_there { Cell::text("yes").styled(good) } else { Cell::text("-").styled(dim) }
}

fn seen(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let start: String = terminal::plain(&text).chars().take(120).collect();
    format!("{} {start}", answer.status)
}

#[cfg(test)]
mod tests {
    use ureq::http::{HeaderMap, HeaderValue};

    use super::*;

    fn answer(status: u16, request: &'static str, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("insula-request-id", HeaderValue::from_static(request));
        headers.insert("content-type", HeaderValue::from_static("application/problem+json"));
        Answer { status, headers, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn answers_look_the_same_when_only_the_request_differs() {
        assert!(look_the_same(&answer(404, "inv_1", "{}"), &answer(404, "inv_2", "{}")));
        assert!(!look_the_same(&answer(404, "inv_1", "{}"), &answer(403, "inv_1", "{}")));
        assert!(!look_the_same(&answer(404, "inv_1", "{}"), &answer(404, "inv_1", "{ }")));
        let mut telling = answer(404, "inv_1", "{}");
        telling.headers.insert("x-owner", HeaderValue::from_static("acme"));
        assert!(!look_the_same(&telling, &answer(404, "inv_1", "{}")));
    }
}
