-- An agent's own limits, as JSON: names and values. What is not named is the tenant's.
ALTER TABLE agents ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';
