//! The agents of the suites, each built once, from source, by the product's own `build`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::Toolchain;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The folder of an agent of this repository.
pub(crate) fn folder(path: &str) -> PathBuf {
    root().join(path)
}

fn built(cell: &'static OnceLock<Vec<u8>>, path: &str) -> &'static [u8] {
    cell.get_or_init(|| {
        let component = insula_cli::build(&folder(path), true).unwrap_or_else(|error| panic!("{path}: {error:#}"));
        std::fs::read(component).unwrap()
    })
}

macro_rules! agents {
    ($($(#[$doc:meta])* $name:ident = $path:literal;)*) => {$(
        $(#[$doc])*
        pub(crate) fn $name() -> &'static [u8] {
            static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
            built(&COMPONENT, $path)
        }
    )*};
}

agents! {
    /// Calls any host function by name.
    probe = "tests/probe";
    /// Attacks, one for each name.
    hostile = "tests/hostile";
    /// Gives the body back.
    echo = "tests/echo";
    /// The sample that routes support tickets.
    triage = "sample-agents/triage";
    /// The sample that remembers notes and searches them.
    recall = "sample-agents/recall";
    /// The sample that keeps accounts.
    ledger = "sample-agents/ledger";
}

macro_rules! guests {
    ($($(#[$doc:meta])* $name:ident = $language:ident, $($path:literal),+;)*) => {$(
        $(#[$doc])*
        /// `None` where its toolchain is not here, which was said then.
        pub(crate) fn $name() -> Option<&'static [u8]> {
            static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
            Toolchain::$language.is_here().then(|| {
                $(Toolchain::$language.install($path);)+
                built(&COMPONENT, [$($path),+][0])
            })
        }
    )*};
}

guests! {
    /// The sample in JavaScript, which answers questions.
    faq = JavaScript, "sample-agents/faq";
    /// Every function of the SDK, in TypeScript.
    typescript = JavaScript, "tests/guests/typescript";
    /// Both of these, in SpiderMonkey.
    spidermonkey = JavaScript, "tests/guests/spidermonkey", "tests/guests/typescript", "sample-agents/faq";
    /// The sample in Python, which analyses tables.
    analyst = Python, "sample-agents/analyst";
    /// Every function of the SDK, in Python.
    python = Python, "tests/guests/python";
}

/// The same component as another version: with a custom section behind it, which means nothing to anyone.
pub(crate) fn another_version(component: &[u8], name: &str) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    assert!(length < 127, "the lengths are written as one byte each");
    [component, &[0, length + 1, length], name.as_bytes()].concat()
}

/// An agent written in WebAssembly text, in `tests/agents`.
pub(crate) fn text(name: &str) -> Vec<u8> {
    let path = folder("tests/agents").join(name).with_extension("wat");
    wat::parse_file(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The echo agent of `tests/agents/echo.wat` with more in its core module, and something to do before it answers.
pub(crate) fn edited(declarations: &str, body: &str) -> Vec<u8> {
    let source = std::fs::read_to_string(folder("tests/agents/echo.wat")).unwrap();
    let memory = r#"(memory (export "memory") 1)"#;
    let first = "(i32.store (i32.const 24) (local.get $body))";
    assert!(source.contains(memory) && source.contains(first), "the echo agent has changed");
    let source = source.replace(memory, &format!("{memory} {declarations}")).replace(first, &format!("{body} {first}"));
    wat::parse_str(&source).unwrap_or_else(|error| panic!("{error}"))
}
