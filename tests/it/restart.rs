//! Starts and stops of the real binary: what was acknowledged is there after a kill, and a start that cannot be is
//! refused in words that say what to do.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use crate::harness::{Desk, Finished, ON_FREE_PORTS, Raw, Served, Tenant, agents, eventually};

/// Starts a host that must not start, and returns how it ended.
fn refused(desk: &Desk, data: &Path, more: &[&str]) -> Finished {
    let serve = ["serve", "--data", data.to_str().unwrap()];
    let finished = desk.run(&[serve.as_slice(), ON_FREE_PORTS.as_slice(), more].concat());
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.stderr.contains("error: ") && finished.stderr.contains("try: "), "{finished:?}");
    finished
}

/// Every file below a directory, with its contents.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.insert(format!("{}/", entry.path().display()), Vec::new());
            found.extend(contents(&entry.path()));
        } else {
            found.insert(entry.path().display().to_string(), fs::read(entry.path()).unwrap());
        }
    }
    found
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let desk = Desk::new();
    let data = desk.path("data");
    let mut host = Served::start(&desk, &data);
    let operator = host.operator.clone().unwrap();
    let tenants = [host.tenant(&operator, "acme"), host.tenant(&operator, "globex")];
    let mut active = vec![String::new(); 2];
    for round in 0..3 {
        for (tenant, active) in tenants.iter().zip(&mut active) {
            let tenant = host.known(tenant);
            let component = agents::edited(&format!("(global $round i32 (i32.const {round}))"), "");
            *active = tenant.deploy("echo", &component)["version"].as_str().unwrap().to_owned();
            let path = format!("/v1/storage/rounds/{round}");
            let value = format!("{} {round}", tenant.id);
            assert_eq!(tenant.send("PUT", &path, &[], Some(value.as_bytes())).status, 201);
        }
        host.process.kill();
        host = Served::start(&desk, &data);
        assert_eq!(host.operator, None, "the operator's key is shown once");
        for (tenant, active) in tenants.iter().zip(&active) {
            let tenant = host.known(tenant);
            for earlier in 0..=round {
                let value = tenant.get(&format!("/v1/storage/rounds/{earlier}")).text();
                assert_eq!(value, format!("{} {earlier}", tenant.id));
            }
            let reply = tenant.invoke("echo", "hello");
            assert_eq!((reply.text().as_str(), reply.header("insula-version")), ("hello", active.as_str()));
            let agent = tenant.get("/v1/agents/echo").json();
            assert_eq!(agent["active"]["number"], round + 1);
        }
    }
    assert_eq!(host.operate(&operator, "GET", "/v1/tenants", None).json()["tenants"].as_array().unwrap().len(), 2);
}

/// Puts numbered keys, one behind the other, until the host is gone. `acknowledged` counts those that it answered.
fn write_until_it_is_gone(address: SocketAddr, tenant: &Tenant, acknowledged: &AtomicU64) {
    let mut raw = Raw::connect(address);
    for number in 0.. {
        let body = format!("{} {number}", tenant.id);
        let length = format!("content-length: {}", body.len());
        raw.head("PUT", &format!("/v1/storage/log/{number:06}"), &tenant.key, &[&length]).send(body);
        match raw.reply() {
            Some(reply) => assert_eq!(reply.status, 201, "{}", reply.text()),
            None => return,
        }
        acknowledged.store(number + 1, Ordering::SeqCst);
    }
}

