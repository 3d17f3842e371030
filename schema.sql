-- The database of anmei-mcp as it is today. A fresh installation runs this file; an older one reaches the same
-- schema through src/store/migrations (held by a test). Times are INTEGER milliseconds since 1970 UTC, money is
-- INTEGER fen (1/100 yuan), JSON is TEXT that json_valid() accepts, ids of our own are UUID v7 text, ids of the
-- app are opaque text. Every table is STRICT and every column says what it holds.

-- ---------------------------------------------------------------------------------------------------------------
-- This installation

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY, -- what is kept: key_check (sealed constant that proves the master key), installation_id
    value TEXT NOT NULL              -- its value, as text or base64
) STRICT;

-- ---------------------------------------------------------------------------------------------------------------
-- Who changed what

CREATE TABLE audit_log (
    seq       INTEGER NOT NULL PRIMARY KEY,                     -- from 1 on, without gaps
    at        INTEGER NOT NULL,                                 -- when
    actor     TEXT    NOT NULL,                                 -- who: setup, daemon, cli:account, or an account
    action    TEXT    NOT NULL,                                 -- what was done, such as key.revoke
    object    TEXT    NOT NULL,                                 -- to what, such as key/system_tools/default
    before    TEXT    CHECK (json_valid(before)),               -- what it was, without secrets
    after     TEXT    CHECK (json_valid(after)),                -- what it is, without secrets
    reason    TEXT,                                             -- why, in the words of whoever did it
    address   TEXT,                                             -- from where, for what came over the network
    prev_hash BLOB    NOT NULL CHECK (length(prev_hash) = 32),  -- hash of the row before; zeros for the first
    hash      BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32) -- SHA-256 of prev_hash in hexadecimal, a line feed, and the other columns as a JSON array
) STRICT;
CREATE TRIGGER audit_log_unchanged BEFORE UPDATE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_log_kept      BEFORE DELETE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

-- ---------------------------------------------------------------------------------------------------------------
-- Policy: who may call what (PRD 3.2.2, 5.2)

CREATE TABLE policy_revision (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), -- there is one row
    revision INTEGER NOT NULL                             -- counts every change of groups, keys, tools and settings; triggers below
) STRICT;
INSERT INTO policy_revision (id, revision) VALUES (1, 1);

CREATE TABLE mcp_tool_groups (
    id               TEXT    NOT NULL PRIMARY KEY,                                     -- UUID v7
    server_code      TEXT    NOT NULL UNIQUE,                                          -- segment of the URL: ^[a-z0-9][a-z0-9_-]{0,23}$
    name             TEXT    NOT NULL UNIQUE,                                          -- name shown to people
    description      TEXT    NOT NULL DEFAULT '',                                      -- what the group is for; agents see it as instructions
    user_tier_access TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(user_tier_access)), -- tiers: internal, external, public, premium
    allowed_roles    TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(allowed_roles)),  -- roles: admin, consultant, doctor, operator, customer
    enabled          INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),             -- 0 refuses every key of the group
    subject_scoped   INTEGER NOT NULL DEFAULT 0 CHECK (subject_scoped IN (0, 1)),      -- 1: its tools see only the customers of registrations in progress, by subject id
    created_by       TEXT    NOT NULL,                                                 -- who created it: setup, cli, or an account
    created_at       INTEGER NOT NULL,                                                 -- when it was created
    updated_at       INTEGER NOT NULL                                                  -- when it last changed
) STRICT;

CREATE TABLE mcp_keys (
    id           TEXT    NOT NULL PRIMARY KEY,                                          -- UUID v7
    group_id     TEXT    NOT NULL REFERENCES mcp_tool_groups (id) ON DELETE CASCADE,    -- the group it opens
    name         TEXT    NOT NULL,                                                      -- name shown to people; unique among the current keys of a group
    hash         BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),                     -- SHA-256 of the key; look-ups go through it. Kept when the key ends, to tell its holder
    sealed       BLOB,                                                                  -- the key under the master key, for a later look; NULL with keys.reveal = never, and once revoked
    hint         TEXT    NOT NULL,                                                      -- last four characters
    created_at   INTEGER NOT NULL,                                                      -- when it was made
    expires_at   INTEGER,                                                               -- when it ends by itself; NULL for never
    revoked_at   INTEGER,                                                               -- when it was revoked
    last_used_at INTEGER,                                                               -- last accepted request, or when something was last seen open with it; written behind by up to 30 s
    created_by TEXT NOT NULL DEFAULT 'unknown',                                         -- who made it: setup, cli:account, or an account; unknown for those of the first release
    rotated_at INTEGER,                                                                 -- when another key took its place; NULL for a current key
    replaced_by TEXT,                                                                   -- id of the key that took its place
    grace_until INTEGER,                                                                -- end of its grace, once another key took its place
    retired_at INTEGER,                                                                 -- when it was retired before the end of its grace, because nobody used it any more
    last_used_address TEXT,                                                             -- peer of the last accepted request, as far as known
    last_used_client TEXT                                                               -- client of the last accepted request, as far as known
) STRICT;
CREATE INDEX mcp_keys_by_group ON mcp_keys (group_id, created_at);
CREATE UNIQUE INDEX mcp_keys_current ON mcp_keys (group_id, name) WHERE rotated_at IS NULL AND revoked_at IS NULL;

CREATE TABLE mcp_key_uses (
    key_id         TEXT    NOT NULL REFERENCES mcp_keys (id) ON DELETE CASCADE,         -- the key
    address        TEXT    NOT NULL,                                                    -- peer; empty when not known
    client         TEXT    NOT NULL,                                                    -- what the client calls itself; empty when not known
    first_at       INTEGER NOT NULL,                                                    -- first request
    last_at        INTEGER NOT NULL,                                                    -- latest request
    calls          INTEGER NOT NULL,                                                    -- requests that were accepted
    calls_in_grace INTEGER NOT NULL,                                                    -- those of them that came after the key had been replaced
    refused        INTEGER NOT NULL,                                                    -- requests that were refused because the key had ended
    PRIMARY KEY (key_id, address, client)
) STRICT, WITHOUT ROWID;

CREATE TABLE mcp_tools (
    id              TEXT    NOT NULL PRIMARY KEY,                                       -- UUID v7
    tool_name       TEXT    NOT NULL,                                                   -- wire name of a tool this binary has
    group_id        TEXT    NOT NULL REFERENCES mcp_tool_groups (id) ON DELETE CASCADE, -- the group that offers it
    version         TEXT    NOT NULL DEFAULT '1.0.0',                                   -- version of the definition when it was added
    description     TEXT,                                                               -- replaces the definition's description; NULL keeps it
    enabled         INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),               -- 0 hides and refuses it in this group
    timeout_seconds INTEGER NOT NULL DEFAULT 30 CHECK (timeout_seconds BETWEEN 1 AND 300), -- limit of one call
    config_data     TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(config_data)),      -- object of switches the tool understands
    created_at      INTEGER NOT NULL,                                                   -- when it was added
    updated_at      INTEGER NOT NULL,                                                   -- when it last changed
    UNIQUE (group_id, tool_name)
) STRICT;

CREATE TRIGGER policy_group_added   AFTER INSERT ON mcp_tool_groups BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_group_changed AFTER UPDATE ON mcp_tool_groups BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_group_removed AFTER DELETE ON mcp_tool_groups BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_key_added     AFTER INSERT ON mcp_keys BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_key_changed   AFTER UPDATE OF group_id, name, hash, expires_at, rotated_at, grace_until, retired_at, revoked_at ON mcp_keys BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_key_removed   AFTER DELETE ON mcp_keys BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_tool_added    AFTER INSERT ON mcp_tools BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_tool_changed  AFTER UPDATE ON mcp_tools BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_tool_removed  AFTER DELETE ON mcp_tools BEGIN UPDATE policy_revision SET revision = revision + 1; END;

CREATE TABLE accounts (
    id                  TEXT    NOT NULL PRIMARY KEY,                            -- UUID v7
    login               TEXT    NOT NULL UNIQUE,                                 -- what is typed to sign in; lower case
    display_name        TEXT    NOT NULL,                                        -- name shown to people
    password_hash       TEXT    NOT NULL,                                        -- Argon2id with its parameters and salt, as a PHC text
    roles               TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(roles)), -- the app's roles: admin, consultant, doctor, operator, customer
    tier                TEXT    NOT NULL CHECK (tier IN ('internal', 'external', 'public', 'premium')), -- one of the tiers groups name
    panel_role          TEXT    CHECK (panel_role IN ('administrator', 'operator', 'auditor')), -- what it may do in the panel; NULL keeps it out
    enabled             INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),    -- 0 refuses it, and everything that was granted to it
    created_by          TEXT    NOT NULL,                                        -- who created it: cli, or an account
    created_at          INTEGER NOT NULL,                                        -- when it was created
    updated_at          INTEGER NOT NULL,                                        -- when an operator last changed it
    password_changed_at INTEGER NOT NULL,                                        -- when its password was set
    last_sign_in_at     INTEGER,                                                 -- its last sign-in
    failed_count        INTEGER NOT NULL DEFAULT 0,                              -- failed sign-ins since the last one that worked; for people to see, it locks nothing
    last_failed_at      INTEGER                                                  -- the last failed one, written behind
) STRICT;

