-- What pages and dashboards read: each question has a table whose key it can use, so that its cost doesn't grow with
-- history. Derived rows are Replacing rows of one commit, as everywhere: restore derives the last commit's again.

-- Sizes over time: per minute and partition the last commit's map of segment -> people; a minute without commits has no
-- row, and the one before it holds on.
CREATE TABLE IF NOT EXISTS segment_sizes_by_minute
(
    segmentation    LowCardinality(String),
    minute          DateTime('UTC'),
    kafka_partition UInt32,
    version         UInt64,
    people          Map(Int64, UInt64),
    model_version   UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (segmentation, minute, kafka_partition);

CREATE MATERIALIZED VIEW IF NOT EXISTS segment_sizes_by_minute_of_commits TO segment_sizes_by_minute AS
SELECT segmentation, toStartOfMinute(updated_at) AS minute, kafka_partition, version, segment_people AS people, model_version
FROM profiles
WHERE kind = 'position';

CREATE MATERIALIZED VIEW IF NOT EXISTS other_segment_sizes_by_minute_of_commits TO segment_sizes_by_minute AS
SELECT other.segmentation AS segmentation, toStartOfMinute(updated_at) AS minute, kafka_partition, version,
       CAST(groupArray((other.segment, other.people)), 'Map(Int64, UInt64)') AS people, max(other.model_version) AS model_version
FROM profiles
ARRAY JOIN other_people AS other
WHERE kind = 'position'
GROUP BY segmentation, minute, kafka_partition, version;

-- Moves of each commit, counted in its block (one commit is one block). hour: event time of the move; people: a sketch of
-- who, so that hours and commits can be joined without counting anybody twice.
CREATE TABLE IF NOT EXISTS segment_flow_counts
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
ENGINE = ReplacingMergeTree
ORDER BY (segmentation, hour, kafka_partition, version, from_segment, to_segment);

CREATE MATERIALIZED VIEW IF NOT EXISTS segment_flow_counts_of_commits TO segment_flow_counts AS
SELECT segmentation, toStartOfHour(segment_since) AS hour, kafka_partition, version,
       if(previous_segment = -3, -2, previous_segment) AS from_segment, segment AS to_segment, max(profiles.model_version) AS model_version,
       count() AS changes, uniqState(profile_id) AS people, max(updated_at) AS committed_at
FROM profiles
WHERE kind = 'person' AND segment != previous_segment AND segment != -3
GROUP BY segmentation, hour, kafka_partition, version, from_segment, to_segment;

CREATE MATERIALIZED VIEW IF NOT EXISTS other_segment_flow_counts_of_commits TO segment_flow_counts AS
SELECT other.segmentation AS segmentation, toStartOfHour(fromUnixTimestamp64Micro(other.since_us)) AS hour, kafka_partition,
       version, if(other.previous_segment = -3, -2, other.previous_segment) AS from_segment, other.segment AS to_segment,
       max(other.model_version) AS model_version, count() AS changes, uniqState(profile_id) AS people,
       max(updated_at) AS committed_at
FROM profiles
ARRAY JOIN other_segments AS other
WHERE kind = 'person' AND other.segment != other.previous_segment AND other.segment != -3
GROUP BY segmentation, hour, kafka_partition, version, from_segment, to_segment;

-- What was there before has the same rows.
INSERT INTO segment_sizes_by_minute
SELECT segmentation, toStartOfMinute(at) AS minute, kafka_partition, version,
       CAST(groupArray((segment, segment_sizes.people)), 'Map(Int64, UInt64)') AS people, max(segment_sizes.model_version) AS model_version
FROM segment_sizes FINAL
GROUP BY segmentation, minute, kafka_partition, version;

-- segment_changes has no partition: rows from before stand under one that no topic has.
INSERT INTO segment_flow_counts
SELECT segmentation, toStartOfHour(at) AS hour, 4294967295 AS kafka_partition, version,
       if(segment_changes.from_segment = -3, -2, segment_changes.from_segment) AS from_segment, to_segment,
       max(segment_changes.model_version) AS model_version, count() AS changes, uniqState(profile_id) AS people,
       max(segment_changes.committed_at) AS committed_at
FROM segment_changes FINAL
WHERE to_segment != -3 AND segment_changes.committed_at <
      (SELECT if(count() = 0, now64(3), min(c.committed_at)) FROM segment_flow_counts AS c WHERE c.kafka_partition != 4294967295)
GROUP BY segmentation, hour, version, from_segment, to_segment;

CREATE OR REPLACE VIEW segment_flows AS
SELECT hour, model_version, from_segment, to_segment, uniqMerge(segment_flow_counts.people) AS people,
       sum(segment_flow_counts.changes) AS changes, segmentation
FROM segment_flow_counts FINAL
GROUP BY hour, model_version, from_segment, to_segment, segmentation;

-- Position rows have the first keys of the table: these two read some granules of it.
CREATE OR REPLACE VIEW positions AS
SELECT kafka_partition, next_offset, accepted, duplicates, late, clamped, model_version, updated_at
FROM profiles FINAL
WHERE startsWith(profile_id, '\0position/') AND kind = 'position';

CREATE VIEW IF NOT EXISTS segment_sizes_now AS
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

ALTER TABLE commits ADD INDEX IF NOT EXISTS by_time committed_at TYPE minmax;

ALTER TABLE commits MATERIALIZE INDEX by_time;

-- Persona evidence and the map come from a sample: a quarter of all people, in the order of a hash, so that the first
-- 10,000 rows are always the same people and reading them costs the same however many there are. The map's first ones
-- bring their state along.
CREATE TABLE IF NOT EXISTS people_sample
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
ENGINE = ReplacingMergeTree(version)
ORDER BY (sample_key, profile_id)
SETTINGS index_granularity = 1024;

CREATE MATERIALIZED VIEW IF NOT EXISTS people_sample_of_commits TO people_sample AS
SELECT cityHash64(profile_id) AS sample_key, profile_id, version,
       CAST(arrayConcat([(toString(segmentation), segment)], arrayMap(o -> (o.1, o.2), other_segments)), 'Map(String, Int64)')
           AS segments,
       event_count, first_seen, last_seen, traits, features, touched, layout,
       if(sample_key < 1152921504606846976, profiles.state, '') AS state, updated_at
FROM profiles
WHERE kind = 'person' AND sample_key < 4611686018427387904;

INSERT INTO people_sample
SELECT cityHash64(profile_id) AS sample_key, profile_id, version,
       CAST(arrayConcat([(toString(segmentation), segment)], arrayMap(o -> (o.1, o.2), other_segments)), 'Map(String, Int64)')
           AS segments,
       event_count, first_seen, last_seen, traits, features, touched, layout,
       if(sample_key < 1152921504606846976, profiles.state, '') AS state, updated_at
FROM profiles FINAL
WHERE kind = 'person' AND sample_key < 4611686018427387904;

-- One row a segment and thing: the sum and the sum of squares, over the sampled people of the segment and over everybody,
-- of what each one has of it. category, event: share of the person's own activity; trait, content, hour, weekday: 1 for
-- those who have it; value: the number itself.
CREATE TABLE IF NOT EXISTS segment_evidence
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

CREATE MATERIALIZED VIEW IF NOT EXISTS segment_evidence_of_sample REFRESH AFTER 15 SECOND TO segment_evidence AS
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

-- What sets segments apart: lift = the segment's mean share over everybody's, low and high its 95 % interval (delta method
-- on the logarithm; the segment is part of everybody).
CREATE VIEW IF NOT EXISTS segment_cards AS
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
