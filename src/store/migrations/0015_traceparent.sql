-- The trace that a registration is part of, so that what is done for it later joins it.
ALTER TABLE registrations ADD COLUMN traceparent TEXT;