CREATE TRIGGER policy_account_added   AFTER INSERT ON accounts BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_account_changed AFTER UPDATE OF roles, tier, enabled, password_changed_at ON accounts BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_account_removed AFTER DELETE ON accounts BEGIN UPDATE policy_revision SET revision = revision + 1; END;

CREATE TABLE mcp_limits (
    scope      TEXT    NOT NULL CHECK (scope IN ('group', 'key', 'tool')),              -- for each key of the group, for one key, or for one tool of the group by everybody together
    group_id   TEXT    NOT NULL REFERENCES mcp_tool_groups (id) ON DELETE CASCADE,      -- the group
    key_id     TEXT    REFERENCES mcp_keys (id) ON DELETE CASCADE,                      -- the key, for a limit of a key
    tool_name  TEXT,                                                                    -- the tool, for a limit of a tool
    kind       TEXT    NOT NULL CHECK (kind IN ('list_per_minute', 'call_per_minute', 'other_per_minute', 'concurrent_calls', 'calls_per_day')), -- what is limited
    value      INTEGER NOT NULL CHECK (value BETWEEN 0 AND 60000000),                   -- to how much; 0 is no limit
    updated_by TEXT    NOT NULL,                                                        -- who set it: cli, or an account
    updated_at INTEGER NOT NULL,                                                        -- when
    CHECK ((scope = 'key') = (key_id IS NOT NULL) AND (scope = 'tool') = (tool_name IS NOT NULL)),
    CHECK (scope <> 'tool' OR kind IN ('call_per_minute', 'concurrent_calls'))
) STRICT;
CREATE UNIQUE INDEX mcp_limits_once ON mcp_limits (group_id, kind, coalesce(key_id, ''), coalesce(tool_name, ''));
CREATE INDEX mcp_limits_by_key ON mcp_limits (key_id) WHERE key_id IS NOT NULL;
CREATE TRIGGER policy_limit_added   AFTER INSERT ON mcp_limits BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_limit_changed AFTER UPDATE ON mcp_limits BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_limit_removed AFTER DELETE ON mcp_limits BEGIN UPDATE policy_revision SET revision = revision + 1; END;

CREATE TABLE mcp_day_counts (
    principal TEXT    NOT NULL PRIMARY KEY, -- id of a key, or what a token stands for
    day       INTEGER NOT NULL,             -- its latest day with a call: days since 1970-01-01 in the clinic's time
    calls     INTEGER NOT NULL              -- calls on that day, written behind by up to a second
) STRICT;

CREATE TABLE system_settings (
    name       TEXT    NOT NULL PRIMARY KEY,              -- section.name, as `anmei-mcp settings list` shows it
    value      TEXT    NOT NULL CHECK (json_valid(value)), -- its value; a setting without a row has its default
    updated_by TEXT    NOT NULL,                          -- who changed it last: cli, guard, or an account
    updated_at INTEGER NOT NULL                           -- when it last changed
) STRICT;
CREATE TRIGGER policy_setting_added   AFTER INSERT ON system_settings BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_setting_changed AFTER UPDATE ON system_settings BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_setting_removed AFTER DELETE ON system_settings BEGIN UPDATE policy_revision SET revision = revision + 1; END;

CREATE TABLE mcp_call_logs (
    id            INTEGER NOT NULL PRIMARY KEY,                      -- order of arrival; cursor of the log
    call_id       TEXT    NOT NULL UNIQUE,                           -- UUID v7 of the call
    tool_name     TEXT    NOT NULL,                                  -- tool asked for; empty when the request was refused before one was named
    group_id      TEXT,                                              -- group asked for; NULL when a stranger knocked. No foreign key: the log outlives the group
    key_id        TEXT,                                              -- key used; NULL for stdio, CLI and strangers
    caller_app_id TEXT,                                              -- id the caller gives itself (header X-App-Id), such as a Dify app
    registration_id TEXT,                                            -- run whose subject the call was about; of a replay, its own id
    client_name   TEXT,                                              -- name and version from clientInfo or User-Agent
    channel       TEXT    NOT NULL,                                  -- http, stdio, cli, or admin: tried out in the panel or through its API
    protocol      TEXT    NOT NULL,                                  -- protocol revision spoken, or empty
    request_data  TEXT    CHECK (json_valid(request_data)),          -- arguments, redacted unless call_log.bodies = full
    response_data TEXT    CHECK (json_valid(response_data)),         -- result, reduced to its size unless call_log.bodies = full
    success       INTEGER NOT NULL CHECK (success IN (0, 1)),        -- 1 when the tool answered with a result
    outcome       TEXT    NOT NULL,                                  -- ok, tool_error, invalid_arguments, timeout, cancelled, panic, unknown_tool, refused (at the door), out_of_scope (not about the subject of a live run, in a subject-scoped group; or something to be stored, in a rehearsal)
    error_message TEXT,                                              -- why not, as the caller was told
    duration_ms   INTEGER NOT NULL,                                  -- time in dispatch, rounded up
    created_at    INTEGER NOT NULL                                   -- when the call arrived
) STRICT;
CREATE INDEX mcp_call_logs_by_tool   ON mcp_call_logs (tool_name, success, created_at);
CREATE INDEX mcp_call_logs_by_group  ON mcp_call_logs (group_id, created_at);
CREATE INDEX mcp_call_logs_by_run    ON mcp_call_logs (registration_id, created_at) WHERE registration_id IS NOT NULL;
CREATE INDEX mcp_call_logs_by_caller ON mcp_call_logs (caller_app_id, created_at) WHERE caller_app_id IS NOT NULL;
CREATE INDEX mcp_call_logs_failed ON mcp_call_logs (created_at) WHERE success = 0;

-- ---------------------------------------------------------------------------------------------------------------
-- Long calls, and callers who work from an old list

CREATE TABLE mcp_tasks (
    id          TEXT    NOT NULL PRIMARY KEY,                                       -- task_ + 32 random characters: who knows it may still not read it
    principal   TEXT    NOT NULL,                                                   -- who started it (key id, grant, or local); nobody else is told of it
    group_id    TEXT    NOT NULL REFERENCES mcp_tool_groups (id) ON DELETE CASCADE, -- in which group
    tool_name   TEXT    NOT NULL,                                                   -- the tool that was called
    channel     TEXT    NOT NULL,                                                   -- http or stdio: which process works on it
    state       TEXT    NOT NULL DEFAULT 'working' CHECK (state IN ('working', 'completed', 'failed', 'cancelled')), -- how far it is
    answer      TEXT    CHECK (json_valid(answer)),                                 -- completed: the tool's result
    failure     TEXT,                                                               -- completed: what the caller is told instead of a result; failed: why there is neither
    note        TEXT    CHECK (json_valid(note)),                                   -- what the caller should know about its old list
    created_at  INTEGER NOT NULL,                                                   -- when it was started
    updated_at  INTEGER NOT NULL,                                                   -- when it last changed
    deadline_at INTEGER NOT NULL,                                                   -- when a task that still is working has lost its process
    expires_at  INTEGER NOT NULL                                                    -- when it is forgotten
) STRICT;
CREATE INDEX mcp_tasks_by_principal ON mcp_tasks (principal, expires_at);
CREATE INDEX mcp_tasks_by_end ON mcp_tasks (expires_at);
CREATE INDEX mcp_tasks_at_work ON mcp_tasks (channel) WHERE state = 'working';

