-- Made by `python -m streams.storage.cluster`; a test holds it to the migrations. {cluster}, {shard} and {replica}
-- are the usual macros of each server; write your cluster's name for '{cluster}' where that macro isn't set.

CREATE TABLE IF NOT EXISTS profiles ON CLUSTER '{cluster}'
(
    profile_id       String,
    kind             Enum8('person' = 0, 'position' = 1),
    version          UInt64,
    kafka_partition  UInt32,
    next_offset      UInt64,
    lease_until      DateTime64(3, 'UTC'),
    updated_at       DateTime64(3, 'UTC') DEFAULT now64(3),

    segment          Int64,
    previous_segment Int64,
    segment_since    DateTime64(6, 'UTC'),
    model_version    UInt64,
    event_count      UInt64,
    first_seen       DateTime64(6, 'UTC'),
    last_seen        DateTime64(6, 'UTC'),
    traits           Map(String, String),
    features         Map(LowCardinality(String), Float64),
    touched          Array(UInt64),
    layout           UInt64,
    state            String CODEC(LZ4),

    dedup_start      UInt64,
    dedup_time_us    Int64,
    log_time_us      Int64,
    accepted         UInt64,
    duplicates       UInt64,
    late             UInt64,
    clamped          UInt64,
    segment_people   Map(Int64, UInt64),

    CONSTRAINT owner_holds_lease CHECK now64(3) <= lease_until
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/profiles', '{replica}', version)
ORDER BY profile_id;

CREATE VIEW IF NOT EXISTS current_profiles ON CLUSTER '{cluster}' AS
SELECT profile_id, segment, segment_since, event_count, first_seen, last_seen, traits, features, updated_at, model_version
FROM profiles FINAL
WHERE kind = 'person';

CREATE VIEW IF NOT EXISTS positions ON CLUSTER '{cluster}' AS
SELECT kafka_partition, next_offset, accepted, duplicates, late, clamped, model_version, updated_at
FROM profiles FINAL
WHERE kind = 'position';

CREATE TABLE IF NOT EXISTS state_layouts ON CLUSTER '{cluster}'
(
    layout     UInt64,
    descriptor String,
    created_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/state_layouts', '{replica}', created_at)
ORDER BY layout;

CREATE TABLE IF NOT EXISTS cluster_facts ON CLUSTER '{cluster}'
(
    name  String,
    value String,
    set_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/cluster_facts', '{replica}', set_at)
ORDER BY name;

CREATE TABLE IF NOT EXISTS segment_changes ON CLUSTER '{cluster}'
(
    profile_id    String,
    version       UInt64,
    from_segment  Int64,
    to_segment    Int64,
    model_version UInt64,
    at            DateTime64(6, 'UTC'),
    committed_at  DateTime64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/segment_changes', '{replica}')
ORDER BY (profile_id, version);

CREATE MATERIALIZED VIEW IF NOT EXISTS segment_changes_of_commits ON CLUSTER '{cluster}' TO segment_changes AS
SELECT profile_id, version, previous_segment AS from_segment, segment AS to_segment, model_version,
       segment_since AS at, updated_at AS committed_at
FROM profiles
WHERE kind = 'person' AND segment != previous_segment;

CREATE TABLE IF NOT EXISTS segment_sizes ON CLUSTER '{cluster}'
(
    kafka_partition UInt32,
    version         UInt64,
    segment         Int64,
    people          UInt64,
    model_version   UInt64,
    at              DateTime64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/segment_sizes', '{replica}')
ORDER BY (kafka_partition, version, segment);

CREATE MATERIALIZED VIEW IF NOT EXISTS segment_sizes_of_commits ON CLUSTER '{cluster}' TO segment_sizes AS
SELECT kafka_partition, version, entry.1 AS segment, entry.2 AS people, model_version, updated_at AS at
FROM profiles
ARRAY JOIN CAST(segment_people, 'Array(Tuple(Int64, UInt64))') AS entry
WHERE kind = 'position';

CREATE TABLE IF NOT EXISTS segments ON CLUSTER '{cluster}'
(
    segment       Int64,
    model_version UInt64,
    cause         LowCardinality(String),
    centre        Array(Float64),
    minted_at     DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/segments', '{replica}', model_version)
ORDER BY segment;

CREATE TABLE IF NOT EXISTS model_versions ON CLUSTER '{cluster}'
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/model_versions', '{replica}', created_at)
ORDER BY model_version;

CREATE VIEW IF NOT EXISTS segment_flows ON CLUSTER '{cluster}' AS
SELECT toStartOfHour(at) AS hour, model_version, from_segment, to_segment, uniqExact(profile_id) AS people, count() AS changes
FROM segment_changes FINAL
GROUP BY hour, model_version, from_segment, to_segment;

CREATE TABLE IF NOT EXISTS content ON CLUSTER '{cluster}'
(
    content_id   UInt64,
    kind         LowCardinality(String),
    item         String,
    title        String,
    text         String,
    categories   Array(LowCardinality(String)),
    brand        String,
    url          String,
    image_url    String,
    price        Float64,
    content_hash UInt64,
    encoder      LowCardinality(String),
    space_id     LowCardinality(String),
    status       LowCardinality(String),
    vector       Array(Float32) CODEC(ZSTD(1)),
    updated_at   DateTime64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/content', '{replica}', updated_at)
ORDER BY (content_id, space_id);

CREATE TABLE IF NOT EXISTS dead_letters ON CLUSTER '{cluster}'
(
    dlq_topic       LowCardinality(String),
    dlq_partition   UInt32,
    dlq_offset      UInt64,
    dlq_index       UInt32,
    dlq_reason      LowCardinality(String),
    dlq_step        LowCardinality(String),
    dlq_timestamp   DateTime64(3, 'UTC'),
    key             String CODEC(ZSTD(1)),
    value           String CODEC(ZSTD(1)),
    headers         Array(Tuple(String, String))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/dead_letters', '{replica}')
ORDER BY (dlq_topic, dlq_partition, dlq_offset, dlq_index);

CREATE TABLE IF NOT EXISTS commits ON CLUSTER '{cluster}'
(
    kafka_partition UInt32,
    version         UInt64,
    events          UInt64,
    people          UInt64,
    first_read_at   DateTime64(6, 'UTC'),
    committed_at    DateTime64(6, 'UTC'),
    age_ms          Map(UInt32, UInt64)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/commits', '{replica}')
ORDER BY (kafka_partition, version);

CREATE VIEW IF NOT EXISTS freshness ON CLUSTER '{cluster}' AS
SELECT toStartOfMinute(committed_at) AS minute,
       quantileExactWeighted(0.5)(age, weight) / 1000 AS p50_s,
       quantileExactWeighted(0.95)(age, weight) / 1000 AS p95_s,
       quantileExactWeighted(0.99)(age, weight) / 1000 AS p99_s,
       sum(weight) AS events
FROM commits FINAL
ARRAY JOIN mapKeys(age_ms) AS age, mapValues(age_ms) AS weight
GROUP BY minute;

CREATE TABLE IF NOT EXISTS dead_letter_replays ON CLUSTER '{cluster}'
(
    dlq_topic     LowCardinality(String),
    dlq_partition UInt32,
    dlq_offset    UInt64,
    dlq_index     UInt32,
    replays       UInt32,
    replayed_at   DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/dead_letter_replays', '{replica}', replays)
ORDER BY (dlq_topic, dlq_partition, dlq_offset, dlq_index);

ALTER TABLE profiles ON CLUSTER '{cluster}' ADD COLUMN IF NOT EXISTS sources Map(UInt32, UInt64);

CREATE TABLE IF NOT EXISTS profiles_all ON CLUSTER '{cluster}' AS profiles
ENGINE = Distributed('{cluster}', currentDatabase(), profiles);

CREATE TABLE IF NOT EXISTS current_profiles_all ON CLUSTER '{cluster}' AS current_profiles
ENGINE = Distributed('{cluster}', currentDatabase(), current_profiles);

CREATE TABLE IF NOT EXISTS positions_all ON CLUSTER '{cluster}' AS positions
ENGINE = Distributed('{cluster}', currentDatabase(), positions);

CREATE TABLE IF NOT EXISTS state_layouts_all ON CLUSTER '{cluster}' AS state_layouts
ENGINE = Distributed('{cluster}', currentDatabase(), state_layouts);

CREATE TABLE IF NOT EXISTS cluster_facts_all ON CLUSTER '{cluster}' AS cluster_facts
ENGINE = Distributed('{cluster}', currentDatabase(), cluster_facts);

CREATE TABLE IF NOT EXISTS segment_changes_all ON CLUSTER '{cluster}' AS segment_changes
ENGINE = Distributed('{cluster}', currentDatabase(), segment_changes);

CREATE TABLE IF NOT EXISTS segment_sizes_all ON CLUSTER '{cluster}' AS segment_sizes
ENGINE = Distributed('{cluster}', currentDatabase(), segment_sizes);

CREATE TABLE IF NOT EXISTS segments_all ON CLUSTER '{cluster}' AS segments
ENGINE = Distributed('{cluster}', currentDatabase(), segments);

CREATE TABLE IF NOT EXISTS model_versions_all ON CLUSTER '{cluster}' AS model_versions
ENGINE = Distributed('{cluster}', currentDatabase(), model_versions);

CREATE TABLE IF NOT EXISTS segment_flows_all ON CLUSTER '{cluster}' AS segment_flows
ENGINE = Distributed('{cluster}', currentDatabase(), segment_flows);

CREATE TABLE IF NOT EXISTS content_all ON CLUSTER '{cluster}' AS content
ENGINE = Distributed('{cluster}', currentDatabase(), content);

CREATE TABLE IF NOT EXISTS dead_letters_all ON CLUSTER '{cluster}' AS dead_letters
ENGINE = Distributed('{cluster}', currentDatabase(), dead_letters);

CREATE TABLE IF NOT EXISTS commits_all ON CLUSTER '{cluster}' AS commits
ENGINE = Distributed('{cluster}', currentDatabase(), commits);

CREATE TABLE IF NOT EXISTS freshness_all ON CLUSTER '{cluster}' AS freshness
ENGINE = Distributed('{cluster}', currentDatabase(), freshness);

CREATE TABLE IF NOT EXISTS dead_letter_replays_all ON CLUSTER '{cluster}' AS dead_letter_replays
ENGINE = Distributed('{cluster}', currentDatabase(), dead_letter_replays);
