//! `insula dev`: the production host on this machine, with agents that are rebuilt and redeployed as they are saved.
//!
//! Tenants are made by an operator's act and log in with their keys, as anywhere else (T1); limits are the same.

mod agents;
mod behind;
mod calls;
mod deployment;
mod folder;
mod keyboard;
mod keys;
mod sources;
mod tenants;
mod watch;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use insula_runtime::{EngineSettings, Opened, Runtime, TenantName};
use insula_server::ServerSettings;
use serde_json::json;
use tokio::sync::watch::Receiver;

use crate::failure::{Explain, Failure};
use crate::host::landlock::Off;
use crate::host::{self, Serving};
use crate::limits;
use crate::log_lines;
use crate::logging::{self, Format, Level};
use crate::profile::Profile;
use crate::signals::Orders;
use crate::terminal::{self, Terminal, bold, dim};

use agents::{Agents, Reload};
use calls::{Style, Versions};
use folder::Folder;
use keyboard::Keyboard;
use keys::Keys;
use tenants::Tenant;
use watch::Watch;

/// Arguments of `dev`.
#[derive(Debug, clap::Args)]
#[command(after_help = "While it runs, client commands find this host and the first tenant's key in the profile.")]
pub(crate) struct Args {
    /// The agents' folders
    #[arg(value_name = "DIR", default_value = ".")]
    folders: Vec<PathBuf>,
    /// The tenants; every agent is deployed to every one
    #[arg(long, value_name = "NAME", default_value = "dev")]
    tenant: Vec<TenantName>,
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value_t = host::STANDARD_LISTEN)]
    listen: SocketAddr,
    /// Keep storage here across runs; a throw-away directory unless given
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Which builds of agents in Rust follow a save
    #[arg(long, value_enum, value_name = "BUILDS", default_value_t = Reload::QuickThenWhole)]
    reload: Reload,
    /// Show the whole bill of each call, and its host calls by kind
    #[arg(long, short)]
    verbose: bool,
    /// Another limit than the standard one, for tenants that are made now
    #[arg(long, value_name = "NAME=VALUE", value_parser = limits::parse)]
    limit: Vec<(String, u64)>,
}

pub(crate) fn run(args: Args, terminal: &Terminal) -> anyhow::Result<()> {
    logging::start(Format::Text, Level::Warn);
    let mut folders = Vec::new();
    for path in &args.folders {
        folders.push(Folder::open(path)?);
    }
    folder::check_names(&folders)?;
    let throw_away = tempfile::tempdir().explain("cannot make a temporary directory", "make room, or set TMPDIR")?;
    let data = args.data.clone().unwrap_or_else(|| throw_away.path().join("data"));
    let control = host::control_threads()?;
    let result = control.block_on(develop(&args, &data, folders, terminal));
    // A build that is still going on is not waited for.
    control.shutdown_background();
    result
}

async fn develop(args: &Args, data: &Path, folders: Vec<Folder>, terminal: &Terminal) -> anyhow::Result<()> {
    let mut orders = Orders::listen()?;
    let opened = host::open(data, EngineSettings::standard(), host::settings(), Off::Builds.check()).await?;
    let Opened { runtime, operator_key, .. } = opened;
    let mut keys = Keys::open(args.data.as_ref().map(|_| data), operator_key.map(|key| key.reveal()))?;
    let operator_key = keys.operator()?;
    let operator = host::operator(&runtime, &operator_key).await?;
    let mut tenants = Vec::new();
    let patch = limits::patch(&args.limit)?;
    for (index, name) in args.tenant.iter().enumerate() {
        if args.tenant.iter().take(index).any(|before| before == name) {
            continue;
        }
        tenants.push(Tenant::ensure(&runtime, &operator, name, &patch, &mut keys).await?);
    }
    let several = |tenant: &Tenant| (tenants.len() > 1).then(|| (tenant.id, tenant.name.to_string()));
    let versions = Versions::default();
    let style = Style {
        tenants: tenants.iter().filter_map(several).collect(),
        verbose: args.verbose,
        versions: versions.clone(),
    };
    let (observer, calls) = calls::show(style, terminal);
    let serving = host::serve_observed(&runtime, ServerSettings::standard(args.listen), observer).await?;
    let keyboard = Keyboard::open();
    announce(&serving, &tenants, &keyboard, terminal);
    let profile = write_profile(&serving, &tenants, &operator_key, terminal);
    // A home that cannot be written to is no reason not to develop: --url and --key do as well.
    let profile = profile.inspect_err(|error| terminal.fail(error)).ok();

    let (stop, stopping) = tokio::sync::watch::channel(());
    let logs = follow_logs(&runtime, &tenants, stopping, terminal).await?;
    let watch = Watch::start(&folders)?;
    let agents = Agents { runtime: &runtime, tenants: &tenants, folders, versions, reload: args.reload, terminal };
    let ended = tokio::select! {
        ended = agents.keep_deployed(watch, &keyboard.pressed.rebuild) => ended,
        () = keyboard.pressed.quit.notified() => {
            terminal.note(dim("  stopping: calls in flight may end; Ctrl-C stops at once"));
            Ok(())
        }
        () = orders.next() => {
            terminal.note(dim("  stopping: calls in flight may end; Ctrl-C again stops at once"));
            Ok(())
        }
    };
    drop(stop);
    let drained = async {
        serving.drain().await;
        let _ = calls.await;
        for log in logs {
            // The followers end by themselves; one that panicked has nothing more to show.
            let _ = log.await;
        }
    };
    tokio::select! {
        () = drained => {}
        () = orders.next() => {}
    }
    if let Some(profile) = profile {
        take_back(&profile)?;
    }
    ended
}

