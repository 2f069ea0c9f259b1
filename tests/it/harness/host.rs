//! A host under test: the production runtime and server, in this process, on free loopback ports.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use insula_runtime::{EngineSettings, HostSettings, Runtime, Settings, WorkerCommand};
use insula_server::{Server, ServerSettings};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::{Reply, Tenant, http};

/// The binary under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_insula-under-test"))
}

/// A host, with the operator's key. Dropped, it is shut down.
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) operator: String,
    pub(crate) runtime: Runtime,
    pub(crate) data: TempDir,
    tokio: Option<tokio::runtime::Runtime>,
    stop: Option<oneshot::Sender<()>>,
}

impl Host {
    /// The host that most tests share: its tenants are made for each test, so that tests do not meet.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Host> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(HostSettings::standard()))
    }

    /// A host of the test's own.
    pub(crate) fn start(settings: HostSettings) -> Self {
        Self::start_with(settings, |standard| standard)
    }

    /// The same, with a server of other settings than the standard ones.
    pub(crate) fn start_with(settings: HostSettings, change: impl FnOnce(ServerSettings) -> ServerSettings) -> Self {
        let engine = EngineSettings { instances: 64, ..EngineSettings::standard() };
        Self::start_on(engine, settings, change)
    }

    /// The same, on another engine.
    pub(crate) fn start_on(
        engine: EngineSettings,
        settings: HostSettings,
        change: impl FnOnce(ServerSettings) -> ServerSettings,
    ) -> Self {
        let data = tempfile::tempdir().unwrap();
        let tokio = tokio::runtime::Runtime::new().unwrap();
        let worker = WorkerCommand { program: binary().to_path_buf(), arguments: vec!["compile-worker".into()] };
        let settings = Settings { data: data.path().join("data"), worker, engine, host: settings };
        let (runtime, operator, server) = tokio.block_on(async {
            let opened = Runtime::open(settings).await.unwrap();
            let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
            let settings = ServerSettings { admin_listen: Some(loopback), ..ServerSettings::standard(loopback) };
            let server = Server::bind(opened.runtime.clone(), change(settings)).await.unwrap();
            (opened.runtime, opened.operator_key.unwrap().reveal(), server)
        });
        let (address, admin) = (server.address(), server.admin_address());
        let (stop, stopped) = oneshot::channel();
        tokio.spawn(server.serve(async {
            let _ = stopped.await;
        }));
        Self { address, admin, operator, runtime, data, tokio: Some(tokio), stop: Some(stop) }
    }

    /// A tenant of this name and no other, with the standard limits.
    pub(crate) fn tenant(&self, name: &str) -> Tenant {
        self.tenant_with(name, &json!({}))
    }

    /// A tenant with some limits of its own.
    pub(crate) fn tenant_with(&self, name: &str, limits: &Value) -> Tenant {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let reply = self.operate("POST", "/v1/tenants", Some(&json!({ "name": name, "limits": limits })));
        assert_eq!(reply.status, 201, "{}", reply.text());
        let body = reply.json();
        Tenant::new(self.address, body["tenant"].as_str().unwrap(), body["key"].as_str().unwrap())
    }

    /// A request with the operator's key, on the operator's listener.
    pub(crate) fn operate(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let bytes = body.map(|body| body.to_string().into_bytes());
        let content_type = body.map(|_| ("content-type", "application/json"));
        let headers: Vec<_> = content_type.into_iter().collect();
        http::send(self.admin, method, path, Some(&self.operator), &headers, bytes.as_deref())
    }

    /// Calls that are in the host.
    pub(crate) fn in_flight(&self) -> u64 {
        let metrics = self.operate("GET", "/metrics", None).text();
        let line = metrics.lines().find_map(|line| line.strip_prefix("insula_calls_in_flight "));
        line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
    }

    /// Tells the server to stop, and does not wait for it.
    pub(crate) fn tell_to_stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(tokio) = self.tokio.take() {
            tokio.block_on(self.runtime.shutdown());
        }
    }
}
