//! What the suites stand on: one host in this process, shared by all tests, on two loopback ports; tenants made for each
//! test; agents built once, from source, by the product's own `build`.

pub(crate) mod agents;
mod dice;
pub(crate) mod h2;
mod host;
mod http;
mod process;
mod raw;
mod tenant;
mod toolchain;
pub(crate) mod wit;

pub(crate) use dice::Dice;
pub(crate) use host::{Host, binary};
pub(crate) use http::{Reply, send as send_to};
pub(crate) use process::{Desk, Finished, ON_FREE_PORTS, Process, Served, eventually};
pub(crate) use raw::Raw;
pub(crate) use tenant::{Bystander, Tenant};
pub(crate) use toolchain::Toolchain;
