-- Limits of keys and tools, and the calls of a day.
CREATE TABLE mcp_limits (
    scope      TEXT    NOT NULL CHECK (scope IN ('group', 'key', 'tool')),
    group_id   TEXT    NOT NULL REFERENCES mcp_tool_groups (id) ON DELETE CASCADE,
    key_id     TEXT    REFERENCES mcp_keys (id) ON DELETE CASCADE,
    tool_name  TEXT,
    kind       TEXT    NOT NULL CHECK (kind IN ('list_per_minute', 'call_per_minute', 'other_per_minute', 'concurrent_calls', 'calls_per_day')),
    value      INTEGER NOT NULL CHECK (value BETWEEN 0 AND 60000000),
    updated_by TEXT    NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK ((scope = 'key') = (key_id IS NOT NULL) AND (scope = 'tool') = (tool_name IS NOT NULL)),
    CHECK (scope <> 'tool' OR kind IN ('call_per_minute', 'concurrent_calls'))
) STRICT;
CREATE UNIQUE INDEX mcp_limits_once ON mcp_limits (group_id, kind, coalesce(key_id, ''), coalesce(tool_name, ''));
CREATE INDEX mcp_limits_by_key ON mcp_limits (key_id) WHERE key_id IS NOT NULL;
CREATE TRIGGER policy_limit_added   AFTER INSERT ON mcp_limits BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_limit_changed AFTER UPDATE ON mcp_limits BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_limit_removed AFTER DELETE ON mcp_limits BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TABLE mcp_day_counts (
    principal TEXT    NOT NULL PRIMARY KEY,
    day       INTEGER NOT NULL,
    calls     INTEGER NOT NULL
) STRICT;
