//! The accept loop: how many connections there may be, of whom, and what happens when the system has no more (B1).
//!
//! A place is taken before a connection is accepted, so that what is over the limit waits in the kernel. No error of
//! accepting ends the loop.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::connection::{House, serve};

/// How long to wait when the system has no more sockets, memory, or the like.
const BACK_OFF: Duration = Duration::from_millis(100);

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places {
    /// In all.
    pub(crate) connections: usize,
    /// From one address.
    pub(crate) per_address: usize,
}

/// Accepts connections until the order to drain.
pub(crate) async fn accept(listener: TcpListener, places: Places, house: House) {
    let free = Arc::new(Semaphore::new(places.connections.min(Semaphore::MAX_PERMITS)));
    let addresses = Addresses::new(places.per_address);
    loop {
        let place = tokio::select! {
            () = house.stop.draining().cancelled() => return,
            place = Arc::clone(&free).acquire_owned() => place,
        };
        // The semaphore is never closed.
        let Ok(place) = place else { return };
        let accepted = tokio::select! {
            () = house.stop.draining().cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match addresses.take(peer.ip()) {
                Some(seat) => admit(stream, &house, (place, seat)),
                None => tracing::debug!(%peer, "closed at once: too many connections from this address"),
            },
            Err(error) => back_off(&error).await,
        }
        // One at a time: those that are here already do not wait until a flood of new ones has been taken in.
        yield_now().await;
    }
}

fn admit(stream: TcpStream, house: &House, held: impl Send + 'static) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection stays with Nagle's algorithm");
    }
    let connection = serve(stream, house.clone());
    house.tasks.spawn(async move {
        connection.await;
        drop(held);
    });
}

async fn back_off(error: &io::Error) {
    if is_of_one_connection(error) {
        tracing::debug!(%error, "a connection was gone before it was accepted");
    } else {
        tracing::warn!(%error, "no connection can be accepted just now");
        sleep(BACK_OFF).await;
    }
}

/// Whether the error is about the connection that was to be accepted, and not about accepting.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Who has how many connections.
#[derive(Clone)]
struct Addresses {
    limit: usize,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection of an address. Given back by drop.
struct Seat {
    addresses: Addresses,
    network: IpAddr,
}

impl Addresses {
    fn new(limit: usize) -> Self {
        Self { limit, taken: Arc::default() }
    }

    fn take(&self, address: IpAddr) -> Option<Seat> {
        let network = network(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(network).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Seat { addresses: self.clone(), network })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.addresses.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.network);
            }
        }
    }
}

/// What counts as one address: of IPv6 a /64, which is what one customer of a network gets at least.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(prefix))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_takes_its_own_seats_only_and_gives_them_back() {
        let addresses = Addresses::new(2);
        let ours = [addresses.take(address("10.0.0.1")), addresses.take(address("::ffff:10.0.0.1"))];
        assert!(ours.iter().all(Option::is_some));
        assert!(addresses.take(address("10.0.0.1")).is_none());
        let _theirs = addresses.take(address("10.0.0.2")).unwrap();
        drop(ours);
        assert!(addresses.take(address("10.0.0.1")).is_some());
        assert_eq!(addresses.taken.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        assert_eq!(network(address("2001:db8:1:2:3:4:5:6")), network(address("2001:db8:1:2::9")));
        assert_ne!(network(address("2001:db8:1:2::1")), network(address("2001:db8:1:3::1")));
    }

    #[test]
    fn running_out_of_files_is_no_fault_of_one_connection() {
        let emfile = io::Error::from_raw_os_error(24);
        assert!(!is_of_one_connection(&emfile));
        assert!(is_of_one_connection(&io::Error::from(io::ErrorKind::ConnectionAborted)));
    }
}