CREATE TABLE mcp_tool_aliases (
    group_id   TEXT    NOT NULL REFERENCES mcp_tool_groups (id) ON DELETE CASCADE,  -- the group that understands it
    alias      TEXT    NOT NULL,                                                    -- the name that old clients call
    tool_name  TEXT    NOT NULL,                                                    -- the tool that answers
    until      INTEGER NOT NULL,                                                    -- from when on the alias is refused, with the new name
    created_at INTEGER NOT NULL,                                                    -- when it was made or last changed
    PRIMARY KEY (group_id, alias)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER policy_alias_added   AFTER INSERT ON mcp_tool_aliases BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_alias_changed AFTER UPDATE ON mcp_tool_aliases BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_alias_removed AFTER DELETE ON mcp_tool_aliases BEGIN UPDATE policy_revision SET revision = revision + 1; END;

CREATE TABLE mcp_offer_changes (
    group_id   TEXT    NOT NULL,                                                    -- the group. No foreign key: rows come from triggers, and end with the group by one
    tool_name  TEXT    NOT NULL,                                                    -- the tool
    change     TEXT    NOT NULL CHECK (change IN ('added', 'enabled', 'disabled', 'removed')), -- what happened to it last
    changed_at INTEGER NOT NULL,                                                    -- when
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
    tool_name    TEXT    NOT NULL,                                                  -- the tool
    seen_at      INTEGER NOT NULL,                                                  -- when a daemon first started with this definition
    input_schema TEXT    NOT NULL CHECK (json_valid(input_schema)),                 -- schema of its arguments
    PRIMARY KEY (tool_name, seen_at)
) STRICT, WITHOUT ROWID;

CREATE TABLE mcp_stale_calls (
    principal   TEXT    NOT NULL,                                                   -- who called: key id, grant, or local
    group_id    TEXT    NOT NULL,                                                   -- in which group. No foreign key: a count, like the call log
    called      TEXT    NOT NULL,                                                   -- the name that was called
    reason      TEXT    NOT NULL,                                                   -- renamed, sunset, disabled, removed, out_of_scope, or arguments
    client_name TEXT,                                                               -- client that did so last
    calls       INTEGER NOT NULL,                                                   -- how often
    first_at    INTEGER NOT NULL,                                                   -- first time
    last_at     INTEGER NOT NULL,                                                   -- last time
    PRIMARY KEY (principal, group_id, called, reason)
) STRICT, WITHOUT ROWID;
CREATE INDEX mcp_stale_calls_by_time ON mcp_stale_calls (last_at);

-- ---------------------------------------------------------------------------------------------------------------
-- The clinic's records (kept current by the app, read by the tools)

CREATE TABLE users (
    seq           INTEGER NOT NULL PRIMARY KEY,                         -- row number that VACUUM keeps: the search indexes point at it
    id            TEXT    NOT NULL UNIQUE,                              -- opaque id of the app
    username      TEXT    NOT NULL,                                     -- display name as typed
    email         TEXT,                                                 -- e-mail address
    phone         TEXT,                                                 -- phone number
    avatar        TEXT,                                                 -- address of the picture
    roles         TEXT    NOT NULL DEFAULT '["customer"]' CHECK (json_valid(roles)), -- role names
    is_active     INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)), -- whether the account may be used
    name_chars    TEXT    NOT NULL DEFAULT '',                          -- Chinese characters of the name, one and two at a time, and beginnings of its Latin words: for short searches
    registered_at INTEGER NOT NULL,                                     -- when the person registered with the app
    created_at    INTEGER NOT NULL,                                     -- when the row was made here
    updated_at    INTEGER NOT NULL                                      -- when the row last changed
) STRICT;
CREATE INDEX users_by_name  ON users (username COLLATE NOCASE);
CREATE INDEX users_by_email ON users (email COLLATE NOCASE) WHERE email IS NOT NULL;
CREATE INDEX users_by_phone ON users (phone) WHERE phone IS NOT NULL;
-- Staff: a few among very many customers. A query for a role says the same condition, so that it reads these alone.
CREATE INDEX users_with_other_roles ON users (id) WHERE roles <> '["customer"]';

CREATE VIRTUAL TABLE user_trigrams USING fts5 (username, email, phone, content = 'users', content_rowid = 'seq', tokenize = 'trigram');
CREATE VIRTUAL TABLE user_characters USING fts5 (name_chars, content = 'users', content_rowid = 'seq', tokenize = 'unicode61', detail = 'none');
CREATE TRIGGER user_search_added AFTER INSERT ON users BEGIN
    INSERT INTO user_trigrams (rowid, username, email, phone) VALUES (new.seq, new.username, new.email, new.phone);
    INSERT INTO user_characters (rowid, name_chars) VALUES (new.seq, new.name_chars);
END;
CREATE TRIGGER user_search_changed AFTER UPDATE OF username, email, phone, name_chars ON users BEGIN
    INSERT INTO user_trigrams (user_trigrams, rowid, username, email, phone) VALUES ('delete', old.seq, old.username, old.email, old.phone);
    INSERT INTO user_trigrams (rowid, username, email, phone) VALUES (new.seq, new.username, new.email, new.phone);
    INSERT INTO user_characters (user_characters, rowid, name_chars) VALUES ('delete', old.seq, old.name_chars);
    INSERT INTO user_characters (rowid, name_chars) VALUES (new.seq, new.name_chars);
END;
CREATE TRIGGER user_search_removed AFTER DELETE ON users BEGIN
    INSERT INTO user_trigrams (user_trigrams, rowid, username, email, phone) VALUES ('delete', old.seq, old.username, old.email, old.phone);
    INSERT INTO user_characters (user_characters, rowid, name_chars) VALUES ('delete', old.seq, old.name_chars);
END;

CREATE TABLE customers (
    user_id    TEXT    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE, -- the customer's account
    gender     TEXT    CHECK (gender IN ('female', 'male', 'other')),               -- as stated by the customer
    birth_year INTEGER,                                                             -- year of birth
    city       TEXT,                                                                -- city of residence
    source     TEXT,                                                                -- where the customer came from
    skin_type  TEXT,                                                                -- dry, oily, combination, sensitive, normal
    concerns   TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(concerns)),          -- concerns in the customer's words
    allergies  TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(allergies)),         -- allergy tags
    conditions TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(conditions)),        -- medical condition tags
    updated_at INTEGER NOT NULL                                                     -- when the row last changed
) STRICT;

CREATE TABLE preferences (
    user_id             TEXT    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE, -- the customer's account
    treatments          TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(treatments)), -- service codes or categories of interest
    budget_min_fen      INTEGER,                                                     -- lower end of the budget
    budget_max_fen      INTEGER,                                                     -- upper end of the budget
    contact_time        TEXT,                                                        -- when to call
    communication_style TEXT,                                                        -- how to talk
    price_sensitivity   TEXT    CHECK (price_sensitivity IN ('low', 'medium', 'high')), -- how much price matters
    brand_loyalty       TEXT    CHECK (brand_loyalty IN ('low', 'medium', 'high')),  -- how loyal to brands
    updated_at          INTEGER NOT NULL                                             -- when the row last changed
) STRICT;

CREATE TABLE consultants (
    user_id       TEXT    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE, -- the account; without a row here a consultant has the defaults
    tags          TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(tags)),            -- what the person is good at: concerns, categories, service codes
    is_supervisor INTEGER NOT NULL DEFAULT 0 CHECK (is_supervisor IN (0, 1)),        -- hears of customers nobody claims
    is_available  INTEGER NOT NULL DEFAULT 1 CHECK (is_available IN (0, 1)),         -- takes new customers
    updated_at    INTEGER NOT NULL                                                   -- when the row last changed
) STRICT;

CREATE TABLE services (
    code              TEXT    NOT NULL PRIMARY KEY,                                  -- stable code
    name              TEXT    NOT NULL,                                              -- Chinese name
    name_en           TEXT    NOT NULL DEFAULT '',                                   -- English name
    category          TEXT    NOT NULL,                                              -- skin, injection, laser, body, surgery, …
    description       TEXT    NOT NULL DEFAULT '',                                   -- what it is
    treats            TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(treats)),      -- concerns it treats
    price_min_fen     INTEGER NOT NULL CHECK (price_min_fen >= 0),                   -- lowest price of one session
    price_max_fen     INTEGER NOT NULL CHECK (price_max_fen >= price_min_fen),       -- highest price of one session
    duration_minutes  INTEGER NOT NULL CHECK (duration_minutes > 0),                 -- length of one session
    recovery_days     INTEGER NOT NULL DEFAULT 0 CHECK (recovery_days >= 0),         -- days until life is as usual
    sessions          INTEGER NOT NULL DEFAULT 1 CHECK (sessions > 0),               -- sessions of a usual course
    interval_days     INTEGER NOT NULL DEFAULT 0 CHECK (interval_days >= 0),         -- days between two sessions
    efficacy          INTEGER NOT NULL DEFAULT 50 CHECK (efficacy BETWEEN 1 AND 100), -- the clinic's rating of one session
    contraindications TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(contraindications)), -- tags under which it must not be done
    enabled           INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),          -- whether it is on offer
    updated_at        INTEGER NOT NULL                                               -- when the row last changed
) STRICT;

CREATE TABLE consultations (
    id            TEXT    NOT NULL PRIMARY KEY,                                      -- opaque id
    customer_id   TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,          -- the customer
    consultant_id TEXT,                                                              -- the consultant's or doctor's user id
    kind          TEXT    NOT NULL CHECK (kind IN ('consultation', 'treatment', 'follow_up', 'complaint')), -- what it was
    status        TEXT    NOT NULL CHECK (status IN ('scheduled', 'completed', 'cancelled', 'no_show')), -- how it stands
    summary       TEXT    NOT NULL DEFAULT '',                                       -- notes
    service_code  TEXT,                                                              -- the service it was about
    paid_fen      INTEGER NOT NULL DEFAULT 0 CHECK (paid_fen >= 0),                  -- what was paid
    occurred_at   INTEGER NOT NULL,                                                  -- when it took place or will
    updated_at    INTEGER NOT NULL                                                   -- when the row last changed
) STRICT;
CREATE INDEX consultations_by_customer ON consultations (customer_id, occurred_at);
CREATE INDEX consultations_by_service  ON consultations (service_code, occurred_at) WHERE service_code IS NOT NULL;

CREATE TABLE consultation_summaries (
    id                TEXT    NOT NULL PRIMARY KEY,                                  -- UUID v7
    consultation_id   TEXT,                                                          -- the consultation it sums up
    customer_id       TEXT,                                                          -- the customer
    consultation_type TEXT    NOT NULL,                                              -- kind of consultation
    key_points        TEXT    NOT NULL CHECK (json_valid(key_points)),               -- the points drawn from it
    source            TEXT    NOT NULL CHECK (json_valid(source)),                   -- the data it was made from
    created_at        INTEGER NOT NULL                                               -- when it was made
) STRICT;

