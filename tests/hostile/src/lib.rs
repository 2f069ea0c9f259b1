//! One guest, one attack a name: what the host must survive, and what its other tenants must not notice.
//!
//! The body is an attack's name, or `{"attack": "...", ...}` with the fields of [`Arguments`]. Each attack is one
//! function of the same name, which says what it tries. It keeps the default stack of 1 MiB, so that `recurse` meets the
//! host's limit and not its own.

mod burn;
mod flood;
mod forge;
mod hoard;
mod lease;
mod life;
mod lift;
mod outside;

use insula_sdk::prelude::*;
use serde::Deserialize;

/// What an attack may be told. Each has a default.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Arguments {
    attack: String,
    /// How large one value, body or message is.
    bytes: Option<usize>,
    /// How many of them.
    count: Option<u64>,
    depth: Option<u64>,
    iterations: Option<u64>,
    ms: Option<u64>,
    /// Of `error`.
    code: Option<String>,
    message: Option<String>,
    /// Of `half-writes`, `hold-lease` and `forged-lease`: how it goes on.
    then: Option<String>,
    /// Of `garbage-output`: `content-type`, `name` or `value`; all three without it. Of `forged-lease`: what is forged.
    part: Option<String>,
    /// Of `forged-ids`: what another tenant owns.
    tenant: Option<String>,
    bucket: Option<String>,
    /// The same, and of the attacks on leases.
    key: Option<String>,
    /// Of `forged-ids`: writes and deletes too.
    write: bool,
}

impl Arguments {
    fn read(request: &Request) -> Result<Self, Error> {
        let text = request.text()?.trim();
        if text.starts_with('{') {
            return request.json();
        }
        Ok(Self { attack: text.to_owned(), ..Self::default() })
    }
}

struct Hostile;

impl Agent for Hostile {
    fn invoke(request: Request) -> Result<Response, Error> {
        let arguments = Arguments::read(&request)?;
        attack(&arguments)
    }
}

insula_sdk::export!(Hostile);

fn attack(arguments: &Arguments) -> Result<Response, Error> {
    match arguments.attack.as_str() {
        "bystander" => Ok(Response::text("still here")),
        "error" => Err(error(arguments)),

        "spin" => burn::spin(),
        "recurse" => burn::recurse(arguments),
        "recurse-calling" => burn::recurse_calling(),
        "fuel-burner" => burn::fuel_burner(arguments),
        "panic" => burn::panic(),
        "trap" => burn::trap(),
        "exit" => burn::exit(),
        "half-writes" => burn::half_writes(arguments),

        "grow-memory" => hoard::grow_memory(),
        "fill-memory" => hoard::fill_memory(arguments),
        "grow-memory-politely" => hoard::grow_memory_politely(),
        "handle-flood" => hoard::handle_flood(arguments),

        "huge-result" => lift::huge_result(arguments),
        "huge-error" => lift::huge_error(arguments),
        "huge-metadata" => lift::huge_metadata(arguments),
        "huge-argument" => lift::huge_argument(arguments),
        "huge-list" => lift::huge_list(arguments),
        "huge-commit" => lift::huge_commit(arguments),
        "garbage-output" => lift::garbage_output(arguments),

        "log-flood" => flood::log_flood(arguments),
        "stdout-flood" => flood::stream_flood(&mut std::io::stdout(), arguments),
        "stderr-flood" => flood::stream_flood(&mut std::io::stderr(), arguments),
        "stdout-empty-writes" => flood::stdout_empty_writes(arguments),
        "host-call-flood" => flood::host_call_flood(),
        "host-bytes-flood" => flood::host_bytes_flood(arguments),
        "list-flood" => flood::list_flood(arguments),
        "commit-flood" => flood::commit_flood(),
        "cache-huge" => flood::cache_huge(arguments),
        "storage-flood" => flood::storage_flood(arguments),
        "cache-flood" => flood::cache_flood(arguments),
        "many-keys" => flood::many_keys(arguments),

        "hold-lease" => lease::hold_lease(arguments),
        "hoard-leases" => lease::hoard_leases(arguments),
        "wait-for-lease" => lease::wait_for_lease(arguments),
        "wait-in-a-ring" => lease::wait_in_a_ring(arguments),
        "forged-lease" => lease::forged_lease(arguments),

        "lives" => life::lives(),
        "short-lives" => life::short_lives(arguments),

        "forged-ids" => forge::forged_ids(arguments),

        "sleep" => outside::sleep(arguments.ms.unwrap_or(3_600_000)),
        "sleep-short" => outside::sleep(arguments.ms.unwrap_or(20)),
        "filesystem" => outside::filesystem(),
        "socket" => outside::socket(),
        "environment" => outside::environment(),
        "clock" => outside::clock(),
        "random" => outside::random(arguments),
        "report" => outside::report(),
        unknown => Err(Error::bad_request(format!("there is no attack {unknown:?}; see tests/hostile/src/lib.rs"))),
    }
}

/// Answers with an error of the caller's choice.
fn error(arguments: &Arguments) -> Error {
    let code = arguments.code.as_deref().unwrap_or("as-asked");
    let message = arguments.message.as_deref().unwrap_or("an error, as asked");
    Error { code: code.to_owned(), message: message.to_owned(), retry_after_ms: arguments.ms }
}
