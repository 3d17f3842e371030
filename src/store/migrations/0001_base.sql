-- The schema of the first release. Released: never edited.
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
CREATE TABLE policy_revision (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO policy_revision (id, revision) VALUES (1, 1);
CREATE TABLE mcp_tool_groups (
    id               TEXT    NOT NULL PRIMARY KEY,
    server_code      TEXT    NOT NULL UNIQUE,
    name             TEXT    NOT NULL UNIQUE,
    description      TEXT    NOT NULL DEFAULT '',
    user_tier_access TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(user_tier_access)),
    allowed_roles    TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(allowed_roles)),
    enabled          INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    subject_scoped   INTEGER NOT NULL DEFAULT 0 CHECK (subject_scoped IN (0, 1)),
    created_by       TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL
) STRICT;
CREATE TABLE mcp_keys (
    id           TEXT    NOT NULL PRIMARY KEY,
    group_id     TEXT    NOT NULL REFERENCES mcp_tool_groups (id) ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    hash         BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    sealed       BLOB,
    hint         TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used_at INTEGER
) STRICT;
CREATE INDEX mcp_keys_by_group ON mcp_keys (group_id, created_at);
CREATE TABLE mcp_tools (
    id              TEXT    NOT NULL PRIMARY KEY,
    tool_name       TEXT    NOT NULL,
    group_id        TEXT    NOT NULL REFERENCES mcp_tool_groups (id) ON DELETE CASCADE,
    version         TEXT    NOT NULL DEFAULT '1.0.0',
    description     TEXT,
    enabled         INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    timeout_seconds INTEGER NOT NULL DEFAULT 30 CHECK (timeout_seconds BETWEEN 1 AND 300),
    config_data     TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(config_data)),
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    UNIQUE (group_id, tool_name)
) STRICT;
CREATE TRIGGER policy_group_added   AFTER INSERT ON mcp_tool_groups BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_group_changed AFTER UPDATE ON mcp_tool_groups BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_group_removed AFTER DELETE ON mcp_tool_groups BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_key_added     AFTER INSERT ON mcp_keys BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_key_changed   AFTER UPDATE OF group_id, hash, expires_at, revoked_at ON mcp_keys BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_key_removed   AFTER DELETE ON mcp_keys BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_tool_added    AFTER INSERT ON mcp_tools BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_tool_changed  AFTER UPDATE ON mcp_tools BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_tool_removed  AFTER DELETE ON mcp_tools BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TABLE system_settings (
    name       TEXT    NOT NULL PRIMARY KEY,
    value      TEXT    NOT NULL CHECK (json_valid(value)),
    updated_by TEXT    NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE TRIGGER policy_setting_added   AFTER INSERT ON system_settings BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_setting_changed AFTER UPDATE ON system_settings BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TRIGGER policy_setting_removed AFTER DELETE ON system_settings BEGIN UPDATE policy_revision SET revision = revision + 1; END;
CREATE TABLE mcp_call_logs (
    id            INTEGER NOT NULL PRIMARY KEY,
    call_id       TEXT    NOT NULL UNIQUE,
    tool_name     TEXT    NOT NULL,
    group_id      TEXT,
    key_id        TEXT,
    caller_app_id TEXT,
    registration_id TEXT,
    client_name   TEXT,
    channel       TEXT    NOT NULL,
    protocol      TEXT    NOT NULL,
    request_data  TEXT    CHECK (json_valid(request_data)),
    response_data TEXT    CHECK (json_valid(response_data)),
    success       INTEGER NOT NULL CHECK (success IN (0, 1)),
    outcome       TEXT    NOT NULL,
    error_message TEXT,
    duration_ms   INTEGER NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX mcp_call_logs_by_tool   ON mcp_call_logs (tool_name, success, created_at);
CREATE INDEX mcp_call_logs_by_group  ON mcp_call_logs (group_id, created_at);
CREATE INDEX mcp_call_logs_by_run    ON mcp_call_logs (registration_id, created_at) WHERE registration_id IS NOT NULL;
CREATE INDEX mcp_call_logs_by_caller ON mcp_call_logs (caller_app_id, created_at) WHERE caller_app_id IS NOT NULL;
CREATE TABLE users (
    seq           INTEGER NOT NULL PRIMARY KEY,
    id            TEXT    NOT NULL UNIQUE,
    username      TEXT    NOT NULL,
    email         TEXT,
    phone         TEXT,
    avatar        TEXT,
    roles         TEXT    NOT NULL DEFAULT '["customer"]' CHECK (json_valid(roles)),
    is_active     INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    name_chars    TEXT    NOT NULL DEFAULT '',
    registered_at INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX users_by_name  ON users (username COLLATE NOCASE);
CREATE INDEX users_by_email ON users (email COLLATE NOCASE) WHERE email IS NOT NULL;
CREATE INDEX users_by_phone ON users (phone) WHERE phone IS NOT NULL;
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
    user_id    TEXT    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    gender     TEXT    CHECK (gender IN ('female', 'male', 'other')),
    birth_year INTEGER,
    city       TEXT,
    source     TEXT,
    skin_type  TEXT,
    concerns   TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(concerns)),
    allergies  TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(allergies)),
    conditions TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(conditions)),
    updated_at INTEGER NOT NULL
) STRICT;
CREATE TABLE preferences (
    user_id             TEXT    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    treatments          TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(treatments)),
    budget_min_fen      INTEGER,
    budget_max_fen      INTEGER,
    contact_time        TEXT,
    communication_style TEXT,
    price_sensitivity   TEXT    CHECK (price_sensitivity IN ('low', 'medium', 'high')),
    brand_loyalty       TEXT    CHECK (brand_loyalty IN ('low', 'medium', 'high')),
    updated_at          INTEGER NOT NULL
) STRICT;
CREATE TABLE consultants (
    user_id       TEXT    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    tags          TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(tags)),
    is_supervisor INTEGER NOT NULL DEFAULT 0 CHECK (is_supervisor IN (0, 1)),
    is_available  INTEGER NOT NULL DEFAULT 1 CHECK (is_available IN (0, 1)),
    updated_at    INTEGER NOT NULL
) STRICT;
CREATE TABLE services (
    code              TEXT    NOT NULL PRIMARY KEY,
    name              TEXT    NOT NULL,
    name_en           TEXT    NOT NULL DEFAULT '',
    category          TEXT    NOT NULL,
    description       TEXT    NOT NULL DEFAULT '',
    treats            TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(treats)),
    price_min_fen     INTEGER NOT NULL CHECK (price_min_fen >= 0),
    price_max_fen     INTEGER NOT NULL CHECK (price_max_fen >= price_min_fen),
    duration_minutes  INTEGER NOT NULL CHECK (duration_minutes > 0),
    recovery_days     INTEGER NOT NULL DEFAULT 0 CHECK (recovery_days >= 0),
    sessions          INTEGER NOT NULL DEFAULT 1 CHECK (sessions > 0),
    interval_days     INTEGER NOT NULL DEFAULT 0 CHECK (interval_days >= 0),
    efficacy          INTEGER NOT NULL DEFAULT 50 CHECK (efficacy BETWEEN 1 AND 100),
    contraindications TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(contraindications)),
    enabled           INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    updated_at        INTEGER NOT NULL
) STRICT;
CREATE TABLE consultations (
    id            TEXT    NOT NULL PRIMARY KEY,
    customer_id   TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    consultant_id TEXT,
    kind          TEXT    NOT NULL CHECK (kind IN ('consultation', 'treatment', 'follow_up', 'complaint')),
    status        TEXT    NOT NULL CHECK (status IN ('scheduled', 'completed', 'cancelled', 'no_show')),
    summary       TEXT    NOT NULL DEFAULT '',
    service_code  TEXT,
    paid_fen      INTEGER NOT NULL DEFAULT 0 CHECK (paid_fen >= 0),
    occurred_at   INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX consultations_by_customer ON consultations (customer_id, occurred_at);
CREATE INDEX consultations_by_service  ON consultations (service_code, occurred_at) WHERE service_code IS NOT NULL;
CREATE TABLE consultation_summaries (
    id                TEXT    NOT NULL PRIMARY KEY,
    consultation_id   TEXT,
    customer_id       TEXT,
    consultation_type TEXT    NOT NULL,
    key_points        TEXT    NOT NULL CHECK (json_valid(key_points)),
    source            TEXT    NOT NULL CHECK (json_valid(source)),
    created_at        INTEGER NOT NULL
) STRICT;
CREATE TABLE conversations (
    id              TEXT    NOT NULL PRIMARY KEY,
    customer_id     TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    registration_id TEXT    UNIQUE,
    title           TEXT    NOT NULL,
    ai_controlled   INTEGER NOT NULL DEFAULT 1 CHECK (ai_controlled IN (0, 1)),
    agent_id        TEXT,
    status          TEXT    NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')),
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX conversations_by_customer ON conversations (customer_id, updated_at);
CREATE TABLE messages (
    id              TEXT    NOT NULL PRIMARY KEY,
    conversation_id TEXT    NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    registration_id TEXT    UNIQUE,
    sender_type     TEXT    NOT NULL CHECK (sender_type IN ('customer', 'consultant', 'doctor', 'ai', 'system')),
    sender_id       TEXT,
    type            TEXT    NOT NULL CHECK (type IN ('text', 'media', 'system', 'structured')),
    content         TEXT    NOT NULL CHECK (json_valid(content)),
    created_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX messages_by_conversation ON messages (conversation_id, created_at);
CREATE INDEX messages_by_sender ON messages (sender_id, created_at) WHERE sender_type = 'customer';
CREATE TABLE plans (
    id          TEXT    NOT NULL PRIMARY KEY,
    customer_id TEXT,
    parent_id   TEXT    REFERENCES plans (id),
    status      TEXT    NOT NULL DEFAULT 'pending_physician_review' CHECK (status IN ('pending_physician_review', 'approved', 'rejected')),
    body        TEXT    NOT NULL CHECK (json_valid(body)),
    created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX plans_by_customer ON plans (customer_id, created_at);
CREATE TABLE registrations (
    id                 TEXT    NOT NULL PRIMARY KEY,
    event_id           TEXT    UNIQUE,
    user_id            TEXT    NOT NULL UNIQUE,
    body_hash          BLOB    NOT NULL,
    profile            TEXT    NOT NULL CHECK (json_valid(profile)),
    state              TEXT    NOT NULL CHECK (state IN ('accepted', 'skipped', 'done', 'done_with_fallback', 'dead_letter', 'cancelled')),
    skip_reason        TEXT,
    accepted_at        INTEGER NOT NULL,
    deadline_at        INTEGER NOT NULL,
    conversation_id    TEXT,
    segment            TEXT,
    agent_id           TEXT,
    welcome_text       TEXT,
    welcome_rung       TEXT    CHECK (welcome_rung IN ('agent', 'fallback_agent', 'segment', 'static')),
    welcome_reason     TEXT,
    welcome_message_id TEXT,
    welcome_at         INTEGER,
    welcome_read_at    INTEGER,
    late_outcome       TEXT    CHECK (late_outcome IN ('appended', 'replaced', 'dropped', 'failed')),
    assigned_to        TEXT,
    finished_at        INTEGER
) STRICT;
CREATE INDEX registrations_by_time ON registrations (accepted_at);
CREATE INDEX registrations_by_agent ON registrations (agent_id, accepted_at);
CREATE INDEX registrations_by_assignee ON registrations (assigned_to, accepted_at) WHERE assigned_to IS NOT NULL;
CREATE INDEX registrations_by_end ON registrations (finished_at, state) WHERE finished_at IS NOT NULL;
CREATE TABLE registration_steps (
    registration_id TEXT    NOT NULL REFERENCES registrations (id) ON DELETE CASCADE,
    step            TEXT    NOT NULL,
    attempt         INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('done', 'failed')),
    started_at      INTEGER NOT NULL,
    duration_ms     INTEGER NOT NULL,
    detail          TEXT    NOT NULL CHECK (json_valid(detail)),
    error           TEXT,
    PRIMARY KEY (registration_id, step, attempt)
) STRICT, WITHOUT ROWID;
CREATE INDEX registration_steps_by_time ON registration_steps (step, started_at);
CREATE TABLE subjects (
    id              TEXT    NOT NULL PRIMARY KEY,
    registration_id TEXT    NOT NULL UNIQUE REFERENCES registrations (id) ON DELETE CASCADE,
    user_id         TEXT    NOT NULL,
    expires_at      INTEGER NOT NULL
) STRICT;
CREATE TABLE agent_calls (
    id                   TEXT    NOT NULL PRIMARY KEY,
    registration_id      TEXT    NOT NULL REFERENCES registrations (id) ON DELETE CASCADE,
    agent_id             TEXT    NOT NULL,
    rung                 TEXT    NOT NULL CHECK (rung IN ('agent', 'fallback_agent')),
    state                TEXT    NOT NULL CHECK (state IN ('asked', 'answered', 'late', 'failed', 'refused', 'stopped', 'unknown')),
    started_at           INTEGER NOT NULL,
    first_byte_ms        INTEGER,
    duration_ms          INTEGER,
    task_id              TEXT,
    dify_conversation_id TEXT,
    dify_message_id      TEXT,
    tools                TEXT    CHECK (json_valid(tools)),
    thoughts             INTEGER,
    tokens               INTEGER,
    price                TEXT,
    currency             TEXT,
    error_kind           TEXT,
    error                TEXT
) STRICT;
CREATE INDEX agent_calls_by_run ON agent_calls (registration_id, started_at);
CREATE INDEX agent_calls_by_agent ON agent_calls (agent_id, started_at);
CREATE TABLE claims (
    registration_id TEXT    NOT NULL PRIMARY KEY REFERENCES registrations (id) ON DELETE CASCADE,
    conversation_id TEXT    NOT NULL,
    customer_id     TEXT    NOT NULL,
    consultant_id   TEXT    NOT NULL,
    via             TEXT    NOT NULL CHECK (via IN ('live', 'rest', 'mcp', 'cli')),
    claimed_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX claims_by_consultant ON claims (consultant_id, claimed_at);
CREATE TABLE escalations (
    registration_id TEXT    NOT NULL REFERENCES registrations (id) ON DELETE CASCADE,
    level           INTEGER NOT NULL,
    target          TEXT    NOT NULL CHECK (target IN ('again', 'supervisors', 'administrator')),
    escalated_at    INTEGER NOT NULL,
    PRIMARY KEY (registration_id, level)
) STRICT, WITHOUT ROWID;
CREATE TABLE notifications (
    id              TEXT    NOT NULL PRIMARY KEY,
    registration_id TEXT    NOT NULL REFERENCES registrations (id) ON DELETE CASCADE,
    kind            TEXT    NOT NULL,
    level           INTEGER NOT NULL DEFAULT 0,
    recipient_id    TEXT    NOT NULL,
    payload         TEXT    NOT NULL CHECK (json_valid(payload)),
    created_at      INTEGER NOT NULL,
    sent_at         INTEGER,
    acked_at        INTEGER,
    UNIQUE (registration_id, kind, level, recipient_id)
) STRICT;
CREATE INDEX notifications_waiting ON notifications (recipient_id, id) WHERE acked_at IS NULL;
CREATE TABLE pushes (
    id              TEXT    NOT NULL PRIMARY KEY,
    channel         TEXT    NOT NULL,
    reason          TEXT    NOT NULL CHECK (reason IN ('new_customer', 'escalation', 'alert', 'resolved')),
    subject_id      TEXT    NOT NULL,
    level           INTEGER NOT NULL DEFAULT 0,
    payload         TEXT    NOT NULL CHECK (json_valid(payload)),
    created_at      INTEGER NOT NULL,
    delivered_at    INTEGER,
    last_error      TEXT,
    UNIQUE (reason, subject_id, level, channel)
) STRICT;
CREATE INDEX pushes_by_channel ON pushes (channel, delivered_at);
CREATE TABLE outgoing_events (
    id              TEXT    NOT NULL PRIMARY KEY,
    kind            TEXT    NOT NULL,
    subject_id      TEXT    NOT NULL,
    registration_id TEXT    NOT NULL REFERENCES registrations (id) ON DELETE CASCADE,
    payload         TEXT    NOT NULL CHECK (json_valid(payload)),
    created_at      INTEGER NOT NULL,
    delivered_at    INTEGER,
    given_up_at     INTEGER,
    UNIQUE (kind, subject_id)
) STRICT;
CREATE INDEX outgoing_events_by_run ON outgoing_events (registration_id);
CREATE INDEX outgoing_events_by_time ON outgoing_events (created_at);
CREATE TABLE event_attempts (
    event_id     TEXT    NOT NULL REFERENCES outgoing_events (id) ON DELETE CASCADE,
    attempt      INTEGER NOT NULL,
    attempted_at INTEGER NOT NULL,
    duration_ms  INTEGER NOT NULL,
    status       INTEGER,
    error        TEXT,
    PRIMARY KEY (event_id, attempt)
) STRICT, WITHOUT ROWID;
CREATE TABLE event_endpoint (
    id            INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    failing_since INTEGER,
    disabled_at   INTEGER,
    reason        TEXT
) STRICT;
INSERT INTO event_endpoint (id) VALUES (1);
CREATE TABLE feedback (
    registration_id TEXT    NOT NULL PRIMARY KEY REFERENCES registrations (id) ON DELETE CASCADE,
    rating          INTEGER NOT NULL CHECK (rating BETWEEN 1 AND 5),
    comment         TEXT,
    source          TEXT    NOT NULL CHECK (source IN ('live', 'hook')),
    created_at      INTEGER NOT NULL,
    forwarded_at    INTEGER
) STRICT;
CREATE TABLE alerts (
    id          TEXT    NOT NULL PRIMARY KEY,
    condition   TEXT    NOT NULL,
    subject     TEXT    NOT NULL DEFAULT '',
    severity    TEXT    NOT NULL CHECK (severity IN ('warning', 'critical')),
    summary     TEXT    NOT NULL,
    detail      TEXT    NOT NULL CHECK (json_valid(detail)),
    opened_at   INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL,
    resolved_at INTEGER
) STRICT;
CREATE UNIQUE INDEX alerts_open ON alerts (condition, subject) WHERE resolved_at IS NULL;
CREATE INDEX alerts_by_time ON alerts (opened_at);
CREATE TABLE jobs (
    id           TEXT    NOT NULL PRIMARY KEY,
    kind         TEXT    NOT NULL,
    subject_id   TEXT    NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('ready', 'running', 'done', 'dead', 'cancelled')),
    priority     INTEGER NOT NULL DEFAULT 5 CHECK (priority IN (0, 5, 9)),
    attempt      INTEGER NOT NULL DEFAULT 0,
    run_at       INTEGER NOT NULL,
    lease_token  TEXT,
    lease_until  INTEGER,
    boot_id      TEXT,
    last_error   TEXT,
    created_at   INTEGER NOT NULL,
    finished_at  INTEGER,
    UNIQUE (kind, subject_id)
) STRICT;
CREATE INDEX jobs_due ON jobs (priority, run_at) WHERE state = 'ready';
CREATE INDEX jobs_held ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_ended ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_dead ON jobs (finished_at) WHERE state = 'dead';
CREATE TABLE dify_configs (
    id                 TEXT    NOT NULL PRIMARY KEY,
    environment        TEXT    NOT NULL DEFAULT 'production',
    app_name           TEXT    NOT NULL UNIQUE,
    app_id             TEXT,
    kind               TEXT    NOT NULL CHECK (kind IN ('chat', 'agent', 'workflow')),
    version            TEXT    NOT NULL DEFAULT '1',
    part               TEXT    NOT NULL DEFAULT 'stable' CHECK (part IN ('stable', 'candidate', 'fallback')),
    weight             INTEGER NOT NULL DEFAULT 100 CHECK (weight BETWEEN 0 AND 10000),
    rollout_percent    INTEGER NOT NULL DEFAULT 0 CHECK (rollout_percent BETWEEN 0 AND 100),
    rollout_since      INTEGER,
    base_url           TEXT    NOT NULL,
    sealed_key         BLOB    NOT NULL,
    inputs             TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(inputs)),
    timeout_seconds    INTEGER NOT NULL DEFAULT 60 CHECK (timeout_seconds BETWEEN 1 AND 600),
    first_byte_ms      INTEGER NOT NULL DEFAULT 2000 CHECK (first_byte_ms BETWEEN 50 AND 600000),
    stall_ms           INTEGER NOT NULL DEFAULT 15000 CHECK (stall_ms BETWEEN 50 AND 600000),
    max_concurrent     INTEGER NOT NULL DEFAULT 8 CHECK (max_concurrent BETWEEN 1 AND 1000),
    enabled            INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL
) STRICT;
