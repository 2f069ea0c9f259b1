//! Every statement of the catalog, and nowhere else any. Statements on a tenant's own rows name the tenant: a foreign
//! name finds nothing (T6).

pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";

pub(super) const INSERT_TENANT: &str = "INSERT INTO tenants (id, name, state, phase, tier, limits, created_us) \
     VALUES (?1, ?2, 'active', ?3, ?4, ?5, ?6)";
/// A tenant with what its tier sets.
macro_rules! select_tenants {
    ($which:literal) => {
        concat!(
            "SELECT id, tenants.name AS name, state, phase, tier, tenants.limits AS limits, tiers.limits AS tier_limits, \
             created_us FROM tenants LEFT JOIN tiers ON tiers.name = tenants.tier WHERE ",
            $which
        )
    };
}
pub(super) const SELECT_TENANT: &str = select_tenants!("id = ?1");
pub(super) const SELECT_TENANTS: &str = select_tenants!("id > ?1 ORDER BY id LIMIT ?2");
pub(super) const UPDATE_TENANT: &str = "UPDATE tenants SET name = ?2, tier = ?3, limits = ?4 WHERE id = ?1";
pub(super) const UPDATE_TENANT_STATE: &str = "UPDATE tenants SET state = ?2 WHERE id = ?1";
pub(super) const UPDATE_TENANT_PHASE: &str = "UPDATE tenants SET phase = ?2 WHERE id = ?1";
/// What a tombstone keeps: the id, which has the time of its making in it.
pub(super) const BURY_TENANT: &str = "UPDATE tenants SET name = id, state = 'suspended', phase = 'erased', tier = 'standard', \
     limits = '{}' WHERE id = ?1";
pub(super) const DELETE_TENANT: &str = "DELETE FROM tenants WHERE id = ?1";
pub(super) const SELECT_NAME_TAKEN: &str = "SELECT EXISTS (SELECT 1 FROM tenants WHERE name = ?1 AND id <> ?2)";

macro_rules! select_tiers {
    ($which:literal) => {
        concat!(
            "SELECT name, limits, updated_us, (SELECT COUNT(*) FROM tenants WHERE tier = tiers.name \
             AND phase IS NOT 'erased') AS tenants FROM tiers ",
            $which
        )
    };
}
pub(super) const SELECT_TIER: &str = select_tiers!("WHERE name = ?1");
pub(super) const SELECT_TIERS: &str = select_tiers!("ORDER BY name");
pub(super) const COUNT_TIERS: &str = "SELECT COUNT(*) FROM tiers";
pub(super) const SET_TIER: &str = "INSERT INTO tiers (name, limits, updated_us) VALUES (?1, ?2, ?3) \
     ON CONFLICT (name) DO UPDATE SET limits = excluded.limits, updated_us = excluded.updated_us";
pub(super) const DELETE_TIER: &str = "DELETE FROM tiers WHERE name = ?1";

pub(super) const INSERT_KEY: &str = "INSERT INTO keys (id, tenant_id, hash, label, permissions, created_us) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
pub(super) const SELECT_KEYS: &str = "SELECT id, label, permissions, created_us, revoked_us FROM keys \
     WHERE tenant_id = ?1 ORDER BY id";
pub(super) const COUNT_KEYS: &str = "SELECT COUNT(*) FROM keys WHERE tenant_id = ?1 AND revoked_us IS NULL";
pub(super) const REVOKE_KEY: &str =
    "UPDATE keys SET revoked_us = ?3 WHERE tenant_id = ?1 AND id = ?2 AND revoked_us IS NULL";
pub(super) const SELECT_KEY_EXISTS: &str = "SELECT EXISTS (SELECT 1 FROM keys WHERE tenant_id = ?1 AND id = ?2)";
/// Revoked keys beyond the newest hundred go: their number is bounded like that of live ones.
pub(super) const PRUNE_REVOKED_KEYS: &str = "DELETE FROM keys WHERE tenant_id = ?1 AND revoked_us IS NOT NULL AND id NOT IN \
     (SELECT id FROM keys WHERE tenant_id = ?1 AND revoked_us IS NOT NULL ORDER BY revoked_us DESC, id DESC LIMIT ?2)";
pub(super) const COUNT_OPERATOR_KEYS: &str = "SELECT COUNT(*) FROM keys WHERE tenant_id IS NULL AND revoked_us IS NULL";
/// The key of this id, or the one made before it: there is a row to read whether there is such a key or not, so that the
/// time of the look-up does not tell (T6). Only the credential says whose it is.
pub(super) const FIND_KEY: &str = "SELECT id, tenant_id, hash, permissions, revoked_us FROM keys WHERE id <= ?1 \
     ORDER BY id DESC LIMIT 1";
/// For a key whose secret was presented.
pub(super) const SELECT_STATE: &str = "SELECT state, phase FROM tenants WHERE id = ?1";

pub(super) const SELECT_AGENTS: &str = "SELECT id, name, active_version, last_number, limits, created_us, updated_us \
     FROM agents WHERE tenant_id = ?1 ORDER BY name";
