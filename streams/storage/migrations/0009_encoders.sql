-- Which encoder reads content. A version is wanted first: the catalogue is encoded by it in the background; then it is
-- active, and what follows changes over at once. A rollback is a new version that names an earlier encoder.
CREATE TABLE IF NOT EXISTS encoder_versions
(
    version      UInt64,
    text         String,
    image        String,
    space_id     String,
    configured   String,
    active       UInt8,
    at           DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(active)
ORDER BY version;

ALTER TABLE content ADD COLUMN IF NOT EXISTS video_url String AFTER image_url;
