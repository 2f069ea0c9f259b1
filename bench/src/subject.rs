//! A subject or a load, started as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use serde::de::DeserializeOwned;

use crate::load::Measured;
use crate::subjects::Listening;

/// A process of this program. Dropped, its input ends and it stops.
pub(crate) struct Subject<T> {
    child: Child,
    pub(crate) listening: T,
}

impl<T: DeserializeOwned> Subject<T> {
    /// Starts it, and waits for the line that says that it is ready.
    pub(crate) fn start(arguments: &[String]) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("a subject without output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let listening = serde_json::from_str(&line).context("a subject did not start")?;
        Ok(Self { child, listening })
    }
}

impl<T> Subject<T> {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Subject<Listening> {
    pub(crate) fn load(&self, connections: usize, seconds: f64) -> anyhow::Result<Measured> {
        load(&self.listening, connections, seconds, &[])
    }
}

/// Runs one round of load in a process of its own.
pub(crate) fn load(at: &Listening, connections: usize, seconds: f64, more: &[&str]) -> anyhow::Result<Measured> {
    let Listening { address, path, key } = at;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["load", &address.to_string(), path, &connections.to_string(), &seconds.to_string()]);
    if let Some(key) = key {
        command.args(["--key", key]);
    }
    let output = command.args(more).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the load failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}

impl<T> Drop for Subject<T> {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
