-- Codes know whether their request named the redirect URI, and a request that a person refused cannot be allowed later.

ALTER TABLE oauth_codes ADD COLUMN redirect_left_out INTEGER NOT NULL DEFAULT 0 CHECK (redirect_left_out IN (0, 1));

CREATE TABLE oauth_denials (
    transaction_id TEXT    NOT NULL PRIMARY KEY,
    expires_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX oauth_denials_by_end ON oauth_denials (expires_at);
