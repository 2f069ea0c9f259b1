//! The configuration file of `serve`: every key optional, unknown keys are errors, and what is not said is standard.

use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::time::Duration;

use insula_runtime::{EngineSettings, HostSettings};
use insula_server::ServerSettings;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use crate::failure::Explain;
use crate::host;
use crate::logging::{Format, Level};
use crate::terminal;
use crate::toml_text::TomlText;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) listen: Option<SocketAddr>,
    pub(super) admin_listen: Option<SocketAddr>,
    pub(super) log_format: Option<Format>,
    pub(super) log_level: Option<Level>,
    pub(super) landlock: Option<bool>,
    engine: Engine,
    host: Host,
    server: Server,
}

/// See [`EngineSettings`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Engine {
    guest_threads: Option<NonZeroUsize>,
    instances: Option<NonZeroU32>,
    keep_resident_bytes: Option<Amount>,
    memory_bytes: Option<Amount>,
    tick: Option<Time>,
}

/// See [`HostSettings`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Host {
    concurrency: Option<NonZeroUsize>,
    queue: Option<NonZeroUsize>,
    guest_memory_bytes: Option<Amount>,
    component_cache_bytes: Option<Amount>,
    components: Option<NonZeroUsize>,
    component_idle: Option<Time>,
    compilers: Option<NonZeroUsize>,
    compile_queue: Option<NonZeroUsize>,
    compile_queue_per_tenant: Option<NonZeroUsize>,
    compile_deadline: Option<Time>,
    compile_memory_bytes: Option<Amount>,
    artefact_bytes: Option<Amount>,
    usage_flush: Option<Time>,
    open_files: Option<NonZeroUsize>,
    cache_ceiling_bytes: Option<Amount>,
}

/// See [`ServerSettings`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Server {
    connections: Option<NonZeroUsize>,
    connections_per_address: Option<NonZeroUsize>,
    header_timeout: Option<Time>,
    body_idle_timeout: Option<Time>,
    body_deadline: Option<Time>,
    upload_deadline: Option<Time>,
    answer_stall: Option<Time>,
    idle_timeout: Option<Time>,
    drain: Option<Time>,
    body_memory_bytes: Option<Amount>,
    upload_disk_bytes: Option<Amount>,
}

/// Bytes: a number, or text with a unit such as `"64MiB"`. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Amount(NonZeroU64);

/// A length of time: text with a unit, such as `"250us"`, `"500ms"` or `"30s"`. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Time(Duration);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Unit("a number of bytes above 0, such as 65536 or \"64MiB\"")).map(Self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a length of time above 0 with its unit, such as \"250us\", \"500ms\" or \"30s\"";
        let text = String::deserialize(deserializer)?;
        let micros = terminal::amount(&text).filter(|micros| *micros > 0 && text.trim_end().ends_with('s'));
        micros
            .map(|micros| Self(Duration::from_micros(micros)))
            .ok_or_else(|| D::Error::custom(format!("`{text}` is not {expected}")))
    }
}

