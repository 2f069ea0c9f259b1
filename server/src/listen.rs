//! Listening on an address, and what the kernel does for us there before a connection is accepted.

use std::io;
use std::net::{SocketAddr, TcpListener};

/// Connections that may wait in the kernel until they are accepted.
const BACKLOG: i32 = 1_024;

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

/// Listens, without blocking. A connection on which the client has said nothing yet is kept from us for a second, where the
/// kernel can do that.
pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener, BindError> {
    let listener = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        #[cfg(target_os = "linux")]
        silence::keep_away(&listener)?;
        // The standard library's queue is short for a server; listening again makes it longer.
        rustix::net::listen(&listener, BACKLOG)?;
        Ok(listener)
    };
    listener().map_err(|source| BindError { address, source })
}

/// Connections on which the client has said nothing. In HTTP it speaks first: who connects and breaks off costs this process
/// no call of the kernel and no task, and who keeps silent is accepted a little later (decision 0029).
#[cfg(target_os = "linux")]
mod silence {
    use std::io;
    use std::net::TcpListener;

    use nix::sys::socket::setsockopt;
    use nix::{setsockopt_impl, sockopt_impl};

    /// Seconds for which the kernel keeps a connection to itself, while nothing comes on it.
    const SECONDS: u32 = 1;

    sockopt_impl!(
        /// `TCP_DEFER_ACCEPT` of tcp(7).
        DeferAccept,
        SetOnly,
        libc::IPPROTO_TCP,
        libc::TCP_DEFER_ACCEPT,
        u32
    );

    pub(super) fn keep_away(listener: &TcpListener) -> io::Result<()> {
        setsockopt(listener, DeferAccept, &SECONDS).map_err(io::Error::from)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpStream;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn who_says_nothing_is_accepted_after_who_asks_and_who_left_is_not_accepted() {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        listener.set_nonblocking(false).unwrap();
        let address = listener.local_addr().unwrap();
        let silent = TcpStream::connect(address).unwrap();
        let gone = TcpStream::connect(address).unwrap();
        rustix::net::sockopt::set_socket_linger(&gone, Some(std::time::Duration::ZERO)).unwrap();
        drop(gone);
        let mut asks = TcpStream::connect(address).unwrap();
        asks.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        let [first, second] = [(); 2].map(|()| listener.accept().unwrap().1);
        assert_eq!([first, second], [asks.local_addr().unwrap(), silent.local_addr().unwrap()]);
    }

    #[test]
    fn an_address_that_is_taken_is_named() {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let taken = listener.local_addr().unwrap();
        assert_eq!(listen(taken).unwrap_err().to_string(), format!("cannot listen on {taken}"));
    }
}
