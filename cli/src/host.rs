//! A host in this process: the production runtime and server, as `serve`, `run`, `dev` and `demo` start them.

pub(crate) mod features;
pub(crate) mod landlock;
mod memory;
mod room;
mod tenants;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;

use insula_runtime::{
    Check, EngineSettings, HostSettings, OpenDataDirError, OpenError, Opened, Runtime, Settings, WorkerCommand,
};
use insula_server::{BindError, Listeners, Observer, Server, ServerSettings};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::environment;
use crate::failure::{Explain, Failure};

pub(crate) use tenants::{create_tenant, deploy, log_in, operator};

/// The address of tenants' routes unless told otherwise.
pub(crate) const STANDARD_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7400);

/// A server that runs in the background of this process.
#[derive(Debug)]
pub(crate) struct Serving {
    /// Where tenants call.
    pub(crate) address: SocketAddr,
    /// Where operators call.
    pub(crate) admin_address: SocketAddr,
    runtime: Runtime,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// The threads that a host's control plane runs on: one for two processors, since guests have threads of their own, and
/// what hands them work takes less of a processor than they do.
///
/// # Errors
///
/// When the machine gives no threads.
pub fn control_threads() -> anyhow::Result<tokio::runtime::Runtime> {
    control_threads_for(processors())
}

/// How many processors this process may use. Asked before the files that say so are out of reach.
pub(crate) fn processors() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// The same, for a number of processors that is known.
pub(crate) fn control_threads_for(processors: NonZeroUsize) -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(processors.get().div_ceil(2))
        .enable_all()
        .build()
        .explain("cannot start the host's threads", "look at the limits of this process, such as `ulimit -u`")
}

/// The host's standard settings on this machine. Asked before the files that say what it has are out of reach.
pub(crate) fn settings() -> HostSettings {
    let standard = HostSettings::standard();
    let guest_memory_bytes = memory::for_guests().unwrap_or(standard.guest_memory_bytes);
    HostSettings { guest_memory_bytes, components: room::for_components(), ..standard }
}

/// Opens a data directory with the production settings.
pub(crate) async fn open(
    data: &Path,
    engine: EngineSettings,
    host: HostSettings,
    landlock: Check,
) -> anyhow::Result<Opened> {
    let worker = WorkerCommand { program: environment::own_program()?, arguments: vec!["compile-worker".into()] };
    let settings = Settings { data: data.to_owned(), worker, engine, host };
    let opened = Runtime::open(settings).await.map_err(|error| refused(data, error))?;
    opened.runtime.add_check(landlock);
    Ok(opened)
}

fn refused(data: &Path, error: OpenError) -> Failure {
    let advice = match &error {
        OpenError::DataDir(OpenDataDirError::InUse { .. }) => {
            "stop the other host, or give another directory with --data".to_owned()
        }
        OpenError::DataDir(OpenDataDirError::NewerFormat { .. }) => {
            "use the newer release that wrote it; older ones never touch such a directory".to_owned()
        }
        OpenError::DataDir(OpenDataDirError::NotOurs { .. }) => {
            "give a new or an empty directory with --data".to_owned()
        }
        _ => format!("see that {} can be written and that its disk has room", data.display()),
    };
    Failure::explaining(error, "the host does not start", advice)
}

/// Begins to serve.
pub(crate) async fn serve(runtime: &Runtime, settings: ServerSettings) -> anyhow::Result<Serving> {
    let listeners = Listeners::bind(&settings).map_err(taken)?;
    serve_on(runtime, settings, listeners)
}

/// The same, with somebody who sees every call as it is answered.
pub(crate) async fn serve_observed(
    runtime: &Runtime,
    settings: ServerSettings,
    observer: Observer,
) -> anyhow::Result<Serving> {
    let listeners = Listeners::bind(&settings).map_err(taken)?;
    let server = Server::on(runtime.clone(), settings, listeners).map_err(taken)?;
    Ok(begin(runtime, server.observed_by(observer)))
}

/// Listens, and takes nothing yet: connections wait in the kernel.
pub(crate) fn listen(settings: &ServerSettings) -> anyhow::Result<Listeners> {
    Ok(Listeners::bind(settings).map_err(taken)?)
}

fn taken(error: BindError) -> Failure {
    Failure::new(format_args!("cannot listen on {}", error.address))
        .because(&error.source)
        .advise("stop what listens there, or give another address with --listen and --admin-listen")
}

/// Begins to serve on what is listened on already.
pub(crate) fn serve_on(runtime: &Runtime, settings: ServerSettings, listeners: Listeners) -> anyhow::Result<Serving> {
    let server = Server::on(runtime.clone(), settings, listeners).map_err(taken)?;
    Ok(begin(runtime, server))
}

fn begin(runtime: &Runtime, server: Server) -> Serving {
    let (address, admin_address) = (server.address(), server.admin_address());
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(server.serve(async move {
        // A sender that is gone is an order to stop as well.
        let _ = stopped.await;
    }));
    Serving { address, admin_address, runtime: runtime.clone(), stop, task }
}

impl Serving {
    /// Takes no more calls, lets those in flight end, and writes down what is still to be written.
    pub(crate) async fn drain(self) {
        let _ = self.stop.send(());
        // A task that panicked has nothing left to drain.
        let _ = self.task.await;
        self.runtime.shutdown().await;
    }

    /// The tenants' address, as a client writes it.
    pub(crate) fn url(&self) -> String {
        url(self.address)
    }

    /// The operators' address, as a client writes it.
    pub(crate) fn admin_url(&self) -> String {
        url(self.admin_address)
    }
}

/// How a client on this machine reaches an address that a server listens on.
fn url(address: SocketAddr) -> String {
    let mut reachable = address;
    if address.ip().is_unspecified() {
        reachable.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{reachable}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_one_that_a_client_can_call() {
        assert_eq!(url("127.0.0.1:7400".parse().unwrap()), "http://127.0.0.1:7400");
        assert_eq!(url("0.0.0.0:80".parse().unwrap()), "http://127.0.0.1:80");
        assert_eq!(url("[::]:80".parse().unwrap()), "http://[::1]:80");
    }
}
