-- What a commit held and how old it was: written after the commit returned, so the age includes the insert itself.
CREATE TABLE IF NOT EXISTS commits
(
    kafka_partition UInt32,
    version         UInt64,
    events          UInt64,
    people          UInt64,
    first_read_at   DateTime64(6, 'UTC'),
    committed_at    DateTime64(6, 'UTC'),
    age_ms          Map(UInt32, UInt64)
)
ENGINE = ReplacingMergeTree
ORDER BY (kafka_partition, version);

-- age_ms: record time in Kafka -> commit returned, in ms (bucket -> events).
CREATE VIEW IF NOT EXISTS freshness AS
SELECT toStartOfMinute(committed_at) AS minute,
       quantileExactWeighted(0.5)(age, weight) / 1000 AS p50_s,
       quantileExactWeighted(0.95)(age, weight) / 1000 AS p95_s,
       quantileExactWeighted(0.99)(age, weight) / 1000 AS p99_s,
       sum(weight) AS events
FROM commits FINAL
ARRAY JOIN mapKeys(age_ms) AS age, mapValues(age_ms) AS weight
GROUP BY minute;
