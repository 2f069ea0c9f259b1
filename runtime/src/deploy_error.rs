//! Why an upload was refused: each with a stable word, what was wrong, and what to do.

use std::time::Duration;

use insula_store::{CatalogError, ShelfError};

/// An upload or a deployment that did not happen. Nothing of it stays behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// More bytes than allowed.
    #[error("the component has more than {limit} bytes, which is the tenant's `component-bytes`")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// No bytes.
    #[error("the upload is empty: send a WebAssembly component as the body")]
    Empty,
    /// Not WebAssembly.
    #[error("this is not WebAssembly: it does not begin with `\\0asm`")]
    NotWasm,
    /// A module, where a component is wanted.
    #[error(
        "this is a core module, not a component: build for wasm32-wasip2, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// Broken or cut short.
    #[error("the component is malformed at byte {offset}: {reason}")]
    Malformed {
        /// Where.
        offset: usize,
        /// What the parser says.
        reason: String,
    },
    /// The export is missing.
    #[error("the component does not export `insula:agent/handler@0.1.0`: it is not an agent")]
    NoHandler,
    /// The export or an import has another type than `wit/` says.
    #[error("the component does not fit `insula:agent@0.1.0`: {reason}")]
    WrongHandler {
        /// What the linker says.
        reason: String,
    },
    /// Imports that are not offered.
    #[error("the component imports what is not offered here: {}", .names.join(", "))]
    UnknownImports {
        /// Their names.
        names: Vec<String>,
    },
    /// Larger in some respect than is compiled here.
    #[error("the component has {found} {what}; {limit} are allowed")]
    TooComplex {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: u64,
        /// How many may be.
        limit: u64,
    },
    /// The compiler refused it.
    #[error("the component did not compile: {reason}")]
    CompileFailed {
        /// What the compiler says.
        reason: String,
    },
    /// The compiler took too long and was stopped.
    #[error("the component did not compile within {} seconds", .limit.as_secs())]
    CompileTimeout {
        /// The limit.
        limit: Duration,
    },
    /// The compiler ran out of its memory.
    #[error("the component did not compile within {limit} bytes of memory")]
    CompileMemory {
        /// The limit, in bytes.
        limit: u64,
    },
    /// Too many uploads wait for the compiler.
    #[error("too many uploads wait to be compiled")]
    CompilersBusy {
        /// When trying again may help.
        retry_after: Duration,
    },
    /// No room on the disk.
    #[error("the host's disk is full; nothing was stored or activated")]
    DiskFull,
    /// The catalog refused.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A fault of the host. The operator's log has the reason.
    #[error("the host failed to store the component; the fault is the host's, and nothing was activated")]
    Internal,
}

impl DeployError {
    /// The stable word for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "component-too-large",
            Self::Empty => "empty-upload",
            Self::NotWasm => "not-wasm",
            Self::CoreModule => "core-module",
            Self::Malformed { .. } => "malformed-component",
            Self::NoHandler => "no-handler",
            Self::WrongHandler { .. } => "wrong-handler",
            Self::UnknownImports { .. } => "unknown-imports",
            Self::TooComplex { .. } => "component-too-complex",
            Self::CompileFailed { .. } => "compile-failed",
            Self::CompileTimeout { .. } => "compile-timeout",
            Self::CompileMemory { .. } => "compile-memory",
            Self::CompilersBusy { .. } => "compilers-busy",
            Self::DiskFull => "disk-full",
            Self::Catalog(_) => "catalog",
            Self::Internal => "host-fault",
        }
    }
}

impl From<ShelfError> for DeployError {
    fn from(error: ShelfError) -> Self {
        match error {
            ShelfError::TooLarge { limit } => Self::TooLarge { limit },
            ShelfError::DiskFull => Self::DiskFull,
            other => {
                tracing::error!(error = &other as &dyn std::error::Error, "the shelf failed");
                Self::Internal
            }
        }
    }
}
