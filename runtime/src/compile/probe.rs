//! What the worker tries when it is asked to show that its sandbox bites (B5): to open, list, connect, send, run and
//! spawn; and then to compile, because a filter that stops compiling is no use either.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::sandbox::Sandbox;

/// One thing that the worker tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Attempt {
    /// What.
    pub(crate) act: String,
    /// Whether the kernel refused it, and not for another reason.
    pub(crate) refused: bool,
    /// Whether what is in force says that it must be.
    pub(crate) expected: bool,
}

/// Tries each thing that a compiler that was taken over would try first.
pub(super) fn attempts(sandbox: &Sandbox) -> Vec<Attempt> {
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let (landlock, seccomp) = (sandbox.landlock, sandbox.seccomp);
    let files = landlock.is_some() || seccomp;
    // The rights over ports came with the fourth version of Landlock's interface.
    let ports = landlock.is_some_and(|abi| abi >= 4) || seccomp;
    let attempt = |act: &str, expected, result: io::Result<()>| Attempt {
        act: act.to_owned(),
        refused: result.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied),
        expected,
    };
    vec![
        attempt("open-file", files, open()),
        attempt("list-directory", files, list()),
        attempt("connect", ports, TcpStream::connect(nowhere).map(drop)),
        attempt("listen", ports, TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map(drop)),
        attempt("datagram", seccomp, UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map(drop)),
        attempt("run-program", files, run()),
        attempt("start-thread", seccomp, start_thread()),
    ]
}

/// A file that everyone may read where `/proc` is mounted, and whoever started this process certainly could.
fn open() -> io::Result<()> {
    std::fs::File::open("/proc/self/status").map(drop)
}

fn list() -> io::Result<()> {
    std::fs::read_dir("/").map(drop)
}

fn run() -> io::Result<()> {
    // Should it run after all: the version of whatever this program is, to nowhere.
    let mut command = Command::new("/proc/self/exe");
    command.arg("--version").stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    command.spawn().and_then(|mut child| child.kill().and_then(|()| child.wait()).map(drop))
}

fn start_thread() -> io::Result<()> {
    std::thread::Builder::new().spawn(|| {}).map(|thread| {
        let _ = thread.join();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sandbox_refuses_is_open_without_one() {
        for attempt in attempts(&Sandbox::default()) {
            assert!(!attempt.expected && !attempt.refused, "{attempt:?}");
        }
        let whole = Sandbox { landlock: Some(7), seccomp: true, missing: Vec::new() };
        assert!(attempts(&whole).iter().all(|attempt| attempt.expected));
    }
}
