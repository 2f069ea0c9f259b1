//! The real binary gives up what it does not need: Landlock for the host, Landlock and seccomp for its compile workers.
//! Everything works within it, and what it is said to keep out was tried.
//!
//! On a kernel without one of them the host must say so; that it is without is asked of the kernel itself.

use std::fs;
use std::path::Path;

use landlock::{AccessFs, LandlockStatus, Ruleset, RulesetAttr, RulesetCreatedAttr};
use serde_json::{Value, json};

use crate::harness::{Desk, ON_FREE_PORTS, Raw, Served, agents, eventually, send_to};
use crate::uploads::compiler::wide;

/// Whether this kernel has Landlock: asked in a thread that ends, because asking takes a right away.
fn has_landlock() -> bool {
    let ask = || {
        let rules = Ruleset::default().handle_access(AccessFs::MakeChar).unwrap().create().unwrap();
        matches!(rules.no_new_privs(true).restrict_self().unwrap().landlock, LandlockStatus::Available { .. })
    };
    std::thread::spawn(ask).join().unwrap()
}

/// Whether this kernel has filters of system calls.
fn has_seccomp() -> bool {
    fs::read_to_string("/proc/self/status").unwrap().contains("\nSeccomp:")
}

fn start(desk: &Desk, data: &Path, more: &[&str]) -> Served {
    let serve = ["serve", "--data", data.to_str().unwrap()];
    Served::from(desk.start(&[serve.as_slice(), ON_FREE_PORTS.as_slice(), more].concat()))
}

fn check(host: &Served, name: &str) -> (bool, String) {
    let ready = send_to(host.admin, "GET", "/readyz", None, &[], None).json();
    let checks = ready["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name}: {ready}"));
    (check["passed"] == true, check["detail"].as_str().unwrap().to_owned())
}

