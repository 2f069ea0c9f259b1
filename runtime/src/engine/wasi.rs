//! What is linked beside `wit/`: WASI 0.2 as ordinary toolchains import it, cut down.
//!
//! Clocks, random, and standard streams work. File systems, sockets and outgoing HTTP exist and deny: their entry
//! points answer with nothing or with `access-denied`, so that no handle to act on can come into being, and every
//! function that would need such a handle is a trap. wasmtime's own file system and socket code is not linked.

use wasmtime::Engine;
use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource, ResourceType};
use wasmtime_wasi::WasiView as _;
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks, random};
use wasmtime_wasi::random::WasiRandom;

use super::GuestState;

/// The newest WASI 0.2 that is offered: by the linker's rule of versions, every other 0.2 matches it.
const WASI: &str = "0.2.12";

/// What becomes of an import: the words of the admission report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImportStatus {
    /// It works.
    Granted,
    /// It exists and denies.
    Denied,
    /// It is not offered, and a component that wants it is refused.
    Unknown,
}

/// Our own interfaces.
const AGENT: &[&str] = &["types", "storage", "cache", "log", "config", "usage"];
/// WASI that works.
const GRANTED: &[&str] = &[
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:random/random",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
];
/// WASI that denies.
const DENIED: &[&str] = &[
    "wasi:filesystem/types",
    "wasi:filesystem/preopens",
    "wasi:sockets/network",
    "wasi:sockets/instance-network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
    "wasi:sockets/ip-name-lookup",
    "wasi:http/types",
    "wasi:http/outgoing-handler",
];

/// What becomes of an import of this name.
pub(crate) fn import_status(name: &str) -> ImportStatus {
    let Some((interface, version)) = name.split_once('@') else {
        return ImportStatus::Unknown;
    };
    if let Some(ours) = interface.strip_prefix("insula:agent/") {
        let known = version == "0.1.0" && AGENT.contains(&ours);
        return if known { ImportStatus::Granted } else { ImportStatus::Unknown };
    }
    let patch = version.strip_prefix("0.2.").and_then(|patch| patch.parse::<u32>().ok());
    match patch {
        None => ImportStatus::Unknown,
        Some(_) if GRANTED.contains(&interface) => ImportStatus::Granted,
        Some(_) if DENIED.contains(&interface) => ImportStatus::Denied,
        Some(_) => ImportStatus::Unknown,
    }
}

/// The linker of every guest. Made once; each component's own unreachable imports are added to a clone of it.
///
/// # Errors
///
/// When two of the interfaces have one name.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<GuestState>> {
    let mut linker = Linker::new(engine);
    insula_host_api::link(&mut linker, |state: &mut GuestState| &mut state.host)?;
    link_granted(&mut linker)?;
    deny_filesystem(&mut linker)?;
    deny_sockets(&mut linker)?;
    Ok(linker)
}

fn link_granted(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    wasmtime_wasi_io::add_to_linker_async(linker)?;
    clocks::wall_clock::add_to_linker::<GuestState, WasiClocks>(linker, GuestState::clocks)?;
    clocks::monotonic_clock::add_to_linker::<GuestState, WasiClocks>(linker, GuestState::clocks)?;
    random::random::add_to_linker::<GuestState, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    random::insecure::add_to_linker::<GuestState, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<GuestState, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    cli::environment::add_to_linker::<GuestState, WasiCli>(linker, GuestState::cli)?;
    cli::exit::add_to_linker::<GuestState, WasiCli>(linker, GuestState::cli)?;
    cli::stdin::add_to_linker::<GuestState, WasiCli>(linker, GuestState::cli)?;
    cli::stdout::add_to_linker::<GuestState, WasiCli>(linker, GuestState::cli)?;
    cli::stderr::add_to_linker::<GuestState, WasiCli>(linker, GuestState::cli)?;
    cli::terminal_input::add_to_linker::<GuestState, WasiCli>(linker, GuestState::cli)?;
    cli::terminal_output::add_to_linker::<GuestState, WasiCli>(linker, GuestState::cli)?;
    cli::terminal_stdin::add_to_linker::<GuestState, WasiCli>(linker, GuestState::cli)?;
    cli::terminal_stdout::add_to_linker::<GuestState, WasiCli>(linker, GuestState::cli)?;
    cli::terminal_stderr::add_to_linker::<GuestState, WasiCli>(linker, GuestState::cli)
}

/// A host type that no value of ever exists: what a denied resource is.
#[derive(Debug)]
enum Never {}

macro_rules! denied_resources {
    ($($name:ident)*) => {$(
        #[derive(Debug)]
        struct $name { _never: Never }
    )*};
}
denied_resources!(Descriptor DirectoryEntryStream TcpSocket UdpSocket IncomingDatagrams OutgoingDatagrams AddressStream);

/// The one socket resource that can be had: the network itself, which opens nothing. It has no state.
#[derive(Debug)]
struct Network;

#[derive(Debug, Clone, Copy, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "the type must have the cases that the interface has; we answer with one")]
enum AddressFamily {
    #[component(name = "ipv4")]
    Ipv4,
    #[component(name = "ipv6")]
    Ipv6,
}