pub(super) const SELECT_AGENT: &str = "SELECT id, name, active_version, last_number, limits, created_us, updated_us \
     FROM agents WHERE tenant_id = ?1 AND name = ?2";
pub(super) const COUNT_AGENTS: &str = "SELECT COUNT(*) FROM agents WHERE tenant_id = ?1";
pub(super) const INSERT_AGENT: &str =
    "INSERT INTO agents (id, tenant_id, name, created_us, updated_us) VALUES (?1, ?2, ?3, ?4, ?4)";
pub(super) const UPDATE_AGENT_NUMBER: &str =
    "UPDATE agents SET last_number = ?3, updated_us = ?4 WHERE tenant_id = ?1 AND id = ?2";
pub(super) const UPDATE_AGENT_ACTIVE: &str =
    "UPDATE agents SET active_version = ?3, updated_us = ?4 WHERE tenant_id = ?1 AND id = ?2";
pub(super) const UPDATE_AGENT_LIMITS: &str =
    "UPDATE agents SET limits = ?3, updated_us = ?4 WHERE tenant_id = ?1 AND id = ?2";
pub(super) const DELETE_AGENT: &str = "DELETE FROM agents WHERE tenant_id = ?1 AND id = ?2";

pub(super) const INSERT_VERSION: &str = "INSERT INTO versions \
     (id, tenant_id, agent_id, number, digest, component_bytes, report, created_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
pub(super) const SELECT_VERSIONS: &str = "SELECT id, agent_id, number, digest, component_bytes, report, created_us \
     FROM versions WHERE tenant_id = ?1 AND agent_id = ?2 ORDER BY number DESC";
/// By the index of the tenant's own agent: by the id, which is unique, a foreign version is found before it is refused, and
/// the time of that tells (T6).
pub(super) const SELECT_VERSION: &str = "SELECT id, agent_id, number, digest, component_bytes, report, created_us \
     FROM versions INDEXED BY versions_of_agent WHERE tenant_id = ?1 AND agent_id = ?2 AND id = ?3";
/// For a listing, which leaves the reports out.
pub(super) const SELECT_ACTIVE_VERSIONS: &str = "SELECT versions.id, versions.agent_id, number, digest, component_bytes, \
     '' AS report, versions.created_us FROM versions JOIN agents ON agents.active_version = versions.id \
     WHERE versions.tenant_id = ?1";
/// Versions beyond the newest `?5` of those that are neither active nor just added.
pub(super) const SELECT_PRUNABLE: &str = "SELECT id, digest FROM versions WHERE tenant_id = ?1 AND agent_id = ?2 \
     AND id <> ?3 AND id <> ?4 ORDER BY number DESC LIMIT -1 OFFSET ?5";
pub(super) const DELETE_VERSION: &str = "DELETE FROM versions WHERE tenant_id = ?1 AND id = ?2";
pub(super) const SELECT_DIGESTS: &str = "SELECT DISTINCT digest FROM versions WHERE tenant_id = ?1 AND agent_id = ?2";
pub(super) const SELECT_TENANT_DIGESTS: &str = "SELECT DISTINCT digest FROM versions WHERE tenant_id = ?1";
pub(super) const SELECT_DIGEST_USED: &str =
    "SELECT EXISTS (SELECT 1 FROM versions WHERE tenant_id = ?1 AND digest = ?2)";

pub(super) const INSERT_ACTIVATION: &str =
    "INSERT INTO activations (tenant_id, agent_id, version_id) VALUES (?1, ?2, ?3)";
pub(super) const PRUNE_ACTIVATIONS: &str = "DELETE FROM activations WHERE tenant_id = ?1 AND agent_id = ?2 AND seq NOT IN \
     (SELECT seq FROM activations WHERE tenant_id = ?1 AND agent_id = ?2 ORDER BY seq DESC LIMIT ?3)";
pub(super) const SELECT_ACTIVE_BEFORE: &str = "SELECT seq, version_id FROM activations \
     WHERE tenant_id = ?1 AND agent_id = ?2 AND version_id <> ?3 ORDER BY seq DESC LIMIT 1";
pub(super) const DELETE_ACTIVATIONS_AFTER: &str =
    "DELETE FROM activations WHERE tenant_id = ?1 AND agent_id = ?2 AND seq > ?3";

pub(super) const SELECT_CONFIGURATION: &str =
    "SELECT name, value FROM configuration WHERE tenant_id = ?1 AND agent_id = ?2 ORDER BY name";
pub(super) const DELETE_CONFIGURATION: &str = "DELETE FROM configuration WHERE tenant_id = ?1 AND agent_id = ?2";
pub(super) const INSERT_CONFIGURATION: &str =
    "INSERT INTO configuration (tenant_id, agent_id, name, value) VALUES (?1, ?2, ?3, ?4)";

/// Statements over every column of usage that adds up, with the number at which it is bound.
macro_rules! usage_columns {
    ($make:ident) => {
        $make!("calls" 6, "failures" 7, "fuel" 8, "cpu_us" 9, "wall_us" 10, "host_calls" 11, "host_bytes" 12, "storage_read_bytes" 13, "storage_write_bytes" 14, "cache_traffic_bytes" 15, "log_bytes" 16, "request_bytes" 17, "response_bytes" 18)
    };
}

