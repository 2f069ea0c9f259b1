//! What a server can be told: addresses, connection limits and timeouts (B1).
//!
//! It holds numbers and reads nothing: only cli reads files and the environment (A1).

use std::net::SocketAddr;
use std::time::Duration;

/// How a server listens, and how long it is patient with whom.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Where tenants call.
    pub listen: SocketAddr,
    /// Where operators call. `None`: on the same listener as tenants.
    pub admin_listen: Option<SocketAddr>,
    /// The most connections of one listener at a time. More wait in the kernel's queue.
    pub connections: usize,
    /// The most connections from one address (IPv6: one /64) at a time. More are closed at once.
    pub connections_per_address: usize,
    /// How long a client may take over the head of a request.
    pub header_timeout: Duration,
    /// How long a request's body may stand still.
    pub body_idle_timeout: Duration,
    /// How long a request's body may take as a whole.
    pub body_deadline: Duration,
    /// How long the upload of a component may take as a whole.
    pub upload_deadline: Duration,
    /// How long a client may leave an answer untaken.
    pub answer_stall: Duration,
    /// How long a connection may lie unused.
    pub idle_timeout: Duration,
    /// How long calls in flight may go on after the order to stop.
    pub drain: Duration,
    /// The most bytes of request and answer bodies in memory at a time. One tenant gets at most half of it, two a third
    /// each, and so on: there is always as much left for the next as the greediest holds.
    pub body_memory_bytes: u64,
    /// The most bytes of uploads on disk that are not deployed yet, shared in the same way.
    pub upload_disk_bytes: u64,
}

impl ServerSettings {
    /// The production settings: tenants at this address, operators at the same.
    #[must_use]
    pub fn standard(listen: SocketAddr) -> Self {
        Self {
            listen,
            admin_listen: None,
            connections: 1_024,
            connections_per_address: 256,
            header_timeout: Duration::from_secs(10),
            body_idle_timeout: Duration::from_secs(10),
            body_deadline: Duration::from_secs(60),
            upload_deadline: Duration::from_secs(300),
            answer_stall: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            drain: Duration::from_secs(30),
            body_memory_bytes: 512 << 20,
            upload_disk_bytes: 2 << 30,
        }
    }
}
