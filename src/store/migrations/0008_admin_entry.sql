-- Who gets into the panel and the API: sessions, tokens, second factors, the setup link, and repeated requests.

CREATE TABLE admin_sessions (
    id            TEXT    NOT NULL PRIMARY KEY,
    hash          BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    account_id    TEXT    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at    INTEGER NOT NULL,
    seen_at       INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    confirmed_at  INTEGER NOT NULL,
    second_factor INTEGER NOT NULL CHECK (second_factor IN (0, 1)),
    address       TEXT    NOT NULL,
    agent         TEXT    NOT NULL
) STRICT;
CREATE INDEX admin_sessions_by_account ON admin_sessions (account_id);
CREATE INDEX admin_sessions_by_end     ON admin_sessions (expires_at);

CREATE TABLE admin_tokens (
    id         TEXT    NOT NULL PRIMARY KEY,
    hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    account_id TEXT    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name       TEXT    NOT NULL,
    role       TEXT    NOT NULL CHECK (role IN ('administrator', 'operator', 'auditor')),
    hint       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX admin_tokens_by_account ON admin_tokens (account_id);

CREATE TABLE admin_totp (
    account_id  TEXT    NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    sealed      BLOB    NOT NULL,
    enrolled_at INTEGER NOT NULL,
    last_step   INTEGER NOT NULL
) STRICT;

CREATE TABLE admin_recovery_codes (
    hash       BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    account_id TEXT    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    used_at    INTEGER
) STRICT;
CREATE INDEX admin_recovery_codes_by_account ON admin_recovery_codes (account_id);

CREATE TABLE admin_setup_links (
    hash       BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT;

CREATE TABLE admin_idempotency (
    account_id TEXT    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    route      TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    body_mac   BLOB    NOT NULL CHECK (length(body_mac) = 32),
    sealed     BLOB,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, route, key)
) STRICT;
CREATE INDEX admin_idempotency_by_age ON admin_idempotency (created_at);
