-- A piece of content people touch. `vector` is empty when the encoder couldn't read it; `status` says why.
CREATE TABLE IF NOT EXISTS content
(
    content_id   UInt64,
    kind         LowCardinality(String),
    item         String,
    title        String,
    text         String,
    categories   Array(LowCardinality(String)),
    brand        String,
    url          String,
    image_url    String,
    price        Float64,
    content_hash UInt64,
    encoder      LowCardinality(String),
    space_id     LowCardinality(String),
    status       LowCardinality(String),
    vector       Array(Float32) CODEC(ZSTD(1)),
    updated_at   DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (content_id, space_id);

CREATE TABLE IF NOT EXISTS dead_letters
(
    dlq_topic       LowCardinality(String),
    dlq_partition   UInt32,
    dlq_offset      UInt64,
    dlq_index       UInt32,
    dlq_reason      LowCardinality(String),
    dlq_step        LowCardinality(String),
    dlq_timestamp   DateTime64(3, 'UTC'),
    key             String CODEC(ZSTD(1)),
    value           String CODEC(ZSTD(1)),
    headers         Array(Tuple(String, String))
)
ENGINE = ReplacingMergeTree
ORDER BY (dlq_topic, dlq_partition, dlq_offset, dlq_index);
