//! The rules, as data: what must hold, among which rows, and the query that names each row that breaks it.

/// One rule.
pub(super) struct Rule {
    /// Short name.
    pub(super) name: &'static str,
    /// What must hold, for people.
    pub(super) holds: &'static str,
    /// The rows it is held against, as they stand behind FROM.
    pub(super) among: &'static str,
    /// One text for each row that breaks it.
    pub(super) breaches: &'static str,
    /// Whether it holds only once nothing is left to do.
    pub(super) drained: bool,
}

/// All of them, but for what the engine checks by itself.
pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "accepted_once",
        holds: "a user and a delivery have one registration each",
        among: "registrations",
        breaches: "SELECT 'user ' || user_id || ' has ' || count(*) || ' registrations' FROM registrations GROUP BY +user_id HAVING count(*) > 1
            UNION ALL
            SELECT 'delivery ' || event_id || ' has ' || count(*) || ' registrations' FROM registrations WHERE event_id IS NOT NULL
             GROUP BY +event_id HAVING count(*) > 1",
        drained: false,
    },
    Rule {
        name: "carried",
        holds: "an accepted registration has a job that will carry it on",
        among: "registrations WHERE state = 'accepted'",
        breaches: "SELECT 'registration ' || r.id || CASE WHEN j.id IS NULL THEN ' has no job' ELSE ' has a job that is ' || j.state END
                || '; anmei-mcp job replay ' || r.id
             FROM registrations r LEFT JOIN jobs j ON j.kind = 'registration' AND j.subject_id = r.id
            WHERE r.state = 'accepted' AND (j.id IS NULL OR j.state NOT IN ('ready', 'running'))",
        drained: false,
    },
    Rule {
        name: "ended",
        holds: "a registration has an end if, and only if, it has ended",
        among: "registrations",
        breaches: "SELECT 'registration ' || id || ' is ' || state || CASE WHEN finished_at IS NULL THEN ' without an end' ELSE ' with an end' END
             FROM registrations
            WHERE state = 'accepted' AND finished_at IS NOT NULL OR state IN ('done', 'done_with_fallback', 'dead_letter') AND finished_at IS NULL
            UNION ALL
            SELECT 'registration ' || id || ' is skipped without a reason' FROM registrations WHERE state = 'skipped' AND skip_reason IS NULL",
        drained: false,
    },
    Rule {
        name: "one_conversation",
        holds: "a registration that is done has exactly one conversation, and none has two",
        among: "registrations WHERE state IN ('done', 'done_with_fallback')",
        breaches: "SELECT 'registration ' || r.id || ' (' || r.state || ') has ' || count(c.id) || ' conversations'
             FROM registrations r LEFT JOIN conversations c ON c.registration_id = r.id
            GROUP BY r.id HAVING count(c.id) > 1 OR count(c.id) <> 1 AND r.state IN ('done', 'done_with_fallback')
            UNION ALL
            SELECT 'registration ' || r.id || ' names the conversation ' || r.conversation_id || ', which is not its own'
             FROM registrations r WHERE r.conversation_id IS NOT NULL
              AND NOT EXISTS (SELECT 1 FROM conversations c WHERE c.id = r.conversation_id AND c.registration_id = r.id)",
        drained: false,
    },
    Rule {
        name: "one_welcome",
        holds: "a registration that is done has exactly one welcome in its conversation, and none has two",
        among: "registrations WHERE state IN ('done', 'done_with_fallback')",
        breaches: "SELECT 'registration ' || r.id || ' (' || r.state || ') has ' || count(m.id) || ' welcomes'
             FROM registrations r LEFT JOIN messages m ON m.registration_id = r.id
            GROUP BY r.id HAVING count(m.id) > 1 OR count(m.id) <> 1 AND r.state IN ('done', 'done_with_fallback')
            UNION ALL
            SELECT 'registration ' || r.id || ' names the welcome ' || r.welcome_message_id || ', which is not its own'
             FROM registrations r WHERE r.welcome_message_id IS NOT NULL
              AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = r.welcome_message_id AND m.registration_id = r.id
                                                         AND m.conversation_id = r.conversation_id)
            UNION ALL
            SELECT 'registration ' || id || ' is ' || state || ' without the text of its welcome' FROM registrations
             WHERE state IN ('done', 'done_with_fallback') AND (welcome_text IS NULL OR welcome_text = '')",
        drained: false,
    },
    Rule {
        name: "one_notice",
        holds: "nobody is told the same twice, and a done notice step has told somebody",
        among: "notifications",
        breaches: "SELECT 'registration ' || registration_id || ': ' || count(*) || ' notices ' || kind || ' of level ' || level || ' for '
                || CASE recipient_id WHEN '' THEN 'everybody' ELSE recipient_id END
             FROM notifications GROUP BY +registration_id, +kind, +level, +recipient_id HAVING count(*) > 1
            UNION ALL
            SELECT 'registration ' || s.registration_id || ' told its consultants, and there is no notice' FROM registration_steps s
             WHERE s.step = 'notify_consultants' AND s.state = 'done' AND json_extract(s.detail, '$.consultants') > 0
               AND s.started_at > :kept_since
               AND NOT EXISTS (SELECT 1 FROM notifications n WHERE n.registration_id = s.registration_id AND n.kind = 'new_customer')",
        drained: false,
    },
    Rule {
        name: "one_push",
        holds: "a channel is used once for each reason",
        among: "pushes",
        breaches: "SELECT 'subject ' || subject_id || ': ' || count(*) || ' pushes ' || reason || ' of level ' || level || ' over ' || channel
             FROM pushes GROUP BY +reason, +subject_id, +level, +channel HAVING count(*) > 1",
        drained: false,
    },
    Rule {
        name: "holders",
        holds: "a running job is held by the daemon that lives, and only a running job is held",
        among: "jobs WHERE state = 'running'",
        breaches: "SELECT 'job ' || id || ' (' || kind || ' ' || subject_id || ') is held by a process that is gone: '
                || CASE WHEN :daemon_runs THEN 'two processes hold jobs at once' ELSE 'start the daemon, and it goes on' END
             FROM jobs WHERE state = 'running'
              AND (NOT :daemon_runs OR boot_id <> (SELECT max(boot_id) FROM jobs WHERE state = 'running'))
            UNION ALL
            SELECT 'job ' || id || ' is ' || state || CASE WHEN lease_token IS NULL THEN ' without a holder' ELSE ' with a holder' END FROM jobs
             WHERE (state = 'running') <> (lease_token IS NOT NULL AND lease_until IS NOT NULL AND boot_id IS NOT NULL)",
        drained: false,
    },
    Rule {
        name: "tries",
        holds: "nothing was tried more often than the settings allow",
        among: "jobs WHERE kind IN ('registration', 'outgoing_event')",
        // A setting speaks for what began after it was made.
        breaches: "SELECT 'job ' || j.id || ' (' || j.kind || ' ' || j.subject_id || ') was tried ' || j.attempt || ' times' FROM jobs j
            WHERE j.kind = 'registration' AND j.attempt > 1 + json_array_length(:run_waits)
              AND j.created_at >= coalesce((SELECT updated_at FROM system_settings WHERE name = 'retry.delays'), 0)
               OR j.kind = 'outgoing_event' AND j.attempt > 1 + json_array_length(:event_waits)
              AND j.created_at >= coalesce((SELECT updated_at FROM system_settings WHERE name = 'events.delays'), 0)",
        drained: false,
    },
    Rule {
        name: "waits",
        holds: "the next try of a step did not come before its wait was over",
        among: "registration_steps WHERE attempt > 1",
        // A negative gap is a clock that was set back, or a run that was taken up anew: it says nothing of the wait.
        breaches: "SELECT 'registration ' || b.registration_id || ': try ' || b.attempt || ' of ' || b.step || ' came '
                || (b.started_at - a.started_at - a.duration_ms) || ' ms after the failure, not ' || w.value || ' ms'
             FROM registration_steps b
             JOIN registration_steps a ON a.registration_id = b.registration_id AND a.step = b.step AND a.attempt = b.attempt - 1
             JOIN json_each(:run_waits) w ON w.key = a.attempt - 1
            WHERE a.state = 'failed' AND b.step <> 'late_answer' AND b.started_at - a.started_at - a.duration_ms BETWEEN 0 AND w.value - 50
              AND a.started_at >= coalesce((SELECT updated_at FROM system_settings WHERE name = 'retry.delays'), 0)",
        drained: false,
    },
    Rule {
        name: "generations",
        holds: "an agent was asked again for a run only where nothing came of the question before",
        among: "agent_calls",
        // What failed by its own word, or ended unheard, may be asked again; what was answered, or is waited for, may not.
        breaches: "SELECT 'registration ' || a.registration_id || ': agent ' || a.agent_id || ' was asked ' || (count(*) + 1) || ' times as ' || a.rung
                || ', though the question ' || a.id || ' is ' || a.state
             FROM agent_calls a JOIN agent_calls b ON b.registration_id = a.registration_id AND b.rung = a.rung AND b.agent_id = a.agent_id
              AND b.rowid > a.rowid AND b.state <> 'refused'
            WHERE a.state NOT IN ('unknown', 'failed', 'refused') GROUP BY a.id",
        drained: false,
    },
    Rule {
        name: "alerts",
        holds: "a dead letter has one open alert at most",
        among: "registrations WHERE state = 'dead_letter'",
        breaches: "SELECT 'registration ' || r.id || ' has ' || count(*) || ' open alerts' FROM registrations r
             JOIN alerts a ON a.condition = 'dead_letter' AND a.subject = r.id AND a.resolved_at IS NULL
            WHERE r.state = 'dead_letter' GROUP BY r.id HAVING count(*) > 1",
        drained: false,
    },
    Rule {
        name: "events",
        holds: "a run that ended while events were sent has each of its events once",
        among: "outgoing_events",
        // Runs from before the first one with an event, or older than events are kept, have none.
        breaches: "WITH wanted (kind, state) AS (VALUES
                ('conversation.created', 'done'), ('conversation.created', 'done_with_fallback'),
                ('message.created', 'done'), ('message.created', 'done_with_fallback'),
                ('registration.completed', 'done'), ('registration.completed', 'done_with_fallback'),
                ('registration.failed', 'dead_letter'))
            SELECT 'registration ' || r.id || ' is ' || r.state || ' without its event ' || w.kind FROM registrations r
              JOIN wanted w ON w.state = r.state
             WHERE :events AND r.accepted_at > :kept_since + 86400000
               AND r.accepted_at >= (SELECT min(a.accepted_at) FROM registrations a JOIN outgoing_events e ON e.registration_id = a.id)
               AND NOT EXISTS (SELECT 1 FROM outgoing_events e WHERE e.registration_id = r.id AND e.kind = w.kind)
            UNION ALL
            SELECT 'event ' || kind || ' of ' || subject_id || ' is there ' || count(*) || ' times' FROM outgoing_events
             GROUP BY +kind, +subject_id HAVING count(*) > 1",
        drained: false,
    },
    Rule {
        name: "deliveries",
        holds: "an event or push that is still owed has a job that will send it",
        among: "(SELECT id FROM outgoing_events WHERE delivered_at IS NULL AND given_up_at IS NULL UNION ALL SELECT id FROM pushes WHERE delivered_at IS NULL)",
        breaches: "SELECT 'event ' || e.id || ' (' || e.kind || ') is owed, and nothing sends it' FROM outgoing_events e
            WHERE e.delivered_at IS NULL AND e.given_up_at IS NULL
              AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.kind = 'outgoing_event' AND j.subject_id = e.id AND j.state <> 'done')
            UNION ALL
            SELECT 'push ' || p.id || ' (' || p.reason || ' over ' || p.channel || ') is owed, and nothing sends it' FROM pushes p
             WHERE p.delivered_at IS NULL AND p.last_error IS NULL
               AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.kind = 'push' AND j.subject_id = p.id AND j.state <> 'done')",
        drained: false,
    },
    Rule {
        name: "orphans",
        holds: "every job has its subject, and every step its run",
        among: "jobs",
        // A subject may be a part of a run: its id and what comes after it. Recurring work is about nothing.
        breaches: "SELECT 'job ' || j.id || ' (' || j.kind || ') is about ' || j.subject_id || ', which is nowhere' FROM jobs j
            WHERE j.state IN ('ready', 'running')
              AND (j.kind IN ('registration', 'outgoing_event', 'push', 'late_answer', 'notice_ack', 'escalation'))
              AND NOT EXISTS (SELECT 1 FROM registrations WHERE id = substr(j.subject_id, 1, 36))
              AND NOT EXISTS (SELECT 1 FROM outgoing_events WHERE id = j.subject_id)
              AND NOT EXISTS (SELECT 1 FROM pushes WHERE id = j.subject_id)
            UNION ALL
            SELECT 'step ' || s.step || ' is of ' || s.registration_id || ', which is nowhere' FROM registration_steps s
             WHERE NOT EXISTS (SELECT 1 FROM registrations r WHERE r.id = s.registration_id)",
        drained: false,
    },
    Rule {
        name: "drained",
        holds: "every run has ended, and no question to an agent is open",
        among: "registrations",
        breaches: "SELECT 'registration ' || id || ' has not ended' FROM registrations WHERE state = 'accepted'
            UNION ALL
            SELECT 'job ' || id || ' (' || kind || ' ' || subject_id || ') is still ' || state FROM jobs
             WHERE state = 'running' OR state = 'ready' AND run_at < :now - 1000
            UNION ALL
            SELECT 'agent call ' || c.id || ' of the registration ' || c.registration_id || ' is still open' FROM agent_calls c
             WHERE c.state = 'asked' AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.state IN ('ready', 'running')
                                                        AND substr(j.subject_id, 1, 36) = c.registration_id AND j.kind IN ('registration', 'late_answer'))",
        drained: true,
    },
];
