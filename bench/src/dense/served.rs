//! A host, `insula serve`, in a process of its own, what it holds and takes; and a client with one connection to it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::number;
use crate::host;
use crate::load::{BODY, answer};

/// A host. Dropped, it is killed.
pub(super) struct Served {
    child: Child,
    pub(super) address: SocketAddr,
    /// From its start until it answered.
    pub(super) took: Duration,
}

#[derive(Deserialize)]
struct Ready {
    listen: SocketAddr,
}

impl Served {
    pub(super) fn start(binary: &Path, data: &Path, config: Option<&Path>) -> anyhow::Result<Self> {
        let began = Instant::now();
        let mut child = Command::new(binary)
            .args([
                "serve",
                "--json",
                "--log-level",
                "error",
                "--listen",
                "127.0.0.1:0",
                "--admin-listen",
                "127.0.0.1:0",
            ])
            .arg("--data")
            .arg(data)
            .args(config.into_iter().flat_map(|config| [Path::new("--config"), config]))
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("a host without output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let took = began.elapsed();
        let ready: Ready = serde_json::from_str(&line).with_context(|| format!("the host did not start: {line}"))?;
        Ok(Self { child, address: ready.listen, took })
    }

    pub(super) fn resident_kib(&self) -> anyhow::Result<f64> {
        Ok(number(usize::try_from(host::resident_kib(self.child.id())?)?))
    }

    pub(super) fn descriptors(&self) -> anyhow::Result<f64> {
        Ok(number(std::fs::read_dir(self.proc("fd"))?.count()))
    }

    pub(super) fn mappings(&self) -> anyhow::Result<f64> {
        Ok(number(std::fs::read_to_string(self.proc("maps"))?.lines().count()))
    }

    /// What each of its threads took of processors since its start, in nanoseconds. Compile workers are none of them.
    pub(super) fn processor_time(&self) -> anyhow::Result<BTreeMap<OsString, u64>> {
        let mut threads = BTreeMap::new();
        for thread in std::fs::read_dir(self.proc("task"))? {
            let thread = thread?;
            // One that has just ended is not there any more.
            let Ok(stat) = std::fs::read_to_string(thread.path().join("schedstat")) else { continue };
            let time = stat.split_whitespace().next().context("no time")?;
            threads.insert(thread.file_name(), time.parse()?);
        }
        Ok(threads)
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.child.id())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One connection, for one request after another of any tenant.
pub(super) struct Client {
    runtime: Runtime,
    stream: TcpStream,
    address: SocketAddr,
    buffer: Vec<u8>,
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stream = runtime.block_on(TcpStream::connect(address))?;
        stream.set_nodelay(true)?;
        Ok(Self { runtime, stream, address, buffer: vec![0; 256 << 10] })
    }

    /// Calls an agent that gives back what it is sent. Answers how long that took.
    pub(super) fn call(&mut self, key: &str, agent: &str) -> anyhow::Result<Duration> {
        let path = format!("/v1/agents/{agent}/invoke");
        let (took, echoes) = self.send("POST", &path, key, "application/json", BODY.as_bytes(), |head, body| {
            head.starts_with(b"HTTP/1.1 200") && body == BODY.as_bytes()
        })?;
        ensure!(echoes, "the answer of {agent} was wrong: {}", self.seen());
        Ok(took)
    }

    /// Deploys an agent.
    pub(super) fn upload(&mut self, key: &str, agent: &str, component: &[u8]) -> anyhow::Result<()> {
        let path = format!("/v1/agents/{agent}");
        let (_, made) =
            self.send("PUT", &path, key, "application/wasm", component, |head, _| head.starts_with(b"HTTP/1.1 201"))?;
        ensure!(made, "{agent} was not deployed: {}", self.seen());
        Ok(())
    }

    fn send(
        &mut self,
        method: &str,
        path: &str,
        key: &str,
        content_type: &str,
        body: &[u8],
        is_right: impl FnOnce(&[u8], &[u8]) -> bool,
    ) -> anyhow::Result<(Duration, bool)> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        let request = [head.as_bytes(), body].concat();
        let (stream, buffer) = (&mut self.stream, &mut self.buffer);
        self.runtime.block_on(async {
            let began = Instant::now();
            stream.write_all(&request).await?;
            let (head, body) = answer(stream, buffer).await?;
            Ok((began.elapsed(), is_right(head, body)))
        })
    }

    /// The beginning of the last answer, for whoever has to know why it was wrong.
    fn seen(&self) -> String {
        String::from_utf8_lossy(self.buffer.get(..600).unwrap_or_default()).into_owned()
    }
}
