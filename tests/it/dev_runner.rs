//! The dev runner: an edit becomes a version while calls go on, a broken edit changes nothing, and the end is orderly.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

use crate::harness::{Desk, Process, Tenant, agents, eventually};

/// The agent: it answers with its word. Told to wait, it says so in storage and waits until someone opens the gate.
const AGENT: &str = r#"
use insula_sdk::prelude::*;

const WORD: &str = "WORD";

struct Edited;

impl Agent for Edited {
    fn invoke(request: Request) -> Result<Response, Error> {
        if request.body == b"wait" {
            storage::put("gate", "waiting", WORD.as_bytes())?;
            while storage::get("gate", "open")?.is_none() {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
        Ok(Response::text(WORD))
    }
}

insula_sdk::export!(Edited);
"#;

/// An agent's folder in a temporary place, with a build that does not begin from nothing.
struct Folder(PathBuf);

impl Folder {
    fn new(desk: &Desk) -> Self {
        // What echo needs is what this agent needs: its dependencies are built already.
        agents::echo();
        let (echo, folder) = (agents::folder("tests/echo"), desk.path("edited"));
        copy(&echo, &folder).unwrap();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let sdk = agents::folder("sdk/rust");
        let absolute = manifest.replace("../../sdk/rust", sdk.to_str().unwrap());
        assert_ne!(manifest, absolute, "the echo agent's manifest has changed");
        fs::write(folder.join("Cargo.toml"), absolute).unwrap();
        Self(folder)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Saves the agent with another word, the way that editors do.
    fn save(&self, word: &str) {
        self.write(&AGENT.replace("WORD\"", &format!("{word}\"")));
    }

    fn write(&self, text: &str) {
        let source = self.0.join("src/lib.rs");
        let beside = self.0.join("src/.lib.rs.swp");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, source).unwrap();
    }
}

/// Copies a folder with the times of its files, by which builds know what is new.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let status = std::process::Command::new("cp").args(["--archive", "--reflink=auto"]).args([from, to]).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("cp failed")) }
}

/// A dev runner and its tenants, in the order of their names on the command line.
struct Runner {
    process: Process,
    tenants: Vec<Tenant>,
}

impl Runner {
    /// With one build for each save, unless something else is said: every event is then known beforehand.
    fn start(desk: &Desk, folder: &Folder, more: &[&str]) -> Self {
        Self::start_with("whole", desk, folder, more)
    }

    fn start_with(reload: &str, desk: &Desk, folder: &Folder, more: &[&str]) -> Self {
        let arguments = ["dev", folder.path(), "--json", "--listen", "127.0.0.1:0", "--reload", reload];
        let process = desk.start(&[arguments.as_slice(), more].concat());
        let ready = process.event("ready");
        let address = ready["url"].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
        let tenants = ready["tenants"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let tenants = tenants.map(|one| Tenant::new(address, &text(&one["tenant"]), &text(&one["key"]))).collect();
        Self { process, tenants }
    }

    /// Waits for a version of every tenant, and returns their ids.
    fn deployed(&self, number: u64) -> Vec<String> {
        let deployed = self.tenants.iter().map(|tenant| {
            let event = self.process.event("deployed");
            assert_eq!((event["tenant"].as_str(), event["number"].as_u64()), (Some(tenant.id.as_str()), Some(number)));
            assert_eq!(event["agent"], "echo");
            event["version"].as_str().unwrap().to_owned()
        });
        deployed.collect()
    }

    /// Waits for a version of every tenant that was built in this way, and returns their digest, which is one.
    fn digest_built(&self, quick: bool, number: u64) -> String {
        let mut digests = self.tenants.iter().map(|tenant| {
            let event = self.process.event("deployed");
            assert_eq!((&event["tenant"], &event["number"]), (&json!(tenant.id), &json!(number)), "{event}");
            assert_eq!(event["quick"], quick, "{event}");
            event["digest"].as_str().unwrap().to_owned()
        });
        let first = digests.next().unwrap();
        assert!(digests.all(|digest| digest == first));
        first
    }

    /// Waits for a failure that says this. One save may be seen as two changes, and fail twice.
    fn failed(&self, word: &str) -> Value {
        loop {
            let event = self.process.event("build-failed");
            assert_eq!(event["agent"], "echo");
            if event["error"].as_str().unwrap().contains(word) {
                return event;
            }
        }
    }

    #[track_caller]
    fn assert_answer(&self, word: &str, versions: &[String]) {
        for (tenant, version) in self.tenants.iter().zip(versions) {
            let reply = tenant.invoke("echo", "now");
            assert_eq!((reply.status, reply.text().as_str()), (200, word));
            assert_eq!(reply.header("insula-version"), version);
            let shown = self.process.event("call");
            assert_eq!((&shown["tenant"], &shown["version"]), (&json!(tenant.id), &json!(version)), "{shown}");
            assert_eq!((&shown["status"], &shown["bill"]["fuel"]), (&json!(200), &json!(reply.bill("fuel"))));
        }
    }
}

#[test]
fn an_edit_becomes_a_version_while_calls_go_on_and_a_broken_edit_changes_nothing() {
    let desk = Desk::new();
    let folder = Folder::new(&desk);
    folder.save("one");
    let runner = Runner::start(&desk, &folder, &["--tenant", "acme", "--tenant", "globex", "--limit", "wall-us=600s"]);
    let first = runner.deployed(1);
    runner.assert_answer("one", &first);

    // A call begins on the first version and is held there. Its neighbour's gate is another.
    let (held, neighbour) = (&runner.tenants[0], &runner.tenants[1]);
    let second = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| held.invoke("echo", "wait"));
        eventually("the call is held", || (held.get("/v1/storage/gate/waiting").text() == "one").then_some(()));
        assert_eq!(neighbour.send("PUT", "/v1/storage/gate/open", &[], Some(b"theirs")).status, 201);