CREATE TABLE conversations (
    id              TEXT    NOT NULL PRIMARY KEY,                                    -- opaque id; UUID v7 for those opened here
    customer_id     TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,        -- the customer
    registration_id TEXT    UNIQUE,                                                  -- the registration that opened it: at most one each
    title           TEXT    NOT NULL,                                                -- title shown to people
    ai_controlled   INTEGER NOT NULL DEFAULT 1 CHECK (ai_controlled IN (0, 1)),      -- whether the AI answers
    agent_id        TEXT,                                                            -- the agent assigned, from dify_configs
    status          TEXT    NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')), -- how it stands
    created_at      INTEGER NOT NULL,                                                -- when it was created
    updated_at      INTEGER NOT NULL                                                 -- when it last changed
) STRICT;
CREATE INDEX conversations_by_customer ON conversations (customer_id, updated_at);
CREATE INDEX conversations_by_time ON conversations (updated_at);

CREATE TABLE messages (
    id              TEXT    NOT NULL PRIMARY KEY,                                    -- opaque id; UUID v7 for those written here
    conversation_id TEXT    NOT NULL REFERENCES conversations (id) ON DELETE CASCADE, -- where it was said
    registration_id TEXT    UNIQUE,                                                  -- the registration whose welcome it is: at most one each
    sender_type     TEXT    NOT NULL CHECK (sender_type IN ('customer', 'consultant', 'doctor', 'ai', 'system')), -- the part the sender plays
    sender_id       TEXT,                                                            -- the sender's user id, when a person
    type            TEXT    NOT NULL CHECK (type IN ('text', 'media', 'system', 'structured')), -- shape of the content
    content         TEXT    NOT NULL CHECK (json_valid(content)),                    -- {"text": …} and what else the app keeps
    created_at      INTEGER NOT NULL                                                 -- when it was sent
) STRICT;
CREATE INDEX messages_by_conversation ON messages (conversation_id, created_at);
CREATE INDEX messages_by_sender ON messages (sender_id, created_at) WHERE sender_type = 'customer';

CREATE TABLE plans (
    id          TEXT    NOT NULL PRIMARY KEY,                                        -- UUID v7, or the app's id when imported
    customer_id TEXT,                                                                -- the customer, when known
    parent_id   TEXT    REFERENCES plans (id),                                       -- the plan it revises
    status      TEXT    NOT NULL DEFAULT 'pending_physician_review' CHECK (status IN ('pending_physician_review', 'approved', 'rejected')), -- a person decides
    body        TEXT    NOT NULL CHECK (json_valid(body)),                           -- the plan
    created_at  INTEGER NOT NULL                                                     -- when it was made
) STRICT;
CREATE INDEX plans_by_customer ON plans (customer_id, created_at);

-- ---------------------------------------------------------------------------------------------------------------
-- The registration automation (PRD 2, 3.3, 4.2)

CREATE TABLE registrations (
    id                 TEXT    NOT NULL PRIMARY KEY,                                 -- UUID v7; also the run's id
    event_id           TEXT    UNIQUE,                                               -- webhook-id of the first delivery
    user_id            TEXT    NOT NULL UNIQUE,                                      -- the app's user: one registration each, for ever
    body_hash          BLOB    NOT NULL,                                             -- SHA-256 of the body; another body under the same event id is refused
    profile            TEXT    NOT NULL CHECK (json_valid(profile)),                 -- what the app sent, normalised
    state              TEXT    NOT NULL CHECK (state IN ('accepted', 'skipped', 'done', 'done_with_fallback', 'dead_letter', 'cancelled')), -- how far it came
    skip_reason        TEXT,                                                         -- why nothing was done, when a switch was off
    accepted_at        INTEGER NOT NULL,                                             -- when the webhook was committed
    deadline_at        INTEGER NOT NULL,                                             -- when the welcome must be there
    conversation_id    TEXT,                                                         -- the conversation opened for it
    segment            TEXT,                                                         -- what kind of new customer it is; chooses the template
    agent_id           TEXT,                                                         -- the agent chosen first: the variant of this run
    welcome_text       TEXT,                                                         -- the welcome, once composed
    welcome_rung       TEXT    CHECK (welcome_rung IN ('agent', 'fallback_agent', 'segment', 'static')), -- which rung of the ladder wrote it
    welcome_reason     TEXT,                                                         -- why that rung
    welcome_message_id TEXT,                                                         -- the stored message
    welcome_at         INTEGER,                                                      -- when it was stored
    welcome_read_at    INTEGER,                                                      -- when the customer's client said it was shown
    late_outcome       TEXT    CHECK (late_outcome IN ('appended', 'replaced', 'dropped', 'failed')), -- what became of an answer after the deadline
    assigned_to        TEXT,                                                         -- consultant the rule offered the customer to first
    finished_at        INTEGER,                                                      -- when the last step was done
    claimed_at INTEGER,                                                              -- when a consultant claimed the customer; trigger below
    traceparent        TEXT                                                          -- the trace it is part of (W3C Trace Context), if the webhook or this process said so
) STRICT;
CREATE INDEX registrations_by_time ON registrations (accepted_at);
CREATE INDEX registrations_by_agent ON registrations (agent_id, accepted_at);
CREATE INDEX registrations_by_end ON registrations (finished_at, state) WHERE finished_at IS NOT NULL;
CREATE INDEX registrations_by_assignee ON registrations (assigned_to, accepted_at) WHERE assigned_to IS NOT NULL;
CREATE INDEX registrations_by_state ON registrations (state, accepted_at);
CREATE INDEX registrations_by_rung ON registrations (welcome_rung, accepted_at) WHERE welcome_rung IS NOT NULL;
CREATE INDEX registrations_by_segment ON registrations (segment, accepted_at) WHERE segment IS NOT NULL;
CREATE INDEX registrations_unclaimed ON registrations (accepted_at) WHERE claimed_at IS NULL AND state NOT IN ('skipped', 'cancelled');

CREATE TABLE registration_steps (
    registration_id TEXT    NOT NULL REFERENCES registrations (id) ON DELETE CASCADE, -- the run
    step            TEXT    NOT NULL,                                                -- open_conversation, compose_welcome, deliver_welcome, notify_consultants, late_answer
    attempt         INTEGER NOT NULL,                                                -- 1 for the first try
    state           TEXT    NOT NULL CHECK (state IN ('done', 'failed')),            -- how the try ended
    started_at      INTEGER NOT NULL,                                                -- when the try began
    duration_ms     INTEGER NOT NULL,                                                -- how long it took
    detail          TEXT    NOT NULL CHECK (json_valid(detail)),                     -- what it made: ids, counts, rung
    error           TEXT,                                                            -- why it failed
    PRIMARY KEY (registration_id, step, attempt)
) STRICT, WITHOUT ROWID;
CREATE INDEX registration_steps_by_time ON registration_steps (step, started_at);
CREATE INDEX registration_steps_failed ON registration_steps (started_at) WHERE state = 'failed';

CREATE TABLE subjects (
    id              TEXT    NOT NULL PRIMARY KEY,                                    -- sub_ + 22 random characters: what the agent is told instead of the user id
    registration_id TEXT    NOT NULL UNIQUE REFERENCES registrations (id) ON DELETE CASCADE, -- the run it lives in
    user_id         TEXT    NOT NULL,                                                -- who it stands for
    expires_at      INTEGER NOT NULL                                                 -- when it stops standing for anybody
) STRICT;

CREATE TABLE agent_calls (
    id                   TEXT    NOT NULL PRIMARY KEY,                               -- UUID v7
    registration_id      TEXT    NOT NULL REFERENCES registrations (id) ON DELETE CASCADE, -- the run
    agent_id             TEXT    NOT NULL,                                           -- who was asked. No foreign key: the figures outlive the agent
    rung                 TEXT    NOT NULL CHECK (rung IN ('agent', 'fallback_agent')), -- as which rung of the ladder
    state                TEXT    NOT NULL CHECK (state IN ('asked', 'answered', 'late', 'failed', 'refused', 'stopped', 'unknown')), -- how it ended; asked while it goes on
    started_at           INTEGER NOT NULL,                                           -- when it was asked
    first_byte_ms        INTEGER,                                                    -- time to the first event
    duration_ms          INTEGER,                                                    -- time to the end
    task_id              TEXT,                                                       -- Dify's id of the run, to stop it
    dify_conversation_id TEXT,                                                       -- Dify's conversation, to find a lost answer
    dify_message_id      TEXT,                                                       -- Dify's message, for feedback
    tools                TEXT    CHECK (json_valid(tools)),                          -- tools it called, with input sizes
    thoughts             INTEGER,                                                    -- rounds of thought
    tokens               INTEGER,                                                    -- tokens used
    price                TEXT,                                                       -- what it cost, as Dify's decimal text
    currency             TEXT,                                                       -- in what
    error_kind           TEXT,                                                       -- class of the error
    error                TEXT                                                        -- why it failed or was refused
) STRICT;
CREATE INDEX agent_calls_by_run ON agent_calls (registration_id, started_at);
CREATE INDEX agent_calls_by_agent ON agent_calls (agent_id, started_at);
CREATE INDEX agent_calls_failed ON agent_calls (started_at) WHERE error_kind IS NOT NULL;

