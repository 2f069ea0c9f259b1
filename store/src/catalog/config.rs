//! An agent's configuration: names and values, replaced as a whole.

use std::collections::BTreeMap;

use insula_tenancy::TenantScope;

use super::{AgentName, Catalog, CatalogError, agents, commit, sql, uninterrupted};

/// The most names of one configuration.
const NAMES_LIMIT: usize = 256;
/// The longest name, in bytes.
const NAME_LIMIT: usize = 64;
/// The longest value, in bytes.
const VALUE_LIMIT: usize = 8 << 10;
/// The most bytes of names and values together.
const TOTAL_LIMIT: usize = 64 << 10;

fn check(configuration: &BTreeMap<String, String>) -> Result<(), CatalogError> {
    let invalid = |what: String| Err(CatalogError::Invalid { what });
    if configuration.len() > NAMES_LIMIT {
        return invalid(format!("a configuration has at most {NAMES_LIMIT} names"));
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
    let mut total = 0_usize;
    for (name, value) in configuration {
        if !(1..=NAME_LIMIT).contains(&name.len()) || !name.bytes().all(plain) {
            return invalid(format!("a configuration's names are 1 to {NAME_LIMIT} of a-z, 0-9, `.`, `_` and `-`"));
        }
        if value.len() > VALUE_LIMIT {
            return invalid(format!("the value of `{name}` has {} bytes; {VALUE_LIMIT} are allowed", value.len()));
        }
        total = total.saturating_add(name.len()).saturating_add(value.len());
    }
    if total > TOTAL_LIMIT {
        return invalid(format!("the configuration has {total} bytes; {TOTAL_LIMIT} are allowed"));
    }
    Ok(())
}

impl Catalog {
    /// An agent's configuration.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`], [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn configuration(
        &self,
        scope: &TenantScope,
        name: &AgentName,
    ) -> Result<BTreeMap<String, String>, CatalogError> {
        let tenant = self.tenant_of(scope)?;
        let mut snapshot = self.inner.snapshot().await?;
        let agent = agents::select(&mut snapshot, tenant, name).await?;
        let found: Vec<(String, String)> = sqlx::query_as(sql::SELECT_CONFIGURATION)
            .bind(tenant.to_string())
            .bind(agent.id.to_string())
            .fetch_all(&mut *snapshot)
            .await
            .map_err(CatalogError::during("read a configuration"))?;
        Ok(found.into_iter().collect())
    }

    /// Replaces an agent's configuration: at most 256 names of at most 64 bytes, values of at most 8 KiB, and 64 KiB in
    /// all.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`], [`CatalogError::Invalid`], [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn set_configuration(
        &self,
        scope: &TenantScope,
        name: &AgentName,
        configuration: &BTreeMap<String, String>,
    ) -> Result<(), CatalogError> {
        let tenant = self.tenant_of(scope)?;
        check(configuration)?;
        let (inner, name, configuration) = (self.inner.clone(), name.clone(), configuration.clone());
        uninterrupted(async move {
            let failed = || CatalogError::during("write a configuration");
            let mut transaction = inner.begin().await?;
            let agent = agents::select(&mut transaction, tenant, &name).await?.id.to_string();
            let tenant = tenant.to_string();
            let clear = sqlx::query(sql::DELETE_CONFIGURATION).bind(&tenant).bind(&agent);
            clear.execute(&mut *transaction).await.map_err(failed())?;
            for (name, value) in &configuration {
                let insert = sqlx::query(sql::INSERT_CONFIGURATION).bind(&tenant).bind(&agent).bind(name).bind(value);
                insert.execute(&mut *transaction).await.map_err(failed())?;
            }
            commit(transaction).await
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(entries: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
        entries.into_iter().collect()
    }

    #[test]
    fn the_bounds_themselves_are_allowed_and_one_more_is_not() {
        let numbered = |count: usize| of((0..count).map(|number| (format!("n{number}"), String::new())));
        assert!(check(&numbered(NAMES_LIMIT)).is_ok());
        assert!(check(&numbered(NAMES_LIMIT + 1)).is_err());
        let one = |name: usize, value: usize| of([("n".repeat(name), "v".repeat(value))]);
        assert!(check(&one(NAME_LIMIT, VALUE_LIMIT)).is_ok());
        assert!(check(&one(NAME_LIMIT + 1, 0)).is_err());
        assert!(check(&one(1, VALUE_LIMIT + 1)).is_err());
        let large = |last: usize| {
            of((0..8).map(|number| (number.to_string(), "v".repeat(if number == 7 { last } else { VALUE_LIMIT }))))
        };
        assert!(check(&large(VALUE_LIMIT - 8)).is_ok());
        assert!(check(&large(VALUE_LIMIT - 7)).is_err());
    }

    #[test]
    fn names_are_plain() {
        for bad in ["", "A", "a b", "a/b", "é", "a\0"] {
            assert!(check(&of([(bad.to_owned(), String::new())])).is_err(), "{bad:?}");
        }
    }
}