#[test]
fn a_kill_in_the_middle_of_writing_loses_nothing_that_was_acknowledged_and_halves_nothing() {
    let desk = Desk::new();
    let data = desk.path("data");
    let host = Served::start(&desk, &data);
    let operator = host.operator.clone().unwrap();
    let tenants = [host.tenant(&operator, "acme"), host.tenant(&operator, "globex")];
    let counts: [AtomicU64; 2] = Default::default();
    let address = host.address;
    std::thread::scope(|scope| {
        for (tenant, count) in tenants.iter().zip(&counts) {
            scope.spawn(move || write_until_it_is_gone(address, tenant, count));
        }
        eventually("both have written", || counts.iter().all(|count| count.load(Ordering::SeqCst) >= 50).then_some(()));
        host.process.signal("KILL");
    });
    // Its sockets are closed; the rest of it may take a moment.
    host.process.kill();
    let again = Served::start(&desk, &data);
    for (tenant, count) in tenants.iter().zip(&counts) {
        let (tenant, count) = (again.known(tenant), count.load(Ordering::SeqCst));
        for number in 0..count {
            let reply = tenant.get(&format!("/v1/storage/log/{number:06}"));
            assert_eq!(reply.text(), format!("{} {number}", tenant.id), "acknowledged: {count}");
        }
        // The one that was on its way is there whole, or not at all; and nothing is behind it.
        let next = tenant.get(&format!("/v1/storage/log/{count:06}"));
        assert!(next.status == 404 || next.text() == format!("{} {count}", tenant.id), "{}", next.text());
        assert_eq!(tenant.get(&format!("/v1/storage/log/{:06}", count + 1)).status, 404);
        assert_eq!(tenant.send("PUT", "/v1/storage/log/after", &[], Some(b"more")).status, 201);
    }
}

#[test]
fn the_operators_key_is_printed_on_the_first_start_only() {
    let desk = Desk::new();
    let data = desk.path("data");
    let serve = ["serve", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let mut keys = Vec::new();
    for _ in 0..2 {
        let process = desk.start(&serve);
        eventually("it is ready", || process.errors().contains("ready: ").then_some(()));
        process.signal("TERM");
        let ended = process.end();
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(!ended.stderr.contains("isk_"), "a key is in the log: {}", ended.stderr);
        let words: Vec<_> = ended.stdout.split_whitespace().filter(|word| word.starts_with("isk_")).collect();
        assert!(words.windows(2).all(|pair| pair[0] == pair[1]), "{}", ended.stdout);
        keys.push(words.first().map(|word| (*word).to_owned()));
    }
    let key = keys[0].as_deref().expect("the first start shows no key");
    assert_eq!(keys[1], None);
    let host = Served::start(&desk, &data);
    assert_eq!(host.operator, None);
    assert_eq!(host.operate(key, "GET", "/v1/tenants", None).status, 200);
}

#[test]
fn a_directory_belongs_to_one_running_host() {
    let desk = Desk::new();
    let data = desk.path("data");
    let host = Served::start(&desk, &data);
    let operator = host.operator.clone().unwrap();
    let tenants = [host.tenant(&operator, "acme"), host.tenant(&operator, "globex")];
    let second = refused(&desk, &data, &[]);
    assert!(second.stderr.contains(&format!("process {}", host.process.id())), "{}", second.stderr);
    assert!(second.stderr.contains(data.to_str().unwrap()) && second.stdout.is_empty(), "{second:?}");
    for tenant in &tenants {
        assert_eq!(tenant.get("/v1/limits").status, 200);
    }
    // Killed, it holds the directory no longer.
    host.process.kill();
    let next = Served::start(&desk, &data);
    for tenant in &tenants {
        assert_eq!(next.known(tenant).get("/v1/limits").status, 200);
    }
}

#[test]
fn a_directory_of_a_newer_release_or_of_someone_else_is_left_alone() {
    let desk = Desk::new();
    let data = desk.path("data");
    let first = Served::start(&desk, &data);
    first.process.signal("TERM");
    assert_eq!(first.process.end().code, 0);
    fs::write(data.join("FORMAT"), "insula data 2\n").unwrap();
    let foreign = desk.path("photographs");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("holiday.jpg"), "not ours").unwrap();
    let garbled = desk.path("garbled");
    fs::create_dir(&garbled).unwrap();
    fs::write(garbled.join("FORMAT"), b"\xff\xfe\n").unwrap();
    for (folder, word) in [(&data, "format 2"), (&foreign, "not a data directory"), (&garbled, "not a data directory")]
    {
        let before = contents(folder);
        let finished = refused(&desk, folder, &[]);
        assert!(finished.stderr.contains(word), "{}", finished.stderr);
        assert!(finished.stderr.contains(folder.to_str().unwrap()), "{}", finished.stderr);
        assert!(finished.stdout.is_empty(), "{finished:?}");
        assert_eq!(contents(folder), before);
    }
    // A file where a directory should be.
    let file = desk.path("file");
    fs::write(&file, "a file").unwrap();
    refused(&desk, &file, &[]);
    assert_eq!(fs::read(&file).unwrap(), b"a file");
}