macro_rules! socket_errors {
    ($($name:ident = $text:literal,)*) => {
        /// `wasi:sockets/network.error-code`.
        #[derive(Debug, Clone, Copy, ComponentType, Lift, Lower)]
        #[component(enum)]
        #[repr(u8)]
        #[expect(dead_code, reason = "the type must have the cases that the interface has; we answer with one")]
        enum SocketError { $(#[component(name = $text)] $name,)* }
    };
}
socket_errors! {
    Unknown = "unknown", AccessDenied = "access-denied", NotSupported = "not-supported",
    InvalidArgument = "invalid-argument", OutOfMemory = "out-of-memory", Timeout = "timeout",
    ConcurrencyConflict = "concurrency-conflict", NotInProgress = "not-in-progress", WouldBlock = "would-block",
    InvalidState = "invalid-state", NewSocketLimit = "new-socket-limit", AddressNotBindable = "address-not-bindable",
    AddressInUse = "address-in-use", RemoteUnreachable = "remote-unreachable", ConnectionRefused = "connection-refused",
    ConnectionReset = "connection-reset", ConnectionAborted = "connection-aborted",
    DatagramTooLarge = "datagram-too-large", NameUnresolvable = "name-unresolvable",
    TemporaryResolverFailure = "temporary-resolver-failure", PermanentResolverFailure = "permanent-resolver-failure",
}

fn deny_filesystem(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let mut types = linker.instance(&format!("wasi:filesystem/types@{WASI}"))?;
    types.resource("descriptor", ResourceType::host::<Descriptor>(), |_, _| Ok(()))?;
    types.resource("directory-entry-stream", ResourceType::host::<DirectoryEntryStream>(), |_, _| Ok(()))?;
    let mut preopens = linker.instance(&format!("wasi:filesystem/preopens@{WASI}"))?;
    preopens.func_wrap("get-directories", |_, (): ()| Ok((Vec::<(Resource<Descriptor>, String)>::new(),)))
}

fn deny_sockets(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let mut network = linker.instance(&format!("wasi:sockets/network@{WASI}"))?;
    network.resource("network", ResourceType::host::<Network>(), |mut store, handle| {
        let state: &mut GuestState = store.data_mut();
        state.ctx().table.delete(Resource::<Network>::new_own(handle))?;
        Ok(())
    })?;
    let mut instance = linker.instance(&format!("wasi:sockets/instance-network@{WASI}"))?;
    instance.func_wrap("instance-network", |mut store, (): ()| {
        let state: &mut GuestState = store.data_mut();
        Ok((state.ctx().table.push(Network)?,))
    })?;
    let mut tcp = linker.instance(&format!("wasi:sockets/tcp@{WASI}"))?;
    tcp.resource("tcp-socket", ResourceType::host::<TcpSocket>(), |_, _| Ok(()))?;
    let mut create = linker.instance(&format!("wasi:sockets/tcp-create-socket@{WASI}"))?;
    create.func_wrap("create-tcp-socket", |_, (_,): (AddressFamily,)| {
        Ok((Err::<Resource<TcpSocket>, _>(SocketError::AccessDenied),))
    })?;
    let mut udp = linker.instance(&format!("wasi:sockets/udp@{WASI}"))?;
    udp.resource("udp-socket", ResourceType::host::<UdpSocket>(), |_, _| Ok(()))?;
    udp.resource("incoming-datagram-stream", ResourceType::host::<IncomingDatagrams>(), |_, _| Ok(()))?;
    udp.resource("outgoing-datagram-stream", ResourceType::host::<OutgoingDatagrams>(), |_, _| Ok(()))?;
    let mut create = linker.instance(&format!("wasi:sockets/udp-create-socket@{WASI}"))?;
    create.func_wrap("create-udp-socket", |_, (_,): (AddressFamily,)| {
        Ok((Err::<Resource<UdpSocket>, _>(SocketError::AccessDenied),))
    })?;
    let mut lookup = linker.instance(&format!("wasi:sockets/ip-name-lookup@{WASI}"))?;
    lookup.resource("resolve-address-stream", ResourceType::host::<AddressStream>(), |_, _| Ok(()))?;
    lookup.func_wrap("resolve-addresses", |_, (_, _): (Resource<Network>, String)| {
        Ok((Err::<Resource<AddressStream>, _>(SocketError::AccessDenied),))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_wasi_0_2_matches_and_nothing_else_does() {
        assert_eq!(import_status("wasi:clocks/wall-clock@0.2.0"), ImportStatus::Granted);
        assert_eq!(import_status("wasi:io/streams@0.2.12"), ImportStatus::Granted);
        assert_eq!(import_status("wasi:filesystem/types@0.2.9"), ImportStatus::Denied);
        for name in ["wasi:keyvalue/store@0.2.0-draft", "wasi:io/streams@0.3.0", "wasi:io/streams@0.2.0-rc", "wasi:io/streams", "env"] {
            assert_eq!(import_status(name), ImportStatus::Unknown, "{name}");
        }
    }

    #[test]
    fn our_own_interfaces_match_at_the_published_version_only() {
        assert_eq!(import_status("insula:agent/storage@0.1.0"), ImportStatus::Granted);
        assert_eq!(import_status("insula:agent/storage@0.2.0"), ImportStatus::Unknown);
        assert_eq!(import_status("insula:agent/egress@0.1.0"), ImportStatus::Unknown);
    }
}
