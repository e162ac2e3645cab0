-- Who may use the API: what a token is, hashed; the token itself is nowhere.
CREATE TABLE IF NOT EXISTS api_tokens
(
    token_hash String,
    name       String,
    scopes     Array(LowCardinality(String)),
    created_at DateTime64(3, 'UTC'),
    expires_at DateTime64(3, 'UTC'),
    revoked    UInt8,
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY token_hash;
