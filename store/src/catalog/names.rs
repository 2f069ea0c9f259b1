//! Names of tenants and agents: parsed once, at the edge.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

const LIMIT: usize = 63;

fn is_name(text: &str, first: impl Fn(u8) -> bool) -> bool {
    let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= LIMIT && text.as_bytes().first().is_some_and(|byte| first(*byte)) && text.bytes().all(rest)
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $invalid:ident, $rule:literal, $first:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        #[doc = concat!("A text that is not a [`", stringify!($name), "`].")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        #[error($rule)]
        pub struct $invalid;

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = $invalid;

            fn from_str(text: &str) -> Result<Self, $invalid> {
                if is_name(text, $first) { Ok(Self(text.into())) } else { Err($invalid) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

names! {
    /// A tenant's name, unique on its host: `[a-z0-9][a-z0-9-]{0,62}`.
    TenantName, InvalidTenantName,
    "invalid tenant name: use 1 to 63 of a-z, 0-9 and `-`, beginning with a letter or digit",
    |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    /// An agent's name, unique with its tenant: `[a-z][a-z0-9-]{0,62}`.
    AgentName, InvalidAgentName,
    "invalid agent name: use 1 to 63 of a-z, 0-9 and `-`, beginning with a letter",
    |byte: u8| byte.is_ascii_lowercase();
    /// A tier's name, unique on its host: `[a-z][a-z0-9-]{0,62}`.
    TierName, InvalidTierName,
    "invalid tier name: use 1 to 63 of a-z, 0-9 and `-`, beginning with a letter",
    |byte: u8| byte.is_ascii_lowercase();
}

impl TierName {
    /// The tier that every host has: what tenants have unless told otherwise.
    #[must_use]
    pub fn standard() -> Self {
        Self("standard".into())
    }
}

impl TenantName {
    /// What a tombstone is called: its id, which breaks the rule for names, so that no tenant is ever called the same.
    pub(super) fn of_tombstone(id: insula_tenancy::TenantId) -> Self {
        Self(id.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for good in ["a", "a-", "echo-2", &"x".repeat(63)] {
            assert!(good.parse::<TenantName>().is_ok() && good.parse::<AgentName>().is_ok(), "{good:?}");
        }
        for bad in ["", "-a", "A", "a_b", "a.b", "a/b", "a b", "é", "a\0", &"x".repeat(64)] {
            assert!(bad.parse::<TenantName>().is_err() && bad.parse::<AgentName>().is_err(), "{bad:?}");
        }
        assert!("0a".parse::<TenantName>().is_ok());
        assert!("0a".parse::<AgentName>().is_err());
    }

    #[test]
    fn no_tenant_can_be_called_like_a_tombstone() {
        let name = TenantName::of_tombstone(insula_tenancy::TenantId::generate());
        assert!(name.as_str().parse::<TenantName>().is_err());
    }

    #[test]
    fn a_name_that_breaks_its_rule_does_not_come_in_through_json() {
        assert!(serde_json::from_str::<AgentName>("\"Agent\"").is_err());
        assert_eq!(serde_json::from_str::<AgentName>("\"agent\"").unwrap().as_str(), "agent");
    }
}
