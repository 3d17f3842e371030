-- Who was chosen, who claimed and what the customer thought: in the narrow rows of runs too, so that agents and
-- consultants are compared over ninety days without reading the wide ones.

ALTER TABLE run_figures ADD COLUMN agent_id TEXT;
ALTER TABLE run_figures ADD COLUMN claimed_by TEXT;
ALTER TABLE run_figures ADD COLUMN rating INTEGER;
UPDATE run_figures SET
    agent_id = (SELECT agent_id FROM registrations WHERE id = run_figures.registration_id),
    claimed_by = (SELECT consultant_id FROM claims WHERE registration_id = run_figures.registration_id),
    rating = (SELECT rating FROM feedback WHERE registration_id = run_figures.registration_id);
CREATE INDEX run_figures_by_claim ON run_figures (claimed_at, claimed_by, noticed_at, opened_at, closed) WHERE claimed_at IS NOT NULL;

DROP TRIGGER figures_of_run_begin;
CREATE TRIGGER figures_of_run_begin AFTER INSERT ON registrations BEGIN
    INSERT INTO run_figures (accepted_at, registration_id, state, deadline_at, welcome_rung, welcome_at, opened_at, closed, agent_id)
    VALUES (new.accepted_at, new.id, new.state, new.deadline_at, new.welcome_rung, new.welcome_at,
        (SELECT created_at FROM conversations WHERE registration_id = new.id),
        coalesce((SELECT status = 'closed' FROM conversations WHERE registration_id = new.id), 0), new.agent_id);
END;
DROP TRIGGER figures_of_run_follow;
CREATE TRIGGER figures_of_run_follow AFTER UPDATE OF state, deadline_at, welcome_rung, welcome_at, agent_id ON registrations
WHEN (new.state, new.deadline_at, new.welcome_rung, new.welcome_at, new.agent_id)
    IS NOT (old.state, old.deadline_at, old.welcome_rung, old.welcome_at, old.agent_id) BEGIN
    UPDATE run_figures SET state = new.state, deadline_at = new.deadline_at, welcome_rung = new.welcome_rung, welcome_at = new.welcome_at,
        agent_id = new.agent_id
    WHERE accepted_at = new.accepted_at AND registration_id = new.id;
END;
DROP TRIGGER figures_of_claim;
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
