//! What every handler shares: the runtime, the body rules, the ledgers and the sign that the server is stopping.
//!
//! It owns no tenant's data and names no tenant (T5): scopes come from the request.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use insula_runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::ServerSettings;
use crate::body::BodyRules;
use crate::memory::Ledger;
use crate::observer::Observer;
use crate::turns::Turns;

/// The state of the router. Clones share it.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

/// See [`App`].
pub(crate) struct Shared {
    /// What the routes are routes to.
    pub(crate) runtime: Runtime,
    /// Patience with ordinary bodies.
    pub(crate) body: BodyRules,
    /// Patience with the upload of a component.
    pub(crate) upload: BodyRules,
    /// Who holds how much memory in bodies.
    pub(crate) ledger: Ledger,
    /// Who holds how much of the disk in uploads that are not deployed yet.
    pub(crate) uploads: Ledger,
    /// Whose reads are at work.
    pub(crate) turns: Turns,
    /// Cancelled when the server begins to stop: endless answers end.
    pub(crate) stopping: CancellationToken,
    /// Who sees every call as it is answered.
    pub(crate) observer: Option<Observer>,
}

impl App {
    pub(crate) fn new(
        runtime: Runtime,
        settings: &ServerSettings,
        stopping: CancellationToken,
        observer: Option<Observer>,
    ) -> Self {
        let rules = |deadline: Duration| BodyRules { idle: settings.body_idle_timeout, deadline };
        Self(Arc::new(Shared {
            runtime,
            body: rules(settings.body_deadline),
            upload: rules(settings.upload_deadline),
            ledger: Ledger::new(settings.body_memory_bytes),
            uploads: Ledger::new(settings.upload_disk_bytes),
            turns: Turns::default(),
            stopping,
            observer,
        }))
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
