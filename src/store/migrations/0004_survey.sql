-- Surveys: answers given anew by people who ring back.
-- What a column means stands in its COMMENT.

ALTER TABLE answers ADD COLUMN call_id uuid;
-- Answers are numbered within the call in which they are given.
ALTER TABLE answers DROP CONSTRAINT answers_pkey;
ALTER TABLE answers ALTER COLUMN attempt_id SET NOT NULL, ALTER COLUMN ordinal SET NOT NULL;
CREATE UNIQUE INDEX answers_key ON answers (coalesce(call_id, attempt_id), ordinal);
CREATE INDEX answers_attempt ON answers (attempt_id);
-- Whoever rings is looked up by the number as subscribers write it.
CREATE INDEX sample_subscriber ON sample (regexp_replace(number, '^([+]?86|0)', ''));

COMMENT ON COLUMN answers.call_id IS 'The call in which it was given; null: the attempt itself. Else the resident rang and gave it anew.';
COMMENT ON COLUMN answers.ordinal IS 'Order within the call, from 0.';

-- A version waits here until somebody else than its author approves it; then it stands in surveys.
CREATE TABLE survey_submissions (
    hash         text PRIMARY KEY CHECK (hash ~ '^[0-9a-f]{64}$'),
    name         text NOT NULL,
    body         text NOT NULL,
    author       text NOT NULL,
    submitted_at timestamptz NOT NULL
);
ALTER TABLE surveys ADD COLUMN author text;
ALTER TABLE surveys ADD CONSTRAINT surveys_two_people CHECK (author IS DISTINCT FROM approved_by);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON survey_submissions
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

COMMENT ON TABLE survey_submissions IS 'Versions of questionnaires that somebody put up for approval, whole.';
COMMENT ON COLUMN survey_submissions.hash IS 'SHA-256 of the file, in hexadecimal.';
COMMENT ON COLUMN survey_submissions.name IS 'Its name: callback.';
COMMENT ON COLUMN survey_submissions.body IS 'The file.';
COMMENT ON COLUMN survey_submissions.author IS 'User name.';
COMMENT ON COLUMN survey_submissions.submitted_at IS 'When.';
COMMENT ON TABLE surveys IS 'Every approved version of a questionnaire, whole: only these are asked.';
COMMENT ON COLUMN surveys.author IS 'User who submitted it, never the one who approved it; null: delivered with the program, or asked before versions were approved by a second person.';
COMMENT ON COLUMN surveys.approved_by IS 'User who approved it; installation for what was delivered.';
COMMENT ON COLUMN surveys.approved_at IS 'When.';

CREATE TABLE trunk_usage (
    trunk   text PRIMARY KEY,
    at      timestamptz NOT NULL,
    in_hour bigint NOT NULL CHECK (in_hour >= 0),
    in_day  bigint NOT NULL CHECK (in_day >= 0)
);
COMMENT ON TABLE trunk_usage IS 'How many calls each trunk was given; never less than what was sent, so that caps hold over a restart.';
COMMENT ON COLUMN trunk_usage.trunk IS 'Its name.';
COMMENT ON COLUMN trunk_usage.at IS 'When it was counted: which hour and day the counts are of.';
COMMENT ON COLUMN trunk_usage.in_hour IS 'Calls of that hour.';
COMMENT ON COLUMN trunk_usage.in_day IS 'Calls of that day.';
