-- Callback surveys. Times are timestamptz (UTC); dates are days in China Standard Time.
-- What a column means stands in its COMMENT, at the end of this file.

CREATE TABLE surveys (
    hash        text PRIMARY KEY CHECK (hash ~ '^[0-9a-f]{64}$'),
    name        text NOT NULL,
    body        text NOT NULL,
    approved_by text NOT NULL,
    approved_at timestamptz NOT NULL
);
CREATE TABLE campaigns (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    survey_hash  text NOT NULL REFERENCES surveys,
    trunk        text NOT NULL,
    state        text NOT NULL CHECK (state IN ('running', 'paused', 'stopped')),
    seed         bigint NOT NULL,
    attempts_max smallint NOT NULL CHECK (attempts_max BETWEEN 1 AND 5),
    standing     boolean NOT NULL DEFAULT false,
    created_by   text NOT NULL,
    created_at   timestamptz NOT NULL
);
CREATE UNIQUE INDEX campaigns_standing ON campaigns (standing) WHERE standing AND state <> 'stopped';
CREATE TABLE sample (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id  bigint NOT NULL REFERENCES campaigns,
    number       text NOT NULL CHECK (number ~ '^\+?[0-9]{3,32}$'),
    household    text NOT NULL,
    case_number  bigint REFERENCES cases,
    unit_id      bigint REFERENCES organisations,
    window_code  smallint REFERENCES windows,
    age_band     text,
    weight       double precision NOT NULL DEFAULT 1 CHECK (weight > 0),
    draw         bigint NOT NULL,
    state        text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'calling', 'done')),
    due_at       timestamptz,
    leased_until timestamptz,
    attempts     smallint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    disposition  text NOT NULL DEFAULT '3.11',
    CHECK ((state = 'due') = (due_at IS NOT NULL)),
    CHECK ((state = 'calling') = (leased_until IS NOT NULL)),
    UNIQUE NULLS NOT DISTINCT (campaign_id, number, case_number)
);
-- One call at a time to a number, whichever campaign it belongs to.
CREATE UNIQUE INDEX sample_one_call ON sample (number) WHERE state = 'calling';
CREATE INDEX sample_due ON sample (due_at, id) WHERE state = 'due';
CREATE INDEX sample_campaign ON sample (campaign_id, state);
CREATE INDEX sample_household ON sample (household);
CREATE TABLE attempts (
    id          uuid PRIMARY KEY,
    sample_id   bigint NOT NULL REFERENCES sample,
    ordinal     smallint NOT NULL CHECK (ordinal >= 1),
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    outcome     text,
    answered    smallint,
    applicable  smallint,
    disposition text,
    UNIQUE (sample_id, ordinal),
    CHECK ((ended_at IS NULL) = (outcome IS NULL) AND (outcome IS NULL) = (disposition IS NULL))
);
-- One attempt at a time for each sampled number.
CREATE UNIQUE INDEX attempts_open ON attempts (sample_id) WHERE ended_at IS NULL;
CREATE INDEX attempts_started ON attempts (started_at);
CREATE TABLE answers (
    attempt_id uuid REFERENCES attempts,
    ordinal    smallint,
    sample_id  bigint NOT NULL REFERENCES sample,
    question   text NOT NULL,
    value      text NOT NULL,
    mode       text NOT NULL CHECK (mode IN ('key', 'speech', 'person')),
    latency_ms integer CHECK (latency_ms >= 0),
    at         timestamptz NOT NULL,
    PRIMARY KEY (attempt_id, ordinal)
);
CREATE INDEX answers_sample ON answers (sample_id, question, at DESC);
CREATE TABLE answer_withdrawals (
    sample_id bigint PRIMARY KEY REFERENCES sample,
    at        timestamptz NOT NULL,
    reason    text NOT NULL
);
CREATE TABLE do_not_call (
    number text PRIMARY KEY,
    at     timestamptz NOT NULL,
    source text NOT NULL
);
CREATE TABLE callback_tasks (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    attempt_id  uuid NOT NULL REFERENCES attempts,
    case_number bigint REFERENCES cases,
    number      text NOT NULL,
    reason      text NOT NULL CHECK (reason IN ('dissatisfied', 'person')),
    created_at  timestamptz NOT NULL,
    done_at     timestamptz,
    done_by     text,
    UNIQUE (attempt_id, reason),
    CHECK ((done_at IS NULL) = (done_by IS NULL))
);
CREATE TABLE disclosures (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    body       jsonb NOT NULL,
    sha256     text NOT NULL UNIQUE CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL
);

