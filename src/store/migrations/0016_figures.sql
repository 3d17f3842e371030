-- Figures, kept with what they are of. It comes after the claims were moved to a new table (0011): a trigger here stands on it.

CREATE TABLE call_figures (
    span        INTEGER NOT NULL CHECK (span IN (60000, 3600000)),
    at          INTEGER NOT NULL,
    tool_name   TEXT    NOT NULL,
    group_id    TEXT    NOT NULL,
    outcome     TEXT    NOT NULL,
    calls       INTEGER NOT NULL,
    slow        INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    spread      BLOB    NOT NULL,
    PRIMARY KEY (span, at, tool_name, group_id, outcome)
) STRICT, WITHOUT ROWID;

CREATE TABLE step_figures (
    span        INTEGER NOT NULL CHECK (span IN (60000, 3600000)),
    at          INTEGER NOT NULL,
    step        TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    tries       INTEGER NOT NULL,
    repeated    INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    spread      BLOB    NOT NULL,
    PRIMARY KEY (span, at, step, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_figures (
    span        INTEGER NOT NULL CHECK (span IN (60000, 3600000)),
    at          INTEGER NOT NULL,
    agent_id    TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    error_kind  TEXT    NOT NULL,
    questions   INTEGER NOT NULL,
    tokens      INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    spread      BLOB    NOT NULL,
    PRIMARY KEY (span, at, agent_id, state, error_kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_costs (
    span     INTEGER NOT NULL CHECK (span IN (60000, 3600000)),
    at       INTEGER NOT NULL,
    agent_id TEXT    NOT NULL,
    currency TEXT    NOT NULL,
    nanos    INTEGER NOT NULL,
    PRIMARY KEY (span, at, agent_id, currency)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_figures (
    accepted_at     INTEGER NOT NULL,
    registration_id TEXT    NOT NULL,
    state           TEXT    NOT NULL,
    deadline_at     INTEGER NOT NULL,
    welcome_rung    TEXT,
    welcome_at      INTEGER,
    answered        INTEGER CHECK (answered IN (0, 1)),
    opened_at       INTEGER,
    noticed_at      INTEGER,
    reached_at      INTEGER,
    claimed_at      INTEGER,
    closed          INTEGER NOT NULL DEFAULT 0 CHECK (closed IN (0, 1)),
    replied_at      INTEGER,
    wrote_at        INTEGER,
    PRIMARY KEY (accepted_at, registration_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_figures_by_welcome ON run_figures (welcome_at, replied_at) WHERE welcome_at IS NOT NULL;
CREATE INDEX feedback_by_time ON feedback (created_at, rating);

INSERT INTO run_figures (accepted_at, registration_id, state, deadline_at, welcome_rung, welcome_at, answered, opened_at, noticed_at,
    reached_at, claimed_at, closed, replied_at, wrote_at)
SELECT r.accepted_at, r.id, r.state, r.deadline_at, r.welcome_rung, r.welcome_at,
    (SELECT max(c.state IN ('answered', 'late')) FROM agent_calls c WHERE c.registration_id = r.id AND c.state NOT IN ('asked', 'unknown')),
    c.created_at,
    (SELECT min(n.created_at) FROM notifications n WHERE n.registration_id = r.id AND n.kind = 'new_customer'),
    (SELECT min(at) FROM (
        SELECT n.acked_at AS at FROM notifications n WHERE n.registration_id = r.id AND n.kind = 'new_customer' AND n.acked_at IS NOT NULL
        UNION ALL SELECT p.delivered_at FROM pushes p WHERE p.reason = 'new_customer' AND p.subject_id = r.id AND p.delivered_at IS NOT NULL)),
    k.claimed_at, coalesce(c.status = 'closed', 0),
    (SELECT min(m.created_at) FROM messages m WHERE m.conversation_id = r.conversation_id AND m.sender_type = 'customer'
        AND m.created_at >= r.welcome_at),
    (SELECT min(m.created_at) FROM conversations v JOIN messages m ON m.conversation_id = v.id
        WHERE v.customer_id = r.user_id AND m.sender_type = 'customer' AND m.created_at >= r.accepted_at)
FROM registrations r LEFT JOIN conversations c ON c.registration_id = r.id LEFT JOIN claims k ON k.registration_id = r.id;

CREATE TRIGGER figures_of_run_begin AFTER INSERT ON registrations BEGIN
    INSERT INTO run_figures (accepted_at, registration_id, state, deadline_at, welcome_rung, welcome_at, opened_at, closed)
    VALUES (new.accepted_at, new.id, new.state, new.deadline_at, new.welcome_rung, new.welcome_at,
        (SELECT created_at FROM conversations WHERE registration_id = new.id),
        coalesce((SELECT status = 'closed' FROM conversations WHERE registration_id = new.id), 0));
END;
CREATE TRIGGER figures_of_run_follow AFTER UPDATE OF state, deadline_at, welcome_rung, welcome_at ON registrations
WHEN (new.state, new.deadline_at, new.welcome_rung, new.welcome_at) IS NOT (old.state, old.deadline_at, old.welcome_rung, old.welcome_at) BEGIN
    UPDATE run_figures SET state = new.state, deadline_at = new.deadline_at, welcome_rung = new.welcome_rung, welcome_at = new.welcome_at
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
    UPDATE run_figures SET claimed_at = new.claimed_at
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