#[test]
fn a_port_in_use_is_named_and_makes_nothing_so_that_no_key_is_lost() {
    let desk = Desk::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for option in ["--listen", "--admin-listen"] {
        let data = desk.path(option);
        let other = if option == "--listen" { "--admin-listen" } else { "--listen" };
        let serve = ["--json", "serve", "--data", data.to_str().unwrap(), option, &address, other, "127.0.0.1:0"];
        let finished = desk.run(&serve);
        assert_eq!(finished.code, 1, "{finished:?}");
        assert!(finished.stderr.contains(&format!("cannot listen on {address}")), "{}", finished.stderr);
        assert!(finished.stderr.contains(option), "{}", finished.stderr);
        assert!(finished.stdout.is_empty() && !data.exists(), "{finished:?}");
        let host = Served::start(&desk, &data);
        let key = host.operator.clone().unwrap();
        let tenants = [host.tenant(&key, "acme"), host.tenant(&key, "globex")];
        assert!(tenants.iter().all(|tenant| tenant.get("/v1/limits").status == 200));
    }
}

#[test]
fn an_order_to_stop_lets_calls_end_and_writes_everything_down() {
    let desk = Desk::new();
    let data = desk.path("data");
    let host = Served::start(&desk, &data);
    let operator = host.operator.clone().unwrap();
    let tenants = [host.tenant(&operator, "acme"), host.tenant(&operator, "globex")];
    let sleep = r#"{"attack":"sleep-short","ms":5000}"#;
    for tenant in &tenants {
        tenant.deploy("hostile", agents::hostile());
        assert_eq!(tenant.invoke("hostile", "bystander").text(), "still here");
    }
    let mut calls = Vec::new();
    for tenant in &tenants {
        let mut raw = Raw::connect(host.address);
        let length = format!("content-length: {}", sleep.len());
        raw.head("POST", "/v1/agents/hostile/invoke", &tenant.key, &[&length]).send(sleep);
        calls.push(raw);
    }
    eventually("both calls are in the host", || {
        let metrics = host.operate(&operator, "GET", "/metrics", None).text();
        metrics.contains("insula_calls_in_flight 2\n").then_some(())
    });
    host.process.signal("TERM");
    for (mut raw, tenant) in calls.into_iter().zip(&tenants) {
        let reply = raw.answer();
        assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"slept-ms":5000}"#));
        assert_eq!(reply.header("insula-tenant"), tenant.id);
    }
    let ended = host.process.end();
    assert_eq!(ended.code, 0, "{ended:?}");
    // Both calls of each are in its usage: the last of it was not left in memory.
    let again = Served::start(&desk, &data);
    for tenant in &tenants {
        let usage = again.known(tenant).get("/v1/usage").json();
        let calls: u64 = usage["usage"].as_array().unwrap().iter().map(|row| row["calls"].as_u64().unwrap()).sum();
        assert_eq!(calls, 2, "{usage}");
    }
}

/// Calls in a tenant's usage. Asking writes down what is pending.
fn calls_of(tenant: &Tenant) -> u64 {
    let usage = tenant.get("/v1/usage").json();
    usage["total"]["calls"].as_u64().unwrap_or_else(|| panic!("{usage}"))
}