        folder.save("two");
        let second = runner.deployed(2);
        assert!(first.iter().zip(&second).all(|(first, second)| first != second));
        runner.assert_answer("two", &second);
        assert!(!waiting.is_finished(), "the call was not held");

        assert_eq!(held.send("PUT", "/v1/storage/gate/open", &[], Some(b"ours")).status, 201);
        let reply = waiting.join().unwrap();
        assert_eq!((reply.status, reply.text().as_str()), (200, "one"), "it ends on the code that it began with");
        assert_eq!(reply.header("insula-version"), first[0]);
        let shown = runner.process.event("call");
        assert_eq!((&shown["version"], &shown["number"]), (&json!(first[0]), &json!(1)));
        assert!(shown["storage-calls"].as_u64().unwrap() >= 2, "{shown}");
        second
    });
    assert_eq!(neighbour.get("/v1/storage/gate/waiting").status, 404);

    // An edit that does not build is shown, and what answers goes on answering.
    folder.write("this is no Rust");
    let failed = runner.failed("the build of `echo` failed");
    assert!(failed["output"].as_str().unwrap().contains("src/lib.rs:1:"), "{failed}");
    runner.assert_answer("two", &second);
    // So is a manifest that cannot be read.
    let manifest = fs::read_to_string(folder.0.join("insula.toml")).unwrap();
    fs::write(folder.0.join("insula.toml"), manifest.replace("[config]", "[confg]")).unwrap();
    runner.failed("confg");
    runner.assert_answer("two", &second);

    // Both corrected: it is there again, without a restart.
    folder.save("three");
    fs::write(folder.0.join("insula.toml"), manifest).unwrap();
    let third = loop {
        // Between the two saves there may have been time for a look at the first alone.
        let event = runner.process.json();
        if event["event"] == "deployed" {
            assert_eq!((event["tenant"].as_str(), event["number"].as_u64()), (Some(held.id.as_str()), Some(3)));
            let other = runner.process.event("deployed");
            break [event, other].map(|event| event["version"].as_str().unwrap().to_owned());
        }
        assert_eq!(event["event"], "build-failed");
    };
    runner.assert_answer("three", &third);
    runner.process.signal("INT");
    let ended = runner.process.end();
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
}

#[test]
fn a_save_in_rust_is_there_quickly_and_then_as_production_would_build_it() {
    let desk = Desk::new();
    let folder = Folder::new(&desk);
    folder.save("one");
    let tenants = ["--tenant", "acme", "--tenant", "globex"];
    let runner = Runner::start_with("quick-then-whole", &desk, &folder, &tenants);
    runner.digest_built(false, 1);
    assert_eq!(runner.process.event("quick-ready")["agent"], "echo");
    folder.save("two");
    let quick = runner.digest_built(true, 2);
    let whole = runner.digest_built(false, 3);
    assert_ne!(quick, whole);
    for tenant in &runner.tenants {
        assert_eq!(tenant.invoke("echo", "now").text(), "two");
        let shown = runner.process.event("call");
        assert_eq!((&shown["tenant"], &shown["quick"]), (&json!(tenant.id), &json!(false)), "{shown}");
    }
    // Saved as it is: nothing is built in its place.
    folder.save("two");
    eventually("it was looked at", || runner.process.errors().contains("nothing has changed in it").then_some(()));

    // What `insula build` leaves is the whole build, whatever was built quickly in between.
    folder.write("this is no Rust");
    runner.failed("the build of `echo` failed");
    folder.save("two");
    let built = desk.run(&["build", folder.path(), "--json"]).done().json();
    assert_eq!(built["digest"], json!(whole), "{built}");
    runner.process.signal("INT");
    assert_eq!(runner.process.end().code, 0);
}

