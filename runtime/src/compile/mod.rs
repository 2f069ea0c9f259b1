//! From an upload to an artefact: a scan in this process, then a compiler in another (B4).

mod failures;
mod line;
mod pool;
mod probe;
mod sandbox;
mod scan;
mod starter;
mod threads;
mod weight;
pub mod worker;

pub(crate) use failures::Failures;
pub(crate) use pool::{CHECK, CompilerPool};
pub(crate) use scan::scan;
