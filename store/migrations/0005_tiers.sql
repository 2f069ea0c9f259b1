-- Tiers: named limits, as JSON: names and values that differ from the release's standard. A tenant has those of its tier,
-- and in `limits` what an operator set for it alone. A tenant's tier is checked by the program: SQLite adds no column that
-- refers to another table and has a value.
CREATE TABLE tiers (
    name       TEXT    NOT NULL PRIMARY KEY,
    limits     TEXT    NOT NULL,
    updated_us INTEGER NOT NULL
) STRICT;

INSERT INTO tiers (name, limits, updated_us) VALUES
    ('standard', '{}', 0),
    ('free', '{"fuel":500000000,"cpu-us":500000,"wall-us":5000000,"memory-bytes":67108864,"host-calls":2000,'
        || '"host-bytes":16777216,"storage-read-bytes":16777216,"storage-write-bytes":8388608,'
        || '"cache-traffic-bytes":16777216,"storage-bytes":67108864,"storage-keys":100000,"cache-bytes":4194304,'
        || '"log-ring-bytes":65536,"concurrency":8,"queue":16,"rate":200,"burst":400,"weight":25,"agents":10,"versions":5}', 0),
    ('dedicated', '{"fuel":20000000000,"cpu-us":20000000,"wall-us":60000000,"memory-bytes":536870912,'
        || '"host-calls":100000,"host-bytes":1073741824,"storage-read-bytes":1073741824,'
        || '"storage-write-bytes":536870912,"cache-traffic-bytes":1073741824,"storage-bytes":10737418240,'
        || '"storage-keys":10000000,"cache-bytes":268435456,"log-ring-bytes":1048576,"concurrency":256,"queue":256,"rate":100000,"burst":100000,"weight":400,'
        || '"agents":1000,"versions":50}', 0);

ALTER TABLE tenants ADD COLUMN tier TEXT NOT NULL DEFAULT 'standard';

-- Until now every tenant had all limits as numbers of its own. Those that are the standard's stand in its tier from now on.
WITH standard (name, value) AS (VALUES
    ('fuel', 2000000000), ('cpu-us', 2000000), ('wall-us', 10000000), ('memory-bytes', 134217728),
    ('table-elements', 100000), ('host-calls', 10000), ('host-bytes', 67108864), ('storage-read-bytes', 67108864),
    ('storage-write-bytes', 33554432), ('cache-traffic-bytes', 67108864), ('log-bytes', 65536),
    ('request-bytes', 4194304), ('response-bytes', 4194304), ('value-bytes', 1048576),
    ('storage-bytes', 268435456), ('storage-keys', 1000000), ('cache-bytes', 16777216),
    ('log-ring-bytes', 262144), ('concurrency', 64), ('component-bytes', 33554432), ('agents', 100), ('versions', 20)
)
UPDATE tenants SET limits = (
    SELECT json_group_object(own.key, own.value) FROM json_each(tenants.limits) AS own
    LEFT JOIN standard ON standard.name = own.key AND standard.value = own.value
    WHERE standard.name IS NULL
);
