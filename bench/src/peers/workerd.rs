//! workerd, as npm has it, with the echo of `bench/peers/workerd`.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::subjects::Listening;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);
/// What stands in the configuration where the port comes.
const PORT: &str = "PORT";

/// A process of it. Dropped, it is killed.
pub(crate) struct Workerd {
    child: Child,
    pub(super) listening: Listening,
    _folder: tempfile::TempDir,
}

impl Workerd {
    /// Starts it: the program that was given, or the one on the path.
    pub(super) fn start(program: Option<&Path>) -> anyhow::Result<Self> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/workerd");
        let folder = tempfile::tempdir()?;
        let address = free_address()?;
        std::fs::copy(source.join("worker.js"), folder.path().join("worker.js"))?;
        let config = std::fs::read_to_string(source.join("config.capnp"))?;
        std::fs::write(folder.path().join("config.capnp"), config.replace(PORT, &address.port().to_string()))?;
        let program = program.map_or_else(|| PathBuf::from("workerd"), Path::to_path_buf);
        let child = Command::new(&program)
            .arg("serve")
            .arg(folder.path().join("config.capnp"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("`{}` does not start; `cargo xtask bench` installs it", program.display()))?;
        let listening = Listening { address, path: "/echo".into(), key: None };
        let mut started = Self { child, listening, _folder: folder };
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

/// An address that nobody listens on just now: workerd cannot say which one it chose.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

impl Drop for Workerd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
