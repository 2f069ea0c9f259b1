//! The server: listeners bound before anything is promised, served until the order to stop, then drained.

use std::future::Future;
use std::io;
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
use crate::router;
use crate::settings::ServerSettings;
use crate::stop::Stop;

/// How long what was told to end may take to do so.
const LAST_RITES: Duration = Duration::from_secs(1);

/// An address that could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// A server that is bound to its addresses. Connections wait in the kernel until it serves.
#[derive(Debug)]
pub struct Server {
    runtime: Runtime,
    settings: ServerSettings,
    tenants: Bound,
    operators: Option<Bound>,
}

#[derive(Debug)]
struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    async fn to(address: SocketAddr) -> Result<Self, BindError> {
        let bind = async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        bind.await.map_err(|source| BindError { address, source })
    }
}

impl Server {
    /// Listens on the addresses of the settings. Port 0 lets the system choose.
    ///
    /// # Errors
    ///
    /// [`BindError`], for the first address that is taken or not ours.
    pub async fn bind(runtime: Runtime, settings: ServerSettings) -> Result<Self, BindError> {
        let tenants = Bound::to(settings.listen).await?;
        let operators = match settings.admin_listen {
            Some(address) => Some(Bound::to(address).await?),
            None => None,
        };
        Ok(Self { runtime, settings, tenants, operators })
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
        let Self { runtime, settings, tenants, operators } = self;
        let (stop, tasks) = (Stop::default(), TaskTracker::new());
        let _end = stop.kill_on_drop();
        let app = App::new(runtime, &settings, stop.draining().clone());
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
