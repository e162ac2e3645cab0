-- Models of behaviour, trained from people's touches: small enough to lie in a row, so that every profiler finds them.
CREATE TABLE IF NOT EXISTS behaviour_models
(
    version    UInt64,
    kind       LowCardinality(String),
    space_id   String,
    files      Map(String, String) CODEC(ZSTD(1)),
    figures    String,
    at         DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(at)
ORDER BY version;