macro_rules! select_usage {
    ($($column:literal $number:literal),*) => {
        concat!(
            "SELECT tenant_id, agent_id, version_id, day, ", $($column, ", ",)* "peak_memory FROM usage \
             WHERE tenant_id = ?1 ORDER BY day DESC, agent_id, version_id LIMIT ?2"
        )
    };
}
/// Sums as two halves each: a sum of 64-bit numbers may be no 64-bit number, which SQLite refuses.
macro_rules! sum_usage {
    ($($column:literal $number:literal),*) => {
        concat!(
            "SELECT ",
            $("COALESCE(SUM(", $column, " >> 32), 0) AS ", $column, "_high, \
               COALESCE(SUM(", $column, " & 4294967295), 0) AS ", $column, "_low, ",)*
            "COALESCE(MAX(peak_memory), 0) AS peak_memory FROM usage WHERE tenant_id = ?1"
        )
    };
}
/// An erased tenant's usage never comes back. A sum stops at 2^63 - 1: SQLite would make a greater one a real number, which
/// the table refuses with the whole batch.
macro_rules! add_usage {
    ($($column:literal $number:literal),*) => {
        concat!(
            "INSERT INTO usage (tenant_id, agent_id, version_id, day, peak_memory", $(", ", $column,)* ") \
             SELECT ?1, ?2, ?3, ?4, ?5", $(", ?", $number,)* " \
             WHERE NOT EXISTS (SELECT 1 FROM tenants WHERE id = ?1 AND phase IN ('erasing', 'erased')) \
             ON CONFLICT (tenant_id, day, agent_id, version_id) DO UPDATE SET ",
            $($column, " = MIN(", $column, ", 9223372036854775807 - excluded.", $column, ") + excluded.", $column, ", ",)*
            "peak_memory = MAX(peak_memory, excluded.peak_memory)"
        )
    };
}
pub(super) const SELECT_USAGE: &str = usage_columns!(select_usage);
pub(super) const SUM_USAGE: &str = usage_columns!(sum_usage);
pub(super) const ADD_USAGE: &str = usage_columns!(add_usage);
/// In the order of `SELECT_USAGE`.
pub(super) const SELECT_HOST_CALLS: &str = "SELECT agent_id, version_id, day, kind, calls FROM usage_host_calls \
     WHERE tenant_id = ?1 ORDER BY day DESC, agent_id, version_id LIMIT ?2";
pub(super) const SUM_HOST_CALLS: &str = "SELECT kind, SUM(calls >> 32) AS calls_high, SUM(calls & 4294967295) AS calls_low \
     FROM usage_host_calls WHERE tenant_id = ?1 GROUP BY kind";
/// Of a row that was refused, its kinds are too.
pub(super) const ADD_HOST_CALLS: &str = "INSERT INTO usage_host_calls (tenant_id, agent_id, version_id, day, kind, calls) \
     SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS \
     (SELECT 1 FROM usage WHERE tenant_id = ?1 AND agent_id = ?2 AND version_id = ?3 AND day = ?4) \
     ON CONFLICT (tenant_id, day, agent_id, version_id, kind) DO UPDATE SET \
     calls = MIN(calls, 9223372036854775807 - excluded.calls) + excluded.calls";

/// What a tenant has in the catalog, beside itself.
pub(super) const COUNT_ROWS: &str = "SELECT (SELECT COUNT(*) FROM keys WHERE tenant_id = ?1) AS keys, \
     (SELECT COUNT(*) FROM agents WHERE tenant_id = ?1) AS agents, \
     (SELECT COUNT(*) FROM versions WHERE tenant_id = ?1) AS versions, \
     (SELECT COUNT(*) FROM configuration WHERE tenant_id = ?1) AS configuration, \
     (SELECT COUNT(*) FROM usage WHERE tenant_id = ?1) AS usage";
pub(super) const ERASE_KEYS: &str = "DELETE FROM keys WHERE tenant_id = ?1";
/// Versions, activations and configuration go with their agents.
pub(super) const ERASE_AGENTS: &str = "DELETE FROM agents WHERE tenant_id = ?1";
pub(super) const ERASE_USAGE: &str = "DELETE FROM usage WHERE tenant_id = ?1";
/// Writes the database anew. A page that was split keeps copies of rows that went to its neighbour in what it does not use,
/// and `secure_delete` does not reach them.
pub(super) const WRITE_ANEW: &str = "VACUUM";
pub(super) const EMPTY_JOURNAL: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
pub(super) const COUNT_AUDIT: &str = "SELECT COUNT(*) FROM audit WHERE tenant_id = ?1";

pub(super) const INSERT_AUDIT: &str =
    "INSERT INTO audit (at_us, key_id, act, tenant_id, detail) VALUES (?1, ?2, ?3, ?4, ?5)";
pub(super) const SELECT_AUDIT: &str = "SELECT seq, at_us, key_id, act, tenant_id, detail FROM audit WHERE seq > ?1 AND (?3 IS NULL OR tenant_id = ?3) \
     ORDER BY seq LIMIT ?2";
