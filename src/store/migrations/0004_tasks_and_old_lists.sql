-- Long calls that outlive their request, and what is known of callers who work from an old list.

CREATE TABLE mcp_tasks (
    id          TEXT    NOT NULL PRIMARY KEY,
    principal   TEXT    NOT NULL,
    group_id    TEXT    NOT NULL REFERENCES mcp_tool_groups (id) ON DELETE CASCADE,
    tool_name   TEXT    NOT NULL,
    channel     TEXT    NOT NULL,
    state       TEXT    NOT NULL DEFAULT 'working' CHECK (state IN ('working', 'completed', 'failed', 'cancelled')),
    answer      TEXT    CHECK (json_valid(answer)),
    failure     TEXT,
    note        TEXT    CHECK (json_valid(note)),
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    deadline_at INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX mcp_tasks_by_principal ON mcp_tasks (principal, expires_at);
CREATE INDEX mcp_tasks_by_end ON mcp_tasks (expires_at);
CREATE INDEX mcp_tasks_at_work ON mcp_tasks (channel) WHERE state = 'working';

CREATE TABLE mcp_tool_aliases (
    group_id   TEXT    NOT NULL REFERENCES mcp_tool_groups (id) ON DELETE CASCADE,
    alias      TEXT    NOT NULL,
    tool_name  TEXT    NOT NULL,
    until      INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (group_id, alias)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER policy_alias_added   AFTER INSERT ON mcp_tool_aliases BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_alias_changed AFTER UPDATE ON mcp_tool_aliases BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_alias_removed AFTER DELETE ON mcp_tool_aliases BEGIN UPDATE policy_revision SET revision = revision + 1; END;

CREATE TABLE mcp_offer_changes (
    group_id   TEXT    NOT NULL,
    tool_name  TEXT    NOT NULL,
    change     TEXT    NOT NULL CHECK (change IN ('added', 'enabled', 'disabled', 'removed')),
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (group_id, tool_name)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER offer_added AFTER INSERT ON mcp_tools BEGIN
    INSERT INTO mcp_offer_changes (group_id, tool_name, change, changed_at) VALUES (new.group_id, new.tool_name, 'added', new.updated_at)
    ON CONFLICT (group_id, tool_name) DO UPDATE SET change = excluded.change, changed_at = excluded.changed_at;
END;
CREATE TRIGGER offer_switched AFTER UPDATE OF enabled ON mcp_tools WHEN old.enabled <> new.enabled BEGIN
    INSERT INTO mcp_offer_changes (group_id, tool_name, change, changed_at)
    VALUES (new.group_id, new.tool_name, CASE WHEN new.enabled THEN 'enabled' ELSE 'disabled' END, new.updated_at)
    ON CONFLICT (group_id, tool_name) DO UPDATE SET change = excluded.change, changed_at = excluded.changed_at;
END;
CREATE TRIGGER offer_removed AFTER DELETE ON mcp_tools WHEN EXISTS (SELECT 1 FROM mcp_tool_groups WHERE id = old.group_id) BEGIN
    INSERT INTO mcp_offer_changes (group_id, tool_name, change, changed_at)
    VALUES (old.group_id, old.tool_name, 'removed', CAST(unixepoch('subsec') * 1000 AS INTEGER))
    ON CONFLICT (group_id, tool_name) DO UPDATE SET change = excluded.change, changed_at = excluded.changed_at;
END;
CREATE TRIGGER offers_of_group_removed AFTER DELETE ON mcp_tool_groups BEGIN
    DELETE FROM mcp_offer_changes WHERE group_id = old.id;
END;

CREATE TABLE mcp_tool_schemas (
    tool_name    TEXT    NOT NULL,
    seen_at      INTEGER NOT NULL,
    input_schema TEXT    NOT NULL CHECK (json_valid(input_schema)),
    PRIMARY KEY (tool_name, seen_at)
) STRICT, WITHOUT ROWID;

CREATE TABLE mcp_stale_calls (
    principal   TEXT    NOT NULL,
    group_id    TEXT    NOT NULL,
    called      TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    client_name TEXT,
    calls       INTEGER NOT NULL,
    first_at    INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    PRIMARY KEY (principal, group_id, called, reason)
) STRICT, WITHOUT ROWID;
CREATE INDEX mcp_stale_calls_by_time ON mcp_stale_calls (last_at);
