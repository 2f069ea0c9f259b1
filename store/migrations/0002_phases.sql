-- A tenant's phase, where it is not simply there: it is on its way in from an archive, on its way out, or gone but for its
-- id. A tombstone is called by its id, which no tenant can be called, so that its name is free again.
ALTER TABLE tenants ADD COLUMN phase TEXT CHECK (phase IN ('importing', 'erasing', 'erased'));
