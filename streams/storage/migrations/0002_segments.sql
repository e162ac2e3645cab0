-- Derived tables hang on the same insert. Table and view are not atomic, so restore derives the last commit's rows
-- again: every target is a Replacing table keyed by what makes its row unique, never a sum of +1 and -1.
CREATE TABLE IF NOT EXISTS segment_changes
(
    profile_id    String,
    version       UInt64,
    from_segment  Int64,
    to_segment    Int64,
    model_version UInt64,
    at            DateTime64(6, 'UTC'),
    committed_at  DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (profile_id, version);

CREATE MATERIALIZED VIEW IF NOT EXISTS segment_changes_of_commits TO segment_changes AS
SELECT profile_id, version, previous_segment AS from_segment, segment AS to_segment, model_version,
       segment_since AS at, updated_at AS committed_at
FROM profiles
WHERE kind = 'person' AND segment != previous_segment;

-- People per segment and partition after each commit; sum over partitions of the newest row is the size now.
CREATE TABLE IF NOT EXISTS segment_sizes
(
    kafka_partition UInt32,
    version         UInt64,
    segment         Int64,
    people          UInt64,
    model_version   UInt64,
    at              DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (kafka_partition, version, segment);

CREATE MATERIALIZED VIEW IF NOT EXISTS segment_sizes_of_commits TO segment_sizes AS
SELECT kafka_partition, version, entry.1 AS segment, entry.2 AS people, model_version, updated_at AS at
FROM profiles
ARRAY JOIN CAST(segment_people, 'Array(Tuple(Int64, UInt64))') AS entry
WHERE kind = 'position';

-- Every segment id that was ever minted; ids are never used again.
CREATE TABLE IF NOT EXISTS segments
(
    segment       Int64,
    model_version UInt64,
    cause         LowCardinality(String),
    centre        Array(Float64),
    minted_at     DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(model_version)
ORDER BY segment;

CREATE TABLE IF NOT EXISTS model_versions
(
    model_version UInt64,
    cause         LowCardinality(String),
    segments      Array(Int64),
    learned       UInt64,
    inertia       Float64,
    space_id      String,
    layout        UInt64,
    snapshot      String CODEC(ZSTD(1)),
    created_at    DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(created_at)
ORDER BY model_version;

CREATE VIEW IF NOT EXISTS segment_flows AS
SELECT toStartOfHour(at) AS hour, model_version, from_segment, to_segment, uniqExact(profile_id) AS people, count() AS changes
FROM segment_changes FINAL
GROUP BY hour, model_version, from_segment, to_segment;
