//! The host's own log, for operators: tracing events to standard error.

use clap::ValueEnum;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use crate::terminal;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// The least important lines that are still written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Begins to write log lines. The engine and the database speak up only when something is wrong with them.
pub(crate) fn start(format: Format, level: Level) {
    let quiet = "wasmtime=warn,cranelift_codegen=warn,regalloc2=warn,sqlx=warn,hyper=warn,h2=warn,ureq=warn";
    let quiet = if level == Level::Error { String::new() } else { format!(",{quiet}") };
    let filter = EnvFilter::new(format!("{}{quiet}", level.name()));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call in one process changes nothing; there is one subscriber.
    let _ = match format {
        Format::Text => builder.with_ansi(terminal::errors_in_colour()).try_init(),
        Format::Json => builder.json().flatten_event(true).with_ansi(false).try_init(),
    };
}
