//! Every function of the SDKs, in each language and engine: the same answers from the same host, and nothing beyond it.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Bystander, Host, Reply, Tenant, agents};

const AGENT: &str = "surface";

fn act(tenant: &Tenant, name: &str) -> Reply {
    let headers = [("content-type", "application/json"), ("insula-meta-who", "marta"), ("idempotency-key", "k-1")];
    let body = json!({ "act": name }).to_string();
    tenant.send("POST", &format!("/v1/agents/{AGENT}/invoke"), &headers, Some(body.as_bytes()))
}

fn told(tenant: &Tenant, name: &str) -> Value {
    let reply = act(tenant, name);
    assert_eq!(reply.status, 200, "{name}: {}", reply.text());
    reply.json()
}

fn logged(tenant: &Tenant) -> String {
    tenant.get("/v1/logs?limit=500").text()
}

/// What does not depend on the language. `source` is how the log names the place of a mistake.
fn works(component: &[u8], source: &str) -> Tenant {
    let host = Host::shared();
    let (one, other) = (host.tenant("acme"), host.tenant("globex"));
    let bystander = Bystander::settle(host.tenant("bystander"));
    let configuration = json!({ "colour": "green" }).to_string();
    for tenant in [&one, &other] {
        tenant.deploy(AGENT, component);
        let path = format!("/v1/agents/{AGENT}/config");
        let set = tenant.send("PUT", &path, &[("content-type", "application/json")], Some(configuration.as_bytes()));
        assert!(set.status < 300, "{}", set.text());
    }
    let expected = json!({
        "grows": true, "text": "tea ☕", "json": { "n": 1 }, "life": true, "lifeless": null, "many": ["c", null],
        "refused": ["invalid-bucket", "invalid-ttl", "not-a-number", "conflict", "duplicate-key"],
        "numbers": [-2, 3, 2], "committed": 4, "updated": 1, "page": [["a", "b"], "b"],
        "reversed": ["u", "c", "b", "a"], "range": ["b", "c"], "buckets": ["n", "s"], "deleted": null,
    });
    // The other tenant begins from nothing, whatever the one wrote.
    for tenant in [&one, &other] {
        assert_eq!(told(tenant, "storage"), expected);
    }
    let expected = json!({
        "held": "lease-held", "kept": true, "hit": "value", "fresh": null, "stale": "old", "renewed": [true, "new"],
        "late": false, "released": "fill", "made": ["made", [1], [1]], "refused": ["invalid-namespace", "invalid-ttl"],
        "stats": true, "cleared": null,
    });
    assert_eq!(told(&one, "cache"), expected);
    let expected = json!({
        "config": [{ "colour": "green" }, "green", null], "meta": ["marta", null, "k-1"], "usage": true,
        "remaining": true,
    });
    assert_eq!(told(&one, "rest"), expected);
    let log = logged(&one);
    for line in ["two", "lines {", "debug", "trace", "warn", "from the console"] {
        assert!(log.contains(line), "{line:?} in {log}");
    }
    let echo = act(&one, "echo");
    assert_eq!((echo.text().as_str(), echo.header("content-type")), ("{\"act\":\"echo\"}", "application/octet-stream"));
    // A frozen seed would give every call the same luck, and every tenant too.
    let luck: Vec<_> = [&one, &one, &other].map(|tenant| told(tenant, "luck")).into();
    assert!(luck[0] != luck[1] && luck[1] != luck[2] && luck[0] != luck[2], "{luck:?}");
    assert!(told(&one, "time").as_u64().unwrap() > 1_700_000_000_000, "the clock stood still with the build");

    let refused = act(&one, "refuse");
    let problem = refused.json();
    assert_eq!((refused.status, problem["agent-code"].as_str()), (422, Some("unprocessable")), "{problem}");
    assert_eq!(refused.header("retry-after"), "5", "{problem}");
    let mistake = act(&one, "mistake");
    assert_eq!((mistake.status, mistake.code().as_str()), (500, "agent-trap"), "{}", mistake.text());
    assert!(!mistake.text().contains("surface/"), "{}", mistake.text());
    let log = logged(&one);
    assert!(log.contains(source) && log.contains("stumble"), "{source} in {log}");
    assert!(!logged(&other).contains("stumble"), "a mistake in another tenant's log");
    assert_eq!(act(&one, "nothing").status, 400);
    assert_eq!(other.get("/v1/usage").json()["total"]["calls"], 2);
    bystander.assert_untouched();
    one
}

#[test]
fn typescript_reaches_every_capability_in_quickjs_and_nothing_else() {
    let Some(component) = agents::typescript() else { return };
    let tenant = works(component, "src/agent.ts:144");
    assert_eq!(told(&tenant, "world"), json!({ "fetch": "undefined", "process": "undefined" }));
}

#[test]
fn the_same_agents_work_in_spidermonkey() {
    let Some(component) = agents::spidermonkey() else { return };
    let tenant = works(component, "typescript/src/agent.ts:144");
    assert_eq!(told(&tenant, "world"), json!({ "fetch": "undefined", "process": "undefined" }));
    let faq = |body: Value| tenant.invoke(AGENT, &body.to_string());
    assert_eq!(faq(json!({ "put": { "question": "Where is the key?", "answer": "Under the mat." } })).status, 200);
    let asked = faq(json!({ "ask": { "question": "the key, please" } }));
    assert_eq!((asked.json()["answer"].as_str(), asked.header("insula-meta-cache")), (Some("Under the mat."), "made"));
    assert_eq!(faq(json!({ "ask": { "question": "keys" } })).header("insula-meta-cache"), "fresh");
}

#[test]
fn python_reaches_every_capability_and_nothing_else() {
    let Some(component) = agents::python() else { return };
    let tenant = works(component, "agent.py\\\", line 1");
    let expected =
        json!({ "file": "denied", "folder": "denied", "write": "denied", "socket": "denied", "environment": [] });
    assert_eq!(told(&tenant, "world"), expected);
}

/// Runs a command of a language in a folder, which must work.
fn passes(path: &str, program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    command.current_dir(agents::folder(path)).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{path}: {program} {arguments:?}\n{said}{errors}");
}

#[test]
fn the_sdks_and_the_samples_pass_their_own_tests_without_wasm() {
    if agents::faq().is_some() && agents::typescript().is_some() {
        passes("sdk/javascript", "node", &["--test"]);
        passes("sample-agents/faq", "node", &["--test"]);
        passes("tests/guests/typescript", "node", &["node_modules/typescript/bin/tsc", "--project", "."]);
    }
    if agents::analyst().is_some() {
        let python = agents::folder("sample-agents/analyst/.venv/bin/python");
        // With the python that has componentize-py beside it, the SDK's forms are compared with its bindings.
        for path in ["sdk/python", "sample-agents/analyst"] {
            passes(path, python.to_str().unwrap(), &["-m", "unittest", "discover", "-s", "tests"]);
        }
    }
}
