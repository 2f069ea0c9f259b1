//! From an upload to an artefact: a scan in this process, then a compiler in another (B4).

mod pool;
mod scan;
pub mod worker;

pub(crate) use pool::CompilerPool;
pub(crate) use scan::scan;
