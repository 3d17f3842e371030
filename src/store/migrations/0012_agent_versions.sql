-- What agents were after each change; and what lists of deliveries and jobs look up.
CREATE TABLE agent_versions (
    agent_id   TEXT    NOT NULL REFERENCES dify_configs (id) ON DELETE CASCADE,
    number     INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT    NOT NULL,
    action     TEXT    NOT NULL,
    reason     TEXT,
    settings   TEXT    NOT NULL CHECK (json_valid(settings)),
    PRIMARY KEY (agent_id, number)
) STRICT, WITHOUT ROWID;
-- The agents there are begin with the version they have.
INSERT INTO agent_versions (agent_id, number, changed_at, changed_by, action, settings)
SELECT id, 1, updated_at, 'setup', 'agent.found', json_object(
    'environment', environment, 'app_name', app_name, 'app_id', app_id, 'kind', kind, 'version', version, 'part', part,
    'weight', weight, 'rollout_percent', rollout_percent, 'base_url', base_url, 'inputs', json(inputs),
    'timeout_seconds', timeout_seconds, 'first_byte_ms', first_byte_ms, 'stall_ms', stall_ms, 'max_concurrent', max_concurrent,
    'enabled', json(iif(enabled, 'true', 'false')))
FROM dify_configs;
CREATE INDEX notifications_open ON notifications (id) WHERE acked_at IS NULL;
CREATE INDEX pushes_waiting ON pushes (id) WHERE delivered_at IS NULL;
CREATE INDEX outgoing_events_waiting ON outgoing_events (created_at) WHERE delivered_at IS NULL;
CREATE INDEX jobs_cancelled ON jobs (id) WHERE state = 'cancelled';
