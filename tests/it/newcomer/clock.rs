//! A clock that stands still, for cases of agents that tell the time: told to one tenant, and to nobody else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use insula_runtime::tenancy::{Credential, Manage};
use serde_json::json;

use crate::harness::{Bystander, Host, Tenant, agents};

/// 2026-11-24T12:00:00Z.
const NOON_MS: u64 = 1_795_521_600_000;

/// When the ledger says that an account's first entry was made.
fn opened_at(tenant: &Tenant, account: &str) -> u64 {
    let ask = |request: serde_json::Value| {
        let reply = tenant.invoke("ledger", &request.to_string());
        assert_eq!(reply.status, 200, "{request}: {}", reply.text());
        reply.json()
    };
    ask(json!({ "open": { "account": account, "opening": 1 } }));
    ask(json!({ "statement": { "account": account, "limit": 1 } }))["entries"][0]["at"].as_u64().unwrap()
}

#[test]
fn one_tenants_guests_are_told_a_time_and_its_neighbours_go_by_the_real_clock() {
    let host = Host::shared();
    let (told, neighbour) = (host.tenant("told"), host.tenant("neighbour"));
    let bystander = Bystander::settle(host.tenant("bystander"));
    for tenant in [&told, &neighbour] {
        tenant.deploy("ledger", agents::ledger());
    }
    let now_ms = || u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let before = now_ms();
    let control = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tell = |time: Option<Duration>| {
        control.block_on(async {
            let scope = host.runtime.login(&told.key.parse::<Credential>().unwrap()).await.unwrap();
            host.runtime.tell_time(&scope.permit::<Manage>().unwrap(), time).await.unwrap();
        });
    };
    tell(Some(Duration::from_millis(NOON_MS)));
    assert_eq!((opened_at(&told, "a"), opened_at(&told, "b")), (NOON_MS, NOON_MS), "it stands still");
    assert!(opened_at(&neighbour, "a") >= before);
    tell(None);
    assert!(opened_at(&told, "c") >= before);
    bystander.assert_untouched();
}
