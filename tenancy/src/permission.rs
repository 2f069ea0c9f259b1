//! What a key may do: three permissions, and the markers that carry them in types. A fourth is for operators' acts, and no
//! key carries it.

use std::fmt;
use std::str::FromStr;

/// One thing that a key may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Call agents.
    Invoke,
    /// Upload, activate, roll back and delete agents; read and set their configuration; read their logs.
    Deploy,
    /// Read and change the tenant's storage and see its cache.
    Manage,
    /// Read all that the tenant has, and change nothing. Of operators' acts only: it has no word that a key could carry.
    Export,
}

impl Permission {
    /// All that a key can carry, in the order in which they are written.
    pub const ALL: [Self; 3] = [Self::Invoke, Self::Deploy, Self::Manage];

    /// The word for it in keys, listings and errors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invoke => "invoke",
            Self::Deploy => "deploy",
            Self::Manage => "manage",
            Self::Export => "export",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::Invoke => 1,
            Self::Deploy => 2,
            Self::Manage => 4,
            Self::Export => 8,
        }
    }
}

/// A word that names no permission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no permission: use invoke, deploy or manage")]
pub struct UnknownPermission(String);

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(text: &str) -> Result<Self, UnknownPermission> {
        Self::ALL
            .into_iter()
            .find(|permission| permission.name() == text)
            .ok_or_else(|| UnknownPermission(text.to_owned()))
    }
}

/// A set of permissions. Written as words with commas between.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Permissions(u8);

impl Permissions {
    /// Every permission: what a key carries unless told otherwise.
    pub const ALL: Self = Self(7);

    /// The set of these.
    #[must_use]
    pub fn of(permissions: &[Permission]) -> Self {
        Self(permissions.iter().fold(0, |bits, permission| bits | permission.bit()))
    }

    /// Whether this one is in the set.
    #[must_use]
    pub fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Whether the set has none that a key can carry.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    /// Those in the set, in the order of [`Permission::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.contains(*permission))
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, permission) in self.iter().enumerate() {
            if index > 0 {
                formatter.write_str(",")?;
            }
            formatter.write_str(permission.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Permissions({self})")
    }
}

impl FromStr for Permissions {
    type Err = UnknownPermission;

    fn from_str(text: &str) -> Result<Self, UnknownPermission> {
        let mut bits = 0;
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            bits |= word.parse::<Permission>()?.bit();
        }
        Ok(Self(bits))
    }
}

/// A permission as a type, for [`Permit`](crate::Permit). Implemented by [`Invoke`], [`Deploy`], [`Manage`] and
/// [`Export`].
pub trait PermissionMarker: sealed::Sealed {
    /// The permission that the type stands for.
    const PERMISSION: Permission;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! markers {
    ($($name:ident)*) => {$(
        #[doc = concat!("[`Permission::", stringify!($name), "`] as a type.")]
        #[derive(Debug)]
        pub enum $name {}
        impl sealed::Sealed for $name {}
        impl PermissionMarker for $name {
            const PERMISSION: Permission = Permission::$name;
        }
    )*};
}
markers!(Invoke Deploy Manage Export);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_read_back_from_their_own_text() {
        for bits in 0..8 {
            let set = Permissions(bits);
            assert_eq!(set.to_string().parse::<Permissions>().unwrap(), set);
        }
        assert_eq!(Permissions::ALL.to_string(), "invoke,deploy,manage");
    }

    #[test]
    fn a_word_that_names_no_permission_is_refused() {
        assert!("invoke,root".parse::<Permissions>().is_err());
    }

    #[test]
    fn no_key_carries_the_permission_of_an_operators_act() {
        assert!("export".parse::<Permissions>().is_err());
        assert!(!Permissions::ALL.contains(Permission::Export));
        let forced = Permissions::of(&[Permission::Export]);
        assert!(forced.is_empty() && forced.to_string().is_empty());
    }
}
