//! The subjects: what is measured, each in a process of its own that prints one line of JSON when it listens.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use axum::routing::post;
use insula_runtime::tenancy::{Credential, Deploy, OperatorScope};
use insula_runtime::{EngineSettings, HostSettings, LimitsPatch, Runtime, Settings, WorkerCommand};
use insula_server::{Server, ServerSettings};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::output;

/// The limit of a body where 10 MiB must fit, which is more than the standard.
const LARGE_BODIES: u64 = 16 << 20;

/// What a subject says when it listens.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Listening {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) path: String,
    pub(crate) key: Option<String>,
}

/// The yardstick: the least that an axum server can do with a body.
pub(crate) fn axum() -> anyhow::Result<()> {
    async fn echo(headers: HeaderMap, body: Bytes) -> impl axum::response::IntoResponse {
        let content_type = headers.get(header::CONTENT_TYPE).cloned();
        (content_type.map(|value| [(header::CONTENT_TYPE, value)]), body)
    }
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        announce(&Listening { address: listener.local_addr()?, path: "/echo".into(), key: None })?;
        let bodies = post(echo).layer(axum::extract::DefaultBodyLimit::disable());
        let router = axum::Router::new().route("/echo", post(echo)).route("/bodies", bodies);
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router).with_graceful_shutdown(input_ended()).await?;
        Ok(())
    })
}

/// The product as a subject: how it differs from one that is as it comes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    component: PathBuf,
    #[arg(long)]
    data: Option<PathBuf>,
    #[arg(long, default_value_t = 500)]
    tick_us: u64,
    #[arg(long)]
    guest_threads: Option<NonZeroUsize>,
    #[arg(long)]
    keep_resident_bytes: Option<usize>,
    /// The processors that it may use: all, or the first so many.
    #[arg(long)]
    processors: Option<usize>,
    /// Limits of the tenant that bodies of 10 MiB fit in.
    #[arg(long)]
    large_bodies: bool,
}

/// Holds this process to the first so many processors. Before it has threads: they are held as what starts them is.
fn held_to(processors: usize) -> anyhow::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    (0..processors).for_each(|processor| set.set(processor));
    rustix::thread::sched_setaffinity(None, &set).context("cannot be held to fewer processors")
}

/// The product: every default limit on, authentication on, bill on.
pub(crate) fn insula(options: Options) -> anyhow::Result<()> {
    let Options { component, data, tick_us, guest_threads, keep_resident_bytes, processors, large_bodies } = options;
    processors.map_or(Ok(()), held_to)?;
    let mut engine = EngineSettings { tick: Duration::from_micros(tick_us), ..EngineSettings::standard() };
    engine.guest_threads = guest_threads.unwrap_or(engine.guest_threads);
    engine.keep_resident_bytes = keep_resident_bytes.unwrap_or(engine.keep_resident_bytes);
    insula_cli::control_threads()?.block_on(async {
        let temporary = tempfile::tempdir()?;
        let data = data.unwrap_or_else(|| temporary.path().join("data"));
        let (runtime, operator) = open(data, engine).await?;
        let mut limits = unhurried();
        if large_bodies {
            (limits.request_bytes, limits.response_bytes) = (Some(LARGE_BODIES), Some(LARGE_BODIES));
        }
        let key = tenant(&runtime, &operator, "bench", &[("echo", &component)], limits).await?;
        let server = Server::bind(runtime.clone(), ServerSettings::standard("127.0.0.1:0".parse()?)).await?;
        announce(&Listening { address: server.address(), path: "/v1/agents/echo/invoke".into(), key: Some(key) })?;
        server.serve(input_ended()).await;
        runtime.shutdown().await;
        Ok(())
    })
}

/// What a host with a quiet tenant and one that attacks says when it listens.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Neighbours {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) quiet: String,
    pub(crate) attacker: String,
}

/// Every limit standard but the rate, which a benchmark is there to find.
pub(crate) fn unhurried() -> LimitsPatch {
    LimitsPatch { rate: Some(1_000_000), burst: Some(1_000_000), ..LimitsPatch::default() }
}

/// The product with two tenants, every setting and limit as it comes, but for the quiet one's rate.
pub(crate) fn neighbours(echo: &Path, hostile: &Path) -> anyhow::Result<()> {
    insula_cli::control_threads()?.block_on(async {
        let temporary = tempfile::tempdir()?;
        let (runtime, operator) = open(temporary.path().join("data"), EngineSettings::standard()).await?;
        let quiet = tenant(&runtime, &operator, "quiet", &[("echo", echo)], unhurried()).await?;
        let attacker = tenant(&runtime, &operator, "attacker", &[("hostile", hostile)], LimitsPatch::default()).await?;
        let server = Server::bind(runtime.clone(), ServerSettings::standard("127.0.0.1:0".parse()?)).await?;
        announce(&Neighbours { address: server.address(), quiet, attacker })?;
        server.serve(input_ended()).await;
        runtime.shutdown().await;
        Ok(())
    })
}

/// Opens the product's runtime on a new directory.
pub(crate) async fn open(data: PathBuf, engine: EngineSettings) -> anyhow::Result<(Runtime, OperatorScope)> {
    let worker = WorkerCommand { program: std::env::current_exe()?, arguments: vec!["compile-worker".into()] };
    let opened = Runtime::open(Settings { data, worker, engine, host: HostSettings::standard() }).await?;
    let secret = opened.operator_key.context("the data directory is not new")?.reveal();
    let operator = opened.runtime.login_operator(&secret.parse::<Credential>()?).await?;
    Ok((opened.runtime, operator))
}

/// Makes a tenant with these agents and limits, and answers its key.
pub(crate) async fn tenant(
    runtime: &Runtime,
    operator: &OperatorScope,
    name: &str,
    agents: &[(&str, &Path)],
    limits: LimitsPatch,
) -> anyhow::Result<String> {
    let tenant = runtime.control().create_tenant(operator, &name.parse()?, &limits).await?;
    let key = tenant.1.reveal();
    let scope = runtime.login(&key.parse::<Credential>()?).await?;
    let permit = scope.permit::<Deploy>()?;
    for (agent, component) in agents {
        let mut upload = runtime.begin_upload(&permit).await?;
        upload.write(&tokio::fs::read(component).await?)?;
        runtime.deploy(&permit, &agent.parse()?, upload, true).await?;
    }
    Ok(key)
}

pub(crate) fn announce<T: Serialize>(listening: &T) -> anyhow::Result<()> {
    output::line(&serde_json::to_string(listening)?);
    Ok(())
}

/// A subject ends when the benchmark that started it does: its input is the benchmark's.
pub(crate) async fn input_ended() {
    let mut nothing = [0];
    let _ = tokio::io::stdin().read(&mut nothing).await;
}
