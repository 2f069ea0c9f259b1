//! The profile: the host and the keys that `insula dev` or `insula login` wrote down, in a file of mode 0600.

use std::fmt;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::environment;
use crate::failure::{Explain, Failure};

/// What the profile holds. A tenant's part and an operator's part stand side by side.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Profile {
    /// Where the tenant's routes are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// The tenant's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// Where the operator's routes are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admin_url: Option<String>,
    /// The operator's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) operator_key: Option<String>,
    /// What stood here before a dev runner put its own in front, to come back when it ends. Keys are shown once: a
    /// profile that loses one loses it for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before_dev: Option<Box<Profile>>,
}

impl fmt::Debug for Profile {
    /// Keys never show themselves.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |key: &Option<String>| key.as_ref().map(|_| "isk_..");
        formatter
            .debug_struct("Profile")
            .field("url", &self.url)
            .field("key", &shown(&self.key))
            .field("admin_url", &self.admin_url)
            .field("operator_key", &shown(&self.operator_key))
            .field("before_dev", &self.before_dev)
            .finish()
    }
}

impl Profile {
    /// Where the profile is.
    pub(crate) fn path() -> anyhow::Result<PathBuf> {
        Ok(environment::config_dir()?.join("profile.toml"))
    }

    /// The profile as it stands; an empty one where there is none, or no place for one.
    pub(crate) fn load() -> anyhow::Result<Self> {
        match Self::path() {
            Ok(path) => load(&path),
            Err(_) => Ok(Self::default()),
        }
    }

    /// This profile in front of what was there, for as long as a dev runner lasts.
    pub(crate) fn in_front_of(self, present: Self) -> Self {
        let before = match present.before_dev {
            // Another dev runner stands there: what is to come back is what was there before it.
            Some(before) => before,
            None => Box::new(present),
        };
        Self { before_dev: Some(before), ..self }
    }

    /// The profile without a dev runner in front: what `login` adds to.
    pub(crate) fn lasting(self) -> Self {
        self.before_dev.map_or_else(|| Self { before_dev: None, ..self }, |before| *before)
    }

    /// Writes it down and returns where. With nothing in it, there is no file.
    pub(crate) fn save(&self) -> anyhow::Result<PathBuf> {
        let path = Self::path()?;
        if *self != Self::default() {
            save(&path, self)?;
        } else if path.exists() {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(path)
    }
}

/// Reads a settings file; what an absent file means is the default.
pub(crate) fn load<T: Default + for<'de> Deserialize<'de>>(path: &Path) -> anyhow::Result<T> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(T::default()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    toml::from_str(&text).map_err(|error| {
        Failure::new(format_args!("cannot understand {}", path.display()))
            .because(error.message())
            .advise("delete the file, and log in again with `insula login`")
            .into()
    })
}

/// Writes a settings file that only its owner can read: whole or not at all.
pub(crate) fn save(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let write = || -> anyhow::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // A temporary file of this crate has mode 0600 from the start.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(toml::to_string_pretty(value)?.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().explain(
        format_args!("cannot write {}", path.display()),
        "make the folder writable, or set XDG_CONFIG_HOME to one that is",
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_profile_reads_back_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/insula/profile.toml");
        let profile =
            Profile { url: Some("http://127.0.0.1:7400".into()), key: Some("isk_1".into()), ..Profile::default() };
        save(&path, &profile).unwrap();
        assert_eq!(load::<Profile>(&path).unwrap(), profile);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o077, 0);
    }

    #[test]
    fn an_absent_profile_is_an_empty_one_and_a_broken_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.toml");
        assert_eq!(load::<Profile>(&path).unwrap(), Profile::default());
        fs::write(&path, "ulr = 'http://x'").unwrap();
        assert!(load::<Profile>(&path).is_err());
    }

    #[test]
    fn a_dev_runner_stands_in_front_and_what_was_there_comes_back() {
        let of = |url: &str| Profile { url: Some(url.into()), ..Profile::default() };
        let first = of("dev-1").in_front_of(of("production"));
        assert_eq!(first.url.as_deref(), Some("dev-1"));
        let second = of("dev-2").in_front_of(first.clone());
        assert_eq!(second.lasting(), of("production"));
        assert_eq!(first.lasting(), of("production"));
        assert_eq!(of("production").lasting(), of("production"));
        assert_eq!(of("dev").in_front_of(Profile::default()).lasting(), Profile::default());
    }

    #[test]
    fn a_dev_runners_profile_reads_back_with_what_it_stands_in_front_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.toml");
        let production =
            Profile { url: Some("production".into()), operator_key: Some("isk_o".into()), ..Profile::default() };
        let dev = Profile { url: Some("dev".into()), key: Some("isk_d".into()), ..Profile::default() }
            .in_front_of(production);
        save(&path, &dev).unwrap();
        assert_eq!(load::<Profile>(&path).unwrap(), dev);
    }

    #[test]
    fn a_profile_does_not_show_its_keys() {
        let profile =
            Profile { key: Some("isk_secret".into()), operator_key: Some("isk_secret".into()), ..Profile::default() };
        assert!(!format!("{profile:?}").contains("secret"));
    }
}
