-- Events that were dropped because whom they name was erased: only position rows say how many.
ALTER TABLE profiles ADD COLUMN IF NOT EXISTS suppressed UInt64 AFTER clamped;

CREATE OR REPLACE VIEW positions AS
SELECT kafka_partition, next_offset, accepted, duplicates, late, clamped, suppressed, model_version, updated_at
FROM profiles FINAL
WHERE kind = 'position';
