-- Several segmentations at once. The first one keeps its columns in profiles; what the others say of a person, and how
-- many people each of their segments has (in the position row), are lists in the same block.
ALTER TABLE profiles
    ADD COLUMN IF NOT EXISTS segmentation LowCardinality(String) DEFAULT 'interest',
    ADD COLUMN IF NOT EXISTS other_segments Array(Tuple(
        segmentation String, segment Int64, previous_segment Int64, since_us Int64, model_version UInt64)),
    ADD COLUMN IF NOT EXISTS other_people Array(Tuple(
        segmentation String, segment Int64, people UInt64, model_version UInt64));

-- A key can only be extended by a column without a default: '' stands in the rows from before, for the first segmentation.
ALTER TABLE segment_changes
    ADD COLUMN IF NOT EXISTS segmentation LowCardinality(String), MODIFY ORDER BY (profile_id, version, segmentation);

ALTER TABLE segment_sizes
    ADD COLUMN IF NOT EXISTS segmentation LowCardinality(String),
    MODIFY ORDER BY (kafka_partition, version, segment, segmentation);

ALTER TABLE segments
    ADD COLUMN IF NOT EXISTS segmentation LowCardinality(String), MODIFY ORDER BY (segment, segmentation);

ALTER TABLE model_versions
    ADD COLUMN IF NOT EXISTS segmentation LowCardinality(String), MODIFY ORDER BY (model_version, segmentation);

ALTER TABLE segment_changes_of_commits MODIFY QUERY
SELECT profile_id, version, segmentation, previous_segment AS from_segment, segment AS to_segment, model_version,
       segment_since AS at, updated_at AS committed_at
FROM profiles
WHERE kind = 'person' AND segment != previous_segment;

ALTER TABLE segment_sizes_of_commits MODIFY QUERY
SELECT kafka_partition, version, segmentation, entry.1 AS segment, entry.2 AS people, model_version, updated_at AS at
FROM profiles
ARRAY JOIN CAST(segment_people, 'Array(Tuple(Int64, UInt64))') AS entry
WHERE kind = 'position';

CREATE MATERIALIZED VIEW IF NOT EXISTS other_segment_changes_of_commits TO segment_changes AS
SELECT profile_id, version, other.segmentation AS segmentation, other.previous_segment AS from_segment,
       other.segment AS to_segment, other.model_version AS model_version,
       fromUnixTimestamp64Micro(other.since_us) AS at, updated_at AS committed_at
FROM profiles
ARRAY JOIN other_segments AS other
WHERE kind = 'person' AND other.segment != other.previous_segment;

CREATE MATERIALIZED VIEW IF NOT EXISTS other_segment_sizes_of_commits TO segment_sizes AS
SELECT kafka_partition, version, other.segmentation AS segmentation, other.segment AS segment, other.people AS people,
       other.model_version AS model_version, updated_at AS at
FROM profiles
ARRAY JOIN other_people AS other
WHERE kind = 'position';

-- segments: segmentation -> segment, the first one included.
CREATE OR REPLACE VIEW current_profiles AS
SELECT profile_id, segment, segment_since, event_count, first_seen, last_seen, traits, features, updated_at, model_version,
       CAST(arrayConcat([(toString(segmentation), segment)], arrayMap(o -> (o.1, o.2), other_segments)),
            'Map(String, Int64)') AS segments
FROM profiles FINAL
WHERE kind = 'person' AND event_count > 0;

CREATE OR REPLACE VIEW segment_changes_by_person AS
SELECT if(o.person = '', c.profile_id, o.person) AS person, c.profile_id AS profile_id, c.version AS version,
       c.from_segment AS from_segment, c.to_segment AS to_segment, c.model_version AS model_version, c.at AS at,
       c.committed_at AS committed_at, c.segmentation AS segmentation
FROM (SELECT * FROM segment_changes FINAL WHERE to_segment != -3) AS c
ASOF LEFT JOIN (SELECT * FROM identity_overrides FINAL) AS o
ON c.profile_id = o.profile_id AND c.version < o.below_version;

CREATE OR REPLACE VIEW segment_flows AS
SELECT toStartOfHour(at) AS hour, model_version, if(from_segment = -3, -2, from_segment) AS from_segment, to_segment,
       uniqExact(profile_id) AS people, count() AS changes, segmentation
FROM (SELECT * FROM segment_changes FINAL WHERE to_segment != -3)
GROUP BY hour, model_version, from_segment, to_segment, segmentation;
