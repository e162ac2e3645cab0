"""Which content and which features an alert's people have to do with more, or less, than others before them."""

from __future__ import annotations

from clickhouse_connect.driver.client import Client

from streams.storage.alerts import EVERYTHING, StoredAlert

__all__ = ["what_moved"]

_MOST = 8
_WEEK_US = 7 * 86_400 * 1_000_000

#: Who came in the week before or in the window. Who comes often is among those of a window oftener than among all
#: (in a week without a shift means of counts were 1.3 to 1.6 times those of the others, .94 to .98 times those of all
#: counted as often as they come), so that is how everybody is counted here.
_PEOPLE = """
SELECT sumIf(greatest(event_count, 1), NOT is_now), sum(greatest(event_count, 1)), countIf(is_now)
FROM (
    SELECT event_count, last_seen >= fromUnixTimestamp64Micro({from_us:Int64}) AS is_now
    FROM profiles FINAL
    WHERE kind = 'person' AND last_seen >= fromUnixTimestamp64Micro({week_us:Int64})
      AND last_seen < fromUnixTimestamp64Micro({to_us:Int64}) AND ({all:Bool} OR has({segments:Array(Int64)}, segment))
)
"""

#: Means of features: of all, as often as they come, and of those in the window; by effect size.
_FEATURES = """
WITH last_seen >= fromUnixTimestamp64Micro({from_us:Int64}) AS is_now, greatest(event_count, 1) AS often
SELECT f.1 AS name, sum(f.2 * often) / {usual:Float64} AS was, sumIf(f.2, is_now) / {now:Float64} AS is,
       sqrt(greatest(sum(f.2 * f.2 * often) / {usual:Float64} - was * was, 1e-12)) AS deviation
FROM profiles FINAL
ARRAY JOIN CAST(features, 'Array(Tuple(String, Float64))') AS f
WHERE kind = 'person' AND last_seen >= fromUnixTimestamp64Micro({week_us:Int64})
  AND last_seen < fromUnixTimestamp64Micro({to_us:Int64}) AND ({all:Bool} OR has({segments:Array(Int64)}, segment))
GROUP BY name
ORDER BY abs(is - was) / deviation DESC, name
LIMIT {most:UInt32}
"""

_CONTENT = """
WITH last_seen >= fromUnixTimestamp64Micro({from_us:Int64}) AS is_now
SELECT id, sum(greatest(event_count, 1)) / {usual:Float64} AS was, countIf(is_now) / {now:Float64} AS is
FROM profiles FINAL
ARRAY JOIN touched AS id
WHERE kind = 'person' AND last_seen >= fromUnixTimestamp64Micro({week_us:Int64})
  AND last_seen < fromUnixTimestamp64Micro({to_us:Int64}) AND ({all:Bool} OR has({segments:Array(Int64)}, segment))
GROUP BY id
ORDER BY abs(is - was) DESC, id
LIMIT {most:UInt32}
"""


def what_moved(client: Client, alert: StoredAlert, interval_s: int) -> dict[str, tuple[float, float]]:
    """Return (usual, now) by name: of "content/ID" the part of people who touched it, of features their means.

    Profiles are what they are now; who came in the window and again since counts as having come since.
    """
    if alert.alertname == "SegmentSilence":
        return {}
    first = client.query("SELECT any(segmentation) FROM profiles WHERE kind = 'position'").result_rows
    in_profiles = bool(first) and first[0][0] == alert.segmentation
    asked = {
        "from_us": max(alert.starts_at_us, alert.last_at_us - 4 * interval_s * 1_000_000),
        "to_us": alert.last_at_us,
        "week_us": alert.starts_at_us - _WEEK_US,
        "all": alert.segment == EVERYTHING or not in_profiles,
        "segments": list(alert.segments),
        "most": _MOST,
    }
    before, usual, now = client.query(_PEOPLE, parameters=asked).result_rows[0]
    if not before or not now:
        return {}
    asked |= {"usual": float(usual), "now": float(now)}
    features = client.query(_FEATURES, parameters=asked).result_rows
    content = client.query(_CONTENT, parameters=asked).result_rows
    return {str(name): (was, now_is) for name, was, now_is, _ in features} | {
        f"content/{number}": (was, now_is) for number, was, now_is in content
    }
