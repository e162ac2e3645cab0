-- Up to which interval a segmentation has been judged: written when what was found is safe.
CREATE TABLE IF NOT EXISTS shift_positions
(
    segmentation String,
    interval_s   UInt32,
    judged       Int64,
    judged_at    DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(judged)
ORDER BY (segmentation, interval_s);
