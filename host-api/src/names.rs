//! Names that a guest or a person passes: parsed once, at the edge, into types that the handles take.
//!
//! The parser is the documentation: what it accepts is what may reach an engine.

use std::fmt;

/// The longest key of an entry, in bytes.
pub const KEY_LIMIT: usize = 512;

const NAME_LIMIT: usize = 63;

/// A name that breaks its rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidName {
    /// A bucket.
    #[error("invalid bucket name: use 1 to 63 of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit")]
    Bucket,
    /// A cache namespace.
    #[error("invalid namespace: use 1 to 63 of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit")]
    Namespace,
    /// A key, by its length in bytes.
    #[error("invalid key: it has {0} bytes of UTF-8; 1 to {KEY_LIMIT} are allowed")]
    Key(usize),
}

impl InvalidName {
    /// The stable word for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Bucket => "invalid-bucket",
            Self::Namespace => "invalid-namespace",
            Self::Key(_) => "invalid-key",
        }
    }
}

fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bytes.len() <= NAME_LIMIT
        && bytes.first().is_some_and(|first| plain(*first))
        && bytes.iter().all(|byte| plain(*byte) || matches!(byte, b'.' | b'_' | b'-'))
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $valid:expr, $error:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks the rule.
            ///
            /// # Errors
            ///
            /// [`InvalidName`], which says what the rule is.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                if $valid(text) { Ok(Self(text.into())) } else { Err($error(text)) }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// The name of a storage bucket: `[a-z0-9][a-z0-9._-]{0,62}`.
    BucketName, is_name, |_| InvalidName::Bucket;
    /// The name of a cache namespace: `[a-z0-9][a-z0-9._-]{0,62}`.
    NamespaceName, is_name, |_| InvalidName::Namespace;
    /// The key of an entry in storage or cache: 1 to 512 bytes of UTF-8, any characters.
    EntryKey, |text: &str| !text.is_empty() && text.len() <= KEY_LIMIT, |text: &str| InvalidName::Key(text.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_are_short_and_plain() {
        for good in ["a", "0", "customer-history", "a.b_c-d", &"x".repeat(63)] {
            assert!(BucketName::parse(good).is_ok(), "{good:?}");
        }
        for bad in ["", "-a", ".a", "..", "../x", "A", "a/b", "a b", "a\0", "é", &"x".repeat(64)] {
            assert_eq!(BucketName::parse(bad), Err(InvalidName::Bucket), "{bad:?}");
        }
    }

    #[test]
    fn keys_are_any_text_of_bounded_length() {
        for good in ["a", "../../etc/passwd", "\0", "é", &"x".repeat(KEY_LIMIT)] {
            assert!(EntryKey::parse(good).is_ok(), "{good:?}");
        }
        assert_eq!(EntryKey::parse(""), Err(InvalidName::Key(0)));
        assert_eq!(EntryKey::parse(&"é".repeat(300)), Err(InvalidName::Key(600)));
    }
}
