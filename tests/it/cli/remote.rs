//! Commands that talk to a host: a tenant's, and an operator's.

use std::fs;

use serde_json::json;

use super::{Person, assert_failed};
use crate::harness::{Bystander, Host, Tenant, agents, eventually};

#[test]
fn a_tenant_deploys_invokes_and_looks_after_its_agents() {
    let host = Host::shared();
    let (tenant, bystander) = (host.tenant("person"), Bystander::settle(host.tenant("bystander")));
    let person = Person::of(&tenant);
    let component = person.desk.path("echo.wasm");
    let deploy = |number: u32, more: &[&str]| {
        fs::write(&component, agents::edited(&format!("(global $number i32 (i32.const {number}))"), "")).unwrap();
        person.json(&[&["deploy", component.to_str().unwrap(), "--agent", "echo"], more].concat())
    };
    let first = deploy(1, &[]);
    assert_eq!((&first["agent"], &first["number"], &first["activated"]), (&json!("echo"), &json!(1), &json!(true)));
    let staged = deploy(2, &["--no-activate"]);
    assert_eq!((&staged["number"], &staged["activated"]), (&json!(2), &json!(false)));

    let invoked = person.run(&["invoke", "echo", "--input", "hello"]).done();
    assert_eq!(invoked.stdout, "hello");
    assert!(invoked.stderr.contains("bill") && invoked.stderr.contains("fuel"), "{}", invoked.stderr);
    let invoked = person.json(&["invoke", "echo", "--input", "{\"a\": 1}"]);
    assert_eq!((&invoked["body"], &invoked["version"]), (&json!({ "a": 1 }), &first["version"]));
    assert!(invoked["invocation"].as_str().unwrap().starts_with("inv_"), "{invoked}");

    let active = || person.json(&["agent", "show", "echo"])["active"]["version"].clone();
    assert_eq!(active(), first["version"]);
    person.run(&["agent", "activate", "echo", "2"]).done();
    assert_eq!(active(), staged["version"]);
    person.json(&["agent", "rollback", "echo"]);
    assert_eq!(active(), first["version"]);
    person.json(&["agent", "activate", "echo", staged["version"].as_str().unwrap()]);
    assert_eq!(active(), staged["version"]);
    assert_failed(&person.run(&["agent", "activate", "echo", "7"]), 1, &["`echo` has no version 7"]);
    let versions = person.json(&["agent", "versions", "echo"]);
    assert_eq!(versions["versions"].as_array().unwrap().len(), 2, "{versions}");
    assert_eq!(person.json(&["agent", "list"])["agents"][0]["agent"], "echo");
    for (arguments, words) in [
        (&["agent", "list"][..], ["echo", "2"]),
        (&["agent", "show", "echo"], ["agt_", "sha256:"]),
        (&["agent", "versions", "echo"], ["ver_", "active"]),
    ] {
        let page = person.run(arguments).done();
        assert!(words.iter().all(|word| page.stdout.contains(word)) && page.stderr.is_empty(), "{page:?}");
    }

    assert_eq!(person.json(&["agent", "delete", "echo"]), json!({ "agent": "echo", "deleted": true }));
    for arguments in [&["invoke", "echo", "--input", "x"][..], &["agent", "show", "echo"], &["agent", "delete", "echo"]]
    {
        assert_failed(&person.run(arguments), 1, &["404 (not-found)", "try: "]);
    }
    // What is another's is not there either.
    assert_failed(&person.run(&["invoke", "probe", "--input", "x"]), 1, &["404 (not-found)"]);
    bystander.assert_untouched();
}