CREATE TABLE agent_thoughts (
    call_id           TEXT    NOT NULL REFERENCES agent_calls (id) ON DELETE CASCADE, -- the question
    position          INTEGER NOT NULL,                                              -- the position of the agent's run, from 1 on
    began_ms          INTEGER,                                                       -- first heard of, since the question; NULL for an answer that was found later
    ended_ms          INTEGER,                                                       -- last heard of, since the question
    text              TEXT,                                                          -- what the agent thought there, cleaned and cut; NULL unless call_log.bodies = full
    characters        INTEGER NOT NULL,                                              -- how long that was
    tool              TEXT    NOT NULL,                                              -- tools it called there, joined by ;
    input_bytes       INTEGER NOT NULL,                                              -- how much it told them
    observation_bytes INTEGER NOT NULL,                                              -- how much they answered
    PRIMARY KEY (call_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE registration_replays (
    id                 TEXT    NOT NULL PRIMARY KEY,                                 -- UUID v7; the call log names the calls of the replay by it
    registration_id    TEXT    NOT NULL REFERENCES registrations (id) ON DELETE CASCADE, -- the run whose facts the agent was told
    subject_id         TEXT    NOT NULL UNIQUE,                                      -- sub_ + 22 random characters: what the agent was told instead of the user id
    subject_expires_at INTEGER NOT NULL,                                             -- when that stops standing for anybody, at the latest
    agent_id           TEXT    NOT NULL,                                             -- who was asked. No foreign key: the record outlives the agent
    agent              TEXT    NOT NULL,                                             -- its name and version at that time
    asked_by           TEXT    NOT NULL,                                             -- who wanted to know: cli:account, or an account
    reason             TEXT,                                                         -- why
    asked_at           INTEGER NOT NULL,                                             -- when
    state              TEXT    NOT NULL CHECK (state IN ('asked', 'answered', 'failed', 'unknown')), -- how it ended; asked while it goes on, unknown when the process ended first
    first_byte_ms      INTEGER,                                                      -- time to the first event
    duration_ms        INTEGER,                                                      -- time to the end
    old_text           TEXT,                                                         -- the welcome the customer has
    old_rung           TEXT,                                                         -- which rung of the ladder wrote it
    text               TEXT,                                                         -- what a customer would be shown; when that is nothing, the agent's words, cleaned and cut
    verdict            TEXT    CHECK (verdict IN ('passes', 'empty', 'link', 'email', 'digits', 'markup', 'not_prose', 'language')), -- whether a customer may see it, or why not
    thoughts           TEXT    CHECK (json_valid(thoughts)),                         -- what the agent thought, as in agent_thoughts
    tokens             INTEGER,                                                      -- tokens used
    price              TEXT,                                                         -- what it cost, as Dify's decimal text
    currency           TEXT,                                                         -- in what
    error_kind         TEXT,                                                         -- class of the error
    error              TEXT                                                          -- why it failed
) STRICT;
CREATE INDEX registration_replays_by_run ON registration_replays (registration_id, asked_at);
CREATE INDEX registration_replays_open ON registration_replays (asked_at) WHERE state = 'asked';

CREATE TABLE claims (
    registration_id TEXT    NOT NULL PRIMARY KEY REFERENCES registrations (id) ON DELETE CASCADE, -- the customer's run: one winner
    conversation_id TEXT    NOT NULL,                                                -- the conversation taken over
    customer_id     TEXT    NOT NULL,                                                -- the customer
    consultant_id   TEXT    NOT NULL,                                                -- who won
    via             TEXT    NOT NULL CHECK (via IN ('live', 'rest', 'mcp', 'cli', 'panel')), -- by which door
    claimed_at      INTEGER NOT NULL                                                 -- when
) STRICT;
CREATE INDEX claims_by_consultant ON claims (consultant_id, claimed_at);
CREATE INDEX claims_by_time ON claims (claimed_at);
CREATE TRIGGER registration_claimed AFTER INSERT ON claims BEGIN
    UPDATE registrations SET claimed_at = new.claimed_at WHERE id = new.registration_id;
END;

CREATE TABLE escalations (
    registration_id TEXT    NOT NULL REFERENCES registrations (id) ON DELETE CASCADE, -- the unclaimed customer's run
    level           INTEGER NOT NULL,                                                -- 1 for the first
    target          TEXT    NOT NULL CHECK (target IN ('again', 'supervisors', 'administrator')), -- who was told
    escalated_at    INTEGER NOT NULL,                                                -- when
    PRIMARY KEY (registration_id, level)
) STRICT, WITHOUT ROWID;

CREATE TABLE notifications (
    id              TEXT    NOT NULL PRIMARY KEY,                                    -- UUID v7; receivers drop a repeated one by it
    registration_id TEXT    NOT NULL REFERENCES registrations (id) ON DELETE CASCADE, -- the run
    kind            TEXT    NOT NULL,                                                -- new_customer, customer_claimed, escalation, message
    level           INTEGER NOT NULL DEFAULT 0,                                      -- escalation level; 0 for the first notice
    recipient_id    TEXT    NOT NULL,                                                -- the user it is for; empty for everybody when no consultant is known
    payload         TEXT    NOT NULL CHECK (json_valid(payload)),                    -- PRD 4.4.1
    created_at      INTEGER NOT NULL,                                                -- when it was made
    sent_at         INTEGER,                                                         -- when it first went over a live connection
    acked_at        INTEGER,                                                         -- when the receiver said it has it
    UNIQUE (registration_id, kind, level, recipient_id)
) STRICT;
CREATE INDEX notifications_waiting ON notifications (recipient_id, id) WHERE acked_at IS NULL;
CREATE INDEX notifications_open ON notifications (id) WHERE acked_at IS NULL;

CREATE TABLE live_revocations (
    seq         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,                          -- rises with every revocation; open connections are told of those after the last they saw
    token_id    TEXT UNIQUE,                                                         -- the live token that was taken back; or
    user_id     TEXT UNIQUE,                                                         -- the app's user whose tokens were, all that were made by then
    revoked_at  INTEGER NOT NULL,                                                    -- when
    CHECK ((token_id IS NULL) <> (user_id IS NULL))
) STRICT;

CREATE TABLE pushes (
    id              TEXT    NOT NULL PRIMARY KEY,                                    -- UUID v7; the id receivers drop repetitions by
    channel         TEXT    NOT NULL,                                                -- name of the channel in the settings
    reason          TEXT    NOT NULL CHECK (reason IN ('new_customer', 'escalation', 'alert', 'resolved')), -- what it is about
    subject_id      TEXT    NOT NULL,                                                -- the registration or the alert
    level           INTEGER NOT NULL DEFAULT 0,                                      -- escalation level
    payload         TEXT    NOT NULL CHECK (json_valid(payload)),                    -- title, body, link, data
    created_at      INTEGER NOT NULL,                                                -- when it was decided
    delivered_at    INTEGER,                                                         -- when the channel took it
    last_error      TEXT,                                                            -- why the last try failed
    UNIQUE (reason, subject_id, level, channel)
) STRICT;
CREATE INDEX pushes_by_channel ON pushes (channel, delivered_at);
CREATE INDEX pushes_waiting ON pushes (id) WHERE delivered_at IS NULL;

CREATE TABLE outgoing_events (
    id              TEXT    NOT NULL PRIMARY KEY,                                    -- webhook-id: msg_ + UUID v7, the same on every attempt
    kind            TEXT    NOT NULL,                                                -- conversation.created, message.created, customer.waiting, customer.claimed, registration.completed, registration.failed
    subject_id      TEXT    NOT NULL,                                                -- what it tells of: conversation, message or registration
    registration_id TEXT    NOT NULL REFERENCES registrations (id) ON DELETE CASCADE, -- the run
    payload         TEXT    NOT NULL CHECK (json_valid(payload)),                    -- the body that is signed and sent
    created_at      INTEGER NOT NULL,                                                -- when it was made
    delivered_at    INTEGER,                                                         -- when the receiver answered 2xx
    given_up_at     INTEGER,                                                         -- when the last attempt had failed
    UNIQUE (kind, subject_id)
) STRICT;
CREATE INDEX outgoing_events_by_run ON outgoing_events (registration_id);
CREATE INDEX outgoing_events_by_time ON outgoing_events (created_at);
CREATE INDEX outgoing_events_waiting ON outgoing_events (created_at) WHERE delivered_at IS NULL;

CREATE TABLE event_attempts (
    event_id     TEXT    NOT NULL REFERENCES outgoing_events (id) ON DELETE CASCADE, -- the event
    attempt      INTEGER NOT NULL,                                                   -- 1 for the first; counts on after a replay
    attempted_at INTEGER NOT NULL,                                                   -- when it was sent
    duration_ms  INTEGER NOT NULL,                                                   -- how long the receiver took
    status       INTEGER,                                                            -- its HTTP status, when it answered
    error        TEXT,                                                               -- what went wrong
    PRIMARY KEY (event_id, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE event_endpoint (
    id            INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),                       -- there is one receiver
    failing_since INTEGER,                                                           -- first failure after the last success
    disabled_at   INTEGER,                                                           -- when it was taken out of use; events wait
    reason        TEXT                                                               -- why
) STRICT;
INSERT INTO event_endpoint (id) VALUES (1);

CREATE TABLE feedback (
    registration_id TEXT    NOT NULL PRIMARY KEY REFERENCES registrations (id) ON DELETE CASCADE, -- the welcome that is rated; a later rating replaces an earlier one
    rating          INTEGER NOT NULL CHECK (rating BETWEEN 1 AND 5),                 -- 1 bad … 5 good
    comment         TEXT,                                                            -- the customer's words
    source          TEXT    NOT NULL CHECK (source IN ('live', 'hook')),             -- by which door it came
    created_at      INTEGER NOT NULL,                                                -- when it came
    forwarded_at    INTEGER                                                          -- when Dify had it
) STRICT;

CREATE TABLE alerts (
    id          TEXT    NOT NULL PRIMARY KEY,                                        -- UUID v7
    condition   TEXT    NOT NULL,                                                    -- dead_letter, breaker_open, success_rate, agent_success, no_success, disk_low, backlog_old, events_disabled, channel_failing, rolled_back, old_key_in_use
    subject     TEXT    NOT NULL DEFAULT '',                                         -- what it is about, when there can be several
    severity    TEXT    NOT NULL CHECK (severity IN ('warning', 'critical')),        -- how bad
    summary     TEXT    NOT NULL,                                                    -- one line for people
    detail      TEXT    NOT NULL CHECK (json_valid(detail)),                         -- the figures behind it
    opened_at   INTEGER NOT NULL,                                                    -- when the condition was first seen
    seen_at     INTEGER NOT NULL,                                                    -- when it was last seen
    resolved_at INTEGER                                                              -- when it was no longer so
) STRICT;
CREATE UNIQUE INDEX alerts_open ON alerts (condition, subject) WHERE resolved_at IS NULL;
CREATE INDEX alerts_by_time ON alerts (opened_at);

CREATE TABLE jobs (
    id           TEXT    NOT NULL PRIMARY KEY,                                       -- UUID v7
    kind         TEXT    NOT NULL,                                                   -- name of its handler
    subject_id   TEXT    NOT NULL,                                                   -- what it is about; the payload is this id
    state        TEXT    NOT NULL CHECK (state IN ('ready', 'running', 'done', 'dead', 'cancelled')), -- how it stands
    priority     INTEGER NOT NULL DEFAULT 5 CHECK (priority IN (0, 5, 9)),           -- 0 goes first among those that are due
    attempt      INTEGER NOT NULL DEFAULT 0,                                         -- tries begun that count
    run_at       INTEGER NOT NULL,                                                   -- not before
    lease_token  TEXT,                                                               -- proof of the worker that holds it
    lease_until  INTEGER,                                                            -- when the holder is taken for dead
    boot_id      TEXT,                                                               -- the process that holds it
    last_error   TEXT,                                                               -- why the last try failed
    created_at   INTEGER NOT NULL,                                                   -- when it was enqueued
    finished_at  INTEGER,                                                            -- when it was done or given up
    UNIQUE (kind, subject_id)
) STRICT;
CREATE INDEX jobs_due ON jobs (priority, run_at) WHERE state = 'ready';
CREATE INDEX jobs_held ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_ended ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_dead ON jobs (finished_at) WHERE state = 'dead';
CREATE INDEX jobs_cancelled ON jobs (id) WHERE state = 'cancelled';

CREATE TABLE dify_configs (
    id                 TEXT    NOT NULL PRIMARY KEY,                                 -- UUID v7
    environment        TEXT    NOT NULL DEFAULT 'production',                        -- where it is used
    app_name           TEXT    NOT NULL UNIQUE,                                      -- name shown to people
    app_id             TEXT,                                                         -- Dify's own app id, when known
    kind               TEXT    NOT NULL CHECK (kind IN ('chat', 'agent', 'workflow')), -- kind of Dify app
    version            TEXT    NOT NULL DEFAULT '1',                                 -- version of the prompt, for people and figures
    part               TEXT    NOT NULL DEFAULT 'stable' CHECK (part IN ('stable', 'candidate', 'fallback')), -- its part: usual, being rolled out, or asked when the first fails
    weight             INTEGER NOT NULL DEFAULT 100 CHECK (weight BETWEEN 0 AND 10000), -- share among those of the same part
    rollout_percent    INTEGER NOT NULL DEFAULT 0 CHECK (rollout_percent BETWEEN 0 AND 100), -- share of all users a candidate gets
    rollout_since      INTEGER,                                                      -- when that share was last set; the guard compares from there
    base_url           TEXT    NOT NULL,                                             -- root of the installation's API, without /v1
    sealed_key         BLOB    NOT NULL,                                             -- the app's key under the master key
    inputs             TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(inputs)),     -- the app's input name → our fact, or a constant as {"value": …}
    timeout_seconds    INTEGER NOT NULL DEFAULT 60 CHECK (timeout_seconds BETWEEN 1 AND 600), -- limit of one run
    first_byte_ms      INTEGER NOT NULL DEFAULT 2000 CHECK (first_byte_ms BETWEEN 50 AND 600000), -- limit until the first event
    stall_ms           INTEGER NOT NULL DEFAULT 15000 CHECK (stall_ms BETWEEN 50 AND 600000), -- longest silence within a stream
    max_concurrent     INTEGER NOT NULL DEFAULT 8 CHECK (max_concurrent BETWEEN 1 AND 1000), -- runs at once
    enabled            INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),         -- whether it may be chosen
    created_at         INTEGER NOT NULL,                                             -- when it was added
    updated_at         INTEGER NOT NULL                                              -- when it last changed
) STRICT;

CREATE TABLE agent_versions (
    agent_id   TEXT    NOT NULL REFERENCES dify_configs (id) ON DELETE CASCADE,      -- the agent
    number     INTEGER NOT NULL,                                                     -- 1 for the agent as it was added
    changed_at INTEGER NOT NULL,                                                     -- when the change was made
    changed_by TEXT    NOT NULL,                                                     -- who made it, as in the audit log
    action     TEXT    NOT NULL,                                                     -- what was done, as in the audit log
    reason     TEXT,                                                                 -- why, in the words of whoever did it
    settings   TEXT    NOT NULL CHECK (json_valid(settings)),                        -- what was set about the agent from then on, without its key
    PRIMARY KEY (agent_id, number)
) STRICT, WITHOUT ROWID;

-- ---------------------------------------------------------------------------------------------------------------
-- OAuth: clients, what they were granted, codes and tokens

CREATE TABLE oauth_revision (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), -- there is one row
    revision INTEGER NOT NULL                             -- counts what ends a token before its time; triggers below
) STRICT;
INSERT INTO oauth_revision (id, revision) VALUES (1, 1);

