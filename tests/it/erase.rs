//! Erasing a tenant, over HTTP, on a host of its own whose files are searched afterwards.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use insula_runtime::HostSettings;
use serde_json::{Value, json};

use crate::harness::{Host, Reply, Tenant, agents, eventually};

const CANARY: &str = "canary-of-the-erased";

/// Every file beneath a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Files and directories that have this text in their names or in their bytes.
fn holding(host: &Host, text: &str) -> Vec<PathBuf> {
    let has = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let mut found = files(host.data.path());
    found.retain(|path| has(path.to_str().unwrap().as_bytes()) || has(&std::fs::read(path).unwrap()));
    found
}

/// Gives a tenant an agent with a configuration, an entry, a call and a line in its log.
fn settle(host: &Host, name: &str, word: &str) -> Tenant {
    let tenant = host.tenant(name);
    tenant.deploy(word, &agents::text("echo"));
    tenant.deploy("trap", &agents::edited("", "unreachable"));
    let config = json!({ "name": word }).to_string();
    let path = format!("/v1/agents/{word}/config");
    assert!(tenant.send("PUT", &path, &[("content-type", "application/json")], Some(config.as_bytes())).status < 300);
    assert_eq!(tenant.send("PUT", &format!("/v1/storage/b/{word}"), &[], Some(word.as_bytes())).status, 201);
    assert_eq!(tenant.invoke(word, word).status, 200);
    assert_eq!(tenant.invoke("trap", word).status, 500);
    assert!(tenant.get("/v1/logs").text().contains("agent-trap"));
    tenant
}

/// All that a tenant sees of itself.
fn look(tenant: &Tenant, word: &str) -> Vec<String> {
    let own =
        [format!("/v1/agents/{word}/config"), format!("/v1/agents/{word}/versions"), format!("/v1/storage/b/{word}")];
    let all = ["/v1/agents", "/v1/storage/b", "/v1/logs", "/v1/usage", "/v1/limits"].map(str::to_owned);
    own.iter().chain(&all).map(|path| tenant.get(path).text()).collect()
}

fn erase(host: &Host, tenant: &Tenant) -> Reply {
    host.operate("POST", &format!("/v1/tenants/{}/erase", tenant.id), None)
}

fn place<'r>(report: &'r Value, name: &str) -> &'r Value {
    report["places"].as_array().unwrap().iter().find(|place| place["place"] == name).unwrap()
}

#[test]
fn an_erased_tenant_leaves_nothing_and_its_neighbours_keep_everything() {
    let host = Host::start(HostSettings::standard());
    let ours = settle(&host, "ours", CANARY);
    let (theirs, bystander) =
        (settle(&host, "theirs", "word-of-theirs"), settle(&host, "bystander", "word-of-bystander"));
    let before = (look(&theirs, "word-of-theirs"), look(&bystander, "word-of-bystander"));
    assert!(!holding(&host, CANARY).is_empty());

    let reply = erase(&host, &ours);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let report = reply.json();
    for (name, found) in [("storage-keys", 1), ("components", 2), ("artefacts", 2), ("keys", 1), ("agents", 2)] {
        assert_eq!(place(&report, name)["found"], found, "{report}");
    }
    for (name, least) in [("log-lines", 1), ("files", 5), ("loaded-components", 2), ("configuration-entries", 1)] {
        assert!(place(&report, name)["found"].as_u64().unwrap() >= least, "{name}: {report}");
    }
    let used = ["usage-rows", "pending-usage"].map(|name| place(&report, name)["found"].as_u64().unwrap());
    assert!(used.iter().sum::<u64>() >= 2, "{report}");
    assert!(report["places"].as_array().unwrap().iter().all(|place| place["left"] == 0), "{report}");
    assert_eq!(report["kept"][0]["place"], "audit-records");

    assert_eq!(holding(&host, CANARY), Vec::<PathBuf>::new());
    let named = holding(&host, &ours.id);
    let in_catalog = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("catalog.sqlite");
    assert!(named.iter().all(in_catalog), "{named:?}");
    for path in ["/v1/limits", "/v1/agents", "/v1/logs"] {
        assert_eq!(ours.get(path).status, 401);
    }
    assert_eq!((look(&theirs, "word-of-theirs"), look(&bystander, "word-of-bystander")), before);
    let usage = host.operate("GET", &format!("/v1/tenants/{}/usage", ours.id), None).json();
    assert_eq!(usage["usage"], json!([]), "no later flush brings it back");
}

#[test]
fn a_call_in_flight_is_stopped_and_writes_nothing_back() {
    let host = Host::start(HostSettings::standard());
    let limits = json!({ "cpu-us": 60_000_000, "wall-us": 60_000_000, "fuel": 1_000_000_000_000_u64 });
    let ours = host.tenant_with("ours", &limits);
    let bystander = settle(&host, "bystander", "word-of-bystander");
    ours.deploy("spin", &agents::edited("", "(loop $spin (br $spin))"));
    let spinning = std::thread::spawn({
        let ours = ours.clone();
        move || ours.invoke("spin", "{}")
    });
    eventually("the call is in flight", || {
        let metrics = host.operate("GET", "/metrics", None).text();
        metrics.contains("insula_calls_in_flight 1\n").then_some(())
    });
    let began = Instant::now();
    let reply = erase(&host, &ours);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(began.elapsed() < Duration::from_secs(20));
    assert!(spinning.join().unwrap().status >= 400);
    let again = erase(&host, &ours).json();
    assert!(again["places"].as_array().unwrap().iter().all(|place| place["found"] == 0), "{again}");
    assert_eq!(host.operate("GET", &format!("/v1/tenants/{}/usage", ours.id), None).json()["usage"], json!([]));
    assert_eq!(bystander.invoke("word-of-bystander", "x").status, 200);
}

#[test]
fn a_tombstone_keeps_the_id_and_frees_the_name_until_it_is_deleted() {
    let host = Host::start(HostSettings::standard());
    let ours = settle(&host, "ours", "word");
    let bystander = settle(&host, "bystander", "word-of-bystander");
    let path = format!("/v1/tenants/{}", ours.id);
    let name = host.operate("GET", &path, None).json()["name"].as_str().unwrap().to_owned();
    assert_eq!(host.operate("DELETE", &path, None).status, 409, "it has data");
    assert_eq!(erase(&host, &ours).status, 200);
    let tombstone = host.operate("GET", &path, None).json();
    assert_eq!((&tombstone["state"], &tombstone["name"]), (&json!("erased"), &json!(ours.id)));
    for (method, rest, body) in [("POST", "/keys", "{}"), ("POST", "/resume", ""), ("PATCH", "", "{}")] {
        let body: Option<Value> = serde_json::from_str(body).ok();
        let refused = host.operate(method, &format!("{path}{rest}"), body.as_ref());
        assert_eq!((refused.status, refused.code().as_str()), (409, "conflict"), "{method} {rest}");
    }
    let made = host.operate("POST", "/v1/tenants", Some(&json!({ "name": name })));
    assert_eq!(made.status, 201, "{}", made.text());
    assert_ne!(made.json()["tenant"], json!(ours.id));
    assert_eq!(host.operate("DELETE", &path, None).status, 204);
    assert_eq!(host.operate("GET", &path, None).status, 404);
    assert_eq!(erase(&host, &ours).status, 404);
    assert_eq!(bystander.get("/v1/storage/b/word-of-bystander").text(), "word-of-bystander");
}
