//! The thread that starts compile workers, and does nothing else.
//!
//! The kernel ends a worker when the thread that started it ends (`PR_SET_PDEATHSIG` is about threads). The threads of the
//! async runtime come and go; this one ends with the pool.

use std::io;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

type Order = (Command, oneshot::Sender<io::Result<Child>>);

/// The thread. Dropped, it ends, and with it every worker that still runs.
#[derive(Debug)]
pub(super) struct Starter {
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Starter {
    /// In a tokio runtime, which then waits for the workers.
    ///
    /// # Errors
    ///
    /// When there is no thread to be had.
    pub(super) fn start() -> io::Result<Self> {
        let (orders, received) = mpsc::channel::<Order>();
        let tokio = Handle::current();
        let thread = std::thread::Builder::new().name("insula-compile".to_owned()).spawn(move || {
            let _entered = tokio.enter();
            for (mut command, answer) in received {
                // Whoever ordered it may have gone away: the worker is dropped then, and killed by that.
                drop(answer.send(command.spawn()));
            }
        })?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    /// Starts a worker.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub(super) async fn spawn(&self, command: Command) -> io::Result<Child> {
        let gone = || io::Error::other("the thread that starts compile workers has ended");
        let (answer, child) = oneshot::channel();
        self.orders.as_ref().ok_or_else(gone)?.send((command, answer)).map_err(|_| gone())?;
        child.await.map_err(|_| gone())?
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
