//! Uploads: what is no agent is refused by name, what breaks off leaves nothing, and whatever happens, the version that
//! answered goes on answering.

mod bombs;
pub(crate) mod compiler;
mod disk;
mod results;

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Bystander, Host, Raw, Reply, Tenant, agents, eventually};
use crate::http::assert_refused;

const WASM: (&str, &str) = ("content-type", "application/wasm");

/// A tenant whose agent answers, and all that must be as it was after a refused upload.
struct Settled {
    tenant: Tenant,
    version: String,
    before: (Value, Value),
    bystander: Bystander,
}

impl Settled {
    fn on(host: &Host, limits: &Value) -> Self {
        let tenant = host.tenant_with("uploader", limits);
        let deployed = tenant.deploy("steady", &agents::text("echo"));
        let version = deployed["version"].as_str().unwrap().to_owned();
        let before = Self::look(host, &tenant);
        Self { tenant, version, before, bystander: Bystander::settle(host.tenant("bystander")) }
    }

    /// The agents with their versions, and how many files there are of them.
    fn look(host: &Host, tenant: &Tenant) -> (Value, Value) {
        let agents = tenant.get("/v1/agents").json();
        let held = host.operate("GET", &format!("/v1/tenants/{}", tenant.id), None).json()["holdings"].clone();
        (
            json!([agents, tenant.get("/v1/agents/steady/versions").json()]),
            json!([held["components"], held["artefacts"]]),
        )
    }

    /// Files of uploads that are not finished.
    fn staged(&self, host: &Host) -> usize {
        let staging = host.data.path().join("data/tenants").join(&self.tenant.id).join("staging");
        fs::read_dir(&staging).unwrap_or_else(|error| panic!("{}: {error}", staging.display())).count()
    }

    #[track_caller]
    fn assert_unchanged(&self, host: &Host) {
        eventually("what was staged is gone", || (self.staged(host) == 0).then_some(()));
        assert_eq!(Self::look(host, &self.tenant), self.before);
        let reply = self.tenant.invoke("steady", "hello");
        assert_eq!((reply.status, reply.text().as_str()), (200, "hello"));
        assert_eq!(reply.header("insula-version"), self.version);
        self.bystander.assert_untouched();
    }
}

/// A component whose handler is made of this.
fn handler(text: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
            (core module $main (func (export "invoke") (param i32) (result i32) (local.get 0)))
            (core instance $main (instantiate $main))
            (func $invoke (param "number" u32) (result u32) (canon lift (core func $main "invoke")))
            {text})"#
    ))
    .unwrap()
}

#[test]
fn what_is_no_agent_is_refused_by_its_fault_and_leaves_nothing() {
    let host = Host::shared();
    let settled = Settled::on(host, &json!({}));
    let echo = agents::text("echo");
    let unknown = wat::parse_str(
        r#"(component
            (import "wasi:nn/tensor@0.2.0" (instance))
            (import "evil:thing/door@1.0.0" (instance))
            (import "wasi:cli/stdout@0.3.0" (instance)))"#,
    );
    let wrong_function = handler(
        r#"(instance $handler (export "invoke" (func $invoke))) (export "insula:agent/handler@0.1.0" (instance $handler))"#,
    );
    let wrong_kind = handler(r#"(export "insula:agent/handler@0.1.0" (func $invoke))"#);
    let other_version = handler(
        r#"(instance $handler (export "invoke" (func $invoke))) (export "insula:agent/handler@0.2.0" (instance $handler))"#,
    );
    let wrong_import = wat::parse_str(format!(
        r#"(component (import "insula:agent/config@0.1.0" (instance (export "get" (func (param "name" u32))))) {})"#,
        r#"(instance $handler) (export "insula:agent/handler@0.1.0" (instance $handler))"#
    ));
    let many_modules = wat::parse_str(format!("(component {})", "(core module)".repeat(40))).unwrap();
    let trailing = [echo.as_slice(), b"and more"].concat();
    let cases: [(&str, Vec<u8>); 13] = [
        ("empty-upload", Vec::new()),
        ("not-wasm", b"#!/bin/sh\necho hello\n".to_vec()),
        ("not-wasm", b"\0as".to_vec()),
        ("core-module", wat::parse_str("(module)").unwrap()),
        ("no-handler", wat::parse_str("(component)").unwrap()),
        ("no-handler", other_version),
        ("unknown-imports", unknown.unwrap()),
        ("wrong-handler", wrong_function),
        ("wrong-handler", wrong_kind),
        ("wrong-handler", wrong_import.unwrap()),
        ("component-too-complex", many_modules),
        ("malformed-component", trailing),
        ("malformed-component", b"\0asm\x0d\0\x01\0\xff\xff\xff".to_vec()),
    ];
    for (code, component) in cases {
        // Over an agent that is there, and as a new one.
        for agent in ["steady", "new"] {
            let reply = settled.tenant.upload(agent, &component);
            assert_refused(&reply, 422, code);
            if code == "unknown-imports" {
                let names = json!(["wasi:nn/tensor@0.2.0", "evil:thing/door@1.0.0", "wasi:cli/stdout@0.3.0"]);
                assert_eq!(reply.json()["imports"], names);
                let detail = reply.json()["detail"].as_str().unwrap().to_owned();
                assert!(
                    names.as_array().unwrap().iter().all(|name| detail.contains(name.as_str().unwrap())),
                    "{detail}"
                );
            }
        }
        settled.assert_unchanged(host);
    }
}

