"""Rows of what pages read, written again: what their views write, for some commits."""

from __future__ import annotations

__all__ = ["LABELS", "OF_COMMITS", "PAGE_ROWS"]

#: Which rows of `profiles` some commits wrote, given as (partition, version).
OF_COMMITS = "(kafka_partition, version) IN {commits:Array(Tuple(UInt32, UInt64))}"
#: What each segmentation says of a person: name, segment, the one before, since when, version of the model.
LABELS = (
    "arrayConcat("
    "[(toString(profiles.segmentation), segment, previous_segment, segment_since, profiles.model_version)], "
    "arrayMap(o -> (o.1, o.2, o.3, fromUnixTimestamp64Micro(o.4, 'UTC'), o.5), other_segments))"
)
_POSITION = f"WHERE {OF_COMMITS} AND kind = 'position'"
_PEOPLE = f"WHERE {OF_COMMITS} AND kind = 'person'"

_SIZES = f"""
INSERT INTO segment_sizes_by_minute (segmentation, minute, kafka_partition, version, people, model_version)
SELECT said.1, toStartOfMinute(updated_at), kafka_partition, version, said.2, said.3
FROM profiles
ARRAY JOIN arrayConcat(
    [(toString(profiles.segmentation), segment_people, profiles.model_version)],
    arrayMap(name -> (name, CAST(arrayMap(o -> (o.2, o.3), arrayFilter(o -> o.1 = name, other_people)),
                                 'Map(Int64, UInt64)'),
                      arrayMax(o -> o.4, arrayFilter(o -> o.1 = name, other_people))),
             arrayDistinct(other_people.segmentation))) AS said
{_POSITION}
"""  # noqa: S608 - text of ours

_FLOW_COLUMNS = (
    "segmentation, hour, kafka_partition, version, from_segment, to_segment, model_version, changes, people, "
    "committed_at"
)

_FLOWS = f"""
INSERT INTO segment_flow_counts ({_FLOW_COLUMNS})
SELECT said.1 AS name, toStartOfHour(said.4) AS hour, kafka_partition, version,
       if(said.3 = -3, -2, said.3) AS from_segment, said.2 AS to_segment, max(said.5), count(), uniqState(profile_id),
       max(updated_at)
FROM profiles
ARRAY JOIN arrayFilter(one -> one.2 != one.3 AND one.2 != -3, {LABELS}) AS said
{_PEOPLE}
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
PAGE_ROWS = (_SIZES, _FLOWS, _SAMPLE)
