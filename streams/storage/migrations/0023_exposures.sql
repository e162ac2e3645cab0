-- Which variant somebody was shown, and what came of it: a row when it is shown, another when that is judged; the row
-- with the highest `judged` counts.
CREATE TABLE IF NOT EXISTS exposures
(
    profile_id   String,
    experience   LowCardinality(String),
    shown_at     DateTime64(3, 'UTC'),
    variant      LowCardinality(String),
    segmentation LowCardinality(String),
    segment      Int64,
    policy       LowCardinality(String),
    reward       LowCardinality(String),
    until        DateTime64(3, 'UTC'),
    judged       UInt8,
    judged_at    DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(judged)
ORDER BY (experience, profile_id, shown_at)
TTL toDateTime(shown_at) + INTERVAL 180 DAY;
