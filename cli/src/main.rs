//! The `insula` binary: a thin start over the library, so that other packages can have the same one.

fn main() -> std::process::ExitCode {
    insula_cli::main()
}
