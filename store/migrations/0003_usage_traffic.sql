-- Usage by more resources, and host calls by kind. Rows from before have used nothing of what was not counted.
ALTER TABLE usage ADD COLUMN storage_read_bytes  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN storage_write_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN cache_traffic_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN log_bytes           INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN request_bytes       INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN response_bytes      INTEGER NOT NULL DEFAULT 0;

-- A kind is `interface.function` of wit/.
CREATE TABLE usage_host_calls (
    tenant_id  TEXT    NOT NULL,
    day        INTEGER NOT NULL,
    agent_id   TEXT    NOT NULL,
    version_id TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    calls      INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, day, agent_id, version_id, kind),
    FOREIGN KEY (tenant_id, day, agent_id, version_id) REFERENCES usage (tenant_id, day, agent_id, version_id)
        ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
