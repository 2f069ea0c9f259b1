//! The command line as people and scripts use it: results on standard output, everything else on standard error, and
//! exit codes that mean what they say.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};

use serde_json::{Value, json};

use crate::harness::{Bystander, Desk, Finished, Host, Tenant, agents, eventually};

/// Someone with a desk, a host and a key for it.
struct Person {
    desk: Desk,
    url: String,
    key: String,
}

impl Person {
    fn at(address: SocketAddr, key: &str) -> Self {
        Self { desk: Desk::new(), url: format!("http://{address}"), key: key.to_owned() }
    }

    fn of(tenant: &Tenant) -> Self {
        Self::at(Host::shared().address, &tenant.key)
    }

    fn operator() -> Self {
        Self::at(Host::shared().admin, &Host::shared().operator)
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        self.desk.run(&[arguments, &["--url", &self.url, "--key", &self.key]].concat())
    }

    /// The result of a command that must work, as JSON.
    fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).done().json()
    }
}

/// A failure that says what, why and what to do, with nothing on standard output.
#[track_caller]
fn assert_failed(finished: &Finished, code: i32, words: &[&str]) {
    assert_eq!(finished.code, code, "{finished:?}");
    assert!(finished.stdout.is_empty(), "{finished:?}");
    for word in [&["error: "], words].concat() {
        assert!(finished.stderr.contains(word), "{word:?} in {}", finished.stderr);
    }
}

fn folder(path: &str) -> String {
    agents::folder(path).to_str().unwrap().to_owned()
}

#[test]
fn run_prints_the_body_and_nothing_else_to_standard_output() {
    let desk = Desk::new();
    let echo = folder("tests/echo");
    let finished = desk.run(&["run", &echo, "--input", "hello\nworld"]).done();
    assert_eq!(finished.stdout, "hello\nworld");
    for word in ["bill", "fuel", "cpu-us", "peak-memory"] {
        assert!(finished.stderr.contains(word), "{word} in {}", finished.stderr);
    }
    assert!(
        !finished.stderr.contains('\u{1b}') && !finished.stdout.contains('\u{1b}'),
        "colours in a pipe: {finished:?}"
    );

    let file = desk.path("body.bin");
    fs::write(&file, "from a file").unwrap();
    let from_file = desk.run(&["run", &echo, "--input", &format!("@{}", file.display())]).done();
    assert_eq!(from_file.stdout, "from a file");
    let from_input = desk.run_with(&["run", &echo, "--input", "-"], b"from a pipe").done();
    assert_eq!(from_input.stdout, "from a pipe");

    let json = desk.run(&["--json", "run", &echo, "--input", "[1, 2]"]).done().json();
    assert_eq!((&json["body"], &json["content-type"]), (&json!([1, 2]), &json!("application/json")));
    assert!(json["bill"]["fuel"].as_u64() > Some(0), "{json}");
    assert!(!desk.profile().exists(), "a throw-away host leaves no profile");
}

#[test]
fn run_shows_what_the_agent_logged_and_routes_a_real_ticket() {
    let desk = Desk::new();
    let triage = folder("sample-agents/triage");
    let ticket = folder("sample-agents/triage/tickets/one.json");
    let finished = desk.run(&["run", &triage, "--input", &format!("@{ticket}")]).done();
    let answer = finished.json();
    assert_eq!((&answer["ticket"], &answer["queue"]), (&json!("T-1001"), &json!("billing")), "{answer}");
    assert_eq!((&answer["rules"], &answer["customer"]["tickets"]), (&json!("compiled"), &json!(1)), "{answer}");
    assert!(finished.stderr.contains("info  triage "), "{}", finished.stderr);
    // Each run is a host of its own: the ticket is new again.
    let again = desk.run(&["run", &triage, "--input", &format!("@{ticket}")]).done().json();
    assert_eq!(again, answer);

    let refused = desk.run(&["run", &triage, "--input", "{\"id\": 17}"]);
    assert_failed(&refused, 1, &["the agent `triage` answered with an error: bad-request", "because: "]);
    assert!(refused.stderr.contains("fuel"), "a call that failed has a bill: {}", refused.stderr);
    let refused = desk.run(&["run", &triage, "--input", "{\"id\": 17}", "--json"]);
    assert_eq!((refused.code, &refused.json()["problem"]["agent-code"]), (1, &json!("bad-request")));
}

