//! The keys of a data directory that `dev --data` keeps across runs, beside the profile and not in the data directory
//! (A2: only the store touches that). A host shows a key once, so whoever wants it again keeps it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::environment;
use crate::failure::{Explain, Failure};
use crate::profile;

/// Keys by the path of their data directory.
type File = BTreeMap<String, HostKeys>;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct HostKeys {
    operator: String,
    tenants: BTreeMap<String, String>,
}

/// The keys of one host.
pub(super) struct Keys {
    /// Where they are kept, and under which name; nowhere for a throw-away directory.
    place: Option<(PathBuf, String)>,
    keys: HostKeys,
}

impl Keys {
    /// The keys of this data directory, with the operator's key where the host has just made it.
    pub(super) fn open(data: Option<&Path>, new_operator_key: Option<String>) -> anyhow::Result<Self> {
        let Some(data) = data else {
            return Ok(Self {
                place: None,
                keys: HostKeys { operator: new_operator_key.unwrap_or_default(), ..HostKeys::default() },
            });
        };
        let data = data.canonicalize().explain(
            format_args!("cannot find the data directory {}", data.display()),
            "give a directory that can be read",
        )?;
        let file = environment::config_dir()?.join("dev-keys.toml");
        Self::open_in(file, data.display().to_string(), new_operator_key)
    }

    fn open_in(file: PathBuf, name: String, new_operator_key: Option<String>) -> anyhow::Result<Self> {
        let keys = match new_operator_key {
            // A directory made anew: keys that were kept for an older one at this path open nothing.
            Some(operator) => HostKeys { operator, ..HostKeys::default() },
            None => profile::load::<File>(&file)?.remove(&name).unwrap_or_default(),
        };
        let opened = Self { place: Some((file, name)), keys };
        opened.save()?;
        Ok(opened)
    }

    /// The operator's key.
    pub(super) fn operator(&self) -> anyhow::Result<String> {
        if !self.keys.operator.is_empty() {
            return Ok(self.keys.operator.clone());
        }
        let data = self.place.as_ref().map_or("the data directory", |(_, name)| name.as_str());
        Err(Failure::new(format_args!("the keys of {data} are not known here"))
            .because("it was first started by `insula serve`, by another user, or the file dev-keys.toml is gone")
            .advise("give a new directory with --data, or run this one with `insula serve`")
            .into())
    }

    /// The key that was kept for a tenant.
    pub(super) fn tenant(&self, name: &str) -> Option<&str> {
        self.keys.tenants.get(name).map(String::as_str)
    }

    /// Keeps a tenant's key.
    pub(super) fn keep(&mut self, name: &str, key: &str) -> anyhow::Result<()> {
        self.keys.tenants.insert(name.to_owned(), key.to_owned());
        self.save()
    }

    fn save(&self) -> anyhow::Result<()> {
        let Some((file, name)) = &self.place else { return Ok(()) };
        if self.keys == HostKeys::default() {
            return Ok(());
        }
        let mut all: File = profile::load(file)?;
        all.insert(name.clone(), self.keys.clone());
        profile::save(file, &all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_by_the_data_directory_they_belong_to() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dev-keys.toml");
        let open =
            |name: &str, new: Option<&str>| Keys::open_in(file.clone(), name.into(), new.map(Into::into)).unwrap();
        open("/data/a", Some("isk_a")).keep("dev", "isk_dev").unwrap();
        open("/data/b", Some("isk_b"));
        let again = open("/data/a", None);
        assert_eq!((again.operator().unwrap().as_str(), again.tenant("dev")), ("isk_a", Some("isk_dev")));
        assert_eq!(open("/data/b", None).tenant("dev"), None);
        assert!(open("/data/c", None).operator().is_err());
    }

    #[test]
    fn a_directory_made_anew_forgets_the_keys_of_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dev-keys.toml");
        Keys::open_in(file.clone(), "/data".into(), Some("isk_1".into())).unwrap().keep("dev", "isk_old").unwrap();
        let anew = Keys::open_in(file, "/data".into(), Some("isk_2".into())).unwrap();
        assert_eq!((anew.operator().unwrap().as_str(), anew.tenant("dev")), ("isk_2", None));
    }
}
