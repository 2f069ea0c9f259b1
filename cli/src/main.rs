//! The `insula` binary: a thin start over the library, so that other packages can have the same one.

/// Calls are made on one thread and end on another. The allocator of glibc has those threads wait for each other; see
/// docs/decisions/0021.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    insula_cli::main()
}
