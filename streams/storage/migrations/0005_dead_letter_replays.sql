-- Which dead letters were sent again, and how often: `dead-letters replay` passes over them the next time.
CREATE TABLE IF NOT EXISTS dead_letter_replays
(
    dlq_topic     LowCardinality(String),
    dlq_partition UInt32,
    dlq_offset    UInt64,
    dlq_index     UInt32,
    replays       UInt32,
    replayed_at   DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(replays)
ORDER BY (dlq_topic, dlq_partition, dlq_offset, dlq_index);
