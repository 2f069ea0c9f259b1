//! `insula serve`: the host.

mod settings;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use insula_runtime::{Check, EngineSettings, HostSettings, Opened};
use insula_server::{Listeners, ServerSettings};
use serde_json::json;

use crate::failure::{Explain, Failure};
use crate::host::landlock::{self, Off};
use crate::host::{self, Serving};
use crate::logging::{self, Format, Level};
use crate::signals::Orders;
use crate::terminal::{self, Terminal, bold, dim};

use settings::File;

/// Arguments of `serve`. They come before the configuration file.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The data directory; made on the first start
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// A configuration file; every key in it is optional
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where tenants call [default: 127.0.0.1:7400]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where operators call [default: this machine only, one port above --listen]
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<SocketAddr>,
    /// How log lines are written [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<Format>,
    /// The least important log lines that are written [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<Level>,
    /// Do not give up files and network with Landlock; for a kernel or a file system on which that fails
    #[arg(long)]
    no_landlock: bool,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    let file = match &args.config {
        Some(path) => File::load(path)?,
        None => File::default(),
    };
    let format = args.log_format.or(file.log_format).unwrap_or(Format::Text);
    logging::start(format, args.log_level.or(file.log_level).unwrap_or(Level::Info));
    let listen = args.listen.or(file.listen).unwrap_or(host::STANDARD_LISTEN);
    let admin_listen = args.admin_listen.or(file.admin_listen).unwrap_or_else(|| beside(listen));
    // In this order: what needs rights, such as a look at the machine's memory, then the end of the rights, then the threads,
    // which are all born without.
    let (processors, engine, server) = (host::processors(), file.engine(), file.server(listen, admin_listen));
    let settings = file.host();
    let listeners = host::listen(&server)?;
    let landlock = if args.no_landlock || file.landlock == Some(false) {
        Off::Told.check()
    } else {
        landlock::shut_in(&args.data).explain(
            "the host cannot give up its rights with Landlock",
            "report this with the kernel's version; until then, start it with --no-landlock",
        )?
    };
    tracing::info!("landlock: {}", landlock.detail);
    let start = Start { data: &args.data, engine, host: settings, server, listeners, landlock };
    host::control_threads_for(processors)?.block_on(host_until_told(start, format, terminal))
}

/// What a host is started with.
struct Start<'a> {
    data: &'a Path,
    engine: EngineSettings,
    host: HostSettings,
    server: ServerSettings,
    listeners: Listeners,
    landlock: Check,
}

async fn host_until_told(start: Start<'_>, format: Format, terminal: &Terminal) -> anyhow::Result<()> {
    // Signals are taken before anything is opened, so that an early one ends in an orderly stop as well.
    let mut orders = Orders::listen()?;
    let Start { data, engine, host, server, listeners, landlock } = start;
    let Opened { runtime, operator_key, .. } = host::open(data, engine, host, landlock).await?;
    let operator_key = operator_key.map(|key| key.reveal());
    let serving = match host::serve_on(&runtime, server, listeners) {
        Ok(serving) => serving,
        Err(error) => {
            runtime.shutdown().await;
            // The key is made once. Not to show it here would be to lose it.
            show_key(terminal, None, operator_key.as_deref());
            return Err(error);
        }
    };
    show_key(terminal, Some(&serving), operator_key.as_deref());
    let (tenants, operators) = (serving.url(), serving.admin_url());
    match format {
        Format::Text => {
            terminal.note(format_args!("{} {tenants} for tenants, {operators} for operators", bold("ready:")))
        }
        Format::Json => tracing::info!(tenants, operators, "ready"),
    }

    orders.next().await;
    tracing::info!("told to stop: no more calls are taken, and those in flight may end");
    tokio::select! {
        () = serving.drain() => {
            tracing::info!("stopped");
            Ok(())
        }
        () = orders.next() => Err(Failure::new("stopped before the calls in flight had ended")
            .because("a second order to stop came")
            .into()),
    }
}

/// Where operators call unless told otherwise: never from another machine. Port 0 stays 0, which is any free one.
fn beside(listen: SocketAddr) -> SocketAddr {
    let port = if listen.port() == 0 { 0 } else { listen.port().checked_add(1).unwrap_or(0) };
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Shows the operator's key, on the first start, and for scripts where the host listens.
fn show_key(terminal: &Terminal, serving: Option<&Serving>, operator_key: Option<&str>) {
    if terminal.is_json() {
        let address = |address: fn(&Serving) -> SocketAddr| serving.map(|serving| address(serving).to_string());
        terminal.event(&json!({
            "listen": address(|serving| serving.address),
            "admin": address(|serving| serving.admin_address),
            "operator-key": operator_key,
        }));
        return;
    }
    let Some(key) = operator_key else { return };
    let url = serving.map_or_else(|| "ADMIN-URL".to_owned(), Serving::admin_url);
    terminal.say(format_args!("{} {}", bold("operator key"), dim("(shown once; keep it)")));
    terminal.say_all(&terminal::facts([
        ("key", key.to_owned()),
        ("log in", format!("insula login --url {url} --key {key}")),
        ("then", "insula tenant create NAME".to_owned()),
    ]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_call_from_this_machine_unless_told_otherwise() {
        let beside = |listen: &str| beside(listen.parse().unwrap()).to_string();
        assert_eq!(beside("127.0.0.1:7400"), "127.0.0.1:7401");
        assert_eq!(beside("0.0.0.0:80"), "127.0.0.1:81");
        assert_eq!(beside("127.0.0.1:0"), "127.0.0.1:0");
        assert_eq!(beside("127.0.0.1:65535"), "127.0.0.1:0");
    }
}
