//! Standard output and error of a guest: whole lines to the log, within the call's log budget.
//!
//! wasmtime's own writers in 48.0.8 accept endless empty writes; this one answers them and keeps nothing.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use insula_host_api::{Level, LogMeter, LogSink, MESSAGE_LIMIT, Source, clean_message};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// What a guest may write at once, in bytes.
const PERMIT: usize = 4 << 10;

/// One of the two outputs. Clones share the unfinished line.
#[derive(Clone)]
pub(crate) struct Output(Arc<Mutex<Line>>);

struct Line {
    level: Level,
    source: Source,
    sink: Arc<dyn LogSink>,
    meter: Arc<LogMeter>,
    pending: Vec<u8>,
}

impl Output {
    pub(crate) fn new(level: Level, source: Source, sink: Arc<dyn LogSink>, meter: Arc<LogMeter>) -> Self {
        Self(Arc::new(Mutex::new(Line { level, source, sink, meter, pending: Vec::new() })))
    }

    fn take(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(bytes);
    }
}

impl Line {
    fn take(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(part);
            if part.ends_with(b"\n") || self.pending.len() > MESSAGE_LIMIT {
                self.finish();
            }
        }
    }

    fn finish(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        // Taken first: should the sink panic over it, the drop of this line does not try again.
        let mut line = std::mem::take(&mut self.pending);
        let text = String::from_utf8_lossy(&line);
        let message = clean_message(text.trim_end_matches(['\n', '\r']));
        if self.meter.admit(message.len()) {
            self.sink.write(self.level, self.source, &message);
        }
        line.clear();
        self.pending = line;
    }
}

/// What was printed without a line's end is a line too, when the call ends.
impl Drop for Line {
    fn drop(&mut self) {
        self.finish();
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > PERMIT {
            return Err(StreamError::trap("more was written than `check-write` permits"));
        }
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