/// Says where the host is and who may call it.
fn announce(serving: &Serving, tenants: &[Tenant], keyboard: &Keyboard, terminal: &Terminal) {
    if terminal.is_json() {
        let tenants: Vec<_> =
            tenants.iter().map(|tenant| json!({"tenant": tenant.id, "name": tenant.name, "key": tenant.key})).collect();
        terminal.event(&json!({"event": "ready", "url": serving.url(), "tenants": tenants}));
        return;
    }
    let keys = if keyboard.is_open() { "(r builds anew, q stops)" } else { "(Ctrl-C stops)" };
    terminal.say(format_args!("{} {}", bold("insula dev"), dim(keys)));
    let mut facts = vec![("url".to_owned(), serving.url())];
    facts.extend(tenants.iter().map(|tenant| (format!("key of {}", tenant.name), tenant.key.clone())));
    terminal.say_all(&terminal::facts(facts));
}

/// Puts this host in front in the profile, so that client commands find it.
fn write_profile(
    serving: &Serving,
    tenants: &[Tenant],
    operator_key: &str,
    terminal: &Terminal,
) -> anyhow::Result<Profile> {
    let ours = Profile {
        url: Some(serving.url()),
        key: tenants.first().map(|tenant| tenant.key.clone()),
        admin_url: Some(serving.admin_url()),
        operator_key: Some(operator_key.to_owned()),
        before_dev: None,
    };
    let written = ours.in_front_of(Profile::load()?);
    let path = written.save()?;
    if !terminal.is_json() {
        terminal.note_all(&terminal::facts([("profile", path.display().to_string())]));
    }
    Ok(written)
}

/// Takes this host out of the profile again, unless something else was written there meanwhile.
fn take_back(ours: &Profile) -> anyhow::Result<()> {
    let present = Profile::load()?;
    if present.url == ours.url && present.key == ours.key {
        present.lasting().save()?;
    }
    Ok(())
}

/// Shows every tenant's log as it is written.
async fn follow_logs(
    runtime: &Runtime,
    tenants: &[Tenant],
    stopping: Receiver<()>,
    terminal: &Terminal,
) -> anyhow::Result<Vec<tokio::task::JoinHandle<()>>> {
    let mut followers = Vec::new();
    for tenant in tenants {
        let permit = tenant.scope.permit().map_err(|error| Failure::new("cannot read the log").because(error))?;
        let reader = runtime.logs(&permit).await.explain("cannot read the log", "look at the messages above")?;
        let name = (tenants.len() > 1).then(|| tenant.name.to_string());
        let (terminal, mut stopping) = (terminal.clone(), stopping.clone());
        followers.push(tokio::spawn(async move {
            // The one thing that ever comes is the end of the channel.
            let stopped = async move { while stopping.changed().await.is_ok() {} };
            log_lines::follow(&reader, &terminal, name.as_deref(), stopped).await;
        }));
    }
    Ok(followers)
}
