-- Who was active, per interval of event time. Each commit says in its position row what the open intervals have come to;
-- a later commit's totals replace an earlier one's, so the newest version of a key is exact after any crash.
ALTER TABLE profiles
    ADD COLUMN IF NOT EXISTS newest_event_us Int64,
    ADD COLUMN IF NOT EXISTS activity Array(Tuple(
        segmentation String, model_version UInt64, at_us Int64, interval_s UInt32, segment Int64, active UInt64,
        newcomers UInt64, inflow Map(Int64, UInt64), outflow Map(Int64, UInt64), by_model Map(Int64, UInt64),
        vectors UInt64, centroid Array(Float32), changed UInt8));

-- inflow, outflow: segment that people came from or went to -> people. by_model: segment they were in before a model was
-- fitted anew. centroid: mean vector of `vectors` of the active, in the model's own scale.
CREATE TABLE IF NOT EXISTS segment_stats
(
    segmentation    LowCardinality(String),
    interval_s      UInt32,
    at              DateTime64(6, 'UTC'),
    kafka_partition UInt32,
    segment         Int64,
    version         UInt64,
    model_version   UInt64,
    active          UInt64,
    newcomers       UInt64,
    inflow          Map(Int64, UInt64),
    outflow         Map(Int64, UInt64),
    by_model        Map(Int64, UInt64),
    vectors         UInt64,
    centroid        Array(Float32),
    newest_event_at DateTime64(6, 'UTC'),
    committed_at    DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (segmentation, interval_s, at, kafka_partition, segment);

CREATE MATERIALIZED VIEW IF NOT EXISTS segment_stats_of_commits TO segment_stats AS
SELECT a.segmentation AS segmentation, a.interval_s AS interval_s, fromUnixTimestamp64Micro(a.at_us) AS at,
       kafka_partition, a.segment AS segment, version, a.model_version AS model_version, a.active AS active,
       a.newcomers AS newcomers, a.inflow AS inflow, a.outflow AS outflow, a.by_model AS by_model, a.vectors AS vectors,
       a.centroid AS centroid, fromUnixTimestamp64Micro(newest_event_us) AS newest_event_at, updated_at AS committed_at
FROM profiles
ARRAY JOIN activity AS a
WHERE kind = 'position' AND a.changed;

-- All partitions together.
CREATE VIEW IF NOT EXISTS segment_activity AS
SELECT segmentation, interval_s, at, segment, sum(s.active) AS active, sum(s.newcomers) AS newcomers,
       sumMap(s.inflow) AS inflow, sumMap(s.outflow) AS outflow, sumMap(s.by_model) AS by_model,
       max(s.model_version) AS model_version
FROM (SELECT * FROM segment_stats FINAL) AS s
GROUP BY segmentation, interval_s, at, segment;
