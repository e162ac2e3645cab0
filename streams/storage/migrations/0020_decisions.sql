-- Audiences by name; the newest definition counts.
CREATE TABLE IF NOT EXISTS audiences
(
    name       String,
    definition String,
    deleted    Bool,
    saved_at   DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(saved_at)
ORDER BY name;

-- What was charged and why: one row for each recorded decision, nothing is ever replaced.
CREATE TABLE IF NOT EXISTS price_decisions
(
    profile_id  String,
    decided_at  DateTime64(6, 'UTC'),
    decision    UUID DEFAULT generateUUIDv4(),
    tier        LowCardinality(String),
    list_price  Float64,
    price       Float64,
    multiplier  Float64,
    bound       LowCardinality(String),
    because     String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (profile_id, decided_at, decision);
