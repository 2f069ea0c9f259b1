-- A version that a tenant names is looked for among its own agent's. By the id alone the version of another tenant would be
-- found first and turned down afterwards, which takes longer than finding nothing.
CREATE UNIQUE INDEX versions_of_agent ON versions (tenant_id, agent_id, id);