#[test]
fn a_component_that_was_cut_short_is_refused_wherever_the_cut_is() {
    let host = Host::shared();
    let settled = Settled::on(host, &json!({}));
    for whole in [agents::text("echo"), agents::probe().to_vec()] {
        let length = whole.len();
        for cut in [1, 4, 7, 8, 9, length / 8, length / 4, length / 2, length * 3 / 4, length - 1] {
            let reply = settled.tenant.upload("steady", &whole[..cut]);
            let code = match cut {
                1 => "not-wasm",
                // Nothing but the preamble: a component, though of nothing.
                8 => "no-handler",
                _ => "malformed-component",
            };
            assert_refused(&reply, 422, code);
        }
    }
    settled.assert_unchanged(host);
}

#[test]
fn bytes_that_a_compiler_refuses_leave_nothing() {
    let host = Host::shared();
    let settled = Settled::on(host, &json!({}));
    // The scan does not look into functions. These two return a number: one of them has it.
    let good = agents::edited("(func (result i32) (i32.const 1))", "");
    let bad = agents::edited("(func (result i32) (nop))", "");
    let reply = settled.tenant.upload("steady", &bad);
    assert_refused(&reply, 422, "compile-failed");
    settled.assert_unchanged(host);
    let other = host.tenant("neighbour");
    other.deploy("good", &good);
    assert_eq!(other.invoke("good", "hello").text(), "hello");
}

#[test]
fn an_upload_that_does_not_keep_its_word_is_not_stored() {
    let host = Host::shared();
    let settled = Settled::on(host, &json!({}));
    let (echo, key) = (agents::text("echo"), &settled.tenant.key);
    // The whole of a good component, where more was declared; and half of one.
    for (sent, declared) in [(echo.as_slice(), echo.len() + 1), (&echo[..echo.len() / 2], echo.len())] {
        let length = format!("content-length: {declared}");
        for agent in ["steady", "new"] {
            let path = format!("/v1/agents/{agent}");
            // It says that it has finished, and may read why that was not enough.
            let mut raw = Raw::connect(host.address);
            raw.head("PUT", &path, key, &["content-type: application/wasm", &length]).send(sent).finish();
            if let Some(reply) = raw.reply() {
                assert_refused(&reply, 400, "incomplete-body");
                assert!(raw.ended());
            }
            // It goes away.
            let mut raw = Raw::connect(host.address);
            raw.head("PUT", &path, key, &["content-type: application/wasm", &length]).send(sent);
            drop(raw);
        }
    }
    let mut raw = Raw::connect(host.address);
    raw.head("PUT", "/v1/agents/new", key, &["content-type: application/wasm", "transfer-encoding: chunked"]);
    raw.send(format!("{:x}\r\n", echo.len())).send(&echo).send("\r\n").finish();
    if let Some(reply) = raw.reply() {
        assert_refused(&reply, 400, "incomplete-body");
    }
    settled.assert_unchanged(host);
}

#[test]
fn an_upload_says_that_it_is_wasm() {
    let host = Host::shared();
    let settled = Settled::on(host, &json!({}));
    let echo = agents::text("echo");
    for stated in
        [None, Some("application/octet-stream"), Some("text/plain; application/wasm"), Some("application/wasmx")]
    {
        let headers: Vec<_> = stated.map(|stated| ("content-type", stated)).into_iter().collect();
        let reply = settled.tenant.send("PUT", "/v1/agents/steady", &headers, Some(&echo));
        assert_refused(&reply, 415, "unsupported-media-type");
    }
    settled.assert_unchanged(host);
}

