//! The commands: one a file, named after what is typed.

pub(crate) mod agent;
pub(crate) mod audit;
pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod check;
pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod deploy;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod invoke;
pub(crate) mod key;
pub(crate) mod limits;
pub(crate) mod login;
pub(crate) mod logs;
pub(crate) mod new;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod storage;
pub(crate) mod tenant;
pub(crate) mod test;
pub(crate) mod tier;
pub(crate) mod usage;

use crate::args::Command;
use crate::terminal::Terminal;

/// Runs a command.
pub(crate) fn run(command: Command, terminal: &Terminal) -> anyhow::Result<()> {
    match command {
        Command::New(args) => new::run(&args, terminal),
        Command::Test(args) => test::run(&args, terminal),
        Command::Demo(args) => demo::run(&args, terminal),
        Command::Dev(args) => dev::run(args, terminal),
        Command::Run(args) => run::run(&args, terminal),
        Command::Serve(args) => serve::run(&args, terminal),
        Command::Build(args) => build::run(&args, terminal),
        Command::Doctor(args) => doctor::run(&args, terminal),
        Command::Check(args) => check::run(&args, terminal),
        Command::Deploy(args) => deploy::run(&args, terminal),
        Command::Invoke(args) => invoke::run(&args, terminal),
        Command::Logs(args) => logs::run(&args, terminal),
        Command::Agent(act) => agent::run(&act, terminal),
        Command::Config(act) => config::run(&act, terminal),
        Command::Usage(args) => usage::run(&args, terminal),
        Command::Limits(args) => limits::run(&args, terminal),
        Command::Storage(act) => storage::run(&act, terminal),
        Command::Cache(args) => cache::run(&args, terminal),
        Command::Tenant(act) => tenant::run(&act, terminal),
        Command::Tier(act) => tier::run(&act, terminal),
        Command::Key(act) => key::run(&act, terminal),
        Command::Audit(args) => audit::run(&args, terminal),
        Command::Login(args) => login::run(&args, terminal),
        Command::Completion(args) => {
            completion::run(&args, terminal);
            Ok(())
        }
        // Handled before there is a terminal to write to; see `lib.rs`.
        Command::CompileWorker => Ok(()),
    }
}
