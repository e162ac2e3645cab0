-- How far each partition of the events topic has come into this partition: only position rows say it.
ALTER TABLE profiles ADD COLUMN IF NOT EXISTS sources Map(UInt32, UInt64);