/// The children of a process, whichever thread started them.
fn children(process: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap().map(|task| task.unwrap().path());
    let lists = tasks.filter_map(|task| fs::read_to_string(task.join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>()).collect()
}

/// A line of a process's or a thread's status.
fn status(of: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(of.join("status")).ok()?;
    text.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
}

#[test]
fn the_host_and_its_compilers_are_shut_in_and_everything_works() {
    let desk = Desk::new();
    let host = start(&desk, &desk.path("data"), &[]);
    let (passed, landlock) = check(&host, "landlock");
    assert!(passed, "{landlock}");
    assert_eq!(has_landlock(), landlock.starts_with("abi "), "{landlock}");
    let (passed, worker) = check(&host, "compile-worker-sandbox");
    assert!(passed, "{worker}");
    assert_eq!(
        (has_landlock(), has_seccomp()),
        (worker.contains("landlock abi "), worker.contains(", seccomp")),
        "{worker}"
    );
    assert!(host.process.errors().contains(&format!("landlock: {landlock}")), "{}", host.process.errors());

    let operator = host.operator.clone().unwrap();
    let [ours, theirs] = ["ours", "theirs"].map(|name| host.tenant(&operator, name));
    for tenant in [&ours, &theirs] {
        tenant.deploy("probe", agents::probe());
        let put = json!({ "call": "storage.put", "bucket": "b", "key": "k", "value": tenant.id });
        tenant.probe(&put);
    }
    // A tenant goes out and comes in again, and is compiled and called.
    let archive = host.operate(&operator, "GET", &format!("/v1/tenants/{}/export", ours.id), None);
    assert_eq!(archive.status, 200, "{}", archive.text());
    let content = [("content-type", "application/vnd.insula.archive")];
    let path = "/v1/tenants/import?name=again";
    let imported = send_to(host.admin, "POST", path, Some(&operator), &content, Some(&archive.body));
    assert_eq!(imported.status, 201, "{}", imported.text());
    assert_eq!(host.operate(&operator, "POST", &format!("/v1/tenants/{}/erase", ours.id), None).status, 200);
    assert_eq!(theirs.get("/v1/storage/b/k").text(), theirs.id);

    // Threads that came before and after: all of them.
    let process = format!("/proc/{}/task", host.process.id());
    let threads: Vec<_> = fs::read_dir(process).unwrap().map(|task| task.unwrap().path()).collect();
    assert!(threads.len() > 2);
    for thread in &threads {
        if let Some(value) = status(thread, "NoNewPrivs") {
            assert_eq!(value, "1", "{}", thread.display());
        }
    }
    // It stops and starts again within it.
    host.process.signal("TERM");
    assert_eq!(host.process.end().code, 0);
    let host = start(&desk, &desk.path("data"), &[]);
    assert_eq!(host.known(&theirs).get("/v1/storage/b/k").text(), theirs.id);
}

#[test]
fn a_host_that_is_told_to_keeps_its_rights_and_says_so() {
    let desk = Desk::new();
    let settings = desk.path("host.toml");
    fs::write(&settings, "landlock = false\n").unwrap();
    for (name, more) in
        [("flag", ["--no-landlock", "--log-level=info"]), ("file", ["--config", settings.to_str().unwrap()])]
    {
        let host = start(&desk, &desk.path(name), &more);
        assert_eq!(check(&host, "landlock"), (true, "off: this host was told so".to_owned()));
        assert!(host.process.errors().contains("landlock: off"), "{}", host.process.errors());
        // The compilers are shut in all the same.
        let (passed, worker) = check(&host, "compile-worker-sandbox");
        assert!(passed, "{worker}");
        let operator = host.operator.clone().unwrap();
        for tenant in ["acme", "globex"].map(|tenant| host.tenant(&operator, tenant)) {
            tenant.deploy("echo", &agents::text("echo"));
            assert_eq!(tenant.invoke("echo", "hello").text(), "hello");
        }
    }
}

#[test]
fn a_compiler_ends_with_its_host_however_that_ends() {
    let desk = Desk::new();
    let host = start(&desk, &desk.path("data"), &[]);
    let operator = host.operator.clone().unwrap();
    let [ours, theirs] = ["ours", "theirs"].map(|name| host.tenant(&operator, name));
    theirs.deploy("echo", &agents::text("echo"));
    // Minutes of work for a compiler.
    let component = wide(60_000);
    let mut raw = Raw::connect(host.address);
    let length = format!("content-length: {}", component.len());
    raw.head("PUT", "/v1/agents/slow", &ours.key, &["content-type: application/wasm", &length]).send(&component);
    let worker = eventually("a compiler is at work", || {
        let working = |id: &u32| {
            let of = format!("/proc/{id}");
            // It has taken the whole component in, and is within its limits.
            status(Path::new(&of), "NoNewPrivs").is_some_and(|value| value == "1")
                && (!has_seccomp() || status(Path::new(&of), "Seccomp").is_some_and(|value| value == "2"))
                && status(Path::new(&of), "VmRSS").is_some_and(|size| size.len() >= "50000 kB".len())
        };
        children(host.process.id()).into_iter().find(working)
    });
    assert_eq!(theirs.invoke("echo", "hello").text(), "hello");
    let of = format!("/proc/{worker}");
    let threads: Vec<_> = fs::read_dir(format!("{of}/task")).unwrap().map(|thread| thread.unwrap().path()).collect();
    let processors = std::thread::available_parallelism().unwrap().get();
    assert_eq!(threads.len(), 1 + processors.min(4), "a compiler has a thread for each processor, and its first");
    for thread in &threads {
        assert_eq!(status(thread, "NoNewPrivs").as_deref(), Some("1"), "{}", thread.display());
        if has_seccomp() {
            assert_eq!(status(thread, "Seccomp").as_deref(), Some("2"), "{}", thread.display());
        }
        let niceness = fs::read_to_string(thread.join("stat")).unwrap();
        let niceness = niceness.rsplit(") ").next().unwrap().split(' ').nth(16).unwrap();
        assert_eq!(niceness, "13", "{}", thread.display());
    }
    host.process.kill();
    eventually("the compiler has ended", || match status(Path::new(&of), "State") {
        None => Some(()),
        // It has ended, and no one has asked how.
        Some(state) => state.starts_with(['Z', 'X']).then_some(()),
    });
    let host = start(&desk, &desk.path("data"), &[]);
    let ours = host.known(&ours);
    assert_eq!(ours.get("/v1/agents").json()["agents"], Value::Array(Vec::new()));
    ours.deploy("echo", &agents::text("echo"));
    let reply = host.known(&theirs).invoke("echo", "hello");
    assert_eq!(reply.text(), "hello", "{}", host.process.errors());
}
