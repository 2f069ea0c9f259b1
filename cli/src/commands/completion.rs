//! `insula completion`: what a shell needs to complete commands and options.

use clap_complete::Shell;

use crate::args;
use crate::terminal::Terminal;

/// Arguments of `completion`.
#[derive(Debug, clap::Args)]
#[command(after_help = "The script goes to standard output. A new shell has it.")]
pub(crate) struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "insula", &mut script);
    terminal.body(&script);
}
