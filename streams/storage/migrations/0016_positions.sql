-- Position rows have the first keys of the table: this reads some granules of it.
CREATE OR REPLACE VIEW positions AS
SELECT kafka_partition, next_offset, accepted, duplicates, late, clamped, suppressed, model_version, updated_at
FROM profiles FINAL
WHERE startsWith(profile_id, '\0position/') AND kind = 'position';
