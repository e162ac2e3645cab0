-- Moves by hour: a day of flows is some thousand rows instead of every commit's. Each minute the hours are counted anew
-- that commits of the last ten minutes touch (after a standstill: since the newest that is counted). Small granules: a
-- row holds a sketch of its people, and to read one is to take it apart.
CREATE TABLE IF NOT EXISTS segment_flow_hours
(
    segmentation  LowCardinality(String),
    hour          DateTime('UTC'),
    from_segment  Int64,
    to_segment    Int64,
    model_version UInt64,
    changes       UInt64,
    people        AggregateFunction(uniq, String),
    committed_at  DateTime64(3, 'UTC'),
    made_at       DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(made_at)
ORDER BY (segmentation, hour, from_segment, to_segment, model_version)
SETTINGS index_granularity = 256;

CREATE MATERIALIZED VIEW IF NOT EXISTS segment_flow_hours_of_counts REFRESH EVERY 1 MINUTE APPEND TO segment_flow_hours AS
SELECT segmentation, hour, from_segment, to_segment, model_version, sum(f.changes) AS changes,
       uniqMergeState(f.people) AS people, max(f.committed_at) AS committed_at, now64(3) AS made_at
FROM segment_flow_counts AS f FINAL
WHERE (segmentation, hour) IN (
    SELECT segmentation, hour FROM segment_flow_counts
    WHERE committed_at >= least((SELECT max(h.committed_at) FROM segment_flow_hours AS h), now64(3)) - INTERVAL 10 MINUTE)
GROUP BY segmentation, hour, from_segment, to_segment, model_version;
