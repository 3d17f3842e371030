-- Several keys per group: who made them, how they were replaced, and who uses them; and the log of changes.
ALTER TABLE mcp_keys ADD COLUMN created_by TEXT NOT NULL DEFAULT 'unknown';
ALTER TABLE mcp_keys ADD COLUMN rotated_at INTEGER;
ALTER TABLE mcp_keys ADD COLUMN replaced_by TEXT;
ALTER TABLE mcp_keys ADD COLUMN grace_until INTEGER;
ALTER TABLE mcp_keys ADD COLUMN retired_at INTEGER;
ALTER TABLE mcp_keys ADD COLUMN last_used_address TEXT;
ALTER TABLE mcp_keys ADD COLUMN last_used_client TEXT;
-- Until here an end was always that of a grace.
UPDATE mcp_keys SET
    grace_until = expires_at,
    rotated_at  = coalesce((SELECT min(n.created_at) FROM mcp_keys n WHERE n.group_id = mcp_keys.group_id AND n.created_at > mcp_keys.created_at), created_at),
    replaced_by = (SELECT n.id FROM mcp_keys n WHERE n.group_id = mcp_keys.group_id AND n.created_at > mcp_keys.created_at ORDER BY n.created_at LIMIT 1),
    expires_at  = NULL
WHERE expires_at IS NOT NULL;
CREATE UNIQUE INDEX mcp_keys_current ON mcp_keys (group_id, name) WHERE rotated_at IS NULL AND revoked_at IS NULL;
DROP TRIGGER policy_key_changed;
CREATE TRIGGER policy_key_changed   AFTER UPDATE OF group_id, name, hash, expires_at, rotated_at, grace_until, retired_at, revoked_at ON mcp_keys BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TABLE mcp_key_uses (
    key_id         TEXT    NOT NULL REFERENCES mcp_keys (id) ON DELETE CASCADE,
    address        TEXT    NOT NULL,
    client         TEXT    NOT NULL,
    first_at       INTEGER NOT NULL,
    last_at        INTEGER NOT NULL,
    calls          INTEGER NOT NULL,
    calls_in_grace INTEGER NOT NULL,
    refused        INTEGER NOT NULL,
    PRIMARY KEY (key_id, address, client)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit_log (
    seq       INTEGER NOT NULL PRIMARY KEY,
    at        INTEGER NOT NULL,
    actor     TEXT    NOT NULL,
    action    TEXT    NOT NULL,
    object    TEXT    NOT NULL,
    before    TEXT    CHECK (json_valid(before)),
    after     TEXT    CHECK (json_valid(after)),
    reason    TEXT,
    address   TEXT,
    prev_hash BLOB    NOT NULL CHECK (length(prev_hash) = 32),
    hash      BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32)
) STRICT;
CREATE TRIGGER audit_log_unchanged BEFORE UPDATE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_log_kept      BEFORE DELETE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