/// Reads an amount; the text says what was expected.
struct Unit(&'static str);

impl Visitor<'_> for Unit {
    type Value = NonZeroU64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<NonZeroU64, E> {
        let amount = u64::try_from(value).ok().and_then(NonZeroU64::new);
        amount.ok_or_else(|| E::custom(format!("{value} is not {}", self.0)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<NonZeroU64, E> {
        NonZeroU64::new(value).ok_or_else(|| E::custom(format!("{value} is not {}", self.0)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<NonZeroU64, E> {
        let amount = terminal::amount(text).filter(|_| !text.trim_end().ends_with('s')).and_then(NonZeroU64::new);
        amount.ok_or_else(|| E::custom(format!("`{text}` is not {}", self.0)))
    }
}

/// Puts a setting in its place where the file has it.
fn set<T, U>(place: &mut T, stated: Option<U>, convert: impl FnOnce(U) -> T) {
    if let Some(stated) = stated {
        *place = convert(stated);
    }
}

/// An amount as a size in this machine's memory.
fn size(amount: Amount) -> usize {
    usize::try_from(amount.0.get()).unwrap_or(usize::MAX)
}

impl File {
    /// Reads the file.
    pub(super) fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).explain(
            format_args!("cannot read the configuration {}", path.display()),
            "give a file that can be read",
        )?;
        Ok(Self::parse(&text, path)?)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, crate::failure::Failure> {
        TomlText { text, path }.read("correct the line; every key is optional, and a key that is left out is standard")
    }

    /// The engine's settings.
    pub(super) fn engine(&self) -> EngineSettings {
        let mut settings = EngineSettings::standard();
        let file = &self.engine;
        set(&mut settings.guest_threads, file.guest_threads, |count| count);
        set(&mut settings.instances, file.instances, NonZeroU32::get);
        set(&mut settings.keep_resident_bytes, file.keep_resident_bytes, size);
        set(&mut settings.memory_bytes, file.memory_bytes, |amount| amount.0);
        set(&mut settings.tick, file.tick, |time| time.0);
        settings
    }

    /// The host's settings.
    pub(super) fn host(&self) -> HostSettings {
        let mut settings = host::settings();
        let file = &self.host;
        set(&mut settings.concurrency, file.concurrency, |count| count);
        set(&mut settings.queue, file.queue, |count| count);
        set(&mut settings.guest_memory_bytes, file.guest_memory_bytes, |amount| amount.0);
        set(&mut settings.component_cache_bytes, file.component_cache_bytes, |amount| amount.0);
        set(&mut settings.components, file.components, |count| count);
        set(&mut settings.component_idle, file.component_idle, |time| time.0);
        set(&mut settings.compilers, file.compilers, |count| count);
        set(&mut settings.compile_queue, file.compile_queue, |count| count);
        set(&mut settings.compile_queue_per_tenant, file.compile_queue_per_tenant, |count| count);
        set(&mut settings.compile_deadline, file.compile_deadline, |time| time.0);
        set(&mut settings.compile_memory_bytes, file.compile_memory_bytes, |amount| amount.0);
        set(&mut settings.artefact_bytes, file.artefact_bytes, |amount| amount.0);
        set(&mut settings.usage_flush, file.usage_flush, |time| time.0);
        set(&mut settings.open_files, file.open_files, |count| count);
        set(&mut settings.cache_ceiling_bytes, file.cache_ceiling_bytes, |amount| amount.0);
        settings
    }

    /// The server's settings, at these addresses.
    pub(super) fn server(&self, listen: SocketAddr, admin_listen: SocketAddr) -> ServerSettings {
        let mut settings = ServerSettings::standard(listen);
        settings.admin_listen = Some(admin_listen);
        let file = &self.server;
        set(&mut settings.connections, file.connections, NonZeroUsize::get);
        set(&mut settings.connections_per_address, file.connections_per_address, NonZeroUsize::get);
        set(&mut settings.header_timeout, file.header_timeout, |time| time.0);
        set(&mut settings.body_idle_timeout, file.body_idle_timeout, |time| time.0);
        set(&mut settings.body_deadline, file.body_deadline, |time| time.0);
        set(&mut settings.upload_deadline, file.upload_deadline, |time| time.0);
        set(&mut settings.answer_stall, file.answer_stall, |time| time.0);
        set(&mut settings.idle_timeout, file.idle_timeout, |time| time.0);
        set(&mut settings.drain, file.drain, |time| time.0);
        set(&mut settings.body_memory_bytes, file.body_memory_bytes, |amount| amount.0.get());
        set(&mut settings.upload_disk_bytes, file.upload_disk_bytes, |amount| amount.0.get());
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<File, crate::failure::Failure> {
        File::parse(text, Path::new("insula-host.toml"))
    }

    #[test]
    fn what_the_file_says_replaces_the_standard_and_nothing_else_changes() {
        let file = parse("listen = '0.0.0.0:80'\n[engine]\ntick = '250us'\n[host]\ncache-ceiling-bytes = '2GiB'\nguest-memory-bytes = '3GiB'\nqueue = 7\n[server]\ndrain = '5s'\nupload-disk-bytes = '1GiB'\n").unwrap();
        assert_eq!(file.listen.unwrap().port(), 80);
        assert_eq!(file.engine().tick, Duration::from_micros(250));
        assert_eq!(file.engine().instances, EngineSettings::standard().instances);
        assert_eq!(file.host().cache_ceiling_bytes.get(), 2 << 30);
        assert_eq!((file.host().guest_memory_bytes.get(), file.host().queue.get()), (3 << 30, 7));
        let address = "127.0.0.1:1".parse().unwrap();
        assert_eq!(file.server(address, address).drain, Duration::from_secs(5));
        assert_eq!(file.server(address, address).upload_disk_bytes, 1 << 30);
        assert_eq!(file.server(address, address).connections, ServerSettings::standard(address).connections);
    }

    #[test]
    fn an_empty_file_is_the_standard() {
        let file = parse("").unwrap();
        assert_eq!(file.host().concurrency, HostSettings::standard().concurrency);
        assert!(file.listen.is_none() && file.log_level.is_none());
    }

    #[test]
    fn unknown_keys_zeroes_and_missing_units_are_errors_with_their_line() {
        for (text, line) in [
            ("\nlisen = 'x'", 2),
            ("[engine]\nthreads = 2", 2),
            ("[host]\nconcurrency = 0", 2),
            ("[host]\ncache-ceiling-bytes = 0", 2),
            ("[host]\ncache-ceiling-bytes = '2s'", 2),
            ("[server]\n\ndrain = '30'", 3),
            ("[server]\ndrain = 30", 2),
            ("[server]\ndrain = '0s'", 2),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.what().starts_with(&format!("insula-host.toml:{line}: ")), "{text:?}: {}", error.what());
        }
    }
}
