-- OAuth: clients, what they were granted, codes and tokens.


CREATE TABLE oauth_revision (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO oauth_revision (id, revision) VALUES (1, 1);

CREATE TABLE oauth_clients (
    id             TEXT    NOT NULL PRIMARY KEY,
    kind           TEXT    NOT NULL CHECK (kind IN ('dynamic', 'operator', 'document')),
    name           TEXT    NOT NULL,
    uri            TEXT,
    redirect_uris  TEXT    NOT NULL CHECK (json_valid(redirect_uris)),
    grant_types    TEXT    NOT NULL CHECK (json_valid(grant_types)),
    secret_hash    BLOB    CHECK (length(secret_hash) = 32),
    group_ids      TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(group_ids)),
    may_write      INTEGER NOT NULL DEFAULT 0 CHECK (may_write IN (0, 1)),
    may_introspect INTEGER NOT NULL DEFAULT 0 CHECK (may_introspect IN (0, 1)),
    created_by     TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    used_at        INTEGER,
    revoked_at     INTEGER
) STRICT;

CREATE TABLE oauth_grants (
    id            TEXT    NOT NULL PRIMARY KEY,
    client_id     TEXT    NOT NULL REFERENCES oauth_clients (id) ON DELETE CASCADE,
    group_id      TEXT    NOT NULL REFERENCES mcp_tool_groups (id) ON DELETE CASCADE,
    audience      TEXT    NOT NULL,
    resource_code TEXT,
    scopes        TEXT    NOT NULL CHECK (json_valid(scopes)),
    key_id        TEXT,
    account_id    TEXT,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    used_at       INTEGER,
    revoked_at    INTEGER,
    revoked_why   TEXT
) STRICT;
CREATE INDEX oauth_grants_by_client ON oauth_grants (client_id);
CREATE INDEX oauth_grants_by_group  ON oauth_grants (group_id);
CREATE INDEX oauth_grants_by_end    ON oauth_grants (expires_at);
CREATE INDEX oauth_grants_by_key    ON oauth_grants (key_id) WHERE key_id IS NOT NULL;

CREATE TABLE oauth_codes (
    hash           BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    grant_id       TEXT    NOT NULL UNIQUE REFERENCES oauth_grants (id) ON DELETE CASCADE,
    transaction_id TEXT    NOT NULL UNIQUE,
    redirect_uri   TEXT    NOT NULL,
    challenge      TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    used_at        INTEGER
) STRICT;

CREATE TABLE oauth_tokens (
    hash          BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    id            TEXT    NOT NULL UNIQUE,
    kind          TEXT    NOT NULL CHECK (kind IN ('access', 'refresh')),
    grant_id      TEXT    NOT NULL REFERENCES oauth_grants (id) ON DELETE CASCADE,
    pair          INTEGER NOT NULL,
    audience      TEXT    NOT NULL,
    resource_code TEXT,
    scopes        TEXT    NOT NULL CHECK (json_valid(scopes)),
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    used_at       INTEGER,
    revoked_at    INTEGER
) STRICT;
CREATE INDEX oauth_tokens_by_grant ON oauth_tokens (grant_id, pair);
CREATE INDEX oauth_tokens_by_end   ON oauth_tokens (expires_at);

CREATE TRIGGER oauth_client_changed AFTER UPDATE OF revoked_at ON oauth_clients BEGIN UPDATE oauth_revision SET revision = revision + 1; END;
CREATE TRIGGER oauth_grant_changed  AFTER UPDATE OF group_id, scopes, expires_at, revoked_at ON oauth_grants BEGIN UPDATE oauth_revision SET revision = revision + 1; END;
CREATE TRIGGER oauth_grant_removed  AFTER DELETE ON oauth_grants BEGIN UPDATE oauth_revision SET revision = revision + 1; END;
CREATE TRIGGER oauth_key_revoked    AFTER UPDATE OF revoked_at ON mcp_keys WHEN new.revoked_at IS NOT NULL BEGIN
    UPDATE oauth_grants SET revoked_at = new.revoked_at, revoked_why = 'key revoked' WHERE key_id = new.id AND revoked_at IS NULL;
END;
CREATE TRIGGER oauth_token_changed  AFTER UPDATE OF scopes, expires_at, revoked_at ON oauth_tokens BEGIN UPDATE oauth_revision SET revision = revision + 1; END;
CREATE TRIGGER oauth_token_removed  AFTER DELETE ON oauth_tokens BEGIN UPDATE oauth_revision SET revision = revision + 1; END;
