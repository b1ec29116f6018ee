-- What evaluators do on their pages. Times are timestamptz (UTC); dates are days in China Standard Time.

-- Lists of a campaign's numbers by what became of them, a page at a time.
CREATE INDEX sample_disposition ON sample (campaign_id, disposition, id);
CREATE INDEX campaigns_survey ON campaigns (survey_hash);
