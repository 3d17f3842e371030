-- People who sign in with a login and a password.
CREATE TABLE accounts (
    id                  TEXT    NOT NULL PRIMARY KEY,
    login               TEXT    NOT NULL UNIQUE,
    display_name        TEXT    NOT NULL,
    password_hash       TEXT    NOT NULL,
    roles               TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(roles)),
    tier                TEXT    NOT NULL CHECK (tier IN ('internal', 'external', 'public', 'premium')),
    panel_role          TEXT    CHECK (panel_role IN ('administrator', 'operator', 'auditor')),
    enabled             INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    created_by          TEXT    NOT NULL,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL,
    password_changed_at INTEGER NOT NULL,
    last_sign_in_at     INTEGER,
    failed_count        INTEGER NOT NULL DEFAULT 0,
    last_failed_at      INTEGER
) STRICT;

CREATE TRIGGER policy_account_added   AFTER INSERT ON accounts BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_account_changed AFTER UPDATE OF roles, tier, enabled, password_changed_at ON accounts BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_account_removed AFTER DELETE ON accounts BEGIN UPDATE policy_revision SET revision = revision + 1; END;