-- Rules that no program may break ----------------------------------------------------------------------------------------

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON surveys FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON answers FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON answer_withdrawals FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON disclosures FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- An attempt ends once, and what it was is not changed afterwards.
CREATE FUNCTION guard_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.ended_at IS NOT NULL OR (OLD.id, OLD.sample_id, OLD.ordinal, OLD.started_at)
        IS DISTINCT FROM (NEW.id, NEW.sample_id, NEW.ordinal, NEW.started_at) THEN
        RAISE EXCEPTION 'attempt %: what happened never changes', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_attempt BEFORE UPDATE ON attempts FOR EACH ROW EXECUTE FUNCTION guard_attempt();

-- What every table and column means --------------------------------------------------------------------------------------

COMMENT ON TABLE surveys IS 'Every version of a questionnaire that a campaign was approved with, whole.';
COMMENT ON COLUMN surveys.hash IS 'SHA-256 of the file, in hexadecimal.';
COMMENT ON COLUMN surveys.name IS 'Its name: callback.';
COMMENT ON COLUMN surveys.body IS 'The file.';
COMMENT ON COLUMN surveys.approved_by IS 'User who first made a campaign of this version.';
COMMENT ON COLUMN surveys.approved_at IS 'When.';

COMMENT ON TABLE campaigns IS 'Numbers to ring with one version of a questionnaire.';
COMMENT ON COLUMN campaigns.id IS 'Key.';
COMMENT ON COLUMN campaigns.survey_hash IS 'What is asked.';
COMMENT ON COLUMN campaigns.trunk IS 'Name of the trunk that is tried first; empty: any.';
COMMENT ON COLUMN campaigns.state IS 'running, paused or stopped; a stopped one never runs again.';
COMMENT ON COLUMN campaigns.seed IS 'What its draws by lot come from; any 64 bits.';
COMMENT ON COLUMN campaigns.attempts_max IS 'Attempts to reach one number.';
COMMENT ON COLUMN campaigns.standing IS 'The one that closed cases are added to.';
COMMENT ON COLUMN campaigns.created_by IS 'User name.';
COMMENT ON COLUMN campaigns.created_at IS 'When.';

COMMENT ON TABLE sample IS 'The numbers of the campaigns.';
COMMENT ON COLUMN sample.id IS 'Key.';
COMMENT ON COLUMN sample.campaign_id IS 'The campaign.';
COMMENT ON COLUMN sample.number IS 'Number to ring, whole. Shown masked.';
COMMENT ON COLUMN sample.household IS 'What limits on surveying one household count by: household/<id> where the number is known, else the number.';
COMMENT ON COLUMN sample.case_number IS 'The case it is about; null: none.';
COMMENT ON COLUMN sample.unit_id IS 'The organisation that is rated; null: none.';
COMMENT ON COLUMN sample.window_code IS 'The window that is rated; null: none.';
COMMENT ON COLUMN sample.age_band IS 'As drawn; null: not known.';
COMMENT ON COLUMN sample.weight IS 'Design weight: how many of the population it stands for.';
COMMENT ON COLUMN sample.draw IS 'Its draw by lot: the direction of scales, the order of options.';
COMMENT ON COLUMN sample.state IS 'due: to be rung; calling: being rung; done: not to be rung any more.';
COMMENT ON COLUMN sample.due_at IS 'Not to be rung before; null unless due.';
COMMENT ON COLUMN sample.leased_until IS 'Until when a gateway has it; null unless calling.';
COMMENT ON COLUMN sample.attempts IS 'Attempts so far.';
COMMENT ON COLUMN sample.disposition IS 'AAPOR code of the most telling attempt; final when done.';

