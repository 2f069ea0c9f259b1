//! The command line's shape: one variant a command. Each command's own arguments stand with the command.

mod teaching;

use clap::{ArgMatches, Command as ClapCommand, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::commands;

/// A multi-tenant runtime for agents: every call runs in an island of its own.
#[derive(Debug, Parser)]
#[command(name = "insula", version, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 done, 1 the operation failed, 2 wrong usage. Start with `insula demo`.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Print the result as JSON, for scripts
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// The command line as it is parsed and as its help shows it.
pub(crate) fn command() -> ClapCommand {
    teaching::taught(Cli::command())
}

impl Cli {
    /// Parses the arguments of this process.
    pub(crate) fn of_process() -> Result<Self, clap::Error> {
        let mut command = command();
        let mut matches: ArgMatches = command.try_get_matches_from_mut(std::env::args_os())?;
        Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The two-minute tour: two tenants, real agents, a hostile one, and the bills
    Demo(commands::demo::Args),
    /// Begin a new agent, in Rust, JavaScript or Python
    New(commands::new::Args),
    /// Develop agents: a local host that rebuilds and redeploys on save
    Dev(commands::dev::Args),
    /// Call an agent once, in a throw-away host
    Run(commands::run::Args),
    /// Run an agent's cases, each in two tenants of a throw-away host
    Test(commands::test::Args),
    /// Run a host
    Serve(commands::serve::Args),
    /// Build an agent's component
    Build(commands::build::Args),
    /// Say what is here and what is missing, for each language and for a host
    Doctor(commands::doctor::Args),
    /// Say what a host would make of a component
    Check(commands::check::Args),
    /// Put an agent on a host
    Deploy(commands::deploy::Args),
    /// Call an agent on a host
    Invoke(commands::invoke::Args),
    /// Read what agents logged
    Logs(commands::logs::Args),
    /// Look after agents and their versions
    #[command(subcommand)]
    Agent(commands::agent::Act),
    /// Read and change an agent's configuration
    #[command(subcommand)]
    Config(commands::config::Act),
    /// What the tenant's agents used
    Usage(commands::usage::Args),
    /// What the tenant may use
    Limits(commands::limits::Args),
    /// Read and change what agents stored
    #[command(subcommand)]
    Storage(commands::storage::Act),
    /// How the tenant's cache is doing, and an end to what is in it
    Cache(commands::cache::Args),
    /// Look after tenants (operators)
    #[command(subcommand)]
    Tenant(commands::tenant::Act),
    /// Look after tiers, which are named limits (operators)
    #[command(subcommand)]
    Tier(commands::tier::Act),
    /// Look after tenants' keys (operators)
    #[command(subcommand)]
    Key(commands::key::Act),
    /// What operators did (operators)
    Audit(commands::audit::Args),
    /// Check a key and keep it in the profile
    Login(commands::login::Args),
    /// Print what a shell needs to complete commands
    Completion(commands::completion::Args),
    /// Compile a component from standard input: what a host starts for each upload
    #[command(hide = true)]
    CompileWorker,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_make_sense_together() {
        command().debug_assert();
    }

    #[test]
    fn wrong_usage_is_exit_code_2() {
        for line in ["insula", "insula frobnicate", "insula tenant", "insula run", "insula key create"] {
            let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn json_goes_before_or_behind_the_command() {
        for line in ["insula --json usage", "insula usage --json"] {
            assert!(Cli::try_parse_from(line.split(' ')).unwrap().json, "{line}");
        }
    }
}