#[test]
fn an_upload_over_the_cap_is_refused_by_what_it_declares_and_by_what_it_is() {
    let host = Host::shared();
    let echo = agents::text("echo");
    let cap = echo.len();
    let settled = Settled::on(host, &json!({ "component-bytes": cap }));
    let key = &settled.tenant.key;
    let large = padded(&echo, 1);
    let reply = settled.tenant.upload("steady", &large);
    assert_refused(&reply, 413, "component-too-large");
    assert_eq!(reply.json()["limit"], cap);
    // By what it declares: nothing of it is waited for.
    let mut raw = Raw::connect(host.address);
    let length = format!("content-length: {}", cap + 1);
    raw.head("PUT", "/v1/agents/steady", key, &["content-type: application/wasm", &length]);
    assert_refused(&raw.answer(), 413, "component-too-large");
    // By what it is: cut where it goes over, and not read to an end that may never come.
    let mut raw = Raw::connect(host.address);
    raw.head("PUT", "/v1/agents/steady", key, &["content-type: application/wasm", "transfer-encoding: chunked"]);
    raw.send(format!("{:x}\r\n", large.len())).send(&large).send("\r\n");
    assert_refused(&raw.answer(), 413, "component-too-large");
    settled.assert_unchanged(host);
    // Exactly at the cap, in whatever pieces.
    let mut raw = Raw::connect(host.address);
    raw.head("PUT", "/v1/agents/exact", key, &["content-type: application/wasm", "transfer-encoding: chunked"]);
    for piece in echo.chunks(100) {
        raw.send(format!("{:x}\r\n", piece.len())).send(piece).send("\r\n");
    }
    let reply = raw.send("0\r\n\r\n").answer();
    assert_eq!(reply.status, 201, "{}", reply.text());
    assert_eq!(settled.tenant.invoke("exact", "hello").text(), "hello");
}

#[test]
fn an_agent_has_a_plain_name() {
    let host = Host::shared();
    let settled = Settled::on(host, &json!({}));
    let echo = agents::text("echo");
    let long = "a".repeat(64);
    for name in
        ["Steady", "1st", "-a", "a_b", "a.b", "a%20b", "..", "%2e%2e%2fsteady", "a%2Fb", "st%00eady", "%C3%A9", &long]
    {
        assert_refused(&settled.tenant.upload(name, &echo), 400, "invalid-agent-name");
    }
    settled.assert_unchanged(host);
    let longest = "a".repeat(63);
    settled.tenant.deploy(&longest, &echo);
    assert_eq!(settled.tenant.invoke(&longest, "hello").text(), "hello");
}

#[test]
fn of_two_uploads_at_once_both_are_versions_and_the_later_one_answers() {
    let host = Host::shared();
    let (tenant, neighbour) = (host.tenant("hasty"), host.tenant("neighbour"));
    let bystander = Bystander::settle(host.tenant("bystander"));
    let numbered = |number: u32| agents::edited(&format!("(global $upload i32 (i32.const {number}))"), "");
    neighbour.deploy("raced", &numbered(0));
    for round in 0..3 {
        let components = [numbered(2 * round + 1), numbered(2 * round + 2)];
        let replies: Vec<Reply> = std::thread::scope(|scope| {
            let uploads: Vec<_> = components.iter().map(|one| scope.spawn(|| tenant.upload("raced", one))).collect();
            uploads.into_iter().map(|upload| upload.join().unwrap()).collect()
        });
        let mut deployed: Vec<Value> = replies
            .iter()
            .map(|reply| {
                assert_eq!(reply.status, 201, "{}", reply.text());
                reply.json()
            })
            .collect();
        deployed.sort_by_key(|one| one["number"].as_u64());
        let numbers: Vec<_> = deployed.iter().map(|one| one["number"].as_u64().unwrap()).collect();
        let first = u64::from(2 * round + 1);
        assert_eq!(numbers, [first, first + 1]);
        assert_ne!(deployed[0]["version"], deployed[1]["version"]);
        let active = &tenant.get("/v1/agents/raced").json()["active"];
        assert_eq!(active["version"], deployed[1]["version"]);
        let reply = tenant.invoke("raced", "hello");
        assert_eq!(
            (reply.text().as_str(), reply.header("insula-version")),
            ("hello", active["version"].as_str().unwrap())
        );
    }
    assert_eq!(neighbour.get("/v1/agents/raced").json()["active"]["number"], 1);
    bystander.assert_untouched();
}

#[test]
fn a_suspended_tenant_and_a_key_that_may_not_deploy_upload_nothing() {
    let host = Host::shared();
    let settled = Settled::on(host, &json!({}));
    let (tenant, echo) = (&settled.tenant, agents::text("echo"));
    let one = format!("/v1/tenants/{}", tenant.id);
    let made =
        host.operate("POST", &format!("{one}/keys"), Some(&json!({ "permissions": ["invoke", "manage"] }))).json();
    let reply = tenant.with_key(made["key"].as_str().unwrap()).upload("steady", &echo);
    assert_refused(&reply, 403, "forbidden");
    assert_eq!(reply.json()["permission"], "deploy");
    settled.assert_unchanged(host);

    assert_eq!(host.operate("POST", &format!("{one}/suspend"), None).json()["state"], "suspended");
    for agent in ["steady", "new"] {
        assert_refused(&tenant.upload(agent, &echo), 403, "tenant-suspended");
    }
    assert_refused(&tenant.invoke("steady", "hello"), 403, "tenant-suspended");
    settled.bystander.assert_untouched();
    assert_eq!(host.operate("POST", &format!("{one}/resume"), None).json()["state"], "active");
    settled.assert_unchanged(host);
}