#[test]
fn a_kill_loses_no_usage_that_was_shown_or_written_and_at_most_what_came_since() {
    let desk = Desk::new();
    let (data, file) = (desk.path("data"), desk.path("host.toml"));
    let serve = |flush: &str| {
        fs::write(&file, format!("[host]\nusage-flush = '{flush}'\n")).unwrap();
        let arguments = ["serve", "--data", data.to_str().unwrap(), "--config", file.to_str().unwrap()];
        Served::from(desk.start(&[arguments.as_slice(), ON_FREE_PORTS.as_slice()].concat()))
    };
    // A window that never closes by itself: what is written is what someone was shown.
    let host = serve("86400s");
    let operator = host.operator.clone().unwrap();
    let tenants = [host.tenant(&operator, "acme"), host.tenant(&operator, "globex")];
    let call = |host: &Served, times: usize| {
        for tenant in tenants.iter().map(|tenant| host.known(tenant)) {
            for _ in 0..times {
                assert_eq!(tenant.invoke("echo", "hello").status, 200);
            }
        }
    };
    for tenant in &tenants {
        tenant.deploy("echo", &agents::text("echo"));
    }
    call(&host, 2);
    assert!(tenants.iter().all(|tenant| calls_of(tenant) == 2));
    call(&host, 3);
    host.process.kill();
    let host = serve("10ms");
    for tenant in &tenants {
        assert_eq!(calls_of(&host.known(tenant)), 2, "nothing is lost that was shown, and nothing is made up");
    }
    // A window that closes again and again: once nothing is pending, a kill loses nothing.
    call(&host, 4);
    eventually("all usage is written", || {
        let metrics = host.operate(&operator, "GET", "/metrics", None).text();
        metrics.contains("insula_usage_unwritten 0\n").then_some(())
    });
    host.process.kill();
    let host = serve("86400s");
    for tenant in &tenants {
        let tenant = host.known(tenant);
        assert_eq!(calls_of(&tenant), 6);
        assert_eq!(calls_of(&tenant), 6, "asking again counts nothing again");
    }
}

#[test]
fn an_interrupt_stops_a_host_as_well_and_a_second_one_does_not_wait() {
    let desk = Desk::new();
    let idle = Served::start(&desk, &desk.path("idle"));
    idle.process.signal("INT");
    assert_eq!(idle.process.end().code, 0);

    let host = Served::start(&desk, &desk.path("busy"));
    let operator = host.operator.clone().unwrap();
    let (ours, theirs) = (host.tenant(&operator, "acme"), host.tenant(&operator, "globex"));
    let patient = json!({ "limits": { "wall-us": 600_000_000 } });
    assert_eq!(host.operate(&operator, "PATCH", &format!("/v1/tenants/{}", ours.id), Some(&patient)).status, 200);
    ours.deploy("hostile", agents::hostile());
    let mut raw = Raw::connect(host.address);
    raw.head("POST", "/v1/agents/hostile/invoke", &ours.key, &["content-length: 5"]).send("sleep");
    eventually("the call is in the host", || {
        let metrics = host.operate(&operator, "GET", "/metrics", None).text();
        metrics.contains("insula_calls_in_flight 1\n").then_some(())
    });
    assert_eq!(theirs.get("/v1/limits").status, 200);
    host.process.signal("INT");
    eventually("it says so", || host.process.errors().contains("told to stop").then_some(()));
    host.process.signal("INT");
    let ended = host.process.end();
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("stopped before the calls in flight had ended"), "{}", ended.stderr);
}

#[test]
fn a_configuration_with_a_mistake_is_refused_with_its_line() {
    let desk = Desk::new();
    let (data, file) = (desk.path("data"), desk.path("host.toml"));
    let configure = |text: &str| {
        fs::write(&file, text).unwrap();
        ["--config".to_owned(), file.to_str().unwrap().to_owned()]
    };
    for (text, line, word) in [
        ("log-level = 'info'\n\n[server]\nheder-timeout = '5s'\n", 4, "heder-timeout"),
        ("[host]\nconcurrency = 0\n", 2, "0"),
        ("[engine]\ntick = '5'\n", 2, "5"),
        ("listen = \n", 1, ""),
    ] {
        let arguments = configure(text);
        let finished = refused(&desk, &data, &[&arguments[0], &arguments[1]]);
        let place = format!("host.toml:{line}: ");
        assert!(finished.stderr.contains(&place) && finished.stderr.contains(word), "{text:?}: {}", finished.stderr);
        assert!(!data.exists(), "nothing is made for a host that cannot be");
    }
    let arguments = configure("[server]\nheader-timeout = '5s'\n[host]\nconcurrency = 4\n");
    let serve = ["serve", "--data", data.to_str().unwrap(), &arguments[0], &arguments[1]];
    let host = Served::from(desk.start(&[serve.as_slice(), ON_FREE_PORTS.as_slice()].concat()));
    let operator = host.operator.clone().unwrap();
    let tenants = [host.tenant(&operator, "acme"), host.tenant(&operator, "globex")];
    assert!(tenants.iter().all(|tenant| tenant.get("/v1/limits").status == 200));
}
