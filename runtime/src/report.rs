//! The admission report of an upload: what it is, what it wants, what it gets.

use serde::{Deserialize, Serialize};

/// What an upload was found to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The SHA-256 of the component.
    pub digest: String,
    /// Its size, in bytes.
    pub component_bytes: u64,
    /// The size of the compiled artefact, in bytes; 0 when it was not compiled.
    pub artefact_bytes: u64,
    /// Whether a compile worker ran for it. It does not when the same tenant has the same bytes compiled already.
    #[serde(default)]
    pub compiled: bool,
    /// How long the compile worker took, in milliseconds; 0 when it was not compiled, or was compiled before.
    pub compile_ms: u64,
    /// What it imports, and what becomes of each.
    pub imports: Vec<ReportImport>,
    /// What it exports.
    pub exports: Vec<String>,
    /// Core modules in it.
    pub modules: u32,
    /// Functions with a body, of all modules.
    pub functions: u32,
    /// Linear memories, of all modules.
    pub memories: u32,
    /// What these memories have at the start, in bytes.
    pub memory_minimum_bytes: u64,
    /// What its author may want to know.
    pub warnings: Vec<String>,
}

/// One import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReportImport {
    /// Its name.
    pub name: String,
    /// `granted`: it works. `denied-stub`: it exists and denies.
    pub status: String,
}
