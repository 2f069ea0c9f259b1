//! docs/tutorial.md, as a reader would type it: every block of commands, in order, in one shell.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::harness::{Desk, agents, binary};

/// The commands of a page: what stands in its `sh` blocks.
fn commands(page: &str) -> String {
    let blocks = page.split("\n```sh\n").skip(1);
    blocks.map(|block| block.split("\n```").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Two ports in a row that nothing listens on: those of tenants and of operators.
fn free_ports() -> (u16, u16) {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return (port, port + 1);
        }
    }
}

#[test]
fn the_commands_of_the_tutorial_work_in_their_order() {
    let desk = Desk::new();
    let page = fs::read_to_string(agents::folder("docs/tutorial.md")).unwrap();
    let (port, admin) = free_ports();
    let script = commands(&page).replace(":7400", &format!(":{port}")).replace(":7401", &format!(":{admin}"));
    assert!(script.lines().count() > 30 && script.contains("insula deploy"), "{script}");

    // `insula` on the path: the binary under test, on ports of its own; and a Rust project that does not begin from nothing.
    // No other project is built in that folder: cargo would take its component for this one's, since both have one name.
    let (bin, shared) = (desk.path("bin"), agents::folder("target/tutorial"));
    fs::create_dir(&bin).unwrap();
    fs::create_dir_all(&shared).unwrap();
    let program = binary().display().to_string();
    let wrapper = format!(
        "#!/bin/sh\ncase \"$1\" in\n  dev|serve) exec {program} \"$@\" --listen 127.0.0.1:{port} ;;\n  new) {program} \"$@\" && ln -s {} \"$2/target\" ;;\n  *) exec {program} \"$@\" ;;\nesac\n",
        shared.display()
    );
    fs::write(bin.join("insula"), wrapper).unwrap();
    fs::set_permissions(bin.join("insula"), fs::Permissions::from_mode(0o755)).unwrap();

    // Job control, so that `kill %1` means what it means at a terminal. Whatever happens, nothing is left running.
    let script = format!(
        "set -euo pipefail\nset -m\ntrap 'kill $(jobs -p) 2> /dev/null || true' EXIT\nexport PATH=\"{}:$PATH\"\nset -x\n{script}\n",
        bin.display()
    );
    fs::write(desk.path("tutorial.sh"), script).unwrap();
    // A wait for something that never comes ends as well.
    let mut command = Command::new("timeout");
    command
        .args(["300", "bash"])
        .arg(desk.path("tutorial.sh"))
        .current_dir(desk.path(""))
        .env("XDG_CONFIG_HOME", desk.path("config"));
    command.env_remove("INSULA_URL").env_remove("INSULA_KEY");
    let typed = Desk::finish(command, b"").done();
    for word in [r#""greeting":"Hello, Ada!","visits":2"#, "good to see you", r#"{"visits":2}"#, r#""visits":1"#] {
        assert!(typed.stdout.contains(word), "{word} in {typed:?}");
    }
    assert!(typed.stderr.contains("1 passed, 0 failed") && typed.stderr.contains("fuel"), "{typed:?}");
}
