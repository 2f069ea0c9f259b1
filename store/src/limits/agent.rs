//! An agent's own limits: of one call, and never above the tenant's. The smaller number wins, whichever changes.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{InvalidLimit, Limits, LimitsPatch};

/// What an agent may have a limit of its own for: what one call is metered by. The rest is the tenant's as a whole.
const OF_A_CALL: [&str; 14] = [
    "fuel",
    "cpu-us",
    "wall-us",
    "memory-bytes",
    "table-elements",
    "host-calls",
    "host-bytes",
    "storage-read-bytes",
    "storage-write-bytes",
    "cache-traffic-bytes",
    "log-bytes",
    "request-bytes",
    "response-bytes",
    "value-bytes",
];

/// An agent's own limits, each within its range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AgentLimits(LimitsPatch);

/// What cannot be an agent's own limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAgentLimit {
    /// Outside its range.
    #[error(transparent)]
    OutOfRange(#[from] InvalidLimit),
    /// It does not bound one call.
    #[error("`{name}` is a limit of the tenant as a whole, not of a call: an agent may have its own of {}", OF_A_CALL.join(", "))]
    OfTheTenant {
        /// Which one.
        name: &'static str,
    },
    /// More than the tenant has.
    #[error("the agent's `{name}` cannot be {value}: the tenant's own limit is {limit}")]
    AboveTheTenants {
        /// Which one.
        name: &'static str,
        /// What was asked for.
        value: u64,
        /// What the tenant has.
        limit: u64,
    },
}

impl AgentLimits {
    /// Names of what an agent may have a limit of its own for.
    #[must_use]
    pub const fn names() -> &'static [&'static str] {
        &OF_A_CALL
    }

    /// Takes limits that are within their ranges, and of a call.
    ///
    /// # Errors
    ///
    /// [`InvalidAgentLimit`], naming the first that is not.
    pub fn new(own: LimitsPatch) -> Result<Self, InvalidAgentLimit> {
        if let Some((name, _)) = own.entries().find(|(name, _)| !OF_A_CALL.contains(name)) {
            return Err(InvalidAgentLimit::OfTheTenant { name });
        }
        Limits::standard().patched(&own)?;
        Ok(Self(own))
    }

    /// Refuses what is above the tenant's limits as they stand.
    ///
    /// # Errors
    ///
    /// [`InvalidAgentLimit::AboveTheTenants`], naming the first.
    pub fn check_below(&self, tenant: &Limits) -> Result<(), InvalidAgentLimit> {
        let above = self.entries().find_map(|(name, value)| {
            let (_, limit) = tenant.entries().find(|(known, limit)| *known == name && value > *limit)?;
            Some(InvalidAgentLimit::AboveTheTenants { name, value, limit })
        });
        above.map_or(Ok(()), Err)
    }

    /// What calls of the agent may use: of each limit the smaller one.
    #[must_use]
    pub fn within(&self, tenant: &Limits) -> Limits {
        tenant.lowered(&self.0)
    }

    /// Name and value of each that is set.
    pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        self.0.entries()
    }

    /// Whether the agent has no limit of its own.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries().next().is_none()
    }

    /// Reads limits as the catalog keeps them: what only a newer release knows is passed over.
    pub(crate) fn from_stored(text: &str) -> Result<Self, serde_json::Error> {
        LimitsPatch::from_stored(text).map(Self)
    }
}

impl Serialize for AgentLimits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// As an archive has them: read as the catalog reads them, and each must be in its range.
impl<'de> Deserialize<'de> for AgentLimits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = serde_json::Value::deserialize(deserializer)?.to_string();
        let Self(own) = Self::from_stored(&stored).map_err(serde::de::Error::custom)?;
        Self::new(own).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(text: &str) -> Result<AgentLimits, InvalidAgentLimit> {
        AgentLimits::new(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn the_smaller_number_wins_whichever_changes() {
        let tenant = Limits::standard().patched(&LimitsPatch { fuel: Some(1_000), ..LimitsPatch::default() }).unwrap();
        let agent = own(r#"{"fuel": 500, "host-calls": 7}"#).unwrap();
        let effective = agent.within(&tenant);
        assert_eq!((effective.fuel.get(), effective.host_calls.get()), (500, 7));
        assert_eq!(effective.cpu_us, tenant.cpu_us);
        let raised = tenant.patched(&LimitsPatch { fuel: Some(2_000), ..LimitsPatch::default() }).unwrap();
        assert_eq!(agent.within(&raised).fuel.get(), 500, "a rise does not lift the agent's own");
        let cut = tenant.patched(&LimitsPatch { fuel: Some(200), ..LimitsPatch::default() }).unwrap();
        assert_eq!(agent.within(&cut).fuel.get(), 200, "a cut does cut");
        assert_eq!(AgentLimits::default().within(&tenant), tenant);
    }

    #[test]
    fn what_is_no_limit_of_a_call_is_refused_by_name() {
        for name in ["agents", "concurrency", "storage-bytes", "cache-bytes", "component-bytes"] {
            let refused = own(&format!(r#"{{"{name}": 70000}}"#)).unwrap_err();
            assert!(refused.to_string().starts_with(&format!("`{name}` is a limit of the tenant")), "{refused}");
        }
        assert!(matches!(own(r#"{"fuel": 0}"#), Err(InvalidAgentLimit::OutOfRange(_))));
        let known: Vec<_> = Limits::standard().entries().map(|(name, _)| name).collect();
        assert!(AgentLimits::names().iter().all(|name| known.contains(name)));
    }

    #[test]
    fn what_is_above_the_tenants_is_refused_with_both_numbers() {
        let tenant = Limits::standard();
        own(r#"{"memory-bytes": 134217728}"#).unwrap().check_below(&tenant).unwrap();
        let refused = own(r#"{"memory-bytes": 134217729}"#).unwrap().check_below(&tenant).unwrap_err();
        let told = "the agent's `memory-bytes` cannot be 134217729: the tenant's own limit is 134217728";
        assert_eq!(refused.to_string(), told);
    }

    #[test]
    fn stored_limits_read_back_and_pass_over_what_is_newer() {
        let agent = own(r#"{"fuel": 500}"#).unwrap();
        let stored = serde_json::to_string(&agent).unwrap();
        assert_eq!((stored.as_str(), AgentLimits::from_stored(&stored).unwrap()), (r#"{"fuel":500}"#, agent));
        assert_eq!(AgentLimits::from_stored(r#"{"fuel": 500, "newer": 1}"#).unwrap(), agent);
        assert!(AgentLimits::from_stored(r#"{"fuel": 0}"#).is_err());
        assert!(serde_json::from_str::<AgentLimits>(r#"{"agents": 5}"#).is_err());
    }
}