CREATE TABLE oauth_clients (
    id             TEXT    NOT NULL PRIMARY KEY,                                        -- its client_id: made by us, or the https URL of a document about it
    kind           TEXT    NOT NULL CHECK (kind IN ('dynamic', 'operator', 'document')), -- it registered itself, an operator added it, or it is known by its document
    name           TEXT    NOT NULL,                                                    -- name shown to people
    uri            TEXT,                                                                -- its home page
    redirect_uris  TEXT    NOT NULL CHECK (json_valid(redirect_uris)),                  -- where answers may be sent, as registered
    grant_types    TEXT    NOT NULL CHECK (json_valid(grant_types)),                    -- the grant types it may use
    secret_hash    BLOB    CHECK (length(secret_hash) = 32),                            -- SHA-256 of its secret; NULL for public clients
    group_ids      TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(group_ids)),         -- groups it may enter by itself, and about whose tokens it may ask
    may_write      INTEGER NOT NULL DEFAULT 0 CHECK (may_write IN (0, 1)),              -- 1: it may enter them with the right to store something
    may_introspect INTEGER NOT NULL DEFAULT 0 CHECK (may_introspect IN (0, 1)),         -- 1: it may ask about tokens
    created_by     TEXT    NOT NULL,                                                    -- registration, document, or who added it
    created_at     INTEGER NOT NULL,                                                    -- when it was added
    used_at        INTEGER,                                                             -- when it was last granted something; NULL until then
    revoked_at     INTEGER                                                              -- when it was shut out
) STRICT;

CREATE TABLE oauth_grants (
    id            TEXT    NOT NULL PRIMARY KEY,                                         -- UUID v7; the family of all tokens it gave
    client_id     TEXT    NOT NULL REFERENCES oauth_clients (id) ON DELETE CASCADE,     -- to whom
    group_id      TEXT    NOT NULL REFERENCES mcp_tool_groups (id) ON DELETE CASCADE,   -- the one group it opens
    audience      TEXT    NOT NULL,                                                     -- resource it is for, as a URL
    resource_code TEXT,                                                                 -- server code in that URL; NULL for the root resource
    scopes        TEXT    NOT NULL CHECK (json_valid(scopes)),                          -- what it allows
    key_id        TEXT,                                                                 -- key that proved the right; revoking it ends the grant. No foreign key: the record outlives the key
    account_id    TEXT,                                                                 -- account that proved the right; it must keep it. No foreign key: the record outlives the account
    created_at    INTEGER NOT NULL,                                                     -- when it was given
    expires_at    INTEGER NOT NULL,                                                     -- when it ends, whatever is refreshed
    used_at       INTEGER,                                                              -- last accepted request, written behind by up to a minute
    revoked_at    INTEGER,                                                              -- when it was revoked
    revoked_why   TEXT                                                                  -- why, for people
) STRICT;
CREATE INDEX oauth_grants_by_client ON oauth_grants (client_id);
CREATE INDEX oauth_grants_by_group  ON oauth_grants (group_id);
CREATE INDEX oauth_grants_by_end    ON oauth_grants (expires_at);
CREATE INDEX oauth_grants_by_key    ON oauth_grants (key_id) WHERE key_id IS NOT NULL;

