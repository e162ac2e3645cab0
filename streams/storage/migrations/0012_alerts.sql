-- Alerts about segments, one row each: firing from starts_at on, then resolved at ends_at. The version is the event time
-- of the last window that was judged, so whoever judges it again writes the same row.
CREATE TABLE IF NOT EXISTS segment_alerts
(
    fingerprint     String,
    starts_at       DateTime64(3, 'UTC'),
    status          Enum8('firing' = 0, 'resolved' = 1),
    -- the end of the last window in which it held; of a resolved one, when it ended
    last_at         DateTime64(3, 'UTC'),
    ends_at         DateTime64(3, 'UTC'),
    -- SegmentShareShift, SegmentDrift, SegmentInflow, SegmentOutflow, SegmentAppeared, SegmentVanished, SegmentNoise,
    -- SegmentSilence
    alertname       LowCardinality(String),
    segmentation    LowCardinality(String),
    -- the one that moved most, -9 where an alert is about all
    segment         Int64,
    segments        Array(Int64),
    severity        LowCardinality(String),
    -- how sure: 1 - p of the test's statistic, corrected for all tests of that hour
    confidence      Float64,
    p_value         Float64,
    -- half the sum of absolute differences of shares, or the size of what moved in the alert's own unit
    size            Float64,
    share_before    Map(Int64, Float64),
    share_now       Map(Int64, Float64),
    -- content and features that moved: name -> (before, now)
    moved           Map(String, Tuple(before Float64, now Float64)),
    model_version   UInt64,
    labels          Map(String, String),
    annotations     Map(String, String),
    silenced        UInt8,
    version         UInt64,
    updated_at      DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (fingerprint, starts_at);

CREATE VIEW IF NOT EXISTS firing_alerts AS
SELECT * EXCEPT (version) FROM segment_alerts FINAL WHERE status = 'firing';

-- What was told whom of an alert: the newest is what a receiver knows.
CREATE TABLE IF NOT EXISTS alert_deliveries
(
    receiver     LowCardinality(String),
    fingerprint  String,
    starts_at    DateTime64(3, 'UTC'),
    status       Enum8('firing' = 0, 'resolved' = 1),
    delivered_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(delivered_at)
ORDER BY (receiver, fingerprint, starts_at, status);

-- Alerts whose labels are all these aren't sent between the two times (of the wall, not of events).
CREATE TABLE IF NOT EXISTS alert_silences
(
    silence_id String,
    matchers   Map(String, String),
    starts_at  DateTime64(3, 'UTC'),
    ends_at    DateTime64(3, 'UTC'),
    comment    String,
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY silence_id;