COMMENT ON TABLE attempts IS 'One dialling of a number, written before the INVITE goes out.';
COMMENT ON COLUMN attempts.id IS 'The id of its call, whether or not it came to one.';
COMMENT ON COLUMN attempts.sample_id IS 'The sampled number.';
COMMENT ON COLUMN attempts.ordinal IS 'From 1.';
COMMENT ON COLUMN attempts.started_at IS 'When it was claimed.';
COMMENT ON COLUMN attempts.ended_at IS 'When it ended; null: under way, or the gateway died.';
COMMENT ON COLUMN attempts.outcome IS 'thanked, hung_up, opted_out, to_person, ours, machine, busy, no_answer, declined, unreachable, non_working, out_of_service, fax, trunk_fault or lost; null until ended.';
COMMENT ON COLUMN attempts.answered IS 'Questions answered, where a person was reached; else null.';
COMMENT ON COLUMN attempts.applicable IS 'Questions that applied, where a person was reached; else null.';
COMMENT ON COLUMN attempts.disposition IS 'AAPOR code; null until ended.';

COMMENT ON TABLE answers IS 'What was answered, append-only; of several answers to one question of one number the last holds.';
COMMENT ON COLUMN answers.attempt_id IS 'The attempt.';
COMMENT ON COLUMN answers.ordinal IS 'Order within the attempt, from 0.';
COMMENT ON COLUMN answers.sample_id IS 'The sampled number.';
COMMENT ON COLUMN answers.question IS 'The question''s name in the questionnaire.';
COMMENT ON COLUMN answers.value IS 'Level 1 (worst) to 5 (best), yes or no, an option''s code, a number, or remark.';
COMMENT ON COLUMN answers.mode IS 'key, speech, or person where somebody rang back.';
COMMENT ON COLUMN answers.latency_ms IS 'From the question''s end to the first key or sound; null: over the question, or not known.';
COMMENT ON COLUMN answers.at IS 'When.';

COMMENT ON TABLE answer_withdrawals IS 'Interviews whose answers the resident took back; they count as refusals.';
COMMENT ON COLUMN answer_withdrawals.sample_id IS 'The sampled number.';
COMMENT ON COLUMN answer_withdrawals.at IS 'When.';
COMMENT ON COLUMN answer_withdrawals.reason IS 'As given; may be empty.';

COMMENT ON TABLE do_not_call IS 'Numbers that are not to be rung for surveys; services are not affected.';
COMMENT ON COLUMN do_not_call.number IS 'The number, whole.';
COMMENT ON COLUMN do_not_call.at IS 'Since when.';
COMMENT ON COLUMN do_not_call.source IS 'call/<id>, or user/<name>.';

COMMENT ON TABLE callback_tasks IS 'Residents whom a person is to ring back within one work day.';
COMMENT ON COLUMN callback_tasks.id IS 'Key.';
COMMENT ON COLUMN callback_tasks.attempt_id IS 'The call it comes from.';
COMMENT ON COLUMN callback_tasks.case_number IS 'The case; null: none.';
COMMENT ON COLUMN callback_tasks.number IS 'Number to ring, whole. Shown masked.';
COMMENT ON COLUMN callback_tasks.reason IS 'dissatisfied: rated 1 or 2, or not solved; person: asked for one.';
COMMENT ON COLUMN callback_tasks.created_at IS 'When.';
COMMENT ON COLUMN callback_tasks.done_at IS 'When somebody rang; null: not yet.';
COMMENT ON COLUMN callback_tasks.done_by IS 'User name; null: not yet.';

COMMENT ON TABLE disclosures IS 'Published figures, frozen, append-only.';
COMMENT ON COLUMN disclosures.id IS 'Key.';
COMMENT ON COLUMN disclosures.body IS 'Figures, scope, period, method note and the answers that they come from.';
COMMENT ON COLUMN disclosures.sha256 IS 'SHA-256 of the canonical text of body, hexadecimal.';
COMMENT ON COLUMN disclosures.created_by IS 'User name.';
COMMENT ON COLUMN disclosures.created_at IS 'When.';