CREATE TABLE oauth_codes (
    hash           BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),              -- SHA-256 of the code
    grant_id       TEXT    NOT NULL UNIQUE REFERENCES oauth_grants (id) ON DELETE CASCADE, -- what it stands for
    transaction_id TEXT    NOT NULL UNIQUE,                                             -- the authorization request: each is approved once
    redirect_uri   TEXT    NOT NULL,                                                    -- where it was sent; whatever the client says at the exchange must be the same
    challenge      TEXT    NOT NULL,                                                    -- PKCE challenge (S256)
    created_at     INTEGER NOT NULL,                                                    -- when it was sent
    expires_at     INTEGER NOT NULL,                                                    -- when it ends
    used_at        INTEGER,                                                             -- when it was exchanged
    redirect_left_out INTEGER NOT NULL DEFAULT 0 CHECK (redirect_left_out IN (0, 1))    -- 1: the request did not name the redirect URI, and the exchange need not either
) STRICT;

CREATE TABLE oauth_denials (
    transaction_id TEXT    NOT NULL PRIMARY KEY,                                        -- the authorization request that a person refused: it cannot be allowed any more
    expires_at     INTEGER NOT NULL                                                     -- when its page ends by itself, and this is not needed any more
) STRICT, WITHOUT ROWID;
CREATE INDEX oauth_denials_by_end ON oauth_denials (expires_at);

CREATE TABLE oauth_tokens (
    hash          BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),               -- SHA-256 of the token
    id            TEXT    NOT NULL UNIQUE,                                              -- UUID v7, for logs
    kind          TEXT    NOT NULL CHECK (kind IN ('access', 'refresh')),               -- what it is for
    grant_id      TEXT    NOT NULL REFERENCES oauth_grants (id) ON DELETE CASCADE,      -- what it comes from
    pair          INTEGER NOT NULL,                                                     -- how many exchanges came before, within the grant
    audience      TEXT    NOT NULL,                                                     -- resource it is for, as a URL; the grant's or narrower
    resource_code TEXT,                                                                 -- server code in that URL; NULL for the root resource
    scopes        TEXT    NOT NULL CHECK (json_valid(scopes)),                          -- what it allows; the grant's or fewer
    created_at    INTEGER NOT NULL,                                                     -- when it was made
    expires_at    INTEGER NOT NULL,                                                     -- when it ends
    used_at       INTEGER,                                                              -- access: last accepted, written behind; refresh: when it was exchanged
    revoked_at    INTEGER                                                               -- when it was revoked by itself
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

-- ---------------------------------------------------------------------------------------------------------------
-- Who gets into the panel and the API

CREATE TABLE admin_sessions (
    id            TEXT    NOT NULL PRIMARY KEY,                                -- UUID v7, for lists and logs
    hash          BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),           -- SHA-256 of what the browser's cookie holds
    account_id    TEXT    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE, -- who signed in
    created_at    INTEGER NOT NULL,                                            -- when
    seen_at       INTEGER NOT NULL,                                            -- last request, written at most once a minute
    expires_at    INTEGER NOT NULL,                                            -- when it ends in any case
    confirmed_at  INTEGER NOT NULL,                                            -- when the password was last shown; a later change of the password ends it
    second_factor INTEGER NOT NULL CHECK (second_factor IN (0, 1)),            -- whether a one-time code was asked for and shown
    address       TEXT    NOT NULL,                                            -- from where
    agent         TEXT    NOT NULL                                             -- what the browser calls itself; empty when it says nothing
) STRICT;
CREATE INDEX admin_sessions_by_account ON admin_sessions (account_id);
CREATE INDEX admin_sessions_by_end     ON admin_sessions (expires_at);

CREATE TABLE admin_tokens (
    id         TEXT    NOT NULL PRIMARY KEY,                                         -- UUID v7, for lists and logs
    hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),                    -- SHA-256 of the token
    account_id TEXT    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,          -- whose program it is for
    name       TEXT    NOT NULL,                                                     -- what it is for, in words
    role       TEXT    NOT NULL CHECK (role IN ('administrator', 'operator', 'auditor')), -- what it may do at most; never more than its account
    hint       TEXT    NOT NULL,                                                     -- its last four characters
    created_at INTEGER NOT NULL,                                                     -- when it was made
    expires_at INTEGER NOT NULL,                                                     -- when it ends
    used_at    INTEGER,                                                              -- last request, written at most once a minute
    revoked_at INTEGER                                                               -- when it was revoked
) STRICT;
CREATE INDEX admin_tokens_by_account ON admin_tokens (account_id);

CREATE TABLE admin_totp (
    account_id  TEXT    NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE, -- whose second factor it is
    sealed      BLOB    NOT NULL,                                                    -- the shared secret (RFC 6238), sealed under the master key
    enrolled_at INTEGER NOT NULL,                                                    -- when it was set up
    last_step   INTEGER NOT NULL                                                     -- step of the last code that was accepted; that one and those before it are used up
) STRICT;

CREATE TABLE admin_recovery_codes (
    hash       BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),      -- SHA-256 of the code
    account_id TEXT    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE, -- whose it is
    used_at    INTEGER                                                      -- when it was used, in the place of a one-time code
) STRICT;
CREATE INDEX admin_recovery_codes_by_account ON admin_recovery_codes (account_id);

CREATE TABLE admin_setup_links (
    hash       BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32), -- SHA-256 of the link's secret
    created_at INTEGER NOT NULL,                                       -- when it was made
    expires_at INTEGER NOT NULL,                                       -- when it ends
    used_at    INTEGER                                                 -- when the first administrator was made with it
) STRICT;

CREATE TABLE admin_idempotency (
    account_id TEXT    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE, -- who sent the request
    route      TEXT    NOT NULL,                                            -- its method and path
    key        TEXT    NOT NULL,                                            -- its Idempotency-Key
    body_mac   BLOB    NOT NULL CHECK (length(body_mac) = 32),              -- HMAC of its body under the master key: the same key with another body is a mistake
    sealed     BLOB,                                                        -- its answer, sealed under the master key; NULL while nobody knows what became of it
    created_at INTEGER NOT NULL,                                            -- when it came first; forgotten after a day
    PRIMARY KEY (account_id, route, key)
) STRICT;
CREATE INDEX admin_idempotency_by_age ON admin_idempotency (created_at);

-- ---------------------------------------------------------------------------------------------------------------
-- Figures: rolled up with the rows they are of, so that nothing long is ever read to show them

CREATE TABLE call_figures (
    span        INTEGER NOT NULL CHECK (span IN (60000, 3600000)), -- length of the time it stands for: a minute or an hour, in milliseconds
    at          INTEGER NOT NULL,                                  -- beginning of that time; calls count when they arrive
    tool_name   TEXT    NOT NULL,                                  -- the tool; empty where the name was not one of ours
    group_id    TEXT    NOT NULL,                                  -- the group; empty when a stranger knocked
    outcome     TEXT    NOT NULL,                                  -- how they ended, as in the call log
    calls       INTEGER NOT NULL,                                  -- how many
    slow        INTEGER NOT NULL,                                  -- of them, those that took half a second or longer
    duration_ms INTEGER NOT NULL,                                  -- how long they took together
    spread      BLOB    NOT NULL,                                  -- how many took how long: pairs of bucket and count, see src/store/figures/histogram.rs
    PRIMARY KEY (span, at, tool_name, group_id, outcome)
) STRICT, WITHOUT ROWID;

