CREATE TABLE live_revocations (
    seq         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    token_id    TEXT UNIQUE,
    user_id     TEXT UNIQUE,
    revoked_at  INTEGER NOT NULL,
    CHECK ((token_id IS NULL) <> (user_id IS NULL))
) STRICT;
