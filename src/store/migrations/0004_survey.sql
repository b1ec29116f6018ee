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
