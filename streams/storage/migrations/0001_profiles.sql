-- The checkpoint. One commit is one INSERT is one block (docs/adr/0002): people with their packed state, and for each
-- consumed partition ONE position row (kind = 'position') that views hide. No PARTITION BY, or a block becomes several.
CREATE TABLE IF NOT EXISTS profiles
(
    profile_id       String,
    kind             Enum8('person' = 0, 'position' = 1),
    version          UInt64,
    kafka_partition  UInt32,
    next_offset      UInt64,
    lease_until      DateTime64(3, 'UTC'),
    updated_at       DateTime64(3, 'UTC') DEFAULT now64(3),

    -- a person
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

    -- a position
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
ENGINE = ReplacingMergeTree(version)
ORDER BY profile_id;

CREATE VIEW IF NOT EXISTS current_profiles AS
SELECT profile_id, segment, segment_since, event_count, first_seen, last_seen, traits, features, updated_at, model_version
FROM profiles FINAL
WHERE kind = 'person';

-- Counters are totals of the partition's log, so they are exact after any crash.
CREATE VIEW IF NOT EXISTS positions AS
SELECT kafka_partition, next_offset, accepted, duplicates, late, clamped, model_version, updated_at
FROM profiles FINAL
WHERE kind = 'position';

CREATE TABLE IF NOT EXISTS state_layouts
(
    layout     UInt64,
    descriptor String,
    created_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(created_at)
ORDER BY layout;

CREATE TABLE IF NOT EXISTS cluster_facts
(
    name  String,
    value String,
    set_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(set_at)
ORDER BY name;