#[test]
fn a_staged_upload_waits_until_it_is_activated() {
    let host = Host::shared();
    let settled = Settled::on(host, &json!({}));
    let stage = |agent: &str| {
        let path = format!("/v1/agents/{agent}?activate=false");
        let reply = settled.tenant.send("PUT", &path, &[WASM], Some(agents::probe()));
        assert_eq!((reply.status, &reply.json()["activated"]), (201, &Value::Bool(false)), "{}", reply.text());
        reply.json()
    };
    let staged = stage("steady");
    assert_eq!(staged["number"], 2);
    assert_eq!(settled.tenant.invoke("steady", "hello").header("insula-version"), settled.version);
    // An agent that has never been active is not there for callers.
    let new = stage("new");
    assert_refused(&settled.tenant.invoke("new", "hello"), 404, "not-found");
    assert_eq!(settled.tenant.get("/v1/agents/new").json()["active"], Value::Null);
    for (agent, version) in [("steady", &staged["version"]), ("new", &new["version"])] {
        let activate = json!({ "version": version }).to_string();
        let path = format!("/v1/agents/{agent}/activate");
        let reply =
            settled.tenant.send("POST", &path, &[("content-type", "application/json")], Some(activate.as_bytes()));
        assert_eq!(reply.status, 200, "{}", reply.text());
        let reply = settled.tenant.invoke(agent, r#"{"call":"request"}"#);
        assert_eq!((reply.status, reply.header("insula-version")), (200, version.as_str().unwrap()));
    }
    assert_refused(
        &settled.tenant.send("PUT", "/v1/agents/new?activate=maybe", &[WASM], Some(b"")),
        400,
        "invalid-query",
    );
    assert_refused(
        &settled.tenant.send("PUT", "/v1/agents/new?active=false", &[WASM], Some(b"")),
        400,
        "invalid-query",
    );
    settled.bystander.assert_untouched();
}

#[test]
fn the_report_says_what_the_component_is_and_what_each_import_gets() {
    let host = Host::shared();
    let (ours, theirs) = (host.tenant("ours"), host.tenant("theirs"));
    let deployed = ours.deploy("probe", agents::probe());
    let report = &deployed["report"];
    assert_eq!(report["digest"], deployed["digest"]);
    assert_eq!(report["component-bytes"], agents::probe().len());
    assert!(report["artefact-bytes"].as_u64() > Some(0) && report["functions"].as_u64() > Some(0), "{report}");
    assert!(report["exports"].as_array().unwrap().contains(&json!("insula:agent/handler@0.1.0")), "{report}");
    let imports = report["imports"].as_array().unwrap();
    for name in ["storage", "cache", "log", "config", "usage"] {
        let granted = json!({ "name": format!("insula:agent/{name}@0.1.0"), "status": "granted" });
        assert!(imports.contains(&granted), "{granted} in {report}");
    }
    let status = |beginning: &str| {
        let find = |one: &&Value| one["name"].as_str().unwrap().starts_with(beginning);
        imports.iter().find(find).map(|one| one["status"].as_str().unwrap())
    };
    assert_eq!(status("wasi:cli/stdout@"), Some("granted"), "{report}");
    assert_eq!(status("wasi:filesystem/types@").unwrap_or("denied-stub"), "denied-stub", "{report}");
    // It is kept with the version, and the same for whoever uploads the same.
    assert_eq!(ours.get("/v1/agents/probe").json()["active"]["report"]["imports"], report["imports"]);
    assert_eq!(theirs.deploy("other-name", agents::probe())["report"]["imports"], report["imports"]);
}

/// The same component with bytes in it that mean nothing: a custom section. `more` counts the bytes of its payload.
fn padded(component: &[u8], more: usize) -> Vec<u8> {
    let mut rest = more + 1;
    let mut section = vec![0];
    // The section's length, and then a name of no letters.
    while rest >= 0x80 {
        section.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    section.push(u8::try_from(rest).unwrap());
    section.push(0);
    let mut padded = [component, &section].concat();
    padded.resize(padded.len() + more, b'x');
    padded
}

#[test]
fn elements_that_the_host_would_hold_for_each_instance_are_bounded() {
    let host = Host::shared();
    let settled = Settled::on(host, &json!({}));
    let items = "(ref.null func) ".repeat(10_000);
    let greedy = agents::edited(&format!("(elem funcref {items})"), "");
    assert_refused(&settled.tenant.upload("steady", &greedy), 422, "component-too-complex");
    settled.assert_unchanged(host);
}
