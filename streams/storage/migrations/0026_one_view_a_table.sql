-- What other segmentations say goes into the same tables as what the first one says, so one view writes both: each view
-- costs an insert 6 ms, whether it has rows or none. While both are there a row is written twice, and replaced.
ALTER TABLE segment_changes_of_commits MODIFY QUERY
SELECT profile_id, version, said.1 AS segmentation, said.3 AS from_segment, said.2 AS to_segment, said.5 AS model_version,
       said.4 AS at, updated_at AS committed_at
FROM profiles
ARRAY JOIN arrayFilter(one -> one.2 != one.3, arrayConcat(
    [(toString(profiles.segmentation), segment, previous_segment, segment_since, profiles.model_version)],
    arrayMap(o -> (o.1, o.2, o.3, fromUnixTimestamp64Micro(o.4, 'UTC'), o.5), other_segments))) AS said
WHERE kind = 'person';

DROP VIEW IF EXISTS other_segment_changes_of_commits;

ALTER TABLE segment_sizes_of_commits MODIFY QUERY
SELECT kafka_partition, version, said.1 AS segmentation, said.2 AS segment, said.3 AS people, said.4 AS model_version,
       updated_at AS at
FROM profiles
ARRAY JOIN arrayConcat(
    arrayMap(one -> (toString(profiles.segmentation), one.1, one.2, profiles.model_version),
             CAST(segment_people, 'Array(Tuple(Int64, UInt64))')),
    other_people) AS said
WHERE kind = 'position';

DROP VIEW IF EXISTS other_segment_sizes_of_commits;

ALTER TABLE segment_sizes_by_minute_of_commits MODIFY QUERY
SELECT said.1 AS segmentation, toStartOfMinute(updated_at) AS minute, kafka_partition, version, said.2 AS people,
       said.3 AS model_version
FROM profiles
ARRAY JOIN arrayConcat(
    [(toString(profiles.segmentation), segment_people, profiles.model_version)],
    arrayMap(name -> (name, CAST(arrayMap(o -> (o.2, o.3), arrayFilter(o -> o.1 = name, other_people)), 'Map(Int64, UInt64)'),
                      arrayMax(o -> o.4, arrayFilter(o -> o.1 = name, other_people))),
             arrayDistinct(other_people.segmentation))) AS said
WHERE kind = 'position';

DROP VIEW IF EXISTS other_segment_sizes_by_minute_of_commits;

ALTER TABLE segment_flow_counts_of_commits MODIFY QUERY
SELECT said.1 AS segmentation, toStartOfHour(said.4) AS hour, kafka_partition, version,
       if(said.3 = -3, -2, said.3) AS from_segment, said.2 AS to_segment, max(said.5) AS model_version,
       count() AS changes, uniqState(profile_id) AS people, max(updated_at) AS committed_at
FROM profiles
ARRAY JOIN arrayFilter(one -> one.2 != one.3 AND one.2 != -3, arrayConcat(
    [(toString(profiles.segmentation), segment, previous_segment, segment_since, profiles.model_version)],
    arrayMap(o -> (o.1, o.2, o.3, fromUnixTimestamp64Micro(o.4, 'UTC'), o.5), other_segments))) AS said
WHERE kind = 'person'
GROUP BY segmentation, hour, kafka_partition, version, from_segment, to_segment;

DROP VIEW IF EXISTS other_segment_flow_counts_of_commits;
