-- A part of a commit is one file for all columns, not two or more for each: 5 files instead of 225. A commit has at most
-- 64 MB (`MAX_COMMIT_BYTES`); what merges make of many is wide as before.
ALTER TABLE profiles MODIFY SETTING min_bytes_for_wide_part = 67108864;
