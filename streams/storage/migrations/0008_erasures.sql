-- What was erased, by hash: the list names nobody. running: ClickHouse is clean, topics (and the empty row that keeps the
-- person from coming back) still name the id until retained_until has passed.
CREATE TABLE IF NOT EXISTS erasures
(
    erasure        String,
    id_hash        String,
    suppress       Bool,
    status         LowCardinality(String),
    deleted        UInt64,
    survivors      UInt64,
    asked_at       DateTime64(3, 'UTC'),
    retained_until DateTime64(3, 'UTC'),
    updated_at     DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (id_hash, erasure);
