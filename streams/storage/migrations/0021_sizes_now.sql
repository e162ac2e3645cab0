-- The position rows are read once for all segmentations: every page asks for these sizes each second.
CREATE OR REPLACE VIEW segment_sizes_now AS
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
