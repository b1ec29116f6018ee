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

-- A batch is closed once nobody is left to ring and five have answered to the end.
CREATE VIEW open_batches AS
    SELECT c.id AS campaign_id FROM (SELECT * FROM campaigns WHERE notice IS NULL) AS c
    WHERE EXISTS (SELECT FROM sample AS s
                  WHERE s.campaign_id = c.id AND (s.state = 'calling' OR s.state = 'due' AND c.state <> 'stopped'))
        OR c.standing AND c.state <> 'stopped'
        OR (SELECT count(*) FROM (SELECT FROM sample AS s WHERE s.campaign_id = c.id AND s.disposition = '1.1' LIMIT 5) AS five) < 5;
CREATE VIEW withheld_calls AS
    SELECT a.id AS call_id FROM attempts AS a JOIN sample AS s ON s.id = a.sample_id
        JOIN open_batches AS o ON o.campaign_id = s.campaign_id
    UNION ALL
    SELECT g.call_id FROM answers AS g JOIN sample AS s ON s.id = g.sample_id
        JOIN open_batches AS o ON o.campaign_id = s.campaign_id WHERE g.call_id IS NOT NULL;
CREATE INDEX answers_call ON answers (call_id) WHERE call_id IS NOT NULL;
COMMENT ON VIEW open_batches IS 'Campaigns of which a rated unit may not see yet whom they rang (N1).';
COMMENT ON VIEW withheld_calls IS 'The calls of those campaigns, with those in which residents gave answers anew.';
