//! The attack: a process of its own, from another loopback address than the quiet tenant's, until its input ends.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

use super::{Kind, bombs};
use crate::{load, output};

/// Where it comes from.
const FROM: &str = "127.0.0.2:0";
/// Between two bytes of a slow body.
const DRIP: Duration = Duration::from_millis(50);
/// Between two tries where the host hung up.
const AGAIN: Duration = Duration::from_millis(2);

/// What is attacked, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    pub(super) kind: Kind,
    pub(super) address: SocketAddr,
    pub(super) key: String,
    /// What is uploaded.
    pub(super) component: PathBuf,
}

/// What came of it: answers by status, and connections that ended without one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Attacked {
    pub(super) answers: BTreeMap<String, u64>,
    pub(super) ended: u64,
}

#[derive(Debug)]
struct Attack {
    options: Options,
    /// What is uploaded, in turns; each a little different every time.
    components: Vec<Vec<u8>>,
    number: AtomicU64,
    seen: Mutex<Attacked>,
}

pub(crate) fn main(options: &Options) -> anyhow::Result<()> {
    let Options { kind, address, key, component } = options;
    let options = Options { kind: *kind, address: *address, key: key.clone(), component: component.clone() };
    let component = std::fs::read(component)?;
    let components = if *kind == Kind::CompileBombs { bombs::all(&component)? } else { vec![component] };
    let attack = Arc::new(Attack { options, components, number: AtomicU64::new(0), seen: Mutex::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = tokio::sync::oneshot::channel();
    // The pipe's end is noticed by a thread of its own: the runtime's one is busy.
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        let _ = stop.send(());
    });
    output::line("{}");
    runtime.block_on(async {
        for _ in 0..attack.options.kind.connections() {
            let attack = Arc::clone(&attack);
            tokio::spawn(async move {
                loop {
                    if attack.once().await.is_err() {
                        attack.count(|seen| seen.ended += 1);
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            });
        }
        let _ = stopped.await;
    });
    drop(runtime);
    let seen = attack.seen.lock().map(|seen| seen.clone()).unwrap_or_default();
    output::line(&serde_json::to_string(&seen)?);
    Ok(())
}

impl Attack {
    fn count(&self, count: impl FnOnce(&mut Attacked)) {
        if let Ok(mut seen) = self.seen.lock() {
            count(&mut seen);
        }
    }

    async fn connect(&self) -> anyhow::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(FROM.parse()?)?;
        let stream = socket.connect(self.options.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// One connection's worth.
    async fn once(&self) -> anyhow::Result<()> {
        match self.options.kind {
            Kind::ConnectionFlood => {
                let stream = self.connect().await?;
                // Gone at once, and without a port that waits.
                stream.set_zero_linger()?;
                self.count(|seen| seen.ended += 1);
                Ok(())
            }
            Kind::SlowBody => self.drip().await,
            Kind::UploadFlood | Kind::CompileBombs => {
                let mut stream = self.connect().await?;
                loop {
                    let number = self.number.fetch_add(1, Ordering::Relaxed);
                    let component =
                        self.components.iter().cycle().nth(usize::try_from(number)? % self.components.len());
                    let component =
                        [component.context("nothing to upload")?.as_slice(), &custom_section(number)].concat();
                    let path = format!("/v1/agents/flood-{}", number % 8);
                    self.ask(&mut stream, "PUT", &path, "application/wasm", &component).await?;
                }
            }
            kind => {
                let body = kind.request().context("an attack without a request")?;
                let mut stream = self.connect().await?;
                loop {
                    let path = "/v1/agents/hostile/invoke";
                    self.ask(&mut stream, "POST", path, "application/json", body.as_bytes()).await?;
                }
            }
        }
    }

    fn head(&self, method: &str, path: &str, content_type: &str, length: usize) -> String {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n",
            self.options.key
        )
    }

    async fn ask(
        &self,
        stream: &mut TcpStream,
        method: &str,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> anyhow::Result<()> {
        let mut request = self.head(method, path, content_type, body.len()).into_bytes();
        request.extend_from_slice(body);
        stream.write_all(&request).await?;
        let mut buffer = vec![0; 64 << 10];
        let (head, _) = load::answer(stream, &mut buffer).await?;
        let status = String::from_utf8_lossy(head.get(9..12).unwrap_or_default()).into_owned();
        self.count(|seen| *seen.answers.entry(status).or_default() += 1);
        Ok(())
    }

    /// A body that is promised and comes a byte at a time.
    async fn drip(&self) -> anyhow::Result<()> {
        let mut stream = self.connect().await?;
        let head = self.head("POST", "/v1/agents/hostile/invoke", "application/json", 1_000_000);
        stream.write_all(head.as_bytes()).await?;
        loop {
            stream.write_all(b" ").await?;
            tokio::time::sleep(DRIP).await;
        }
    }
}

/// A section that does nothing but make the component another one.
fn custom_section(number: u64) -> Vec<u8> {
    // Section 0, eleven bytes: a name of two, and a number of eight.
    let mut section = vec![0, 11, 2, b'n', b'o'];
    section.extend_from_slice(&number.to_le_bytes());
    section
}
