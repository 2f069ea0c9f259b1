//! The socket of one connection: it tells [`Activity`] when bytes come, and it lingers.
//!
//! A client whose upload was refused is often still sending. Closed at once, its kernel would answer with a reset, and
//! the refusal might never be read. So after the last byte of ours the rest of the client's is read and thrown away, for
//! a short while and a bounded number of bytes.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::activity::Activity;

/// How long to linger.
const LINGER: Duration = Duration::from_secs(2);
/// How much to throw away.
const LINGER_BYTES: usize = 64 << 20;

/// A socket with an eye on it.
pub(crate) struct Socket<T> {
    inner: T,
    activity: Arc<Activity>,
    closing: Closing,
}

enum Closing {
    Not,
    Lingering { until: Pin<Box<Sleep>>, left: usize },
    Done,
}

impl<T> Socket<T> {
    pub(crate) fn new(inner: T, activity: Arc<Activity>) -> Self {
        Self { inner, activity, closing: Closing::Not }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Socket<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.inner).poll_read(context, buffer));
        if buffer.filled().len() > before {
            self.activity.heard();
        }
        Poll::Ready(read)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            match &mut this.closing {
                Closing::Done => return Poll::Ready(Ok(())),
                Closing::Not => {
                    ready!(Pin::new(&mut this.inner).poll_shutdown(context))?;
                    this.closing = if this.activity.has_unread() {
                        Closing::Lingering { until: Box::pin(sleep(LINGER)), left: LINGER_BYTES }
                    } else {
                        Closing::Done
                    };
                }
                Closing::Lingering { until, left } => {
                    if until.as_mut().poll(context).is_pending() {
                        let read = ready!(throw_away(&mut this.inner, context));
                        if read > 0 && read <= *left {
                            *left -= read;
                            continue;
                        }
                    }
                    this.closing = Closing::Done;
                }
            }
        }
    }
}

/// Reads some bytes for no one; 0 at the end, also when it is a bad end.
fn throw_away<T: AsyncRead + Unpin>(socket: &mut T, context: &mut Context<'_>) -> Poll<usize> {
    let mut bytes = [0_u8; 8 << 10];
    let mut buffer = ReadBuf::new(&mut bytes);
    match ready!(Pin::new(socket).poll_read(context, &mut buffer)) {
        Ok(()) => Poll::Ready(buffer.filled().len()),
        Err(_) => Poll::Ready(0),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_still_sending_gets_to_read_the_refusal() {
        let (mut client, ours) = duplex(64);
        let activity = Activity::begin();
        activity.left_unread();
        let mut socket = Socket::new(ours, activity);
        let sender = tokio::spawn(async move {
            client.write_all(&[0; 100_000]).await.unwrap();
            client.shutdown().await.unwrap();
            let mut refusal = String::new();
            client.read_to_string(&mut refusal).await.unwrap();
            refusal
        });
        socket.write_all(b"413").await.unwrap();
        socket.shutdown().await.unwrap();
        drop(socket);
        assert_eq!(sender.await.unwrap(), "413");
    }

    #[tokio::test(start_paused = true)]
    async fn lingering_ends_and_does_not_begin_without_need() {
        let (_client, ours) = duplex(64);
        let began = Instant::now();
        Socket::new(ours, Activity::begin()).shutdown().await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);

        let (_client, ours) = duplex(64);
        let activity = Activity::begin();
        activity.left_unread();
        Socket::new(ours, activity).shutdown().await.unwrap();
        assert_eq!(began.elapsed().as_secs(), LINGER.as_secs());
    }
}
