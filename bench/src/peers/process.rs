//! A peer's process: started, waited for until it listens, and killed when dropped.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::subjects::Listening;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process of it. Dropped, it is killed.
pub(super) struct Process {
    child: Child,
    pub(super) listening: Listening,
}

impl Process {
    /// Starts it; once it is there, it listens at this address.
    pub(super) fn start(command: &mut Command, address: SocketAddr) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().with_context(|| {
            format!("`{}` does not start; `cargo xtask bench` installs it", command.get_program().display())
        })?;
        let mut started = Self { child, listening: Listening { address, path: "/echo".into(), key: None } };
        started.until_it_listens()?;
        Ok(started)
    }

    fn until_it_listens(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while TcpStream::connect(self.listening.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}");
            }
            if began.elapsed() > PATIENCE {
                bail!("it did not listen within {PATIENCE:?}");
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// An address that nobody listens on just now: peers cannot say which one they chose.
pub(super) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
