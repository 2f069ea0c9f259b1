//! The real binary as a process of its own: started, read line by line, told to stop, killed. And waiting, for events
//! and never for time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, park_timeout};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Reply, Tenant, binary, http};

/// How long an event may take on a slow machine. It bounds a broken test, and says nothing about the product.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same for what builds agents.
const BUILD_PATIENCE: Duration = Duration::from_secs(300);

/// Looks until there is something to see.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        park_timeout(Duration::from_millis(20));
    }
}

/// The surroundings of a person at a terminal: a profile of their own, and nothing of the machine's.
pub(crate) struct Desk {
    folder: TempDir,
}

/// A command that ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The result, as `--json` prints it.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The same, of a command that must have worked.
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A place for files.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where this desk's profile is.
    pub(crate) fn profile(&self) -> PathBuf {
        self.path("config/insula/profile.toml")
    }

    /// The command, not started. HOME stays: the toolchains of builds are found through it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(self.folder.path());
        command.env("XDG_CONFIG_HOME", self.path("config"));
        command.env_remove("INSULA_URL").env_remove("INSULA_KEY").env_remove("NO_COLOR");
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        Self::finish(self.command(arguments), b"")
    }

    /// Runs a command to its end with some standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &[u8]) -> Finished {
        Self::finish(self.command(arguments), input)
    }

    /// Runs a command that was put together elsewhere to its end.
    pub(crate) fn finish(mut command: Command, input: &[u8]) -> Finished {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that does not read its input has closed the pipe: that is its right.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        Finished {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts a command that goes on.
    pub(crate) fn start(&self, arguments: &[&str]) -> Process {
        Process::start(self.command(arguments))
    }
}

/// A command that goes on. Dropped, it is killed.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    errors: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts it, and reads both of its streams from the first byte on.
    pub(crate) fn start(command: Command) -> Self {
        Self::start_at(command, Stdio::null())
    }

    /// The same, with something to read.
    pub(crate) fn start_at(mut command: Command, input: Stdio) -> Self {
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        let errors: Arc<Mutex<Vec<u8>>> = Arc::default();
        let told = Arc::clone(&errors);
        let readers = vec![
            std::thread::spawn(move || {
                for line in stdout.lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            }),
            std::thread::spawn(move || {
                let mut chunk = [0; 4 << 10];
                while let Ok(count @ 1..) = stderr.read(&mut chunk) {
                    told.lock().unwrap().extend_from_slice(&chunk[..count]);
                }
            }),
        ];
        Self { child, lines, errors, readers }
    }

    /// The next line of standard output; `None` at its end.
    pub(crate) fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(BUILD_PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line within {BUILD_PATIENCE:?}; {}", self.errors()),
        }
    }

    /// The next line of standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        let line = self.line().unwrap_or_else(|| panic!("it ended: {}", self.errors()));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
    }

    /// The next event of this name. Others before it fail the test, since none may come unasked.
    pub(crate) fn event(&self, name: &str) -> Value {
        let event = self.json();
        assert_eq!(event["event"], name, "{event}\n{}", self.errors());
        event
    }

    /// Standard error so far.
    pub(crate) fn errors(&self) -> String {
        String::from_utf8_lossy(&self.errors.lock().unwrap()).into_owned()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Kills it as a power cut would, and returns when it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its own end.
    pub(crate) fn end(mut self) -> Finished {
        let status = eventually("the process ends", || self.child.try_wait().unwrap());
        let stdout = self.lines.iter().collect::<Vec<_>>().join("\n");
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        Finished { code: status.code().unwrap_or(-1), stdout, stderr: self.errors() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A host that runs as `insula serve`, on free ports.
pub(crate) struct Served {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// What was printed of it: on the first start only.
    pub(crate) operator: Option<String>,
}

/// What `insula serve` is told here beside the data directory.
pub(crate) const ON_FREE_PORTS: [&str; 5] = ["--json", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

impl Served {
    /// Starts a host on a data directory and waits until it serves.
    pub(crate) fn start(desk: &Desk, data: &Path) -> Self {
        let arguments = [&["serve", "--data", data.to_str().unwrap()], ON_FREE_PORTS.as_slice()].concat();
        Self::from(desk.start(&arguments))
    }

    /// The host of a process that was started as one.
    pub(crate) fn from(process: Process) -> Self {
        let ready = process.json();
        let address = |name: &str| ready[name].as_str().unwrap().parse().unwrap();
        let operator = ready["operator-key"].as_str().map(str::to_owned);
        Self { address: address("listen"), admin: address("admin"), operator, process }
    }

    /// A request with the operator's key.
    pub(crate) fn operate(&self, key: &str, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let bytes = body.map(|body| body.to_string().into_bytes());
        http::send(self.admin, method, path, Some(key), &[("content-type", "application/json")], bytes.as_deref())
    }

    /// A new tenant.
    pub(crate) fn tenant(&self, operator: &str, name: &str) -> Tenant {
        let reply = self.operate(operator, "POST", "/v1/tenants", Some(&json!({ "name": name })));
        assert_eq!(reply.status, 201, "{}", reply.text());
        let body = reply.json();
        Tenant::new(self.address, body["tenant"].as_str().unwrap(), body["key"].as_str().unwrap())
    }

    /// A tenant that was made before this start.
    pub(crate) fn known(&self, tenant: &Tenant) -> Tenant {
        Tenant::new(self.address, &tenant.id, &tenant.key)
    }
}
