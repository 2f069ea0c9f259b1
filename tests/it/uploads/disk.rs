//! A full disk: the upload that does not fit is refused, and nothing else suffers.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use super::padded;
use crate::harness::{Desk, ON_FREE_PORTS, Process, Served, agents, binary};
use crate::http::assert_refused;

/// A host whose data directory is on a disk of its own, of this many MiB; nothing where the system does not let us.
fn on_a_small_disk(desk: &Desk, mebibytes: u32) -> Option<Served> {
    let allowed = Command::new("unshare").args(["--user", "--map-root-user", "--mount", "true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let disk = desk.path("disk");
    fs::create_dir(&disk).unwrap();
    let script = format!(r#"mount -t tmpfs -o size={mebibytes}m tmpfs "$0" && exec "$@""#);
    let data = disk.join("data");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]);
    command.arg(&disk).arg(binary()).args(["serve", "--data"]).arg(&data).args(ON_FREE_PORTS);
    Some(Served::from(Process::start(command)))
}

#[test]
fn a_full_disk_refuses_an_upload_and_nothing_else() {
    let desk = Desk::new();
    let Some(host) = on_a_small_disk(&desk, 24) else {
        println!("skipped: this system lets no one mount a small disk (unshare --user --mount)");
        return;
    };
    let operator = host.operator.clone().unwrap();
    let (ours, theirs) = (host.tenant(&operator, "ours"), host.tenant(&operator, "theirs"));
    let echo = agents::text("echo");
    let mut versions = Vec::new();
    for tenant in [&ours, &theirs] {
        versions.push(tenant.deploy("steady", &echo)["version"].as_str().unwrap().to_owned());
        assert_eq!(tenant.send("PUT", "/v1/storage/b/k", &[], Some(tenant.id.as_bytes())).status, 201);
    }
    let before = ours.get("/v1/agents").json();
    let assert_steady = || {
        for (tenant, version) in [&ours, &theirs].into_iter().zip(&versions) {
            let reply = tenant.invoke("steady", "hello");
            assert_eq!((reply.text().as_str(), reply.header("insula-version")), ("hello", version.as_str()));
            assert_eq!(tenant.get("/v1/storage/b/k").text(), tenant.id);
        }
        assert_eq!(ours.get("/v1/agents").json(), before);
    };
    // The upload itself does not fit.
    let large = padded(&echo, 30 << 20);
    assert_refused(&ours.upload("steady", &large), 507, "disk-full");
    assert_steady();

    // It fits, and what is compiled from it does not. The disk is seen through the process that it is mounted for.
    let disk = PathBuf::from(format!("/proc/{}/root{}", host.process.id(), desk.path("disk").display()));
    let filler = disk.join("filler");
    let fill = |left: usize| {
        let _ = fs::remove_file(&filler);
        let mut bytes = 64 << 20;
        while bytes > 4 << 10 {
            // As much as fits, by halves.
            let present = fs::metadata(&filler).map_or(0, |found| found.len());
            let more = vec![b'x'; bytes];
            let mut file = fs::OpenOptions::new().append(true).create(true).open(&filler).unwrap();
            if file.write_all(&more).is_err() {
                file.set_len(present).unwrap();
                bytes /= 2;
            }
        }
        let full = fs::metadata(&filler).unwrap().len();
        fs::File::options().write(true).open(&filler).unwrap().set_len(full - left as u64).unwrap();
    };
    let wide = padded(agents::probe(), 100);
    fill(wide.len() + (64 << 10));
    assert_refused(&ours.upload("steady", &wide), 507, "disk-full");
    assert_steady();
    // There is not room for anything.
    fill(0);
    assert_refused(&ours.upload("steady", &wide), 507, "disk-full");
    assert_eq!(theirs.invoke("steady", "hello").text(), "hello");

    // Room again: everything works without a restart.
    fs::remove_file(&filler).unwrap();
    assert_steady();
    assert_eq!(ours.send("PUT", "/v1/storage/b/k", &[], Some(ours.id.as_bytes())).status, 200);
    let deployed = ours.deploy("steady", &wide);
    let reply = ours.invoke("steady", r#"{"call":"request"}"#);
    assert_eq!((reply.status, reply.header("insula-version")), (200, deployed["version"].as_str().unwrap()));
}
