//! Bytes at rest: tenant storage, tenant cache, the catalog, quotas.
