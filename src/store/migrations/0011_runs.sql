-- What agents thought, what they would write today, claims from the panel, and lists of runs and conversations.

CREATE TABLE agent_thoughts (
    call_id           TEXT    NOT NULL REFERENCES agent_calls (id) ON DELETE CASCADE,
    position          INTEGER NOT NULL,
    began_ms          INTEGER,
    ended_ms          INTEGER,
    text              TEXT,
    characters        INTEGER NOT NULL,
    tool              TEXT    NOT NULL,
    input_bytes       INTEGER NOT NULL,
    observation_bytes INTEGER NOT NULL,
    PRIMARY KEY (call_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE registration_replays (
    id                 TEXT    NOT NULL PRIMARY KEY,
    registration_id    TEXT    NOT NULL REFERENCES registrations (id) ON DELETE CASCADE,
    subject_id         TEXT    NOT NULL UNIQUE,
    subject_expires_at INTEGER NOT NULL,
    agent_id           TEXT    NOT NULL,
    agent              TEXT    NOT NULL,
    asked_by           TEXT    NOT NULL,
    reason             TEXT,
    asked_at           INTEGER NOT NULL,
    state              TEXT    NOT NULL CHECK (state IN ('asked', 'answered', 'failed', 'unknown')),
    first_byte_ms      INTEGER,
    duration_ms        INTEGER,
    old_text           TEXT,
    old_rung           TEXT,
    text               TEXT,
    verdict            TEXT    CHECK (verdict IN ('passes', 'empty', 'link', 'email', 'digits', 'markup', 'not_prose', 'language')),
    thoughts           TEXT    CHECK (json_valid(thoughts)),
    tokens             INTEGER,
    price              TEXT,
    currency           TEXT,
    error_kind         TEXT,
    error              TEXT
) STRICT;
CREATE INDEX registration_replays_by_run ON registration_replays (registration_id, asked_at);
CREATE INDEX registration_replays_open ON registration_replays (asked_at) WHERE state = 'asked';

-- The panel is a door as well. A CHECK cannot be changed: the rows move to a new table.
DROP INDEX claims_by_consultant;
ALTER TABLE claims RENAME TO claims_before;
CREATE TABLE claims (
    registration_id TEXT    NOT NULL PRIMARY KEY REFERENCES registrations (id) ON DELETE CASCADE,
    conversation_id TEXT    NOT NULL,
    customer_id     TEXT    NOT NULL,
    consultant_id   TEXT    NOT NULL,
    via             TEXT    NOT NULL CHECK (via IN ('live', 'rest', 'mcp', 'cli', 'panel')),
    claimed_at      INTEGER NOT NULL
) STRICT;
INSERT INTO claims (registration_id, conversation_id, customer_id, consultant_id, via, claimed_at)
    SELECT registration_id, conversation_id, customer_id, consultant_id, via, claimed_at FROM claims_before ORDER BY rowid;
DROP TABLE claims_before;
CREATE INDEX claims_by_consultant ON claims (consultant_id, claimed_at);
CREATE INDEX claims_by_time ON claims (claimed_at);

ALTER TABLE registrations ADD COLUMN claimed_at INTEGER;
UPDATE registrations SET claimed_at = (SELECT claimed_at FROM claims WHERE registration_id = registrations.id)
    WHERE id IN (SELECT registration_id FROM claims);
CREATE TRIGGER registration_claimed AFTER INSERT ON claims BEGIN
    UPDATE registrations SET claimed_at = new.claimed_at WHERE id = new.registration_id;
END;
CREATE INDEX registrations_by_state ON registrations (state, accepted_at);
CREATE INDEX registrations_by_rung ON registrations (welcome_rung, accepted_at) WHERE welcome_rung IS NOT NULL;
CREATE INDEX registrations_by_segment ON registrations (segment, accepted_at) WHERE segment IS NOT NULL;
CREATE INDEX registrations_unclaimed ON registrations (accepted_at) WHERE claimed_at IS NULL AND state NOT IN ('skipped', 'cancelled');
CREATE INDEX conversations_by_time ON conversations (updated_at);