#[test]
fn run_takes_a_component_and_passes_on_what_it_is_told() {
    let desk = Desk::new();
    let probe = desk.path("probe.wasm");
    fs::write(&probe, agents::probe()).unwrap();
    let probe = probe.to_str().unwrap();
    let call = |call: Value, more: &[&str]| {
        let call = call.to_string();
        desk.run(&[&["run", probe, "--input", &call], more].concat()).done().json()
    };
    let request = call(json!({ "call": "request" }), &["--meta", "colour=green", "--content-type", "text/x"]);
    assert_eq!(request["ok"]["content-type"], "text/x");
    assert!(request["ok"]["metadata"].as_array().unwrap().contains(&json!(["colour", "green"])), "{request}");
    let config = call(json!({ "call": "config.all" }), &["--config", "greeting=hello", "--config", "empty="]);
    assert_eq!(config, json!({ "ok": [["empty", ""], ["greeting", "hello"]] }));

    let hostile = desk.path("hostile.wasm");
    fs::write(&hostile, agents::hostile()).unwrap();
    let hostile = hostile.to_str().unwrap();
    let spun = desk.run(&["run", hostile, "--input", "spin", "--limit", "fuel=1_000_000"]);
    assert_failed(&spun, 1, &["the call of `agent` has no answer", "1000000 units of fuel", "fuel-exhausted"]);
    assert_failed(&desk.run(&["run", hostile, "--input", "panic"]), 1, &["agent-trap"]);
    assert_failed(
        &desk.run(&["run", desk.path("absent.wasm").to_str().unwrap(), "--input", "x"]),
        1,
        &["absent.wasm", "try: "],
    );
}

