//! The order to stop: SIGINT (Ctrl-C) or SIGTERM.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Explain;

/// Waits for orders to stop. The first asks for a drain; a caller may take the second for impatience.
#[derive(Debug)]
pub(crate) struct Orders {
    interrupt: Signal,
    terminate: Signal,
}

impl Orders {
    /// Begins to take the signals; from here on they no longer end the process by themselves.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).explain("cannot listen for signals", "look at the limits of this process");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// The next order.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
