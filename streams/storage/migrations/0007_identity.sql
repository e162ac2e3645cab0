-- Who is who. What an owner knows of an id goes with its profile, how far it has heard the others with its position;
-- what happened to links is a list in the position row, hence part of the same block as everything else.
ALTER TABLE profiles
    ADD COLUMN IF NOT EXISTS identity String CODEC(LZ4),
    ADD COLUMN IF NOT EXISTS peer_marks Map(UInt32, UInt64),
    ADD COLUMN IF NOT EXISTS links Array(Tuple(
        profile_id String, anonymous String, what String, reason String, at_us Int64, message UInt64, id_offset Int64,
        kafka_offset UInt64, item UInt32));

-- Append-only. what: merged, refused (with a reason), split, undone. message_hash = xxh3(messageId) of the event that
-- caused it, 0 for an operator's order.
CREATE TABLE IF NOT EXISTS identity_links
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
ENGINE = ReplacingMergeTree
ORDER BY (profile_id, kafka_partition, kafka_offset, item);

CREATE MATERIALIZED VIEW IF NOT EXISTS identity_links_of_commits TO identity_links AS
SELECT link.profile_id AS profile_id, link.anonymous AS anonymous, link.what AS what, link.reason AS reason,
       fromUnixTimestamp64Micro(link.at_us) AS at, link.message AS message_hash, link.id_offset AS id_offset,
       kafka_partition, link.kafka_offset AS kafka_offset, link.item AS item, updated_at AS committed_at
FROM profiles
ARRAY JOIN links AS link
WHERE kind = 'position';

-- Rows of an id with a version below this belong to that person; rows from there on are the id's own. After an undo the
-- person is the id itself.
CREATE TABLE IF NOT EXISTS identity_overrides
(
    profile_id    String,
    person        String,
    below_version UInt64,
    decided       UInt64
)
ENGINE = ReplacingMergeTree(decided)
ORDER BY (profile_id, below_version);

CREATE MATERIALIZED VIEW IF NOT EXISTS identity_overrides_of_links TO identity_overrides AS
SELECT anonymous AS profile_id, if(what = 'merged', identity_links.profile_id, anonymous) AS person,
       bitShiftLeft(toUInt64(id_offset + 1), 16) AS below_version, kafka_offset AS decided
FROM identity_links
WHERE what IN ('merged', 'undone');

-- How each pair of ids stands now.
CREATE VIEW IF NOT EXISTS current_links AS
SELECT profile_id, anonymous, argMax(what, (kafka_offset, item)) AS status, argMax(reason, (kafka_offset, item)) AS why,
       min(at) AS first_at, argMax(at, (kafka_offset, item)) AS last_at
FROM identity_links
GROUP BY profile_id, anonymous;

-- Changes of segment under today's person; that an id became part of somebody is none.
CREATE VIEW IF NOT EXISTS segment_changes_by_person AS
SELECT if(o.person = '', c.profile_id, o.person) AS person, c.profile_id AS profile_id, c.version AS version,
       c.from_segment AS from_segment, c.to_segment AS to_segment, c.model_version AS model_version, c.at AS at,
       c.committed_at AS committed_at
FROM (SELECT * FROM segment_changes FINAL WHERE to_segment != -3) AS c
ASOF LEFT JOIN (SELECT * FROM identity_overrides FINAL) AS o
ON c.profile_id = o.profile_id AND c.version < o.below_version;

-- For dashboards: merges and refusals by hour, people by their number of ids, and each linked person.
CREATE VIEW IF NOT EXISTS identity_counts AS
SELECT toStartOfHour(committed_at) AS hour, what, reason, count() AS links, uniqExact(profile_id) AS people
FROM identity_links FINAL
GROUP BY hour, what, reason;

CREATE VIEW IF NOT EXISTS linked_people AS
SELECT profile_id, countIf(status = 'merged') AS merged_ids, countIf(status = 'refused') AS refused_ids
FROM current_links
GROUP BY profile_id;

CREATE VIEW IF NOT EXISTS ids_per_person AS
SELECT merged_ids, count() AS people
FROM linked_people
GROUP BY merged_ids;

-- Ids that are part of somebody else are no people, and becoming part of somebody is no churn.
CREATE OR REPLACE VIEW current_profiles AS
SELECT profile_id, segment, segment_since, event_count, first_seen, last_seen, traits, features, updated_at, model_version
FROM profiles FINAL
WHERE kind = 'person' AND event_count > 0;

CREATE OR REPLACE VIEW segment_flows AS
SELECT toStartOfHour(at) AS hour, model_version, if(from_segment = -3, -2, from_segment) AS from_segment, to_segment,
       uniqExact(profile_id) AS people, count() AS changes
FROM (SELECT * FROM segment_changes FINAL WHERE to_segment != -3)
GROUP BY hour, model_version, from_segment, to_segment;
