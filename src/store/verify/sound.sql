-- Two runs as the automation leaves them: -1 is done, -2 was given up after four tries.
INSERT INTO users (id, username, registered_at, created_at, updated_at) VALUES ('usr_1', '客户一', 1779271200000, 1779271200000, 1779271200000);
INSERT INTO registrations (id, event_id, user_id, body_hash, profile, state, accepted_at, deadline_at, conversation_id, welcome_text, welcome_rung,
                           welcome_message_id, welcome_at, finished_at) VALUES
    ('00000000-0000-7000-8000-000000000001', 'evt_1', 'usr_1', x'01', '{}', 'done', 1779271200000, 1779271203000, 'conversation-1', '欢迎', 'agent',
     'message-1', 1779271201000, 1779271201100),
    ('00000000-0000-7000-8000-000000000002', 'evt_2', 'usr_2', x'02', '{}', 'dead_letter', 1779271200000, 1779271203000, NULL, NULL, NULL,
     NULL, NULL, 1779271290000);
INSERT INTO conversations (id, customer_id, registration_id, title, created_at, updated_at)
    VALUES ('conversation-1', 'usr_1', '00000000-0000-7000-8000-000000000001', '欢迎咨询', 1779271200010, 1779271201000);
INSERT INTO messages (id, conversation_id, registration_id, sender_type, type, content, created_at)
    VALUES ('message-1', 'conversation-1', '00000000-0000-7000-8000-000000000001', 'ai', 'text', '{"text": "欢迎"}', 1779271201000);
INSERT INTO notifications (id, registration_id, kind, recipient_id, payload, created_at)
    VALUES ('notice-1', '00000000-0000-7000-8000-000000000001', 'new_customer', '', '{}', 1779271200020);
INSERT INTO pushes (id, channel, reason, subject_id, payload, created_at, delivered_at)
    VALUES ('push-1', 'ntfy', 'new_customer', '00000000-0000-7000-8000-000000000001', '{}', 1779271200020, 1779271200090);
INSERT INTO registration_steps (registration_id, step, attempt, state, started_at, duration_ms, detail) VALUES
    ('00000000-0000-7000-8000-000000000001', 'open_conversation', 1, 'done', 1779271200010, 2, '{}'),
    ('00000000-0000-7000-8000-000000000001', 'compose_welcome', 1, 'done', 1779271200020, 900, '{}'),
    ('00000000-0000-7000-8000-000000000001', 'deliver_welcome', 1, 'done', 1779271201000, 1, '{}'),
    ('00000000-0000-7000-8000-000000000001', 'notify_consultants', 1, 'done', 1779271200020, 1, '{"consultants": 1}'),
    ('00000000-0000-7000-8000-000000000002', 'open_conversation', 1, 'failed', 1779271200010, 10, '{}'),
    ('00000000-0000-7000-8000-000000000002', 'open_conversation', 2, 'failed', 1779271205100, 10, '{}'),
    ('00000000-0000-7000-8000-000000000002', 'open_conversation', 3, 'failed', 1779271221000, 10, '{}'),
    ('00000000-0000-7000-8000-000000000002', 'open_conversation', 4, 'failed', 1779271282000, 10, '{}');
INSERT INTO agent_calls (id, registration_id, agent_id, rung, state, started_at)
    VALUES ('call-1', '00000000-0000-7000-8000-000000000001', 'agent-1', 'agent', 'answered', 1779271200020);
INSERT INTO outgoing_events (id, kind, subject_id, registration_id, payload, created_at, delivered_at) VALUES
    ('msg_1', 'conversation.created', 'conversation-1', '00000000-0000-7000-8000-000000000001', '{}', 1779271200010, 1779271200100),
    ('msg_2', 'message.created', 'message-1', '00000000-0000-7000-8000-000000000001', '{}', 1779271201000, 1779271201100),
    ('msg_3', 'registration.completed', '00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000001', '{}', 1779271201100, 1779271201200),
    ('msg_4', 'registration.failed', '00000000-0000-7000-8000-000000000002', '00000000-0000-7000-8000-000000000002', '{}', 1779271290000, 1779271290100);
INSERT INTO alerts (id, condition, subject, severity, summary, detail, opened_at, seen_at)
    VALUES ('alert-1', 'dead_letter', '00000000-0000-7000-8000-000000000002', 'critical', 'given up', '{}', 1779271290000, 1779271290000);
INSERT INTO jobs (id, kind, subject_id, state, attempt, run_at, created_at, finished_at) VALUES
    ('job-1', 'registration', '00000000-0000-7000-8000-000000000001', 'done', 1, 1779271200000, 1779271200000, 1779271201100),
    ('job-2', 'registration', '00000000-0000-7000-8000-000000000002', 'dead', 4, 1779271282000, 1779271200000, 1779271290000);
