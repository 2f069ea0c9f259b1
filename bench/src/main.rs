//! Side-by-side benchmarks: each subject in a process of its own, the load in another, rounds interleaved, so that what
//! is reported is a ratio of one run on one machine. Loopback only, bounded in time, and over by itself.

mod bodies;
mod cache;
mod calls;
mod cores;
mod dense;
mod echo;
mod empty_call;
mod figures;
mod guests;
mod host;
mod languages;
mod load;
mod metering;
mod neighbours;
mod output;
mod peers;
mod queue;
mod storage;
mod subject;
mod subjects;
mod timing;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// As in the binary that users run. The yardstick has it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(about = "Side-by-side benchmarks of Insula, each beside a yardstick in the same run")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A fresh-store echo through the whole HTTP path, beside a bare axum echo.
    Echo(echo::Options),
    /// Many tenants with an agent each on one host: what they hold when idle, and what first and later calls cost.
    Dense(dense::Options),
    /// Bodies from 64 bytes to 10 MiB, over HTTP/1.1 and HTTP/2, beside a bare axum echo.
    Bodies(bodies::Options),
    /// Reads of a tenant's cache on the host, beside moka and quick_cache.
    Cache(cache::Options),
    /// Durable writes and reads beside redb itself, on the host and in a guest; a killed host opened again; idle tenants.
    Storage(storage::Options),
    /// What metering, slices and an idle host cost.
    Guests(guests::Options),
    /// The same echo in each language.
    Languages(languages::Options),
    /// What a call costs on one processor and on more.
    Cores(cores::Options),
    /// What the fair queue's lock is held for, and what share of many threads' time that is.
    Queue(queue::Options),
    /// A quiet tenant beside one that attacks the host, in each way there is.
    Neighbours(neighbours::Options),
    /// Whether the time of an answer tells a name that another tenant has from one that nobody has.
    Timing(timing::Options),
    /// Other hosts' echo beside ours, with a page and plots.
    Peers(peers::Options),
    /// The load: a process of its own.
    #[command(hide = true)]
    Load(load::Options),
    #[command(hide = true)]
    LoadBodies(bodies::LoadOptions),
    /// An attack: a process of its own, which goes on until its input ends.
    #[command(hide = true)]
    Attack(neighbours::AttackOptions),
    /// A subject: a process of its own, which prints where it listens and serves until its input ends.
    #[command(hide = true)]
    ServeAxum,
    #[command(hide = true)]
    ServeInsula(subjects::Options),
    #[command(hide = true)]
    ServeNeighbours { echo: PathBuf, hostile: PathBuf },
    #[command(hide = true)]
    ServeTiming(timing::WorldOptions),
    #[command(hide = true)]
    WriteUntilKilled { data: PathBuf },
    #[command(hide = true)]
    CompileWorker,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::CompileWorker => return insula_runtime::worker::main(),
        Command::Echo(options) => echo::run(&options),
        Command::Dense(options) => dense::run(&options),
        Command::Peers(options) => peers::run(&options),
        Command::Bodies(options) => bodies::run(&options),
        Command::LoadBodies(options) => bodies::load(&options),
        Command::Load(options) => load::main(&options),
        Command::Guests(options) => guests::run(&options),
        Command::Languages(options) => languages::run(&options),
        Command::Queue(options) => queue::run(&options),
        Command::Cores(options) => cores::run(&options),
        Command::Neighbours(options) => neighbours::run(&options),
        Command::Timing(options) => timing::run(&options),
        Command::ServeTiming(options) => timing::serve(&options),
        Command::Attack(options) => neighbours::attack(&options),
        Command::ServeNeighbours { echo, hostile } => subjects::neighbours(&echo, &hostile),
        Command::Cache(options) => cache::run(&options),
        Command::Storage(options) => storage::run(&options),
        Command::WriteUntilKilled { data } => storage::write_until_killed(&data),
        Command::ServeAxum => subjects::axum(),
        Command::ServeInsula(options) => subjects::insula(options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
