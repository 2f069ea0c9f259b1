//! The server: listeners bound before anything is promised, served until the order to stop, then drained.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use insula_runtime::Runtime;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::accept::{Places, accept};
use crate::activity::Patience;
use crate::app::App;
use crate::connection::House;
use crate::listen::{BindError, listen};
use crate::observer::Observer;
use crate::router;
use crate::settings::ServerSettings;
use crate::stop::Stop;

/// How long what was told to end may take to do so.
const LAST_RITES: Duration = Duration::from_secs(1);

/// A server that is bound to its addresses. Connections wait in the kernel until it serves.
#[derive(Debug)]
pub struct Server {
    runtime: Runtime,
    settings: ServerSettings,
    tenants: Bound,
    operators: Option<Bound>,
    observer: Option<Observer>,
}

#[derive(Debug)]
struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// Addresses that are listened on, by no one's thread yet. For a process that gives up the right to bind before it starts
/// the threads that serve.
#[derive(Debug)]
pub struct Listeners {
    tenants: std::net::TcpListener,
    operators: Option<std::net::TcpListener>,
}

impl Listeners {
    /// Listens on the addresses of the settings. Port 0 lets the system choose. Starts no thread, and needs no runtime.
    ///
    /// # Errors
    ///
    /// [`BindError`], for the first address that is taken or not ours.
    pub fn bind(settings: &ServerSettings) -> Result<Self, BindError> {
        let tenants = listen(settings.listen)?;
        Ok(Self { tenants, operators: settings.admin_listen.map(listen).transpose()? })
    }
}

impl Bound {
    /// In a tokio runtime.
    fn on(listener: std::net::TcpListener, address: SocketAddr) -> Result<Self, BindError> {
        let take = || {
            let address = listener.local_addr()?;
            Ok(Self { listener: TcpListener::from_std(listener)?, address })
        };
        take().map_err(|source| BindError { address, source })
    }
}

impl Server {
    /// Listens on the addresses of the settings. Port 0 lets the system choose.
    ///
    /// # Errors
    ///
    /// [`BindError`], for the first address that is taken or not ours.
    pub async fn bind(runtime: Runtime, settings: ServerSettings) -> Result<Self, BindError> {
        let listeners = Listeners::bind(&settings)?;
        Self::on(runtime, settings, listeners)
    }

    /// The same, on what is listened on already. In a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BindError`], when the runtime cannot watch it.
    pub fn on(runtime: Runtime, settings: ServerSettings, listeners: Listeners) -> Result<Self, BindError> {
        let tenants = Bound::on(listeners.tenants, settings.listen)?;
        let operators = listeners.operators.zip(settings.admin_listen);
        let operators = operators.map(|(listener, address)| Bound::on(listener, address)).transpose()?;
        Ok(Self { runtime, settings, tenants, operators, observer: None })
    }

    /// The same, with somebody who sees every call of an agent as it is answered.
    #[must_use]
    pub fn observed_by(self, observer: Observer) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Where tenants call.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.tenants.address
    }

    /// Where operators call: the same address, unless they have a listener of their own.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.operators.as_ref().unwrap_or(&self.tenants).address
    }

    /// Serves until `shutdown`, then accepts no more and waits for the requests in flight, at most the settings' `drain`.
    /// To shut the runtime down is the caller's next step. Dropped, it ends everything at once.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send + 'static) {
        let Self { runtime, settings, tenants, operators, observer } = self;
        let (stop, tasks) = (Stop::default(), TaskTracker::new());
        let _end = stop.kill_on_drop();
        let app = App::new(runtime, &settings, stop.draining().clone(), observer);
        let listen = |bound: Bound, router: Router| {
            let house = House::new(router, patience(&settings), stop.clone(), tasks.clone());
            accept(bound.listener, places(&settings), house)
        };
        let accepting = async {
            match operators {
                None => listen(tenants, router::both(app)).await,
                Some(operators) => {
                    let tenants = listen(tenants, router::for_tenants(app.clone()));
                    let operators = listen(operators, router::for_operators(app));
                    tokio::join!(tenants, operators);
                }
            }
        };
        tokio::select! {
            () = shutdown => {}
            () = accepting => {}
        }
        drain(&stop, &tasks, settings.drain).await;
    }
}

async fn drain(stop: &Stop, tasks: &TaskTracker, patience: Duration) {
    stop.drain();
    tasks.close();
    if timeout(patience, tasks.wait()).await.is_ok() {
        return;
    }
    tracing::warn!(tasks = tasks.len(), "requests were still in flight at the end of draining: they are dropped");
    stop.kill();
    if timeout(LAST_RITES, tasks.wait()).await.is_err() {
        tracing::warn!(tasks = tasks.len(), "connections did not end when told to");
    }
}

fn patience(settings: &ServerSettings) -> Patience {
    Patience { head: settings.header_timeout, idle: settings.idle_timeout, stall: settings.answer_stall }
}

fn places(settings: &ServerSettings) -> Places {
    Places { connections: settings.connections, per_address: settings.connections_per_address }
}
