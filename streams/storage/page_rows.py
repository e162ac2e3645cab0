"""Rows of what pages read, written again: what their views write, for some commits."""

from __future__ import annotations

__all__ = ["OF_COMMITS", "PAGE_ROWS"]

#: Which rows of `profiles` some commits wrote, given as (partition, version).
OF_COMMITS = "(kafka_partition, version) IN {commits:Array(Tuple(UInt32, UInt64))}"
_POSITION = f"WHERE {OF_COMMITS} AND kind = 'position'"
_PEOPLE = f"WHERE {OF_COMMITS} AND kind = 'person'"

_SIZES = f"""
INSERT INTO segment_sizes_by_minute (segmentation, minute, kafka_partition, version, people, model_version)
SELECT segmentation, toStartOfMinute(updated_at), kafka_partition, version, segment_people, model_version
FROM profiles
{_POSITION}
"""  # noqa: S608 - text of ours

_OTHER_SIZES = f"""
INSERT INTO segment_sizes_by_minute (segmentation, minute, kafka_partition, version, people, model_version)
SELECT o.segmentation AS name, toStartOfMinute(updated_at) AS minute, kafka_partition, version,
       CAST(groupArray((o.segment, o.people)), 'Map(Int64, UInt64)'), max(o.model_version)
FROM profiles
ARRAY JOIN other_people AS o
{_POSITION}
GROUP BY name, minute, kafka_partition, version
"""  # noqa: S608 - text of ours

_FLOW_COLUMNS = (
    "segmentation, hour, kafka_partition, version, from_segment, to_segment, model_version, changes, people, "
    "committed_at"
)

_FLOWS = f"""
INSERT INTO segment_flow_counts ({_FLOW_COLUMNS})
SELECT segmentation, toStartOfHour(segment_since) AS hour, kafka_partition, version,
       if(previous_segment = -3, -2, previous_segment) AS from_segment, segment AS to_segment,
       max(profiles.model_version), count(), uniqState(profile_id), max(updated_at)
FROM profiles
{_PEOPLE} AND segment != previous_segment AND segment != -3
GROUP BY segmentation, hour, kafka_partition, version, from_segment, to_segment
"""  # noqa: S608 - text of ours

_OTHER_FLOWS = f"""
INSERT INTO segment_flow_counts ({_FLOW_COLUMNS})
SELECT o.segmentation AS name, toStartOfHour(fromUnixTimestamp64Micro(o.since_us)) AS hour, kafka_partition, version,
       if(o.previous_segment = -3, -2, o.previous_segment) AS from_segment, o.segment AS to_segment,
       max(o.model_version), count(), uniqState(profile_id), max(updated_at)
FROM profiles
ARRAY JOIN other_segments AS o
{_PEOPLE} AND o.segment != o.previous_segment AND o.segment != -3
GROUP BY name, hour, kafka_partition, version, from_segment, to_segment
"""  # noqa: S608 - text of ours

_SAMPLE = f"""
INSERT INTO people_sample (sample_key, profile_id, version, segments, event_count, first_seen, last_seen, traits,
                           features, touched, layout, state, updated_at)
SELECT cityHash64(profile_id) AS sample_key, profile_id, version,
       CAST(arrayConcat([(toString(segmentation), segment)], arrayMap(o -> (o.1, o.2), other_segments)),
            'Map(String, Int64)'),
       event_count, first_seen, last_seen, traits, features, touched, layout,
       if(sample_key < 1152921504606846976, profiles.state, ''), updated_at
FROM profiles
{_PEOPLE} AND sample_key < 4611686018427387904
"""  # noqa: S608 - text of ours

#: Statements with the parameter `commits`.
PAGE_ROWS = (_SIZES, _OTHER_SIZES, _FLOWS, _OTHER_FLOWS, _SAMPLE)
