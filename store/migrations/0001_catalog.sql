-- The catalog: tenants, keys, agents, versions, configuration, usage, and the operators' audit log.
-- Every row that belongs to a tenant carries its id, and composite foreign keys keep a child with its parent's tenant.
-- Times are Unix microseconds. Ids are the typed texts (`ten_...`) and are never used twice.

CREATE TABLE tenants (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    state      TEXT    NOT NULL CHECK (state IN ('active', 'suspended')),
    limits     TEXT    NOT NULL,
    created_us INTEGER NOT NULL
) STRICT;

-- A key without a tenant is an operator's.
CREATE TABLE keys (
    id          TEXT    NOT NULL PRIMARY KEY,
    tenant_id   TEXT    REFERENCES tenants (id) ON DELETE CASCADE,
    hash        BLOB    NOT NULL CHECK (length(hash) = 32),
    label       TEXT    NOT NULL,
    permissions TEXT    NOT NULL,
    created_us  INTEGER NOT NULL,
    revoked_us  INTEGER
) STRICT;
CREATE INDEX keys_of_tenant ON keys (tenant_id, id);

CREATE TABLE agents (
    id             TEXT    NOT NULL PRIMARY KEY,
    tenant_id      TEXT    NOT NULL REFERENCES tenants (id),
    name           TEXT    NOT NULL,
    active_version TEXT    REFERENCES versions (id) DEFERRABLE INITIALLY DEFERRED,
    last_number    INTEGER NOT NULL DEFAULT 0,
    created_us     INTEGER NOT NULL,
    updated_us     INTEGER NOT NULL,
    UNIQUE (tenant_id, name),
    UNIQUE (tenant_id, id)
) STRICT;

CREATE TABLE versions (
    id              TEXT    NOT NULL PRIMARY KEY,
    tenant_id       TEXT    NOT NULL,
    agent_id        TEXT    NOT NULL,
    number          INTEGER NOT NULL,
    digest          TEXT    NOT NULL,
    component_bytes INTEGER NOT NULL,
    report          TEXT    NOT NULL,
    created_us      INTEGER NOT NULL,
    UNIQUE (agent_id, number),
    FOREIGN KEY (tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX versions_of_digest ON versions (tenant_id, digest);

-- Which version was active when: what a rollback goes back along.
CREATE TABLE activations (
    seq        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant_id  TEXT    NOT NULL,
    agent_id   TEXT    NOT NULL,
    version_id TEXT    NOT NULL REFERENCES versions (id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX activations_of_agent ON activations (agent_id, seq);
CREATE INDEX activations_of_version ON activations (version_id);

CREATE TABLE configuration (
    tenant_id TEXT NOT NULL,
    agent_id  TEXT NOT NULL,
    name      TEXT NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (agent_id, name),
    FOREIGN KEY (tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- No foreign keys: a bill outlives what it was made for.
CREATE TABLE usage (
    tenant_id   TEXT    NOT NULL,
    agent_id    TEXT    NOT NULL,
    version_id  TEXT    NOT NULL,
    day         INTEGER NOT NULL,
    calls       INTEGER NOT NULL,
    failures    INTEGER NOT NULL,
    fuel        INTEGER NOT NULL,
    cpu_us      INTEGER NOT NULL,
    wall_us     INTEGER NOT NULL,
    host_calls  INTEGER NOT NULL,
    host_bytes  INTEGER NOT NULL,
    peak_memory INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, day, agent_id, version_id)
) STRICT, WITHOUT ROWID;

-- No foreign keys: the record of an act outlives what it was done to.
CREATE TABLE audit (
    seq       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at_us     INTEGER NOT NULL,
    key_id    TEXT    NOT NULL,
    act       TEXT    NOT NULL,
    tenant_id TEXT,
    detail    TEXT    NOT NULL
) STRICT;