#[test]
fn a_folder_is_built_and_deployed_with_its_defaults_and_what_was_set_stays() {
    let host = Host::shared();
    let (tenant, bystander) = (host.tenant("builder"), Bystander::settle(host.tenant("bystander")));
    let person = Person::of(&tenant);
    let agent = person.desk.path("agent");
    fs::create_dir(&agent).unwrap();
    fs::copy(agents::folder("tests/agents/echo.wat"), agent.join("echo.wat")).unwrap();
    fs::write(agent.join("component.wasm"), agents::probe()).unwrap();
    let manifest = |limits: &str| {
        let text = format!(
            "[agent]\nname = 'mine'\nlanguage = 'rust'\n[build]\ncommand = ['cp', 'component.wasm', 'built.wasm']\n\
             component = 'built.wasm'\n[config]\ngreeting = 'hello'\ntone = 'kind'\n[limits]\n{limits}\n"
        );
        fs::write(agent.join("insula.toml"), text).unwrap();
    };
    manifest("fuel = 1_000_000");
    let deployed = person.json(&["deploy", agent.to_str().unwrap()]);
    assert_eq!((&deployed["agent"], &deployed["activated"]), (&json!("mine"), &json!(true)));
    assert_eq!(person.json(&["config", "get", "mine"]), json!({ "greeting": "hello", "tone": "kind" }));

    let note = person.desk.path("note.txt");
    fs::write(&note, "from a file").unwrap();
    let file = format!("note=@{}", note.display());
    let set = person.json(&["config", "set", "mine", "greeting=moin", &file, "--unset", "tone"]);
    assert_eq!(set, json!({ "greeting": "moin", "note": "from a file" }));
    assert_eq!(person.run(&["config", "get", "mine", "note"]).done().stdout, "from a file");
    assert_failed(&person.run(&["config", "get", "mine", "absent"]), 1, &["no configuration value `absent`"]);
    let seen = person.json(&["invoke", "mine", "--input", r#"{"call":"config.get","name":"greeting"}"#]);
    assert_eq!(seen["body"]["ok"], "moin");
    // Deployed again: what was set stays, and a default that is missing comes back.
    person.run(&["deploy", agent.to_str().unwrap()]).done();
    let expected = json!({ "greeting": "moin", "note": "from a file", "tone": "kind" });
    assert_eq!(person.json(&["config", "get", "mine"]), expected);
    // Limits that the tenant does not have are refused before anything is uploaded.
    manifest("fuel = 9_000_000_000_000");
    assert_failed(&person.run(&["deploy", agent.to_str().unwrap()]), 1, &["fuel", "try: "]);
    assert_eq!(person.json(&["agent", "versions", "mine"])["versions"].as_array().unwrap().len(), 2);
    manifest("petrol = 1");
    assert_failed(&person.run(&["deploy", agent.to_str().unwrap()]), 1, &["insula.toml:11: ", "petrol"]);
    bystander.assert_untouched();
}

#[test]
fn logs_usage_and_limits_are_the_tenants_own() {
    let host = Host::shared();
    let (tenant, neighbour) = (host.tenant_with("logger", &json!({ "value-bytes": 4_096 })), host.tenant("neighbour"));
    let (person, other) = (Person::of(&tenant), Person::of(&neighbour));
    for (tenant, word) in [(&tenant, "ours"), (&neighbour, "theirs")] {
        tenant.deploy("probe", agents::probe());
        for number in 0..3 {
            tenant.probe(&json!({ "call": "log.write", "level": "warn", "message": format!("{word} {number}") }));
        }
    }
    let page = person.run(&["logs", "probe"]).done();
    assert_eq!(page.stdout.lines().count(), 3, "{page:?}");
    assert!(
        page.stdout.contains("ours 2") && page.stdout.contains("warn") && !page.stdout.contains("theirs"),
        "{page:?}"
    );
    let logged = person.json(&["logs"]);
    assert_eq!(logged["lines"][2]["message"], "ours 2");
    let since = logged["lines"][1]["sequence"].to_string();
    assert_eq!(person.json(&["logs", "--since", &since])["lines"].as_array().unwrap().len(), 1);
    assert_eq!(person.json(&["logs", "absent"])["lines"], json!([]));

    let usage = person.json(&["usage"]);
    assert_eq!((&usage["usage"][0]["calls"], &usage["usage"][0]["failures"]), (&json!(3), &json!(0)), "{usage}");
    assert!(person.run(&["usage"]).done().stdout.contains("probe"));
    assert_eq!(person.json(&["limits"])["value-bytes"], 4_096);
    let page = person.run(&["limits"]).done().stdout;
    assert!(page.contains("4 KiB") && page.contains("tier standard"), "{page}");
    let detail = person.json(&["limits", "--detail"]);
    assert_eq!(detail["limits"]["value-bytes"], json!({ "value": 4_096, "source": "tenant" }));
    assert!(other.json(&["limits"])["value-bytes"].as_u64() > Some(4_096));
}

#[test]
fn a_followed_log_shows_lines_as_they_are_written() {
    let host = Host::shared();
    let (tenant, neighbour) = (host.tenant("follower"), host.tenant("neighbour"));
    for tenant in [&tenant, &neighbour] {
        tenant.deploy("probe", agents::probe());
    }
    let write = |tenant: &Tenant, message: &str| tenant.probe(&json!({ "call": "log.write", "message": message }));
    write(&tenant, "before");
    let person = Person::of(&tenant);
    let arguments = ["logs", "--follow", "--json", "--url", &person.url, "--key", &person.key];
    let following = person.desk.start(&arguments);
    assert_eq!(following.json()["message"], "before");
    for number in 0..3 {
        write(&neighbour, "not for them");
        write(&tenant, &number.to_string());
        let line = following.json();
        assert_eq!((&line["message"], &line["agent"]), (&json!(number.to_string()), &json!("probe")));
    }
}

#[test]
fn an_operator_looks_after_tenants_and_keys() {
    let operator = Person::operator();
    let name = format!("operated-{}", std::process::id());
    let made = operator.json(&["tenant", "create", &name, "--limit", "memory-bytes=64MiB", "--limit", "cpu-us=500ms"]);
    let (id, key) = (made["tenant"].as_str().unwrap(), made["key"].as_str().unwrap());
    let person = Person::at(Host::shared().address, key);
    let limits = person.json(&["limits"]);
    assert_eq!((&limits["memory-bytes"], &limits["cpu-us"]), (&json!(64 << 20), &json!(500_000)));
    assert_failed(&operator.run(&["tenant", "create", &name]), 1, &["409 (conflict)"]);
    assert_failed(&operator.run(&["tenant", "create", "free", "--limit", "cpu-us=1h"]), 2, &["1h"]);
    assert_failed(
        &operator.run(&["tenant", "create", "free", "--limit", "cpu-us=3_000s"]),
        1,
        &["cpu-us", "invalid-limit"],
    );

    let listed = operator.json(&["tenant", "list"]);
    assert!(listed["tenants"].as_array().unwrap().iter().any(|tenant| tenant["name"] == name), "{listed}");
    assert!(operator.run(&["tenant", "list"]).done().stdout.contains(&name));
    // By its name or by its id.
    assert_eq!(operator.json(&["tenant", "show", &name])["tenant"], id);
    assert_eq!(operator.json(&["tenant", "set", id, "--limit", "concurrency=3"])["limits"]["concurrency"], 3);
    assert_eq!(person.json(&["limits"])["concurrency"], 3);
    assert_failed(&operator.run(&["tenant", "show", "no-such-tenant"]), 1, &["there is no tenant `no-such-tenant`"]);

    let key = operator.json(&["key", "create", &name, "--label", "ci", "--permissions", "invoke"]);
    let narrow = Person::at(Host::shared().address, key["key"].as_str().unwrap());
    assert_failed(&narrow.run(&["logs"]), 1, &["403 (forbidden)", "try: "]);
    let keys = operator.run(&["key", "list", &name]).done();
    assert!(keys.stdout.contains("ci") && keys.stdout.contains("live") && !keys.stdout.contains("isk_"), "{keys:?}");
    assert_eq!(operator.json(&["key", "list", &name])["keys"].as_array().unwrap().len(), 2);
    operator.json(&["key", "revoke", &name, key["id"].as_str().unwrap()]);
    assert_failed(&narrow.run(&["limits"]), 1, &["401 (unauthenticated)", "insula login"]);

    assert_eq!(operator.json(&["tenant", "suspend", &name])["state"], "suspended");
    assert_failed(&person.run(&["limits"]), 1, &["403 (tenant-suspended)"]);
    assert_eq!(operator.json(&["tenant", "resume", &name])["state"], "active");
    person.run(&["limits"]).done();
    // A tenant's key is no operator's, and the other way round.
    let curious = Person::at(Host::shared().admin, &person.key);
    assert_failed(&curious.run(&["tenant", "list"]), 1, &["403 (forbidden)"]);
    let lost = Person::at(Host::shared().address, &operator.key);
    assert_failed(&lost.run(&["agent", "list"]), 1, &["403 (forbidden)"]);
}

#[test]
fn a_reader_that_goes_away_ends_a_followed_log() {
    let host = Host::shared();
    let (tenant, neighbour) = (host.tenant("follower"), host.tenant("neighbour"));
    for tenant in [&tenant, &neighbour] {
        tenant.deploy("probe", agents::probe());
    }
    let person = Person::of(&tenant);
    let mut command = person.desk.command(&["logs", "--follow", "--url", &person.url, "--key", &person.key]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let status = eventually("it ends with the first lines that no one reads", || {
        tenant.probe(&json!({ "call": "log.write", "message": "x".repeat(4_096) }));
        child.try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(0));
    assert_eq!(neighbour.get("/v1/logs").json()["lines"], json!([]));
}
