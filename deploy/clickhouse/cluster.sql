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

ALTER TABLE profiles ON CLUSTER '{cluster}'
    ADD COLUMN IF NOT EXISTS identity String CODEC(LZ4),
    ADD COLUMN IF NOT EXISTS peer_marks Map(UInt32, UInt64),
    ADD COLUMN IF NOT EXISTS links Array(Tuple(
        profile_id String, anonymous String, what String, reason String, at_us Int64, message UInt64, id_offset Int64,
        kafka_offset UInt64, item UInt32));

CREATE TABLE IF NOT EXISTS identity_links ON CLUSTER '{cluster}'
(
    profile_id      String,
    anonymous       String,
    what            LowCardinality(String),
    reason          LowCardinality(String),
    at              DateTime64(6, 'UTC'),
    message_hash    UInt64,
    id_offset       Int64,
    kafka_partition UInt32,
    kafka_offset    UInt64,
    item            UInt32,
    committed_at    DateTime64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/identity_links', '{replica}')
ORDER BY (profile_id, kafka_partition, kafka_offset, item);

CREATE MATERIALIZED VIEW IF NOT EXISTS identity_links_of_commits ON CLUSTER '{cluster}' TO identity_links AS
SELECT link.profile_id AS profile_id, link.anonymous AS anonymous, link.what AS what, link.reason AS reason,
       fromUnixTimestamp64Micro(link.at_us) AS at, link.message AS message_hash, link.id_offset AS id_offset,
       kafka_partition, link.kafka_offset AS kafka_offset, link.item AS item, updated_at AS committed_at
FROM profiles
ARRAY JOIN links AS link
WHERE kind = 'position';

CREATE TABLE IF NOT EXISTS identity_overrides ON CLUSTER '{cluster}'
(
    profile_id    String,
    person        String,
    below_version UInt64,
    decided       UInt64
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/identity_overrides', '{replica}', decided)
ORDER BY (profile_id, below_version);

CREATE MATERIALIZED VIEW IF NOT EXISTS identity_overrides_of_links ON CLUSTER '{cluster}' TO identity_overrides AS
SELECT anonymous AS profile_id, if(what = 'merged', identity_links.profile_id, anonymous) AS person,
       bitShiftLeft(toUInt64(id_offset + 1), 16) AS below_version, kafka_offset AS decided
FROM identity_links
WHERE what IN ('merged', 'undone');

CREATE VIEW IF NOT EXISTS current_links ON CLUSTER '{cluster}' AS
SELECT profile_id, anonymous, argMax(what, (kafka_offset, item)) AS status, argMax(reason, (kafka_offset, item)) AS why,
       min(at) AS first_at, argMax(at, (kafka_offset, item)) AS last_at
FROM identity_links
GROUP BY profile_id, anonymous;

CREATE VIEW IF NOT EXISTS segment_changes_by_person ON CLUSTER '{cluster}' AS
SELECT if(o.person = '', c.profile_id, o.person) AS person, c.profile_id AS profile_id, c.version AS version,
       c.from_segment AS from_segment, c.to_segment AS to_segment, c.model_version AS model_version, c.at AS at,
       c.committed_at AS committed_at
FROM (SELECT * FROM segment_changes FINAL WHERE to_segment != -3) AS c
ASOF LEFT JOIN (SELECT * FROM identity_overrides FINAL) AS o
ON c.profile_id = o.profile_id AND c.version < o.below_version;

CREATE VIEW IF NOT EXISTS identity_counts ON CLUSTER '{cluster}' AS
SELECT toStartOfHour(committed_at) AS hour, what, reason, count() AS links, uniqExact(profile_id) AS people
FROM identity_links FINAL
GROUP BY hour, what, reason;

CREATE VIEW IF NOT EXISTS linked_people ON CLUSTER '{cluster}' AS
SELECT profile_id, countIf(status = 'merged') AS merged_ids, countIf(status = 'refused') AS refused_ids
FROM current_links
GROUP BY profile_id;

CREATE VIEW IF NOT EXISTS ids_per_person ON CLUSTER '{cluster}' AS
SELECT merged_ids, count() AS people
FROM linked_people
GROUP BY merged_ids;

CREATE OR REPLACE VIEW current_profiles ON CLUSTER '{cluster}' AS
SELECT profile_id, segment, segment_since, event_count, first_seen, last_seen, traits, features, updated_at, model_version
FROM profiles FINAL
WHERE kind = 'person' AND event_count > 0;

CREATE OR REPLACE VIEW segment_flows ON CLUSTER '{cluster}' AS
SELECT toStartOfHour(at) AS hour, model_version, if(from_segment = -3, -2, from_segment) AS from_segment, to_segment,
       uniqExact(profile_id) AS people, count() AS changes
FROM (SELECT * FROM segment_changes FINAL WHERE to_segment != -3)
GROUP BY hour, model_version, from_segment, to_segment;

CREATE TABLE IF NOT EXISTS erasures ON CLUSTER '{cluster}'
(
    erasure        String,
    id_hash        String,
    suppress       Bool,
    status         LowCardinality(String),
    deleted        UInt64,
    survivors      UInt64,
    asked_at       DateTime64(3, 'UTC'),
    retained_until DateTime64(3, 'UTC'),
    updated_at     DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/erasures', '{replica}', updated_at)
ORDER BY (id_hash, erasure);

CREATE TABLE IF NOT EXISTS encoder_versions ON CLUSTER '{cluster}'
(
    version      UInt64,
    text         String,
    image        String,
    space_id     String,
    configured   String,
    active       UInt8,
    at           DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/encoder_versions', '{replica}', active)
ORDER BY version;

ALTER TABLE content ON CLUSTER '{cluster}' ADD COLUMN IF NOT EXISTS video_url String AFTER image_url;

CREATE TABLE IF NOT EXISTS behaviour_models ON CLUSTER '{cluster}'
(
    version    UInt64,
    kind       LowCardinality(String),
    space_id   String,
    files      Map(String, String) CODEC(ZSTD(1)),
    figures    String,
    at         DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/behaviour_models', '{replica}', at)
ORDER BY version;

ALTER TABLE profiles ON CLUSTER '{cluster}'
    ADD COLUMN IF NOT EXISTS segmentation LowCardinality(String) DEFAULT 'interest',
    ADD COLUMN IF NOT EXISTS other_segments Array(Tuple(
        segmentation String, segment Int64, previous_segment Int64, since_us Int64, model_version UInt64)),
    ADD COLUMN IF NOT EXISTS other_people Array(Tuple(
        segmentation String, segment Int64, people UInt64, model_version UInt64));

ALTER TABLE segment_changes ON CLUSTER '{cluster}'
    ADD COLUMN IF NOT EXISTS segmentation LowCardinality(String), MODIFY ORDER BY (profile_id, version, segmentation);

ALTER TABLE segment_sizes ON CLUSTER '{cluster}'
    ADD COLUMN IF NOT EXISTS segmentation LowCardinality(String),
    MODIFY ORDER BY (kafka_partition, version, segment, segmentation);

ALTER TABLE segments ON CLUSTER '{cluster}'
    ADD COLUMN IF NOT EXISTS segmentation LowCardinality(String), MODIFY ORDER BY (segment, segmentation);

ALTER TABLE model_versions ON CLUSTER '{cluster}'
    ADD COLUMN IF NOT EXISTS segmentation LowCardinality(String), MODIFY ORDER BY (model_version, segmentation);

ALTER TABLE segment_changes_of_commits ON CLUSTER '{cluster}' MODIFY QUERY
SELECT profile_id, version, segmentation, previous_segment AS from_segment, segment AS to_segment, model_version,
       segment_since AS at, updated_at AS committed_at
FROM profiles
WHERE kind = 'person' AND segment != previous_segment;

ALTER TABLE segment_sizes_of_commits ON CLUSTER '{cluster}' MODIFY QUERY
SELECT kafka_partition, version, segmentation, entry.1 AS segment, entry.2 AS people, model_version, updated_at AS at
FROM profiles
ARRAY JOIN CAST(segment_people, 'Array(Tuple(Int64, UInt64))') AS entry
WHERE kind = 'position';

CREATE MATERIALIZED VIEW IF NOT EXISTS other_segment_changes_of_commits ON CLUSTER '{cluster}' TO segment_changes AS
SELECT profile_id, version, other.segmentation AS segmentation, other.previous_segment AS from_segment,
       other.segment AS to_segment, other.model_version AS model_version,
       fromUnixTimestamp64Micro(other.since_us) AS at, updated_at AS committed_at
FROM profiles
ARRAY JOIN other_segments AS other
WHERE kind = 'person' AND other.segment != other.previous_segment;

CREATE MATERIALIZED VIEW IF NOT EXISTS other_segment_sizes_of_commits ON CLUSTER '{cluster}' TO segment_sizes AS
SELECT kafka_partition, version, other.segmentation AS segmentation, other.segment AS segment, other.people AS people,
       other.model_version AS model_version, updated_at AS at
FROM profiles
ARRAY JOIN other_people AS other
WHERE kind = 'position';

CREATE OR REPLACE VIEW current_profiles ON CLUSTER '{cluster}' AS
SELECT profile_id, segment, segment_since, event_count, first_seen, last_seen, traits, features, updated_at, model_version,
       CAST(arrayConcat([(toString(segmentation), segment)], arrayMap(o -> (o.1, o.2), other_segments)),
            'Map(String, Int64)') AS segments
FROM profiles FINAL
WHERE kind = 'person' AND event_count > 0;

CREATE OR REPLACE VIEW segment_changes_by_person ON CLUSTER '{cluster}' AS
SELECT if(o.person = '', c.profile_id, o.person) AS person, c.profile_id AS profile_id, c.version AS version,
       c.from_segment AS from_segment, c.to_segment AS to_segment, c.model_version AS model_version, c.at AS at,
       c.committed_at AS committed_at, c.segmentation AS segmentation
FROM (SELECT * FROM segment_changes FINAL WHERE to_segment != -3) AS c
ASOF LEFT JOIN (SELECT * FROM identity_overrides FINAL) AS o
ON c.profile_id = o.profile_id AND c.version < o.below_version;

CREATE OR REPLACE VIEW segment_flows ON CLUSTER '{cluster}' AS
SELECT toStartOfHour(at) AS hour, model_version, if(from_segment = -3, -2, from_segment) AS from_segment, to_segment,
       uniqExact(profile_id) AS people, count() AS changes, segmentation
FROM (SELECT * FROM segment_changes FINAL WHERE to_segment != -3)
GROUP BY hour, model_version, from_segment, to_segment, segmentation;

CREATE TABLE IF NOT EXISTS segment_alerts ON CLUSTER '{cluster}'
(
    fingerprint     String,
    starts_at       DateTime64(3, 'UTC'),
    status          Enum8('firing' = 0, 'resolved' = 1),
    last_at         DateTime64(3, 'UTC'),
    ends_at         DateTime64(3, 'UTC'),
    alertname       LowCardinality(String),
    segmentation    LowCardinality(String),
    segment         Int64,
    segments        Array(Int64),
    severity        LowCardinality(String),
    confidence      Float64,
    p_value         Float64,
    size            Float64,
    share_before    Map(Int64, Float64),
    share_now       Map(Int64, Float64),
    moved           Map(String, Tuple(before Float64, now Float64)),
    model_version   UInt64,
    labels          Map(String, String),
    annotations     Map(String, String),
    silenced        UInt8,
    version         UInt64,
    updated_at      DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/segment_alerts', '{replica}', version)
ORDER BY (fingerprint, starts_at);

CREATE VIEW IF NOT EXISTS firing_alerts ON CLUSTER '{cluster}' AS
SELECT * EXCEPT (version) FROM segment_alerts FINAL WHERE status = 'firing';

CREATE TABLE IF NOT EXISTS alert_deliveries ON CLUSTER '{cluster}'
(
    receiver     LowCardinality(String),
    fingerprint  String,
    starts_at    DateTime64(3, 'UTC'),
    status       Enum8('firing' = 0, 'resolved' = 1),
    delivered_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/alert_deliveries', '{replica}', delivered_at)
ORDER BY (receiver, fingerprint, starts_at, status);

CREATE TABLE IF NOT EXISTS alert_silences ON CLUSTER '{cluster}'
(
    silence_id String,
    matchers   Map(String, String),
    starts_at  DateTime64(3, 'UTC'),
    ends_at    DateTime64(3, 'UTC'),
    comment    String,
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/alert_silences', '{replica}', updated_at)
ORDER BY silence_id;

CREATE TABLE IF NOT EXISTS segment_sizes_by_minute ON CLUSTER '{cluster}'
(
    segmentation    LowCardinality(String),
    minute          DateTime('UTC'),
    kafka_partition UInt32,
    version         UInt64,
    people          Map(Int64, UInt64),
    model_version   UInt64
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/segment_sizes_by_minute', '{replica}', version)
ORDER BY (segmentation, minute, kafka_partition);

CREATE MATERIALIZED VIEW IF NOT EXISTS segment_sizes_by_minute_of_commits ON CLUSTER '{cluster}' TO segment_sizes_by_minute AS
SELECT segmentation, toStartOfMinute(updated_at) AS minute, kafka_partition, version, segment_people AS people, model_version
FROM profiles
WHERE kind = 'position';

CREATE MATERIALIZED VIEW IF NOT EXISTS other_segment_sizes_by_minute_of_commits ON CLUSTER '{cluster}' TO segment_sizes_by_minute AS
SELECT other.segmentation AS segmentation, toStartOfMinute(updated_at) AS minute, kafka_partition, version,
       CAST(groupArray((other.segment, other.people)), 'Map(Int64, UInt64)') AS people, max(other.model_version) AS model_version
FROM profiles
ARRAY JOIN other_people AS other
WHERE kind = 'position'
GROUP BY segmentation, minute, kafka_partition, version;

CREATE TABLE IF NOT EXISTS segment_flow_counts ON CLUSTER '{cluster}'
(
    segmentation    LowCardinality(String),
    hour            DateTime('UTC'),
    kafka_partition UInt32,
    version         UInt64,
    from_segment    Int64,
    to_segment      Int64,
    model_version   UInt64,
    changes         UInt64,
    people          AggregateFunction(uniq, String),
    committed_at    DateTime64(3, 'UTC'),
    INDEX by_commit committed_at TYPE minmax
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/segment_flow_counts', '{replica}')
ORDER BY (segmentation, hour, kafka_partition, version, from_segment, to_segment);

CREATE MATERIALIZED VIEW IF NOT EXISTS segment_flow_counts_of_commits ON CLUSTER '{cluster}' TO segment_flow_counts AS
SELECT segmentation, toStartOfHour(segment_since) AS hour, kafka_partition, version,
       if(previous_segment = -3, -2, previous_segment) AS from_segment, segment AS to_segment, max(profiles.model_version) AS model_version,
       count() AS changes, uniqState(profile_id) AS people, max(updated_at) AS committed_at
FROM profiles
WHERE kind = 'person' AND segment != previous_segment AND segment != -3
GROUP BY segmentation, hour, kafka_partition, version, from_segment, to_segment;

CREATE MATERIALIZED VIEW IF NOT EXISTS other_segment_flow_counts_of_commits ON CLUSTER '{cluster}' TO segment_flow_counts AS
SELECT other.segmentation AS segmentation, toStartOfHour(fromUnixTimestamp64Micro(other.since_us)) AS hour, kafka_partition,
       version, if(other.previous_segment = -3, -2, other.previous_segment) AS from_segment, other.segment AS to_segment,
       max(other.model_version) AS model_version, count() AS changes, uniqState(profile_id) AS people,
       max(updated_at) AS committed_at
FROM profiles
ARRAY JOIN other_segments AS other
WHERE kind = 'person' AND other.segment != other.previous_segment AND other.segment != -3
GROUP BY segmentation, hour, kafka_partition, version, from_segment, to_segment;

CREATE OR REPLACE VIEW segment_flows ON CLUSTER '{cluster}' AS
SELECT hour, model_version, from_segment, to_segment, uniqMerge(segment_flow_counts.people) AS people,
       sum(segment_flow_counts.changes) AS changes, segmentation
FROM segment_flow_counts FINAL
GROUP BY hour, model_version, from_segment, to_segment, segmentation;

CREATE OR REPLACE VIEW positions ON CLUSTER '{cluster}' AS
SELECT kafka_partition, next_offset, accepted, duplicates, late, clamped, model_version, updated_at
FROM profiles FINAL
WHERE startsWith(profile_id, '\0position/') AND kind = 'position';

CREATE VIEW IF NOT EXISTS segment_sizes_now ON CLUSTER '{cluster}' AS
SELECT segmentation, segment, sum(n) AS people, max(version_of_model) AS model_version, max(at) AS updated_at
FROM
(
    SELECT toString(segmentation) AS segmentation, entry.1 AS segment, entry.2 AS n, model_version AS version_of_model,
           updated_at AS at
    FROM profiles FINAL
    ARRAY JOIN CAST(segment_people, 'Array(Tuple(Int64, UInt64))') AS entry
    WHERE startsWith(profile_id, '\0position/') AND kind = 'position'
    UNION ALL
    SELECT other.1 AS segmentation, other.2 AS segment, other.3 AS n, other.4 AS version_of_model, updated_at AS at
    FROM profiles FINAL
    ARRAY JOIN other_people AS other
    WHERE startsWith(profile_id, '\0position/') AND kind = 'position'
)
GROUP BY segmentation, segment;

ALTER TABLE commits ON CLUSTER '{cluster}' ADD INDEX IF NOT EXISTS by_time committed_at TYPE minmax;

ALTER TABLE commits ON CLUSTER '{cluster}' MATERIALIZE INDEX by_time;

CREATE TABLE IF NOT EXISTS people_sample ON CLUSTER '{cluster}'
(
    sample_key  UInt64,
    profile_id  String,
    version     UInt64,
    segments    Map(String, Int64),
    event_count UInt64,
    first_seen  DateTime64(6, 'UTC'),
    last_seen   DateTime64(6, 'UTC'),
    traits      Map(String, String),
    features    Map(LowCardinality(String), Float64),
    touched     Array(UInt64),
    layout      UInt64,
    state       String CODEC(LZ4),
    updated_at  DateTime64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/people_sample', '{replica}', version)
ORDER BY (sample_key, profile_id)
SETTINGS index_granularity = 1024;

CREATE MATERIALIZED VIEW IF NOT EXISTS people_sample_of_commits ON CLUSTER '{cluster}' TO people_sample AS
SELECT cityHash64(profile_id) AS sample_key, profile_id, version,
       CAST(arrayConcat([(toString(segmentation), segment)], arrayMap(o -> (o.1, o.2), other_segments)), 'Map(String, Int64)')
           AS segments,
       event_count, first_seen, last_seen, traits, features, touched, layout,
       if(sample_key < 1152921504606846976, profiles.state, '') AS state, updated_at
FROM profiles
WHERE kind = 'person' AND sample_key < 4611686018427387904;

CREATE TABLE IF NOT EXISTS segment_evidence ON CLUSTER '{cluster}'
(
    segmentation LowCardinality(String),
    segment      Int64,
    kind         LowCardinality(String),
    key          String,
    people       UInt64,
    total        Float64,
    squares      Float64,
    sampled      UInt64,
    total_all    Float64,
    squares_all  Float64,
    people_all   UInt64,
    sampled_all  UInt64,
    sampled_at   DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (segmentation, segment, kind, key);

CREATE MATERIALIZED VIEW IF NOT EXISTS segment_evidence_of_sample ON CLUSTER '{cluster}' REFRESH AFTER 15 SECOND TO segment_evidence AS
SELECT segmentation, segment, kind, key, people, total, squares,
       sumIf(people, kind = '') OVER (PARTITION BY segmentation, segment) AS sampled,
       sum(total) OVER (PARTITION BY segmentation, kind, key) AS total_all,
       sum(squares) OVER (PARTITION BY segmentation, kind, key) AS squares_all,
       sum(people) OVER (PARTITION BY segmentation, kind, key) AS people_all,
       sumIf(people, kind = '') OVER (PARTITION BY segmentation) AS sampled_all,
       at AS sampled_at
FROM
(
    SELECT label.1 AS segmentation, label.2 AS segment, item.1 AS kind, item.2 AS key, count() AS people,
           sum(item.3) AS total, sum(item.3 * item.3) AS squares, max(updated_at) AS at
    FROM
    (
        SELECT segments, updated_at,
               CAST(features, 'Array(Tuple(String, Float64))') AS numbers,
               arrayFilter(n -> startsWith(n.1, 'category/'), numbers) AS categories,
               arrayFilter(n -> startsWith(n.1, 'event/'), numbers) AS events,
               greatest(arraySum(n -> n.2, categories), 1e-9) AS of_categories,
               greatest(arraySum(n -> n.2, events), 1e-9) AS of_events,
               arrayConcat(
                   [('', '', 1.)],
                   arrayMap(n -> ('category', substring(n.1, 10), n.2 / of_categories), categories),
                   arrayMap(n -> ('event', substring(n.1, 7), n.2 / of_events), events),
                   arrayMap(t -> ('trait', concat(t.1, '=', t.2), 1.), CAST(traits, 'Array(Tuple(String, String))')),
                   arrayMap(c -> ('content', toString(c), 1.), arrayDistinct(touched)),
                   [('hour', toString(toUInt8(features['busiest_hour'])), 1.),
                    ('weekday', toString(toUInt8(features['busiest_weekday'])), 1.),
                    ('value', 'orders', features['orders/count']),
                    ('value', 'revenue', features['orders/amount']),
                    ('value', 'sessions', features['sessions']),
                    ('value', 'events', toFloat64(event_count))],
                   if(mapContains(features, 'orders/recency_days'),
                      [('value', 'recency_days', features['orders/recency_days'])], []),
                   if(mapContains(features, 'price/mean'), [('value', 'price', features['price/mean'])], [])
               ) AS items
        FROM (SELECT * FROM people_sample FINAL WHERE event_count > 0 ORDER BY sample_key LIMIT 10000)
    )
    ARRAY JOIN CAST(segments, 'Array(Tuple(String, Int64))') AS label
    ARRAY JOIN items AS item
    WHERE segment >= -1
    GROUP BY segmentation, segment, kind, key
)
ORDER BY segmentation, segment, kind, total DESC
LIMIT 200 BY segmentation, segment, kind
SETTINGS max_threads = 1;

CREATE VIEW IF NOT EXISTS segment_cards ON CLUSTER '{cluster}' AS
SELECT segmentation, segment, kind, key, people, sampled,
       total / sampled AS share,
       total_all / sampled_all AS share_all,
       share / share_all AS lift,
       lift * exp(-1.96 * spread) AS low,
       lift * exp(1.96 * spread) AS high,
       (sampled_all - sampled) AS others,
       if(others > 0, (total_all - total) / others, 0) AS share_others,
       greatest(squares / sampled - share * share, 0) / sampled AS noise,
       if(others > 0, greatest((squares_all - squares) / others - share_others * share_others, 0) / others, 0) AS noise_others,
       sampled / sampled_all AS part,
       sqrt(pow(1 / share - part / share_all, 2) * noise + pow((1 - part) / share_all, 2) * noise_others) AS spread,
       sampled_at
FROM segment_evidence
WHERE kind NOT IN ('', 'value') AND total > 0;

ALTER TABLE profiles ON CLUSTER '{cluster}' ADD COLUMN IF NOT EXISTS suppressed UInt64 AFTER clamped;

CREATE OR REPLACE VIEW positions ON CLUSTER '{cluster}' AS
SELECT kafka_partition, next_offset, accepted, duplicates, late, clamped, suppressed, model_version, updated_at
FROM profiles FINAL
WHERE kind = 'position';

CREATE TABLE IF NOT EXISTS api_tokens ON CLUSTER '{cluster}'
(
    token_hash String,
    name       String,
    scopes     Array(LowCardinality(String)),
    created_at DateTime64(3, 'UTC'),
    expires_at DateTime64(3, 'UTC'),
    revoked    UInt8,
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/api_tokens', '{replica}', updated_at)
ORDER BY token_hash;

CREATE OR REPLACE VIEW positions ON CLUSTER '{cluster}' AS
SELECT kafka_partition, next_offset, accepted, duplicates, late, clamped, suppressed, model_version, updated_at
FROM profiles FINAL
WHERE startsWith(profile_id, '\0position/') AND kind = 'position';

ALTER TABLE profiles ON CLUSTER '{cluster}'
    ADD COLUMN IF NOT EXISTS newest_event_us Int64,
    ADD COLUMN IF NOT EXISTS activity Array(Tuple(
        segmentation String, model_version UInt64, at_us Int64, interval_s UInt32, segment Int64, active UInt64,
        newcomers UInt64, inflow Map(Int64, UInt64), outflow Map(Int64, UInt64), by_model Map(Int64, UInt64),
        vectors UInt64, centroid Array(Float32), changed UInt8));

CREATE TABLE IF NOT EXISTS segment_stats ON CLUSTER '{cluster}'
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/segment_stats', '{replica}', version)
ORDER BY (segmentation, interval_s, at, kafka_partition, segment);

CREATE MATERIALIZED VIEW IF NOT EXISTS segment_stats_of_commits ON CLUSTER '{cluster}' TO segment_stats AS
SELECT a.segmentation AS segmentation, a.interval_s AS interval_s, fromUnixTimestamp64Micro(a.at_us) AS at,
       kafka_partition, a.segment AS segment, version, a.model_version AS model_version, a.active AS active,
       a.newcomers AS newcomers, a.inflow AS inflow, a.outflow AS outflow, a.by_model AS by_model, a.vectors AS vectors,
       a.centroid AS centroid, fromUnixTimestamp64Micro(newest_event_us) AS newest_event_at, updated_at AS committed_at
FROM profiles
ARRAY JOIN activity AS a
WHERE kind = 'position' AND a.changed;

CREATE VIEW IF NOT EXISTS segment_activity ON CLUSTER '{cluster}' AS
SELECT segmentation, interval_s, at, segment, sum(s.active) AS active, sum(s.newcomers) AS newcomers,
       sumMap(s.inflow) AS inflow, sumMap(s.outflow) AS outflow, sumMap(s.by_model) AS by_model,
       max(s.model_version) AS model_version
FROM (SELECT * FROM segment_stats FINAL) AS s
GROUP BY segmentation, interval_s, at, segment;

CREATE TABLE IF NOT EXISTS shift_positions ON CLUSTER '{cluster}'
(
    segmentation String,
    interval_s   UInt32,
    judged       Int64,
    judged_at    DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/shift_positions', '{replica}', judged)
ORDER BY (segmentation, interval_s);

ALTER TABLE model_versions ON CLUSTER '{cluster}'
    ADD COLUMN IF NOT EXISTS vectors    UInt64,
    ADD COLUMN IF NOT EXISTS silhouette Float64 DEFAULT nan,
    ADD COLUMN IF NOT EXISTS noise      Float64,
    ADD COLUMN IF NOT EXISTS moved      Float64 DEFAULT nan,
    ADD COLUMN IF NOT EXISTS changes    Array(Tuple(segment Int64, cause String, retired Array(Int64))),
    ADD COLUMN IF NOT EXISTS overlap    Array(Tuple(from_segment Int64, to_segment Int64, vectors UInt64));

CREATE VIEW IF NOT EXISTS model_overlaps ON CLUSTER '{cluster}' AS
SELECT segmentation, model_version, created_at, cell.1 AS from_segment, cell.2 AS to_segment, cell.3 AS vectors
FROM model_versions FINAL
ARRAY JOIN overlap AS cell;

CREATE VIEW IF NOT EXISTS model_changes ON CLUSTER '{cluster}' AS
SELECT segmentation, model_version, created_at, change.1 AS segment, change.2 AS cause, change.3 AS retired
FROM model_versions FINAL
ARRAY JOIN changes AS change;

CREATE VIEW IF NOT EXISTS segment_stability ON CLUSTER '{cluster}' AS
WITH sizes AS
(
    SELECT hour, segmentation, sum(people) AS everybody, sumIf(people, segment = -1) AS nobody
    FROM
    (
        SELECT toStartOfHour(at) AS hour, segmentation, kafka_partition, version, segment, people
        FROM segment_sizes FINAL
        WHERE (toStartOfHour(at), segmentation, kafka_partition, version) IN
            (SELECT toStartOfHour(at), segmentation, kafka_partition, max(version) FROM segment_sizes
             GROUP BY toStartOfHour(at), segmentation, kafka_partition)
    )
    WHERE segment >= -1
    GROUP BY hour, segmentation
),
moves AS
(
    SELECT toStartOfHour(committed_at) AS hour, segmentation, count() AS changes, uniqExact(profile_id) AS movers
    FROM segment_changes FINAL
    WHERE from_segment >= -1 AND to_segment >= -1
    GROUP BY hour, segmentation
),
models AS
(
    SELECT toStartOfHour(created_at) AS hour, segmentation, count() AS versions,
           argMax(inertia, model_version) AS inertia, argMax(silhouette, model_version) AS silhouette
    FROM model_versions FINAL
    GROUP BY hour, segmentation
)
SELECT sizes.hour AS hour, sizes.segmentation AS segmentation, sizes.everybody AS people, moves.changes AS changes,
       moves.movers / sizes.everybody AS reassignment_rate, sizes.nobody / sizes.everybody AS noise_share,
       models.versions AS versions, models.inertia AS inertia, models.silhouette AS silhouette
FROM sizes
LEFT JOIN moves ON sizes.hour = moves.hour AND sizes.segmentation = moves.segmentation
LEFT JOIN models ON sizes.hour = models.hour AND sizes.segmentation = models.segmentation;

CREATE TABLE IF NOT EXISTS audiences ON CLUSTER '{cluster}'
(
    name       String,
    definition String,
    deleted    Bool,
    saved_at   DateTime64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/audiences', '{replica}', saved_at)
ORDER BY name;

CREATE TABLE IF NOT EXISTS price_decisions ON CLUSTER '{cluster}'
(
    profile_id  String,
    decided_at  DateTime64(6, 'UTC'),
    decision    UUID DEFAULT generateUUIDv4(),
    tier        LowCardinality(String),
    list_price  Float64,
    price       Float64,
    multiplier  Float64,
    bound       LowCardinality(String),
    because     String CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/price_decisions', '{replica}')
ORDER BY (profile_id, decided_at, decision);

CREATE OR REPLACE VIEW segment_sizes_now ON CLUSTER '{cluster}' AS
SELECT one.1 AS segmentation, one.2 AS segment, sum(one.3) AS people, max(one.4) AS model_version, max(at) AS updated_at
FROM
(
    SELECT arrayJoin(arrayConcat(
               arrayMap(e -> (toString(segmentation), e.1, e.2, model_version),
                        CAST(segment_people, 'Array(Tuple(Int64, UInt64))')),
               arrayMap(o -> (o.1, o.2, o.3, o.4), other_people))) AS one,
           updated_at AS at
    FROM profiles FINAL
    WHERE startsWith(profile_id, '\0position/') AND kind = 'position'
)
GROUP BY segmentation, segment;

CREATE TABLE IF NOT EXISTS written_names ON CLUSTER '{cluster}'
(
    segmentation LowCardinality(String),
    language     LowCardinality(String),
    origin       String,
    name         String,
    model        LowCardinality(String),
    written_at   DateTime64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/written_names', '{replica}', written_at)
ORDER BY (segmentation, language, origin)
TTL toDateTime(written_at) + INTERVAL 90 DAY;

CREATE TABLE IF NOT EXISTS exposures ON CLUSTER '{cluster}'
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/exposures', '{replica}', judged)
ORDER BY (experience, profile_id, shown_at)
TTL toDateTime(shown_at) + INTERVAL 180 DAY;

CREATE TABLE IF NOT EXISTS segment_flow_hours ON CLUSTER '{cluster}'
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/segment_flow_hours', '{replica}', made_at)
ORDER BY (segmentation, hour, from_segment, to_segment, model_version)
SETTINGS index_granularity = 256;

CREATE MATERIALIZED VIEW IF NOT EXISTS segment_flow_hours_of_counts ON CLUSTER '{cluster}' REFRESH EVERY 1 MINUTE APPEND TO segment_flow_hours AS
SELECT segmentation, hour, from_segment, to_segment, model_version, sum(f.changes) AS changes,
       uniqMergeState(f.people) AS people, max(f.committed_at) AS committed_at, now64(3) AS made_at
FROM segment_flow_counts AS f FINAL
WHERE (segmentation, hour) IN (
    SELECT segmentation, hour FROM segment_flow_counts
    WHERE committed_at >= least((SELECT max(h.committed_at) FROM segment_flow_hours AS h), now64(3)) - INTERVAL 10 MINUTE)
GROUP BY segmentation, hour, from_segment, to_segment, model_version;

ALTER TABLE profiles ON CLUSTER '{cluster}' MODIFY SETTING min_bytes_for_wide_part = 67108864;

ALTER TABLE segment_changes_of_commits ON CLUSTER '{cluster}' MODIFY QUERY
SELECT profile_id, version, said.1 AS segmentation, said.3 AS from_segment, said.2 AS to_segment, said.5 AS model_version,
       said.4 AS at, updated_at AS committed_at
FROM profiles
ARRAY JOIN arrayFilter(one -> one.2 != one.3, arrayConcat(
    [(toString(profiles.segmentation), segment, previous_segment, segment_since, profiles.model_version)],
    arrayMap(o -> (o.1, o.2, o.3, fromUnixTimestamp64Micro(o.4, 'UTC'), o.5), other_segments))) AS said
WHERE kind = 'person';

DROP VIEW IF EXISTS other_segment_changes_of_commits ON CLUSTER '{cluster}';

ALTER TABLE segment_sizes_of_commits ON CLUSTER '{cluster}' MODIFY QUERY
SELECT kafka_partition, version, said.1 AS segmentation, said.2 AS segment, said.3 AS people, said.4 AS model_version,
       updated_at AS at
FROM profiles
ARRAY JOIN arrayConcat(
    arrayMap(one -> (toString(profiles.segmentation), one.1, one.2, profiles.model_version),
             CAST(segment_people, 'Array(Tuple(Int64, UInt64))')),
    other_people) AS said
WHERE kind = 'position';

DROP VIEW IF EXISTS other_segment_sizes_of_commits ON CLUSTER '{cluster}';

ALTER TABLE segment_sizes_by_minute_of_commits ON CLUSTER '{cluster}' MODIFY QUERY
SELECT said.1 AS segmentation, toStartOfMinute(updated_at) AS minute, kafka_partition, version, said.2 AS people,
       said.3 AS model_version
FROM profiles
ARRAY JOIN arrayConcat(
    [(toString(profiles.segmentation), segment_people, profiles.model_version)],
    arrayMap(name -> (name, CAST(arrayMap(o -> (o.2, o.3), arrayFilter(o -> o.1 = name, other_people)), 'Map(Int64, UInt64)'),
                      arrayMax(o -> o.4, arrayFilter(o -> o.1 = name, other_people))),
             arrayDistinct(other_people.segmentation))) AS said
WHERE kind = 'position';

DROP VIEW IF EXISTS other_segment_sizes_by_minute_of_commits ON CLUSTER '{cluster}';

ALTER TABLE segment_flow_counts_of_commits ON CLUSTER '{cluster}' MODIFY QUERY
SELECT said.1 AS segmentation, toStartOfHour(said.4) AS hour, kafka_partition, version,
       if(said.3 = -3, -2, said.3) AS from_segment, said.2 AS to_segment, max(said.5) AS model_version,
       count() AS changes, uniqState(profile_id) AS people, max(updated_at) AS committed_at
FROM profiles
ARRAY JOIN arrayFilter(one -> one.2 != one.3 AND one.2 != -3, arrayConcat(
    [(toString(profiles.segmentation), segment, previous_segment, segment_since, profiles.model_version)],
    arrayMap(o -> (o.1, o.2, o.3, fromUnixTimestamp64Micro(o.4, 'UTC'), o.5), other_segments))) AS said
WHERE kind = 'person'
GROUP BY segmentation, hour, kafka_partition, version, from_segment, to_segment;

DROP VIEW IF EXISTS other_segment_flow_counts_of_commits ON CLUSTER '{cluster}';

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

CREATE TABLE IF NOT EXISTS identity_links_all ON CLUSTER '{cluster}' AS identity_links
ENGINE = Distributed('{cluster}', currentDatabase(), identity_links);

CREATE TABLE IF NOT EXISTS identity_overrides_all ON CLUSTER '{cluster}' AS identity_overrides
ENGINE = Distributed('{cluster}', currentDatabase(), identity_overrides);

CREATE TABLE IF NOT EXISTS current_links_all ON CLUSTER '{cluster}' AS current_links
ENGINE = Distributed('{cluster}', currentDatabase(), current_links);

CREATE TABLE IF NOT EXISTS segment_changes_by_person_all ON CLUSTER '{cluster}' AS segment_changes_by_person
ENGINE = Distributed('{cluster}', currentDatabase(), segment_changes_by_person);

CREATE TABLE IF NOT EXISTS identity_counts_all ON CLUSTER '{cluster}' AS identity_counts
ENGINE = Distributed('{cluster}', currentDatabase(), identity_counts);

CREATE TABLE IF NOT EXISTS linked_people_all ON CLUSTER '{cluster}' AS linked_people
ENGINE = Distributed('{cluster}', currentDatabase(), linked_people);

CREATE TABLE IF NOT EXISTS ids_per_person_all ON CLUSTER '{cluster}' AS ids_per_person
ENGINE = Distributed('{cluster}', currentDatabase(), ids_per_person);

CREATE TABLE IF NOT EXISTS erasures_all ON CLUSTER '{cluster}' AS erasures
ENGINE = Distributed('{cluster}', currentDatabase(), erasures);

CREATE TABLE IF NOT EXISTS encoder_versions_all ON CLUSTER '{cluster}' AS encoder_versions
ENGINE = Distributed('{cluster}', currentDatabase(), encoder_versions);

CREATE TABLE IF NOT EXISTS behaviour_models_all ON CLUSTER '{cluster}' AS behaviour_models
ENGINE = Distributed('{cluster}', currentDatabase(), behaviour_models);

CREATE TABLE IF NOT EXISTS segment_alerts_all ON CLUSTER '{cluster}' AS segment_alerts
ENGINE = Distributed('{cluster}', currentDatabase(), segment_alerts);

CREATE TABLE IF NOT EXISTS firing_alerts_all ON CLUSTER '{cluster}' AS firing_alerts
ENGINE = Distributed('{cluster}', currentDatabase(), firing_alerts);

CREATE TABLE IF NOT EXISTS alert_deliveries_all ON CLUSTER '{cluster}' AS alert_deliveries
ENGINE = Distributed('{cluster}', currentDatabase(), alert_deliveries);

CREATE TABLE IF NOT EXISTS alert_silences_all ON CLUSTER '{cluster}' AS alert_silences
ENGINE = Distributed('{cluster}', currentDatabase(), alert_silences);

CREATE TABLE IF NOT EXISTS segment_sizes_by_minute_all ON CLUSTER '{cluster}' AS segment_sizes_by_minute
ENGINE = Distributed('{cluster}', currentDatabase(), segment_sizes_by_minute);

CREATE TABLE IF NOT EXISTS segment_flow_counts_all ON CLUSTER '{cluster}' AS segment_flow_counts
ENGINE = Distributed('{cluster}', currentDatabase(), segment_flow_counts);

CREATE TABLE IF NOT EXISTS segment_sizes_now_all ON CLUSTER '{cluster}' AS segment_sizes_now
ENGINE = Distributed('{cluster}', currentDatabase(), segment_sizes_now);

CREATE TABLE IF NOT EXISTS people_sample_all ON CLUSTER '{cluster}' AS people_sample
ENGINE = Distributed('{cluster}', currentDatabase(), people_sample);

CREATE TABLE IF NOT EXISTS segment_evidence_all ON CLUSTER '{cluster}' AS segment_evidence
ENGINE = Distributed('{cluster}', currentDatabase(), segment_evidence);

CREATE TABLE IF NOT EXISTS segment_cards_all ON CLUSTER '{cluster}' AS segment_cards
ENGINE = Distributed('{cluster}', currentDatabase(), segment_cards);

CREATE TABLE IF NOT EXISTS api_tokens_all ON CLUSTER '{cluster}' AS api_tokens
ENGINE = Distributed('{cluster}', currentDatabase(), api_tokens);

CREATE TABLE IF NOT EXISTS segment_stats_all ON CLUSTER '{cluster}' AS segment_stats
ENGINE = Distributed('{cluster}', currentDatabase(), segment_stats);

CREATE TABLE IF NOT EXISTS segment_activity_all ON CLUSTER '{cluster}' AS segment_activity
ENGINE = Distributed('{cluster}', currentDatabase(), segment_activity);

CREATE TABLE IF NOT EXISTS shift_positions_all ON CLUSTER '{cluster}' AS shift_positions
ENGINE = Distributed('{cluster}', currentDatabase(), shift_positions);

CREATE TABLE IF NOT EXISTS model_overlaps_all ON CLUSTER '{cluster}' AS model_overlaps
ENGINE = Distributed('{cluster}', currentDatabase(), model_overlaps);

CREATE TABLE IF NOT EXISTS model_changes_all ON CLUSTER '{cluster}' AS model_changes
ENGINE = Distributed('{cluster}', currentDatabase(), model_changes);

CREATE TABLE IF NOT EXISTS segment_stability_all ON CLUSTER '{cluster}' AS segment_stability
ENGINE = Distributed('{cluster}', currentDatabase(), segment_stability);

CREATE TABLE IF NOT EXISTS audiences_all ON CLUSTER '{cluster}' AS audiences
ENGINE = Distributed('{cluster}', currentDatabase(), audiences);

CREATE TABLE IF NOT EXISTS price_decisions_all ON CLUSTER '{cluster}' AS price_decisions
ENGINE = Distributed('{cluster}', currentDatabase(), price_decisions);

CREATE TABLE IF NOT EXISTS written_names_all ON CLUSTER '{cluster}' AS written_names
ENGINE = Distributed('{cluster}', currentDatabase(), written_names);

CREATE TABLE IF NOT EXISTS exposures_all ON CLUSTER '{cluster}' AS exposures
ENGINE = Distributed('{cluster}', currentDatabase(), exposures);

CREATE TABLE IF NOT EXISTS segment_flow_hours_all ON CLUSTER '{cluster}' AS segment_flow_hours
ENGINE = Distributed('{cluster}', currentDatabase(), segment_flow_hours);
