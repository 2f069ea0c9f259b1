//! The command line as people and scripts use it: results on standard output, everything else on standard error, and
//! exit codes that mean what they say.

mod archives;
mod estate;
mod local;
mod remote;

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};

use serde_json::{Value, json};

use crate::harness::{Desk, Finished, Host, Tenant, agents};

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
