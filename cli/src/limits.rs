//! Limits as they are typed: `NAME=VALUE` on the command line, the `[limits]` table of a manifest, and tables of them.
//!
//! Names, units and ranges are the runtime's own table; nothing here decides what a limit may be.

use std::collections::BTreeMap;

use insula_runtime::{AgentLimits, Limits, LimitsPatch};

use crate::failure::{Explain, Failure};
use crate::input;
use crate::terminal;

/// Limits by name.
pub(crate) type ByName = BTreeMap<String, u64>;

/// Reads `NAME=VALUE`, where the value may have a unit: `fuel=500_000_000`, `memory-bytes=64MiB`, `cpu-us=500ms`.
pub(crate) fn parse(text: &str) -> Result<(String, u64), String> {
    let (name, value) = input::pair(text)?;
    if !is_known(&name) {
        return Err(format!("`{name}` is no limit: the limits are {}", names()));
    }
    match terminal::amount(&value) {
        Some(amount) => Ok((name, amount)),
        None => Err(format!("`{value}` is no amount: write a number, or one with a unit such as 64MiB, 500ms or 2s")),
    }
}

/// Reads a limit's name.
pub(crate) fn name(text: &str) -> Result<String, String> {
    if is_known(text) { Ok(text.to_owned()) } else { Err(format!("`{text}` is no limit: the limits are {}", names())) }
}

/// The same for an agent's own limits.
pub(crate) fn parse_of_agent(text: &str) -> Result<(String, u64), String> {
    let (name, value) = parse(text)?;
    if is_of_agent(&name) { Ok((name, value)) } else { Err(not_of_agent(&name)) }
}

/// Whether an agent may have a limit of its own of this name.
pub(crate) fn is_of_agent(name: &str) -> bool {
    AgentLimits::names().contains(&name)
}

/// Why it may not.
pub(crate) fn not_of_agent(name: &str) -> String {
    format!("`{name}` is a limit of the tenant as a whole: an agent's own are {}", AgentLimits::names().join(", "))
}

pub(crate) fn is_known(name: &str) -> bool {
    Limits::CEILINGS.iter().any(|spec| spec.name == name)
}

/// All names, for messages.
pub(crate) fn names() -> String {
    Limits::CEILINGS.iter().map(|spec| spec.name).collect::<Vec<_>>().join(", ")
}

/// The patch that sets these.
pub(crate) fn patch(limits: &[(String, u64)]) -> anyhow::Result<LimitsPatch> {
    let map: ByName = limits.iter().cloned().collect();
    let value = serde_json::to_value(map)?;
    serde_json::from_value(value).explain("these limits cannot be set", format_args!("the limits are {}", names()))
}

/// The same patch as the body of a request.
pub(crate) fn as_json(limits: &[(String, u64)]) -> serde_json::Value {
    limits.iter().map(|(name, value)| (name.clone(), serde_json::Value::from(*value))).collect()
}

/// Checks what a manifest asks for against what the tenant has.
pub(crate) fn check_request(asked: &ByName, allowed: &ByName) -> anyhow::Result<()> {
    let mut over = asked
        .iter()
        .filter_map(|(name, wanted)| {
            allowed.get(name).filter(|limit| wanted > *limit).map(|limit| (name, *wanted, *limit))
        })
        .peekable();
    if over.peek().is_none() {
        return Ok(());
    }
    let mut failure = Failure::new("the agent asks for more than the tenant may use");
    for (name, wanted, limit) in over {
        let shown = |value| terminal::by_name(name, value);
        failure = failure
            .because(format_args!(
                "`{name}` in insula.toml is {}, and the tenant's limit is {}",
                shown(wanted),
                shown(limit)
            ))
            .advise(format_args!(
                "ask the operator for `insula tenant set TENANT --limit {name}={wanted}`, or ask for less"
            ));
    }
    Err(failure.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_typed_with_or_without_a_unit() {
        assert_eq!(parse("fuel=1_000").unwrap(), ("fuel".into(), 1_000));
        assert_eq!(parse("memory-bytes=64MiB").unwrap(), ("memory-bytes".into(), 64 << 20));
        assert_eq!(parse("cpu-us=500ms").unwrap(), ("cpu-us".into(), 500_000));
        assert!(parse("fuel").is_err() && parse("fuel=lots").is_err());
        assert!(parse("fule=1").unwrap_err().contains("memory-bytes"));
    }

    #[test]
    fn an_agents_own_limits_are_those_of_a_call() {
        assert_eq!(parse_of_agent("cpu-us=500ms").unwrap(), ("cpu-us".into(), 500_000));
        let refused = parse_of_agent("storage-bytes=1MiB").unwrap_err();
        assert!(refused.contains("`storage-bytes`") && refused.contains("host-calls"), "{refused}");
    }

    #[test]
    fn what_is_typed_becomes_a_patch() {
        let patch = patch(&[("fuel".into(), 5), ("cpu-us".into(), 6)]).unwrap();
        assert_eq!((patch.fuel, patch.cpu_us, patch.wall_us), (Some(5), Some(6), None));
    }

    #[test]
    fn a_manifest_that_asks_for_too_much_is_told_each_limit() {
        let allowed: ByName = [("fuel".into(), 10), ("cpu-us".into(), 10)].into();
        assert!(check_request(&[("fuel".into(), 10)].into(), &allowed).is_ok());
        let error = check_request(&[("fuel".into(), 11), ("cpu-us".into(), 12)].into(), &allowed).unwrap_err();
        assert_eq!(Failure::read(&error).reasons().len(), 2);
    }
}
