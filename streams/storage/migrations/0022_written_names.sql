-- Names that a language model wrote of names made from evidence. origin is a hash of that evidence, whose words a few
-- people may have written: nothing here is about a person. Asked once for each origin.
CREATE TABLE IF NOT EXISTS written_names
(
    segmentation LowCardinality(String),
    language     LowCardinality(String),
    origin       String,
    name         String,
    model        LowCardinality(String),
    written_at   DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY (segmentation, language, origin)
TTL toDateTime(written_at) + INTERVAL 90 DAY;