CREATE TABLE step_figures (
    span        INTEGER NOT NULL CHECK (span IN (60000, 3600000)), -- length of the time it stands for, as above
    at          INTEGER NOT NULL,                                  -- beginning of that time; tries count when they begin
    step        TEXT    NOT NULL,                                  -- the step
    state       TEXT    NOT NULL,                                  -- how they ended: done, failed
    tries       INTEGER NOT NULL,                                  -- how many
    repeated    INTEGER NOT NULL,                                  -- of them, those that were not the run's first
    duration_ms INTEGER NOT NULL,                                  -- how long they took together
    spread      BLOB    NOT NULL,                                  -- how many took how long
    PRIMARY KEY (span, at, step, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_figures (
    span        INTEGER NOT NULL CHECK (span IN (60000, 3600000)), -- length of the time it stands for, as above
    at          INTEGER NOT NULL,                                  -- beginning of that time; questions count when they are asked
    agent_id    TEXT    NOT NULL,                                  -- who was asked
    state       TEXT    NOT NULL,                                  -- how they ended, as in agent_calls
    error_kind  TEXT    NOT NULL,                                  -- class of the error; empty without one
    questions   INTEGER NOT NULL,                                  -- how many
    tokens      INTEGER NOT NULL,                                  -- tokens they used
    duration_ms INTEGER NOT NULL,                                  -- how long they took together
    spread      BLOB    NOT NULL,                                  -- how many took how long
    PRIMARY KEY (span, at, agent_id, state, error_kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_costs (
    span     INTEGER NOT NULL CHECK (span IN (60000, 3600000)), -- length of the time it stands for, as above
    at       INTEGER NOT NULL,                                  -- beginning of that time
    agent_id TEXT    NOT NULL,                                  -- who was asked
    currency TEXT    NOT NULL,                                  -- in what; empty when Dify did not say
    nanos    INTEGER NOT NULL,                                  -- what it cost, in billionths
    PRIMARY KEY (span, at, agent_id, currency)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_figures (
    accepted_at     INTEGER NOT NULL,                                    -- when the registration was accepted
    registration_id TEXT    NOT NULL,                                    -- the registration; triggers keep what follows as it is
    state           TEXT    NOT NULL,                                    -- how far it came
    deadline_at     INTEGER NOT NULL,                                    -- when the welcome must be there
    welcome_rung    TEXT,                                                -- which rung wrote the welcome
    welcome_at      INTEGER,                                             -- when it was stored
    answered        INTEGER CHECK (answered IN (0, 1)),                  -- whether an agent that was asked answered; NULL while nobody knows of one
    opened_at       INTEGER,                                             -- when the conversation was opened
    noticed_at      INTEGER,                                             -- when consultants were first told
    reached_at      INTEGER,                                             -- when the first of them had the notice, or a channel took it
    claimed_at      INTEGER,                                             -- when a consultant took the customer over
    closed          INTEGER NOT NULL DEFAULT 0 CHECK (closed IN (0, 1)), -- whether the conversation is closed: then nobody waits there
    replied_at      INTEGER,                                             -- first words of the customer in that conversation after the welcome
    wrote_at        INTEGER,                                             -- first words of the customer after the registration, wherever
    agent_id        TEXT,                                                -- the agent chosen first
    claimed_by      TEXT,                                                -- the consultant who took the customer over
    rating          INTEGER,                                             -- what the customer thinks of the welcome
    PRIMARY KEY (accepted_at, registration_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_figures_by_welcome ON run_figures (welcome_at, replied_at) WHERE welcome_at IS NOT NULL;
CREATE INDEX run_figures_by_claim ON run_figures (claimed_at, claimed_by, noticed_at, opened_at, closed) WHERE claimed_at IS NOT NULL;
CREATE INDEX feedback_by_time ON feedback (created_at, rating);

CREATE TRIGGER figures_of_run_begin AFTER INSERT ON registrations BEGIN
    INSERT INTO run_figures (accepted_at, registration_id, state, deadline_at, welcome_rung, welcome_at, opened_at, closed, agent_id)
    VALUES (new.accepted_at, new.id, new.state, new.deadline_at, new.welcome_rung, new.welcome_at,
        (SELECT created_at FROM conversations WHERE registration_id = new.id),
        coalesce((SELECT status = 'closed' FROM conversations WHERE registration_id = new.id), 0), new.agent_id);
END;
CREATE TRIGGER figures_of_run_follow AFTER UPDATE OF state, deadline_at, welcome_rung, welcome_at, agent_id ON registrations
WHEN (new.state, new.deadline_at, new.welcome_rung, new.welcome_at, new.agent_id)
    IS NOT (old.state, old.deadline_at, old.welcome_rung, old.welcome_at, old.agent_id) BEGIN
    UPDATE run_figures SET state = new.state, deadline_at = new.deadline_at, welcome_rung = new.welcome_rung, welcome_at = new.welcome_at,
        agent_id = new.agent_id
    WHERE accepted_at = new.accepted_at AND registration_id = new.id;
END;
CREATE TRIGGER figures_of_run_end AFTER DELETE ON registrations BEGIN
    DELETE FROM run_figures WHERE accepted_at = old.accepted_at AND registration_id = old.id;
END;
CREATE TRIGGER figures_of_answer_known AFTER INSERT ON agent_calls WHEN new.state NOT IN ('asked', 'unknown') BEGIN
    UPDATE run_figures SET answered = max(coalesce(answered, 0), new.state IN ('answered', 'late'))
    WHERE accepted_at = (SELECT accepted_at FROM registrations WHERE id = new.registration_id) AND registration_id = new.registration_id;
END;
CREATE TRIGGER figures_of_answer AFTER UPDATE OF state ON agent_calls WHEN new.state NOT IN ('asked', 'unknown') AND new.state <> old.state BEGIN
    UPDATE run_figures SET answered = max(coalesce(answered, 0), new.state IN ('answered', 'late'))
    WHERE accepted_at = (SELECT accepted_at FROM registrations WHERE id = new.registration_id) AND registration_id = new.registration_id;
END;
CREATE TRIGGER figures_of_opening AFTER INSERT ON conversations WHEN new.registration_id IS NOT NULL BEGIN
    UPDATE run_figures SET opened_at = new.created_at, closed = new.status = 'closed'
    WHERE accepted_at = (SELECT accepted_at FROM registrations WHERE id = new.registration_id) AND registration_id = new.registration_id;
END;
CREATE TRIGGER figures_of_closing AFTER UPDATE OF status, created_at ON conversations
WHEN new.registration_id IS NOT NULL AND (new.status, new.created_at) IS NOT (old.status, old.created_at) BEGIN
    UPDATE run_figures SET opened_at = new.created_at, closed = new.status = 'closed'
    WHERE accepted_at = (SELECT accepted_at FROM registrations WHERE id = new.registration_id) AND registration_id = new.registration_id;
END;
CREATE TRIGGER figures_of_notice AFTER INSERT ON notifications WHEN new.kind = 'new_customer' BEGIN
    UPDATE run_figures SET noticed_at = min(coalesce(noticed_at, new.created_at), new.created_at)
    WHERE accepted_at = (SELECT accepted_at FROM registrations WHERE id = new.registration_id) AND registration_id = new.registration_id
        AND (noticed_at IS NULL OR noticed_at > new.created_at);
END;
CREATE TRIGGER figures_of_notice_seen AFTER UPDATE OF acked_at ON notifications
WHEN new.kind = 'new_customer' AND new.acked_at IS NOT NULL AND old.acked_at IS NULL BEGIN
    UPDATE run_figures SET reached_at = min(coalesce(reached_at, new.acked_at), new.acked_at)
    WHERE accepted_at = (SELECT accepted_at FROM registrations WHERE id = new.registration_id) AND registration_id = new.registration_id;
END;
CREATE TRIGGER figures_of_push AFTER UPDATE OF delivered_at ON pushes
WHEN new.reason = 'new_customer' AND new.delivered_at IS NOT NULL AND old.delivered_at IS NULL BEGIN
    UPDATE run_figures SET reached_at = min(coalesce(reached_at, new.delivered_at), new.delivered_at)
    WHERE accepted_at = (SELECT accepted_at FROM registrations WHERE id = new.subject_id) AND registration_id = new.subject_id;
END;
CREATE TRIGGER figures_of_claim AFTER INSERT ON claims BEGIN
    UPDATE run_figures SET claimed_at = new.claimed_at, claimed_by = new.consultant_id
    WHERE accepted_at = (SELECT accepted_at FROM registrations WHERE id = new.registration_id) AND registration_id = new.registration_id;
END;
CREATE TRIGGER figures_of_rating AFTER INSERT ON feedback BEGIN
    UPDATE run_figures SET rating = new.rating
    WHERE accepted_at = (SELECT accepted_at FROM registrations WHERE id = new.registration_id) AND registration_id = new.registration_id;
END;
CREATE TRIGGER figures_of_other_rating AFTER UPDATE OF rating ON feedback WHEN new.rating <> old.rating BEGIN
    UPDATE run_figures SET rating = new.rating
    WHERE accepted_at = (SELECT accepted_at FROM registrations WHERE id = new.registration_id) AND registration_id = new.registration_id;
END;
CREATE TRIGGER figures_of_words AFTER INSERT ON messages WHEN new.sender_type = 'customer' BEGIN
    UPDATE run_figures SET wrote_at = min(coalesce(wrote_at, new.created_at), new.created_at)
    WHERE (accepted_at, registration_id) = (SELECT r.accepted_at, r.id FROM registrations r
            WHERE r.user_id = (SELECT customer_id FROM conversations WHERE id = new.conversation_id))
        AND accepted_at <= new.created_at AND (wrote_at IS NULL OR wrote_at > new.created_at);
    UPDATE run_figures SET replied_at = min(coalesce(replied_at, new.created_at), new.created_at)
    WHERE (accepted_at, registration_id) = (SELECT r.accepted_at, r.id FROM registrations r
            WHERE r.id = (SELECT registration_id FROM conversations WHERE id = new.conversation_id))
        AND welcome_at <= new.created_at AND (replied_at IS NULL OR replied_at > new.created_at);
END;
CREATE TRIGGER figures_of_other_words AFTER UPDATE OF conversation_id, sender_type, created_at ON messages
WHEN (new.conversation_id, new.sender_type, new.created_at) IS NOT (old.conversation_id, old.sender_type, old.created_at) BEGIN
    UPDATE run_figures SET
        replied_at = (SELECT min(m.created_at) FROM registrations r JOIN messages m ON m.conversation_id = r.conversation_id
            WHERE r.id = run_figures.registration_id AND m.sender_type = 'customer' AND m.created_at >= run_figures.welcome_at),
        wrote_at = (SELECT min(m.created_at) FROM registrations r JOIN conversations v ON v.customer_id = r.user_id
                JOIN messages m ON m.conversation_id = v.id
            WHERE r.id = run_figures.registration_id AND m.sender_type = 'customer' AND m.created_at >= run_figures.accepted_at)
    WHERE (accepted_at, registration_id) IN (SELECT r.accepted_at, r.id FROM registrations r
        WHERE r.user_id IN (SELECT customer_id FROM conversations WHERE id IN (old.conversation_id, new.conversation_id)));
END;
