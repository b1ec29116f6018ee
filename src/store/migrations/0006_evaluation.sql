-- What evaluators do on their pages. Times are timestamptz (UTC); dates are days in China Standard Time.

-- Lists of a campaign's numbers by what became of them, a page at a time.
CREATE INDEX sample_disposition ON sample (campaign_id, disposition, id);
CREATE INDEX campaigns_survey ON campaigns (survey_hash);

-- People of a rated unit see its sums, and nobody else's.
ALTER TABLE users DROP CONSTRAINT users_role_check;
ALTER TABLE users ADD COLUMN org_id bigint REFERENCES organisations;
ALTER TABLE users ADD CONSTRAINT users_role_check
    CHECK (role IN ('operator', 'evaluator', 'admin', 'auditor', 'unit') AND (role = 'unit') = (org_id IS NOT NULL));

COMMENT ON COLUMN users.role IS 'operator, evaluator, admin, auditor, or unit for people of a rated unit.';
COMMENT ON COLUMN users.org_id IS 'The rated unit that a person of role unit belongs to; null for every other role.';

-- Campaigns that somebody prepares; swept out after a day.
CREATE TABLE campaign_drafts (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    body       jsonb NOT NULL
);
CREATE INDEX campaign_drafts_owner ON campaign_drafts (created_by, id);

COMMENT ON TABLE campaign_drafts IS 'Campaigns that nobody began yet; kept for a day.';
COMMENT ON COLUMN campaign_drafts.id IS 'Key.';
COMMENT ON COLUMN campaign_drafts.created_by IS 'User name; nobody else sees it.';
COMMENT ON COLUMN campaign_drafts.created_at IS 'When.';
COMMENT ON COLUMN campaign_drafts.body IS 'Questionnaire, trunk, attempts, seed and the numbers, whole.';

-- Award bars (B37): proposed by figures, replied to by the unit, decided by a person.
CREATE TABLE award_proposals (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    unit_id      bigint NOT NULL REFERENCES organisations,
    cause        text NOT NULL CHECK (cause IN ('attitude', 'not_delivered', 'dissatisfied')),
    survey_hash  text NOT NULL REFERENCES surveys,
    period_from  date,
    period_until date,
    bad          integer NOT NULL CHECK (bad BETWEEN 0 AND answers),
    answers      integer NOT NULL CHECK (answers >= 30),
    low          double precision NOT NULL,
    high         double precision NOT NULL CHECK (high >= low),
    samples      bigint[] NOT NULL,
    proposed_by  text NOT NULL,
    proposed_at  timestamptz NOT NULL,
    reply_until  date NOT NULL,
    CHECK (cardinality(samples) = bad),
    UNIQUE NULLS NOT DISTINCT (unit_id, cause, survey_hash, period_from, period_until)
);
CREATE TABLE award_replies (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    proposal_id bigint NOT NULL REFERENCES award_proposals,
    said        text NOT NULL CHECK (said <> ''),
    call_id     uuid REFERENCES calls,
    taken_by    text NOT NULL,
    at          timestamptz NOT NULL
);
CREATE INDEX award_replies_proposal ON award_replies (proposal_id);
CREATE TABLE award_decisions (
    proposal_id bigint PRIMARY KEY REFERENCES award_proposals,
    barred      boolean NOT NULL,
    reason      text NOT NULL CHECK (reason <> ''),
    decided_by  text NOT NULL,
    decided_at  timestamptz NOT NULL
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON award_proposals FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON award_replies FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON award_decisions FOR EACH ROW EXECUTE FUNCTION refuse_change();

COMMENT ON TABLE award_proposals IS 'Units proposed to be left out of awards for two years, append-only.';
COMMENT ON COLUMN award_proposals.id IS 'Key.';
COMMENT ON COLUMN award_proposals.unit_id IS 'The unit.';
COMMENT ON COLUMN award_proposals.cause IS 'attitude (服务态度差), not_delivered (服务不到位) or dissatisfied (群众不满意).';
COMMENT ON COLUMN award_proposals.survey_hash IS 'The version that was asked.';
COMMENT ON COLUMN award_proposals.period_from IS 'First day that was looked at; null: from the beginning.';
COMMENT ON COLUMN award_proposals.period_until IS 'Last day that was looked at; null: up to when it was proposed.';
COMMENT ON COLUMN award_proposals.bad IS 'Bad answers.';
COMMENT ON COLUMN award_proposals.answers IS 'Answers.';
COMMENT ON COLUMN award_proposals.low IS 'Lower end of the 95 % interval for the share of bad answers.';
COMMENT ON COLUMN award_proposals.high IS 'Its upper end.';
COMMENT ON COLUMN award_proposals.samples IS 'The sampled numbers that gave the bad answers.';
COMMENT ON COLUMN award_proposals.proposed_by IS 'User name; decides nothing on it.';
COMMENT ON COLUMN award_proposals.proposed_at IS 'When.';
COMMENT ON COLUMN award_proposals.reply_until IS 'Last day for the unit to reply.';

COMMENT ON TABLE award_replies IS 'What units said to a proposal, append-only.';
COMMENT ON COLUMN award_replies.id IS 'Key.';
COMMENT ON COLUMN award_replies.proposal_id IS 'The proposal.';
COMMENT ON COLUMN award_replies.said IS 'What was said.';
COMMENT ON COLUMN award_replies.call_id IS 'The call in which it was said; null: in another way.';
COMMENT ON COLUMN award_replies.taken_by IS 'User who took it down.';
COMMENT ON COLUMN award_replies.at IS 'When.';

COMMENT ON TABLE award_decisions IS 'What a person decided on a proposal, append-only; a bar ends 730 days later by itself.';
COMMENT ON COLUMN award_decisions.proposal_id IS 'The proposal.';
COMMENT ON COLUMN award_decisions.barred IS 'Whether the bar holds.';
COMMENT ON COLUMN award_decisions.reason IS 'Why.';
COMMENT ON COLUMN award_decisions.decided_by IS 'User name.';
COMMENT ON COLUMN award_decisions.decided_at IS 'When; the bar counts from this day.';
