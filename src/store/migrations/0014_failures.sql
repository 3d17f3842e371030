-- What failed is looked for by time, among much more that did not. Rows that are no failures cost nothing.
CREATE INDEX mcp_call_logs_failed ON mcp_call_logs (created_at) WHERE success = 0;
CREATE INDEX registration_steps_failed ON registration_steps (started_at) WHERE state = 'failed';
CREATE INDEX agent_calls_failed ON agent_calls (started_at) WHERE error_kind IS NOT NULL;