#[test]
fn while_it_runs_the_profile_names_its_host_and_what_was_there_comes_back() {
    let desk = Desk::new();
    let folder = Folder::new(&desk);
    fs::create_dir_all(desk.profile().parent().unwrap()).unwrap();
    let before = "url = \"http://127.0.0.1:1\"\nkey = \"isk_production\"\n";
    fs::write(desk.profile(), before).unwrap();
    // Nothing is said about the tenants: there is one, and the agent is as it is in the repository.
    let runner = Runner::start(&desk, &folder, &["--tenant", "first", "--tenant", "second"]);
    let deployed = runner.deployed(1);
    let invoked = desk.run(&["invoke", "echo", "--input", "hello", "--json"]).done().json();
    assert_eq!((invoked["body"].as_str(), invoked["version"].as_str()), (Some("hello"), Some(deployed[0].as_str())));
    assert_eq!(runner.process.event("call")["invocation"], invoked["invocation"]);
    // The operator's commands find it too: it is a host like any other.
    let tenants = desk.run(&["tenant", "list", "--json"]).done().json();
    let names: Vec<_> = tenants["tenants"].as_array().unwrap().iter().map(|tenant| tenant["name"].as_str()).collect();
    assert_eq!(names, [Some("first"), Some("second")]);
    runner.process.signal("TERM");
    let ended = runner.process.end();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(fs::read_to_string(desk.profile()).unwrap(), before);
}

#[test]
fn on_a_terminal_a_key_builds_anew_and_another_stops() {
    let desk = Desk::new();
    let folder = Folder::new(&desk);
    folder.save("one");
    // A pseudo-terminal: what is written to its one end is what is typed at the other.
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let theirs = fs::File::options().read(true).write(true).open(name).unwrap();
    let mut keys = fs::File::from(ours);
    let started = ["dev", folder.path(), "--json", "--listen", "127.0.0.1:0", "--reload", "whole"];
    let arguments = [started.as_slice(), &["--tenant", "acme", "--tenant", "globex"]].concat();
    let process = Process::start_at(desk.command(&arguments), theirs.into());
    process.event("ready");
    let first: Vec<_> = (0..2).map(|_| process.event("deployed")["version"].clone()).collect();
    keys.write_all(b"xr").unwrap();
    eventually("it was built anew", || process.errors().contains("nothing has changed in it").then_some(()));
    folder.save("two");
    assert!((0..2).all(|_| !first.contains(&process.event("deployed")["version"])));
    keys.write_all(b"q").unwrap();
    let ended = process.end();
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
}

#[test]
fn a_folder_that_vanishes_and_comes_back_is_built_again_and_what_answered_goes_on_answering() {
    let desk = Desk::new();
    let folder = Folder::new(&desk);
    folder.save("one");
    let runner = Runner::start(&desk, &folder, &["--tenant", "acme", "--tenant", "globex"]);
    let first = runner.deployed(1);
    let away = desk.path("away");
    fs::rename(&folder.0, &away).unwrap();
    runner.failed("not an agent's folder");
    runner.assert_answer("one", &first);
    let source = away.join("src/lib.rs");
    fs::write(&source, AGENT.replace("WORD\"", "two\"")).unwrap();
    fs::rename(&away, &folder.0).unwrap();
    let second = runner.deployed(2);
    runner.assert_answer("two", &second);
}

#[test]
fn with_a_data_directory_it_comes_back_with_its_tenants_keys_and_storage() {
    let desk = Desk::new();
    let folder = Folder::new(&desk);
    let data = desk.path("data");
    let arguments = ["--data", data.to_str().unwrap(), "--tenant", "acme", "--tenant", "globex"];
    let first = Runner::start(&desk, &folder, &arguments);
    let versions = first.deployed(1);
    for tenant in &first.tenants {
        assert_eq!(tenant.send("PUT", "/v1/storage/b/k", &[], Some(tenant.id.as_bytes())).status, 201);
    }
    first.process.signal("INT");
    assert_eq!(first.process.end().code, 0);
    let second = Runner::start(&desk, &folder, &arguments);
    // The very component answers already: it is no new version.
    assert_eq!(second.deployed(1), versions);
    second.assert_answer("now", &versions);
    for (before, after) in first.tenants.iter().zip(&second.tenants) {
        assert_eq!((&before.id, &before.key), (&after.id, &after.key));
        assert_eq!(after.get("/v1/storage/b/k").text(), after.id);
    }
    folder.save("edited");
    let edited = second.deployed(2);
    second.assert_answer("edited", &edited);
}

#[test]
fn a_dev_runner_that_cannot_start_says_why() {
    let desk = Desk::new();
    let empty = desk.path("empty");
    fs::create_dir(&empty).unwrap();
    let finished = desk.run(&["dev", empty.to_str().unwrap(), "--json", "--listen", "127.0.0.1:0"]);
    assert_eq!((finished.code, finished.stdout.as_str()), (1, ""), "{finished:?}");
    assert!(finished.stderr.contains("not an agent's folder") && finished.stderr.contains("try: "), "{finished:?}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let echo = agents::folder("tests/echo");
    let finished = desk.run(&["dev", echo.to_str().unwrap(), "--json", "--listen", &address]);
    assert_eq!((finished.code, finished.stdout.as_str()), (1, ""), "{finished:?}");
    assert!(finished.stderr.contains(&format!("cannot listen on {address}")), "{finished:?}");
    assert!(!desk.profile().exists(), "a host that never was is in no profile");
}
