//! What is linked beside `wit/`: WASI 0.2 as ordinary toolchains import it, cut down.
//!
//! Clocks, random, and standard streams work. File systems, sockets and outgoing HTTP exist and deny: their entry
//! points answer with nothing or with `access-denied`, so that no handle to act on can come into being, and every
//! function that would need such a handle is a trap. wasmtime's own file system and socket code is not linked.

use wasmtime::Engine;
use wasmtime::component::{ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType, Val};
use wasmtime_wasi::WasiView as _;
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks, random};
use wasmtime_wasi::random::WasiRandom;

use super::GuestState;
use super::denied::DENIED;

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
        Some(_) if DENIED.iter().any(|denied| denied.interface == interface) => ImportStatus::Denied,
        Some(_) => ImportStatus::Unknown,
    }
}

/// The linker of every guest. Made once.
///
/// # Errors
///
/// When two of the interfaces have one name.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<GuestState>> {
    let mut linker = Linker::new(engine);
    insula_host_api::link(&mut linker, |state: &mut GuestState| &mut state.host)?;
    link_granted(&mut linker)?;
    deny(&mut linker)?;
    deny_entries(&mut linker)?;
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

/// What a denied resource is on the host: there is never one.
#[derive(Debug)]
enum Never {}

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

/// Everything that wants a handle which cannot be had.
fn deny(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    for denied in DENIED {
        let mut instance = linker.instance(&format!("{}@{WASI}", denied.interface))?;
        for resource in denied.resources.iter().filter(|resource| **resource != "network") {
            instance.resource(resource, ResourceType::host::<Never>(), |_, _| Ok(()))?;
        }
        for function in denied.functions {
            let name = format!("{}.{function}", denied.interface);
            instance.func_new(function, move |_, _, _, _| Err(NotOffered { name: name.clone() }.into()))?;
        }
    }
    Ok(())
}

/// A guest called a function of an interface that exists to deny.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` is denied here: there are no files, no sockets and no outgoing HTTP")]
struct NotOffered {
    name: String,
}

/// The functions by which a guest asks for a first handle.
fn deny_entries(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    instance(linker, "wasi:filesystem/preopens", |preopens| {
        preopens.func_wrap("get-directories", |_, (): ()| Ok((Vec::<(Resource<Never>, String)>::new(),)))
    })?;
    instance(linker, "wasi:filesystem/types", |types| {
        // An error of a stream is never one of a file.
        types.func_new("filesystem-error-code", |_, _, _, results| {
            if let Some(result) = results.first_mut() {
                *result = Val::Option(None);
            }
            Ok(())
        })
    })?;
    instance(linker, "wasi:sockets/tcp-create-socket", |create| {
        create.func_wrap("create-tcp-socket", |_, (_,): (AddressFamily,)| Ok((denied_socket(),)))
    })?;
    instance(linker, "wasi:sockets/udp-create-socket", |create| {
        create.func_wrap("create-udp-socket", |_, (_,): (AddressFamily,)| Ok((denied_socket(),)))
    })?;
    instance(linker, "wasi:sockets/ip-name-lookup", |lookup| {
        lookup.func_wrap("resolve-addresses", |_, (_, _): (Resource<Network>, String)| Ok((denied_socket(),)))
    })?;
    instance(linker, "wasi:sockets/network", |network| {
        network.resource("network", ResourceType::host::<Network>(), |mut store, handle| {
            let state: &mut GuestState = store.data_mut();
            state.ctx().table.delete(Resource::<Network>::new_own(handle))?;
            Ok(())
        })
    })?;
    instance(linker, "wasi:sockets/instance-network", |network| {
        network.func_wrap("instance-network", |mut store, (): ()| {
            let state: &mut GuestState = store.data_mut();
            Ok((state.ctx().table.push(Network)?,))
        })
    })
}

fn denied_socket() -> Result<Resource<Never>, SocketError> {
    Err(SocketError::AccessDenied)
}

fn instance(
    linker: &mut Linker<GuestState>,
    interface: &str,
    define: impl FnOnce(&mut LinkerInstance<'_, GuestState>) -> wasmtime::Result<()>,
) -> wasmtime::Result<()> {
    define(&mut linker.instance(&format!("{interface}@{WASI}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_wasi_0_2_matches_and_nothing_else_does() {
        assert_eq!(import_status("wasi:clocks/wall-clock@0.2.0"), ImportStatus::Granted);
        assert_eq!(import_status("wasi:io/streams@0.2.12"), ImportStatus::Granted);
        assert_eq!(import_status("wasi:filesystem/types@0.2.9"), ImportStatus::Denied);
        for name in [
            "wasi:keyvalue/store@0.2.0-draft",
            "wasi:io/streams@0.3.0",
            "wasi:io/streams@0.2.0-rc",
            "wasi:io/streams",
            "env",
        ] {
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