#[test]
fn check_says_what_a_host_would_make_of_a_component() {
    let desk = Desk::new();
    let write = |name: &str, bytes: &[u8]| {
        let path = desk.path(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = write("good.wasm", agents::probe());
    let page = desk.run(&["check", &good]).done();
    for word in ["is an agent", "insula:agent/storage@0.1.0", "works", "sha256:"] {
        assert!(page.stdout.contains(word), "{word} in {}", page.stdout);
    }
    let report = desk.run(&["check", &good, "--json"]).done().json();
    assert_eq!(report["component-bytes"], agents::probe().len());
    // What it says of an agent is what a host says of it.
    let host = Host::shared();
    let (ours, bystander) = (host.tenant("checker"), Bystander::settle(host.tenant("bystander")));
    let deployed = ours.deploy("probe", agents::probe());
    for member in ["digest", "imports", "exports", "functions", "memories", "memory-minimum-bytes", "warnings"] {
        assert_eq!(report[member], deployed["report"][member], "{member}");
    }
    let unknown = wat::parse_str(r#"(component (import "evil:thing/door@1.0.0" (instance)))"#).unwrap();
    for (bytes, code, word) in [
        (b"hello".to_vec(), "not-wasm", "not WebAssembly"),
        (Vec::new(), "empty-upload", "empty"),
        (wat::parse_str("(module)").unwrap(), "core-module", "core module"),
        (wat::parse_str("(component)").unwrap(), "no-handler", "insula:agent/handler@0.1.0"),
        (unknown, "unknown-imports", "evil:thing/door@1.0.0"),
    ] {
        let bad = write("bad.wasm", &bytes);
        for arguments in [&["check", &bad][..], &["check", &bad, "--json"]] {
            assert_failed(&desk.run(arguments), 1, &["a host would refuse", "bad.wasm", code, word, "try: "]);
        }
        let refused = ours.upload("probe", &bytes);
        assert_eq!(refused.code(), code, "the host refuses it by the same word");
    }
    bystander.assert_untouched();
}

#[test]
fn a_command_that_was_put_together_wrongly_ends_with_2() {
    let desk = Desk::new();
    let echo = folder("tests/echo");
    let nowhere = "http://127.0.0.1:1";
    let cases: [&[&str]; 16] = [
        &[],
        &["frobnicate"],
        &["run"],
        &["run", &echo],
        &["invoke", "Not A Name", "--input", "x"],
        &["run", &echo, "--input", "x", "--limit", "petrol=1"],
        &["run", &echo, "--input", "x", "--limit", "fuel=much"],
        &["run", &echo, "--input", "x", "--config", "novalue"],
        &["serve"],
        &["serve", "--data", "x", "--listen", "nonsense"],
        &["agent", "frobnicate"],
        &["key", "create", "acme", "--permissions", "root"],
        &["tenant", "set", "acme"],
        // No host is named, or no key for it, or an address that is none.
        &["agent", "list"],
        &["agent", "list", "--url", nowhere],
        &["agent", "list", "--url", "127.0.0.1:1", "--key", "isk_x"],
    ];
    for arguments in cases {
        let finished = desk.run(arguments);
        assert_eq!(finished.code, 2, "{arguments:?}: {finished:?}");
        assert!(finished.stdout.is_empty() && !finished.stderr.is_empty(), "{arguments:?}: {finished:?}");
    }
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"]] {
        let finished = desk.run(arguments).done();
        assert!(!finished.stdout.is_empty() && finished.stderr.is_empty(), "{arguments:?}: {finished:?}");
    }
    // It was put together well, and there is no one to answer.
    let finished = desk.run(&["agent", "list", "--url", nowhere, "--key", "isk_x"]);
    assert_failed(&finished, 1, &["no answer from http://127.0.0.1:1", "try: "]);
}

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
    assert!(person.run(&["limits"]).done().stdout.contains("4 KiB"));
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
fn a_login_is_checked_and_then_kept_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let host = Host::shared();
    let (tenant, other) = (host.tenant("person"), host.tenant("other"));
    let desk = Desk::new();
    let (url, admin) = (format!("http://{}", host.address), format!("http://{}", host.admin));
    let wrong = format!("{}0", &tenant.key[..tenant.key.len() - 1]);
    let wrong = if wrong == tenant.key { format!("{}1", &tenant.key[..tenant.key.len() - 1]) } else { wrong };
    let refused = desk.run(&["login", "--url", &url, "--key", &wrong]);
    assert_failed(&refused, 1, &["the key does not open", "try: "]);
    assert!(!refused.stderr.contains(&wrong[30..]) && !desk.profile().exists());

    let login = desk.run_with(&["login", "--url", &format!("{url}/"), "--key", "-", "--json"], tenant.key.as_bytes());
    let shown = login.done().json();
    assert_eq!((&shown["role"], &shown["tenant"]), (&json!("tenant"), &json!(tenant.id)));
    let mode = fs::metadata(desk.profile()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let login = desk.run(&["login", "--url", &admin, "--key", &host.operator, "--json"]).done();
    assert_eq!(login.json()["role"], "operator");
    assert!(!login.stdout.contains("isk_") && !login.stderr.contains("isk_"));

    // Both roles find their own from here on.
    let set = json!({ "greeting": "hello" }).to_string();
    tenant.deploy("echo", &agents::text("echo"));
    assert_eq!(desk.run(&["invoke", "echo", "--input", &set]).done().stdout, set);
    assert_eq!(desk.run(&["tenant", "show", &tenant.id, "--json"]).done().json()["tenant"], tenant.id);
    // What is given comes first, from the command line and then from the environment.
    let tenant_of = |finished: Finished| finished.json()["agents"].as_array().unwrap().len();
    assert_eq!(tenant_of(desk.run(&["agent", "list", "--json", "--key", &other.key]).done()), 0);
    let mut command = desk.command(&["agent", "list", "--json"]);
    command.env("INSULA_KEY", &other.key);
    assert_eq!(tenant_of(Desk::finish(command, b"").done()), 0);
    let mut command = desk.command(&["agent", "list", "--json", "--key", &tenant.key]);
    command.env("INSULA_KEY", &other.key).env("INSULA_URL", &url);
    assert_eq!(tenant_of(Desk::finish(command, b"").done()), 1);

    // A key of the profile goes to its own host and to no other.
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = format!("http://{}", stranger.local_addr().unwrap());
    let finished = desk.run(&["agent", "list", "--url", &elsewhere]);
    assert_failed(&finished, 2, &["no key for"]);
    stranger.set_nonblocking(true).unwrap();
    assert!(stranger.accept().is_err(), "the stranger was called");

    // Without XDG_CONFIG_HOME it is below the home directory.
    let mut command = desk.command(&["login", "--url", &url, "--key", &tenant.key]);
    command.env_remove("XDG_CONFIG_HOME").env("HOME", desk.path("home"));
    Desk::finish(command, b"").done();
    assert!(desk.path("home/.config/insula/profile.toml").exists());
}

#[test]
fn a_key_is_not_sent_after_a_redirect() {
    let desk = Desk::new();
    let (first, second) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let url = format!("http://{}", first.local_addr().unwrap());
    let target = format!("http://{}/v1/agents", second.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = first.accept().unwrap();
        let answer = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: {target}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).unwrap();
        // Read what was asked, so that closing does not reset what was answered.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let finished = desk.run(&["agent", "list", "--url", &url, "--key", "isk_secret"]);
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(!finished.stderr.contains("isk_secret"), "{finished:?}");
    answering.join().unwrap();
    second.set_nonblocking(true).unwrap();
    assert!(second.accept().is_err(), "the redirect was followed");
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

#[test]
fn what_a_host_says_cannot_drive_the_terminal() {
    let host = Host::shared();
    let (tenant, neighbour) = (host.tenant("follower"), host.tenant("neighbour"));
    for tenant in [&tenant, &neighbour] {
        tenant.deploy("hostile", agents::hostile());
    }
    let person = Person::of(&tenant);
    let attack = json!({ "attack": "error", "code": "bad-request", "message": "\u{1b}[2Jgone\u{7}" }).to_string();
    let finished = person.run(&["invoke", "hostile", "--input", &attack]);
    assert_failed(&finished, 1, &["bad-request", "gone"]);
    assert!(!finished.stderr.contains(['\u{1b}', '\u{7}']), "{finished:?}");
    assert_eq!(neighbour.invoke("hostile", "bystander").text(), "still here");
}
