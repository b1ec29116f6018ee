-- What evaluators do on their pages. Times are timestamptz (UTC); dates are days in China Standard Time.

-- Lists of a campaign's numbers by what became of them, a page at a time.
CREATE INDEX sample_disposition ON sample (campaign_id, disposition, id);
CREATE INDEX campaigns_survey ON campaigns (survey_hash);

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
