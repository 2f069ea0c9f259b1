//! x
use crate::terminal::Terminal;
/// x
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}
pub(crate) fn run(_args: &Args, _terminal: &Terminal) -> anyhow::Result<()> { Ok(()) }
