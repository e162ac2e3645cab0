-- What a version of a model changed and why, and how good it is on the newest vectors: versions are minted at least every
-- ten minutes while something is learned.
ALTER TABLE model_versions
    ADD COLUMN IF NOT EXISTS vectors    UInt64,
    ADD COLUMN IF NOT EXISTS silhouette Float64 DEFAULT nan,
    ADD COLUMN IF NOT EXISTS noise      Float64,
    ADD COLUMN IF NOT EXISTS moved      Float64 DEFAULT nan,
    -- segments that came to be, why (first fit, swap, grow, split, formed, ...), and those that ended for them
    ADD COLUMN IF NOT EXISTS changes    Array(Tuple(segment Int64, cause String, retired Array(Int64))),
    ADD COLUMN IF NOT EXISTS overlap    Array(Tuple(from_segment Int64, to_segment Int64, vectors UInt64));

-- The same vectors under the version before and under this one.
CREATE VIEW IF NOT EXISTS model_overlaps AS
SELECT segmentation, model_version, created_at, cell.1 AS from_segment, cell.2 AS to_segment, cell.3 AS vectors
FROM model_versions FINAL
ARRAY JOIN overlap AS cell;

CREATE VIEW IF NOT EXISTS model_changes AS
SELECT segmentation, model_version, created_at, change.1 AS segment, change.2 AS cause, change.3 AS retired
FROM model_versions FINAL
ARRAY JOIN changes AS change;

-- By hour: how many people changed their segment (who had none doesn't count), of how many; how many are in none; and
-- the newest version's inertia and silhouette. Rows of the first segmentation from before there were names have ''.
CREATE VIEW IF NOT EXISTS segment_stability AS
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
