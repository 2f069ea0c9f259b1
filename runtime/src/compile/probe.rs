//! What the worker tries when it is asked to show that its sandbox bites (B5), on each of its threads: to open, list,
//! connect, send, run and spawn, after it has compiled, because a filter that stops compiling is no use either.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::sandbox::Sandbox;
use super::threads::Threads;

/// One thing that the worker tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Attempt {
    /// What.
    pub(crate) act: String,
    /// Whether the kernel refused it, and not for another reason, and to every thread.
    pub(crate) refused: bool,
    /// Whether what is in force says that it must be.
    pub(crate) expected: bool,
}

/// Tries each thing that a compiler that was taken over would try first. What one thread may do, the worker may.
pub(super) fn attempts(threads: &Threads, sandbox: &Sandbox) -> Vec<Attempt> {
    together(threads.everywhere(|| attempts_here(sandbox)))
}

fn together(each: impl IntoIterator<Item = Vec<Attempt>>) -> Vec<Attempt> {
    let mut each = each.into_iter();
    let mut worker = each.next().unwrap_or_default();
    for thread in each {
        for (all, one) in worker.iter_mut().zip(thread) {
            all.refused &= one.refused;
        }
    }
    worker
}

/// Tries them on the thread that calls.
fn attempts_here(sandbox: &Sandbox) -> Vec<Attempt> {
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
        for attempt in attempts_here(&Sandbox::default()) {
            assert!(!attempt.expected && !attempt.refused, "{attempt:?}");
        }
        let whole = Sandbox { landlock: Some(7), seccomp: true, missing: Vec::new() };
        assert!(attempts_here(&whole).iter().all(|attempt| attempt.expected));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn one_thread_that_is_not_shut_in_is_found() {
        use std::sync::atomic::{AtomicUsize, Ordering};

        use super::super::sandbox::{filter, give_up_rights};

        let first = std::thread::current().id();
        // Of three threads, as many shut in as is asked, and never the one that runs this test.
        let refused = |shut_in: usize| {
            let (threads, taken) = (Threads::start(3).unwrap(), AtomicUsize::new(0));
            let each = threads.everywhere(|| {
                let is_first = std::thread::current().id() == first;
                if !is_first && taken.fetch_add(1, Ordering::Relaxed) < shut_in {
                    give_up_rights().unwrap();
                    seccompiler::apply_filter(&filter().unwrap()).unwrap();
                }
                (!is_first).then(|| attempts_here(&Sandbox::default()))
            });
            together(each.into_iter().flatten()).into_iter().all(|attempt| attempt.refused)
        };
        assert!(refused(3));
        assert!(!refused(2));
        assert!(!refused(0));
    }
}
